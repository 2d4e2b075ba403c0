"""What holds for every operation: hubs, filters, time limits, and what may go wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hubbub.actors.messages import commands
from hubbub.transport.settings import HubSettings
from support.rest import Rig, answer

H = "/api/hubs/chat"


async def test_a_filter_is_compiled_for_the_hub() -> None:
    rig = Rig()
    target = f"{H}/:send?filter=userId%20eq%20%27O%27%27Brien%27"
    response = await answer(rig.app, "POST", target)
    assert response.status == 202
    (command,) = rig.gateway.told
    assert isinstance(command, commands.Publish)
    assert command.where is not None
    assert command.where(Someone("O'Brien"))
    assert not command.where(Someone("alice"))


class Someone(msgspec.Struct, frozen=True):
    """The subject of a filter."""

    user_id: str | None
    connection_id: str = "c"
    groups: tuple[str, ...] = ()
    protocol: str | None = None


async def test_hubs_are_one_namespace_in_any_case() -> None:
    rig = Rig()
    response = await answer(rig.app, "POST", "/api/hubs/ChAt/:send")
    assert response.status == 202
    assert rig.gateway.posted[0].hub == "chat"


async def test_a_hub_that_is_not_configured_is_404_where_hubs_are_closed() -> None:
    rig = Rig(open_hubs=False, hubs={"known": HubSettings()})
    assert (await answer(rig.app, "POST", "/api/hubs/Known/:send")).status == 202
    response = await answer(rig.app, "POST", "/api/hubs/other/:send")
    assert response.status == 404
    assert response.json()["code"] == "Error.Hub.NotExisted"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_health_needs_no_token_and_tells_no_versions(method: str) -> None:
    response = await answer(Rig().app, method, "/api/health", ("Authorization", ""))
    assert response.status == 200
    assert "api-supported-versions" not in response.headers


async def test_invoke_is_recognised_and_not_implemented() -> None:
    response = await answer(Rig().app, "POST", f"{H}/:invoke?filter=x")
    assert (response.status, response.json()["code"]) == (501, "NotImplemented")


async def test_a_hub_that_does_not_answer_in_time_is_503_with_retry_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubbub.transport.rest_call.PATIENCE", 0.01)
    rig = Rig()
    rig.gateway.silent = True
    response = await answer(rig.app, "POST", f"{H}/:send")
    assert response.status == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["code"] == "Error.ServiceUnavailable"


async def test_an_answer_that_comes_too_late_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubbub.transport.rest_call.PATIENCE", 0.01)
    rig = Rig()
    rig.gateway.silent = True
    assert (await answer(rig.app, "HEAD", f"{H}/users/alice")).status == 503
    (command,) = rig.gateway.told
    assert isinstance(command, commands.Exists)
    command.answer.post(True)


async def test_too_many_calls_under_way_are_429_with_retry_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubbub.transport.rest.MOST_CALLS", 0)
    response = await answer(Rig().app, "POST", f"{H}/:send")
    assert response.status == 429
    assert response.headers["retry-after"] == "1"


async def test_a_bug_fails_its_own_request_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.gateway.post = _fail  # type: ignore[method-assign]
    response = await answer(rig.app, "POST", f"{H}/:send")
    assert (response.status, response.json()["code"]) == (
        500,
        "Error.InternalServerError",
    )
    assert "sendToAll failed in hub chat" in caplog.text
    assert "Bearer" not in caplog.text


def _fail(_message: Any) -> None:
    raise ZeroDivisionError
