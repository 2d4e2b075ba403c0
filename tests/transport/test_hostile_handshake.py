"""Handshakes gone wrong, each with its status, against a real process.

A healthy client is connected all the while and hears itself after every case.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.raw import (
    ACCEPT,
    JSON,
    RawClient,
    Witness,
    await_metric,
    fresh_key,
    metrics,
    request,
    target,
    upgrade,
    upgrade_lines,
)
from support.wire import client_frame, close, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
# A token of HS512 must be refused whatever the length of its key.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")

CONFIG = """
[limits]
head_seconds = 0.4
head_size = 8192
close_seconds = 0.5

[hubs.open]
anonymous = true

[hubs.strict]
origins = ["https://app.example"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("handshake") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(scope="module")
def healthy(gateway: GatewayProcess) -> Iterator[Witness]:
    with Witness(gateway, "handshakes") as witness:
        yield witness


@pytest.fixture(autouse=True)
def undisturbed(healthy: Witness) -> Iterator[None]:
    yield
    healthy.check()


def refused(gateway: GatewayProcess, data: bytes) -> tuple[int, str]:
    """Send a request that must not be let in; gives its status and body."""
    with RawClient(gateway) as client:
        client.send_if_possible(data)
        answer = client.answer()
        assert answer.status != 101
        assert client.read_to_end() == b""
    return answer.status, answer.body.decode()


def lines(*without: str, **other: str) -> list[str]:
    """Give the lines of a proper upgrade without some, and with others instead."""
    kept = [
        line for line in upgrade_lines() if not line.lower().startswith(tuple(without))
    ]
    return kept + [
        f"{name.replace('_', '-')}: {value}" for name, value in other.items()
    ]


NOT_AN_UPGRADE: dict[str, list[str]] = {
    "no upgrade at all": [],
    "no Connection": lines("connection"),
    "Connection without Upgrade": lines("connection", Connection="keep-alive"),
    "no Upgrade": lines("upgrade"),
    "an upgrade to something else": lines("upgrade", Upgrade="h2c"),
    "no key": lines("sec-websocket-key"),
    "an empty key": lines("sec-websocket-key", Sec_WebSocket_Key=""),
    "a short key": lines("sec-websocket-key", Sec_WebSocket_Key="AAAA"),
    "a long key": lines("sec-websocket-key", Sec_WebSocket_Key="A" * 400),
    "a key that is no base64": lines(
        "sec-websocket-key", Sec_WebSocket_Key="!" * 22 + "=="
    ),
    "two keys": [*lines(), "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
}


@pytest.mark.parametrize("case", NOT_AN_UPGRADE)
def test_what_is_no_upgrade_is_a_400(gateway: GatewayProcess, case: str) -> None:
    with RawClient(gateway) as client:
        client.request("GET", target(gateway), *NOT_AN_UPGRADE[case])
        answer = client.answer()
    assert answer.status == 400
    assert len(answer.body) > 10


@pytest.mark.parametrize("version", [None, "", "8", "12", "14", "x", "13, 8"])
def test_another_version_is_refused(
    gateway: GatewayProcess, version: str | None
) -> None:
    other = {} if version is None else {"Sec_WebSocket_Version": version}
    head = request(
        gateway, "GET", target(gateway), *lines("sec-websocket-version", **other)
    )
    assert refused(gateway, head)[0] in {400, 426}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_get_upgrades(gateway: GatewayProcess, method: str) -> None:
    with RawClient(gateway) as client:
        client.request(method, target(gateway), *upgrade_lines())
        assert client.answer(head_only=method == "HEAD").status in {400, 405}


def test_http_1_0_does_not_upgrade(gateway: GatewayProcess) -> None:
    head = upgrade(gateway, target(gateway)).replace(b"HTTP/1.1", b"HTTP/1.0")
    with RawClient(gateway) as client:
        client.send(head)
        assert client.answer().status in {400, 426, 505}


PATHS = [
    ("/client/hubs/1chat", 400),
    ("/client/hubs/a%20b", 400),
    ("/client/hubs/a%2Fb", 400),
    ("/client/hubs/%00", 400),
    ("/client/hubs/%FF%FE", 400),
    ("/client/hubs/%", 400),
    ("/client/hubs/" + "a" * 129, 400),
    ("/client/hubs/", 400),
    ("/client", 400),
    ("/client?hub=", 400),
    ("/", 404),
    ("/client/hubs/chat/more", 404),
    ("/clients/mqtt/hubs/chat", 404),
    ("//client/hubs/chat", 404),
    ("/client/../client/hubs/chat", 404),
    ("http://evil.example/client/hubs/1chat", 400),
]


@pytest.mark.parametrize(("path", "status"), PATHS)
def test_bad_hubs_and_paths_are_refused(
    gateway: GatewayProcess, path: str, status: int
) -> None:
    got, body = refused(gateway, upgrade(gateway, path))
    assert got == status
    assert len(body) > 10


def test_hubs_that_are_not_configured_work(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.open(target(gateway, "any_hub"))


# Tokens.


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(gateway: GatewayProcess, head: dict[str, Any], signature: str) -> str:
    body = {
        "aud": f"{gateway.endpoint}/client/hubs/chat",
        "exp": int(time.time()) + 600,
    }
    return f"{_part(head)}.{_part(body)}.{signature}"


TOKENS: dict[str, Any] = {
    "none": lambda _: "",
    "garbage": lambda _: "garbage",
    "dots": lambda _: "..",
    "alg none": lambda g: forged(g, {"alg": "none"}, ""),
    "alg NONE": lambda g: forged(g, {"alg": "NONE"}, ""),
    "alg RS256": lambda g: forged(g, {"alg": "RS256", "typ": "JWT"}, "AAAA"),
    "alg HS256 without signature": lambda g: forged(g, {"alg": "HS256"}, ""),
    "alg HS512": lambda g: jwt.encode(
        {"aud": f"{g.endpoint}/client/hubs/chat", "exp": int(time.time()) + 600},
        KEY,
        algorithm="HS512",
    ),
    "a wrong key": lambda g: g.token("/client/hubs/chat", key="x" * 44),
    "the key of a prefix": lambda g: g.token("/client/hubs/chat", key=KEY[:-1]),
    "another hub": lambda g: g.token("/client/hubs/other"),
    "a REST audience": lambda g: g.token("/api/hubs/chat/:send"),
    "another host": lambda g: g.token("", aud="http://evil.example/client/hubs/chat"),
    "another port": lambda g: g.token("", aud="http://127.0.0.1:1/client/hubs/chat"),
    "expired": lambda g: g.token("/client/hubs/chat", exp=int(time.time()) - 301),
    "not yet valid": lambda g: g.token("/client/hubs/chat", nbf=int(time.time()) + 400),
    "no expiry": lambda g: g.token("/client/hubs/chat", exp=None),
    "an expiry in words": lambda g: g.token("/client/hubs/chat", exp="tomorrow"),
    "a user that is a number": lambda g: g.token("/client/hubs/chat", sub=7),
    "roles that are numbers": lambda g: g.token("/client/hubs/chat", role=[7]),
    "percent signs": lambda _: "%25%25%FF",
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_is_not_valid_is_a_401(gateway: GatewayProcess, case: str) -> None:
    token = TOKENS[case](gateway)
    in_query = upgrade(gateway, f"/client/hubs/chat?access_token={token}")
    status, body = refused(gateway, in_query)
    assert status == 401
    assert "token" in body
    assert not token or token not in body
    in_header = upgrade(gateway, "/client/hubs/chat", f"Authorization: Bearer {token}")
    assert refused(gateway, in_header)[0] == 401


def test_no_token_stands_in_the_log(gateway: GatewayProcess) -> None:
    token = gateway.token("/client/hubs/other")
    refused(gateway, upgrade(gateway, f"/client/hubs/chat?access_token={token}"))
    log = gateway.log
    assert "401" in log
    assert token.rpartition(".")[2] not in log
    assert KEY not in log


@pytest.mark.parametrize("key", [KEY, SECONDARY_KEY])
def test_both_keys_open(gateway: GatewayProcess, key: str) -> None:
    token = gateway.token("/client/hubs/chat", key=key)
    with RawClient(gateway) as client:
        client.open(f"/client/hubs/chat?access_token={token}")
    with RawClient(gateway) as client:
        client.open("/client/hubs/chat", f"Authorization: bearer {token}")


def test_anonymous_clients_come_in_where_the_hub_allows_it(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway) as client:
        answer = client.upgrade("/client/hubs/open")
        assert answer.status == 101
        assert client.message()["userId"] is None


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://app.example", 101), ("https://evil.example", 403), ("null", 403)],
)
def test_only_allowed_origins_come_in(
    gateway: GatewayProcess, origin: str, status: int
) -> None:
    with RawClient(gateway) as client:
        answer = client.upgrade(target(gateway, "strict"), f"Origin: {origin}")
    assert answer.status == status


def test_an_invalid_initial_group_is_a_400(gateway: GatewayProcess) -> None:
    bad = target(gateway, groups=[" "])
    status, body = refused(gateway, upgrade(gateway, bad))
    assert status == 400
    assert "group" in body


@pytest.mark.parametrize(
    "query", ["webpubsub_mode=x", "webpubsub_mode=sendToGroup", "webpubsub_mode=%00"]
)
def test_a_bad_raw_mode_is_a_400(gateway: GatewayProcess, query: str) -> None:
    assert refused(gateway, upgrade(gateway, f"{target(gateway)}&{query}"))[0] == 400


def test_a_subprotocol_that_is_not_spoken_is_refused_and_not_downgraded(
    gateway: GatewayProcess,
) -> None:
    head = upgrade(gateway, target(gateway), protocol="mqtt")
    status, body = refused(gateway, head)
    assert status == 400
    assert "mqtt" in body
    assert JSON in body


# The answer of a handshake that is in order.


def test_the_answer_names_the_key_the_subprotocol_and_no_extension(
    gateway: GatewayProcess,
) -> None:
    key, accept = fresh_key()
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    spelled = "JSON.WebPubSub.Azure.V1"
    with RawClient(gateway) as client:
        client.request(
            "GET",
            target(gateway),
            *lines("sec-websocket-key", "sec-websocket-protocol"),
            f"Sec-WebSocket-Key: {key}",
            f"Sec-WebSocket-Protocol: {spelled}",
            offer,
        )
        answer = client.answer()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == accept
        assert answer.headers["sec-websocket-protocol"] == spelled
        assert "sec-websocket-extensions" not in answer.headers
        assert client.message()["event"] == "connected"


def test_a_client_of_unknown_subprotocols_gets_no_name_back(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway) as client:
        answer = client.upgrade(target(gateway), protocol="chat.v1, chat.v2")
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == ACCEPT
        assert "sec-websocket-protocol" not in answer.headers


def test_a_client_that_wants_to_recover_is_closed_with_1008(
    gateway: GatewayProcess,
) -> None:
    lost = "/client/hubs/chat?awps_connection_id=x&awps_reconnection_token=y"
    with RawClient(gateway) as client:
        answer = client.upgrade(lost, protocol="json.reliable.webpubsub.azure.v1")
        assert answer.status == 101
        code, reason = client.closed()
        assert code == 1008
        assert "recover" in reason
        client.send(close(1008))
        assert client.frames_to_end() == []


# Bytes behind the head.


def test_frames_in_the_packet_of_the_upgrade_are_served(
    gateway: GatewayProcess,
) -> None:
    early = text('{"type":"ping"}') + text('{"type":"joinGroup","group":"g","ackId":1}')
    wanted = target(gateway, role=["webpubsub.joinLeaveGroup"])
    with RawClient(gateway) as client:
        assert client.upgrade(wanted, early=early).status == 101
        assert client.message()["event"] == "connected"
        assert client.message() == {"type": "pong"}
        assert client.message() == {"type": "ack", "ackId": 1, "success": True}


def test_half_a_frame_in_the_packet_of_the_upgrade_is_completed_later(
    gateway: GatewayProcess,
) -> None:
    frame = text('{"type":"ping"}')
    with RawClient(gateway) as client:
        assert client.upgrade(target(gateway), early=frame[:5]).status == 101
        assert client.message()["event"] == "connected"
        client.send(frame[5:])
        assert client.message() == {"type": "pong"}


def test_a_broken_frame_in_the_packet_of_the_upgrade_closes_after_connected(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway) as client:
        early = client_frame(1, b"x", mask=None)
        assert client.upgrade(target(gateway), early=early).status == 101
        messages, (code, reason) = client.messages_to_close()
        assert [message["event"] for message in messages] == [
            "connected",
            "disconnected",
        ]
        assert code == 1002
        assert reason


def test_bytes_behind_a_refused_upgrade_do_not_hide_the_status(
    gateway: GatewayProcess,
) -> None:
    head = upgrade(gateway, "/client/hubs/chat")
    assert refused(gateway, head + text("x") * 100)[0] == 401
    with RawClient(gateway) as client:
        client.send(head)
        client.send_if_possible(text("x") * 10_000)
        assert client.answer().status == 401


def test_an_upgrade_cut_at_any_byte_is_served(gateway: GatewayProcess) -> None:
    head = upgrade(gateway, target(gateway)) + text('{"type":"ping"}')
    for cut in range(1, len(head), 41):
        with RawClient(gateway) as client:
            client.send(head[:cut])
            client.send(head[cut:])
            assert client.answer().status == 101
            assert client.message()["event"] == "connected"
            assert client.message() == {"type": "pong"}


# Heads that are no heads, too large, or too slow.


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        b"\0" * 64,
        b"\r\n" * 40 + b"x",
        b"GET\r\n\r\n",
        b"GET /client/hubs/chat\r\n\r\n",
        b"GET /client/hubs/chat HTTP/9.9\r\n\r\n",
        b"get /client/hubs/chat HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"GET /client/hubs/chat HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /client/hubs/chat HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"GET /client/hubs/chat HTTP/1.1\r\nHost: x\r\nA: a\0b\r\n\r\n",
        b"GET /client/hubs/chat HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
        b"GET /client/hubs/\xff HTTP/1.1\r\nA: \xff\x01\r\n\r\n",
    ],
    ids=lambda data: repr(data)[:40],
)
def test_what_is_no_http_is_a_400(gateway: GatewayProcess, data: bytes) -> None:
    assert refused(gateway, data)[0] == 400


def padded(gateway: GatewayProcess, size: int) -> bytes:
    """Make an upgrade with a head of about so many bytes, complete."""
    return upgrade(gateway, target(gateway), "X-Pad: " + "x" * size)


def test_a_large_head_below_the_limit_is_served(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.send(padded(gateway, 7000))
        assert client.answer().status == 101


@pytest.mark.parametrize("size", [9_000, 20_000, 60_000])
def test_a_head_above_the_limit_is_a_431_although_it_comes_whole(
    gateway: GatewayProcess, size: int
) -> None:
    assert refused(gateway, padded(gateway, size))[0] == 431


def test_a_huge_head_is_a_431_before_it_ends(gateway: GatewayProcess) -> None:
    head = padded(gateway, 10_000_000)
    assert refused(gateway, head)[0] == 431


def test_a_huge_target_is_a_431_or_414(gateway: GatewayProcess) -> None:
    head = upgrade(gateway, f"{target(gateway)}&x=" + "y" * 100_000)
    assert refused(gateway, head)[0] in {414, 431}


def test_thousands_of_small_headers_are_a_431(gateway: GatewayProcess) -> None:
    many = [f"X-{number}: y" for number in range(20_000)]
    assert refused(gateway, upgrade(gateway, target(gateway), *many))[0] == 431


def test_a_head_that_drips_is_a_408(gateway: GatewayProcess) -> None:
    head = upgrade(gateway, target(gateway))
    with RawClient(gateway) as client:
        client.socket.settimeout(0.05)
        for number in range(400):
            client.send_if_possible(head[number : number + 1])
            try:
                if client.socket.recv(1, 2):  # MSG_PEEK
                    break
            except TimeoutError:
                continue
        client.socket.settimeout(10)
        answer = client.answer()
        assert answer.status == 408
        assert client.read_to_end() == b""


def test_a_socket_that_says_nothing_is_cut(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        assert client.answer().status == 408
        assert client.read_to_end() == b""


def test_a_second_head_that_drips_is_cut_too(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.request("GET", "/api/health")
        assert client.answer(head_only=True).status == 200
        client.send(b"GET / HT")
        assert client.answer().status == 408
        assert client.read_to_end() == b""


def test_many_silent_sockets_do_not_keep_others_out(gateway: GatewayProcess) -> None:
    silent = [RawClient(gateway) for _ in range(200)]
    with RawClient(gateway) as client:
        client.open(target(gateway))
    for idle in silent:
        with idle:
            assert idle.answer().status == 408


def test_a_client_that_resets_within_the_handshake_leaves_no_trace(
    gateway: GatewayProcess, healthy: Witness
) -> None:
    before = metrics(gateway)["hubbub_connections"]
    head = upgrade(gateway, target(gateway))
    for cut in (1, 30, len(head) - 1, len(head)):
        for _ in range(10):
            client = RawClient(gateway)
            client.send(head[:cut])
            client.abort()
    healthy.check()
    deadline = time.monotonic() + 10
    while metrics(gateway)["hubbub_connections"] > before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_refusals_are_counted_by_status(gateway: GatewayProcess) -> None:
    name = 'hubbub_handshakes_refused_total{status="401"}'
    before = metrics(gateway).get(name, 0)
    refused(gateway, upgrade(gateway, "/client/hubs/chat"))
    await_metric(gateway, name, before + 1)


def test_nothing_hostile_was_an_error_of_ours(gateway: GatewayProcess) -> None:
    assert "Traceback" not in gateway.log
    assert " error " not in gateway.log
