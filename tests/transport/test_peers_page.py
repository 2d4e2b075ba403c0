"""Who holds the access key may see the mesh, and nobody else."""

from __future__ import annotations

import time

import msgspec
import pytest

from hubbub.actors.messages import mesh
from hubbub.transport import rest_call
from support import asgi
from support.edge import ALONE, VIEW, Edge, FakeMesh
from support.rest import HOST, bearer

PATH = "/api/peers"


async def ask(
    edge: Edge, method: str = "GET", path: str = PATH, signed: str | None = PATH
) -> asgi.Response:
    """Call with a token for a path; None is without."""
    headers = [("Host", HOST)]
    if signed is not None:
        headers.append(bearer(signed, now=time.time()))
    response = await asgi.call(edge, method, path, headers)
    assert response is not None
    return response


@pytest.mark.parametrize("view", [VIEW, ALONE])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}?api-version=x"])
async def test_the_mesh_comes_as_a_document(view: mesh.MeshView, path: str) -> None:
    response = await ask(Edge(FakeMesh(view)), path=path)
    assert response.status == 200
    assert response.headers["content-type"].startswith("application/json")
    assert msgspec.json.decode(response.body, type=mesh.MeshView) == view


async def test_head_has_no_body() -> None:
    response = await ask(Edge(FakeMesh()), "HEAD")
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("signed", [None, "/api/health", "/api/peers/x", "/api"])
async def test_a_token_for_another_url_opens_nothing(signed: str | None) -> None:
    edge = Edge(FakeMesh())
    response = await ask(edge, signed=signed)
    assert response.status == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert edge.gateway.asked == []


async def test_a_token_for_the_mesh_opens_nothing_else() -> None:
    path = "/api/hubs/chat/groups/g"
    assert (await ask(Edge(FakeMesh()), "HEAD", path)).status == 401


async def test_it_can_only_be_read() -> None:
    response = await ask(Edge(FakeMesh()), "POST")
    assert response.status == 405
    assert response.headers["allow"] == "GET, HEAD"


async def test_a_gateway_that_does_not_answer_is_told_as_503(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest_call, "PATIENCE", 0.01)
    response = await ask(Edge(FakeMesh(None)))
    assert response.status == 503
    assert b"did not answer in time" in response.body


@pytest.mark.parametrize("path", ["/api/peersx", "/api/peers/x", "/api/peers//"])
async def test_other_paths_are_no_operations(path: str) -> None:
    assert (await ask(Edge(FakeMesh()), path=path)).status == 404
