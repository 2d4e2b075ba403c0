"""Who may attach at ``/server/hubs/{hub}``, against a real process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from support.bare_server import CBOR, JSON, ROLES
from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.raw import RawClient, Witness, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.raw import Answer

CONFIG = """
open_hubs = false

[hubs.doors]
anonymous = true
origins = ["https://app.example"]

[hubs.other]
"""
PATH = "/server/hubs/doors"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("doors") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(autouse=True)
def undisturbed(gateway: GatewayProcess) -> Iterator[None]:
    with Witness(gateway, "other") as witness:
        yield
        witness.check()


def knock(
    gateway: GatewayProcess,
    target: str,
    *lines: str,
    protocol: str | None = JSON,
) -> Answer:
    with RawClient(gateway) as raw:
        return raw.upgrade(target, *lines, protocol=protocol)


def with_token(gateway: GatewayProcess, path: str = PATH, **claims: Any) -> str:
    """Make a target whose token is right but for what the claims change."""
    token = gateway.token(path, **{"role": list(ROLES), **claims})
    return f"{PATH}?access_token={token}"


@pytest.mark.parametrize("key", [KEY, SECONDARY_KEY])
@pytest.mark.parametrize("protocol", [JSON, CBOR])
def test_a_genuine_token_of_either_key_lets_a_server_in(
    gateway: GatewayProcess, key: str, protocol: str
) -> None:
    token = gateway.token(PATH, key=key)
    answer = knock(gateway, f"{PATH}?access_token={token}", protocol=protocol)
    assert answer.status == 101
    assert answer.headers["sec-websocket-protocol"] == protocol


def test_the_token_may_stand_in_the_header(gateway: GatewayProcess) -> None:
    line = f"Authorization: Bearer {gateway.token(PATH)}"
    assert knock(gateway, PATH, line).status == 101


@pytest.mark.parametrize("path", [f"{PATH}/", "/server/hubs/DOORS"])
def test_paths_compare_as_those_of_clients(gateway: GatewayProcess, path: str) -> None:
    token = gateway.token(PATH)
    assert knock(gateway, f"{path}?access_token={token}").status == 101


def test_servers_need_a_token_where_clients_need_none(gateway: GatewayProcess) -> None:
    answer = knock(gateway, PATH)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.body == b"An access token is required.\n"


@pytest.mark.parametrize(
    "audience",
    [
        "/client/hubs/doors",
        "/api/hubs/doors/:send",
        "/server/hubs/other",
        "/server/hubs/doors/more",
        "/server/hubs",
        "",
    ],
)
def test_a_token_for_another_place_is_refused(
    gateway: GatewayProcess, audience: str
) -> None:
    answer = knock(gateway, with_token(gateway, audience))
    assert answer.status == 401
    assert b"audience" in answer.body


def test_a_token_of_a_server_lets_no_client_in(gateway: GatewayProcess) -> None:
    token = gateway.token("/server/hubs/other")
    answer = knock(gateway, f"/client/hubs/other?access_token={token}", protocol=None)
    assert answer.status == 401


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"exp": int(time.time()) - 3600}, b"expired"),
        ({"nbf": int(time.time()) + 3600}, b"not yet valid"),
        ({"exp": None}, b"expiry"),
        ({"role": 7}, b"'role'"),
        ({"role": ["publisher", 7]}, b"'role'"),
    ],
)
def test_a_token_out_of_its_rules_is_refused(
    gateway: GatewayProcess, claims: dict[str, Any], word: bytes
) -> None:
    answer = knock(gateway, with_token(gateway, **claims))
    assert answer.status == 401
    assert word in answer.body


def test_a_token_of_another_key_is_refused(gateway: GatewayProcess) -> None:
    token = gateway.token(PATH, key="x" * 40)
    answer = knock(gateway, f"{PATH}?access_token={token}")
    assert answer.status == 401
    assert b"signature" in answer.body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/server/hubs/absent", 404),
        ("/server/hubs/", 400),
        ("/server/hubs/1st", 400),
        ("/server/hubs/a%00b", 400),
        ("/server/hubs/%ff", 400),
        ("/server/hubs/" + "a" * 200, 400),
        ("/server/hubs", 404),
        ("/server", 404),
        ("/server/tunnel", 404),
        ("/server/hubs/doors/more", 404),
        ("/servers/hubs/doors", 404),
    ],
)
def test_what_is_no_hub_of_this_gateway_is_refused(
    gateway: GatewayProcess, path: str, status: int
) -> None:
    token = gateway.token(path)
    assert knock(gateway, f"{path}?access_token={token}").status == status


@pytest.mark.parametrize(
    "offer",
    [
        None,
        "json.webpubsub.azure.v1",
        "json.server.hubbub.v2",
        "server.hubbub.v1",
        "json.server.hubbub.v1.x",
    ],
)
def test_a_server_must_offer_a_subprotocol_of_servers(
    gateway: GatewayProcess, offer: str | None
) -> None:
    answer = knock(gateway, with_token(gateway), protocol=offer)
    assert answer.status == 400
    assert CBOR.encode() in answer.body
    assert JSON.encode() in answer.body


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        (f"{JSON}, {CBOR}", JSON),
        (f"{CBOR}, {JSON}", CBOR),
        (f"unknown, {JSON}", JSON),
        ("JSON.server.hubbub.V1", "JSON.server.hubbub.V1"),
    ],
)
def test_the_first_offer_that_is_known_counts(
    gateway: GatewayProcess, offer: str, chosen: str
) -> None:
    answer = knock(gateway, with_token(gateway), protocol=offer)
    assert answer.status == 101
    assert answer.headers["sec-websocket-protocol"] == chosen


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example", 101),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_a_page_of_another_site_attaches_no_server(
    gateway: GatewayProcess, origin: str, status: int
) -> None:
    answer = knock(gateway, with_token(gateway), f"Origin: {origin}")
    assert answer.status == status


def test_a_server_that_leaves_during_the_handshake_leaves_no_trace(
    gateway: GatewayProcess,
) -> None:
    for _ in range(20):
        with RawClient(gateway) as raw:
            raw.send(upgrade(gateway, with_token(gateway), protocol=JSON))
            raw.abort()
    assert knock(gateway, with_token(gateway)).status == 101
    assert "Traceback" not in gateway.log


def test_no_token_is_in_the_log(gateway: GatewayProcess) -> None:
    target = with_token(gateway)
    assert knock(gateway, target).status == 101
    assert knock(gateway, target, protocol=None).status == 400
    signature = target.rpartition(".")[2]
    assert signature not in gateway.log


async def test_a_single_role_may_be_a_text(gateway: GatewayProcess) -> None:
    token = gateway.token("/server/hubs/other", role="subscriber")
    answer = knock(gateway, f"/server/hubs/other?access_token={token}")
    assert answer.status == 101
