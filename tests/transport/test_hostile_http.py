"""HTTP gone wrong, each case with its status, against a real process.

A healthy client is connected all the while and hears itself after every case.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.raw import Answer, RawClient, Witness, request, target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "api-version=2024-12-01"
SEND = "/api/hubs/http/:send"
MIB = 1 << 20

# A token of HS512 must be refused whatever the length of its key.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")

CONFIG = """
[limits]
head_seconds = 0.4
body_seconds = 0.5
idle_seconds = 1
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("http") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(scope="module")
def healthy(gateway: GatewayProcess) -> Iterator[Witness]:
    with Witness(gateway, "healthy") as witness:
        yield witness


@pytest.fixture(autouse=True)
def undisturbed(healthy: Witness) -> Iterator[None]:
    yield
    healthy.check()


def bearer(gateway: GatewayProcess, path: str, **claims: Any) -> str:
    return f"Authorization: Bearer {gateway.token(path, **claims)}"


def ask(
    gateway: GatewayProcess,
    method: str,
    path: str,
    *lines: str,
    body: bytes = b"",
    signed: bool = True,
) -> Answer:
    """Send one request with a body of its length, signed for its path."""
    given = [line.partition(":")[0].lower() for line in lines]
    more = list(lines)
    if signed and "authorization" not in given:
        more.append(bearer(gateway, path.partition("?")[0]))
    if "content-length" not in given and "transfer-encoding" not in given:
        more.append(f"Content-Length: {len(body)}")
    with RawClient(gateway) as client:
        client.send(request(gateway, method, path, *more))
        client.send_if_possible(body)
        return client.answer(head_only=method == "HEAD")


def send(gateway: GatewayProcess, *lines: str, body: bytes = b"hi") -> Answer:
    given = [line.partition(":")[0].lower() for line in lines]
    kind = [] if "content-type" in given else ["Content-Type: text/plain"]
    return ask(gateway, "POST", f"{SEND}?{VERSION}", *lines, *kind, body=body)


def test_a_request_in_order_is_accepted(gateway: GatewayProcess) -> None:
    answer = send(gateway)
    assert (answer.status, answer.body) == (202, b"")


# Tokens.


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(gateway: GatewayProcess, head: dict[str, Any], signature: str) -> str:
    body = {"aud": f"{gateway.endpoint}{SEND}", "exp": int(time.time()) + 600}
    return f"Bearer {_part(head)}.{_part(body)}.{signature}"


def genuine(gateway: GatewayProcess, path: str = SEND, **claims: Any) -> str:
    return f"Bearer {gateway.token(path, **claims)}"


REFUSED: dict[str, Any] = {
    "nothing": lambda _: "",
    "another scheme": lambda g: genuine(g).replace("Bearer", "Basic"),
    "the key itself": lambda _: f"Bearer {KEY}",
    "no token": lambda _: "Bearer ",
    "garbage": lambda _: "Bearer garbage",
    "alg none": lambda g: forged(g, {"alg": "none"}, ""),
    "alg RS256": lambda g: forged(g, {"alg": "RS256"}, "AAAA"),
    "no signature": lambda g: forged(g, {"alg": "HS256"}, ""),
    "alg HS512": lambda g: (
        "Bearer "
        + jwt.encode(
            {"aud": f"{g.endpoint}{SEND}", "exp": int(time.time()) + 600},
            KEY,
            algorithm="HS512",
        )
    ),
    "a wrong key": lambda g: genuine(g, key="x" * 44),
    "expired": lambda g: genuine(g, exp=int(time.time()) - 301),
    "no expiry": lambda g: genuine(g, exp=None),
    "not yet valid": lambda g: genuine(g, nbf=int(time.time()) + 400),
    "no audience": lambda g: genuine(g, aud=None),
    "a client's audience": lambda g: genuine(g, "/client/hubs/http"),
    "a shorter audience": lambda g: genuine(g, "/api/hubs/http"),
    "a longer audience": lambda g: genuine(g, f"{SEND}/more"),
    "another hub": lambda g: genuine(g, "/api/hubs/other/:send"),
    "another host": lambda g: genuine(g, aud=f"http://evil.example{SEND}"),
    "a relative audience": lambda g: genuine(g, aud=SEND),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_caller_without_a_valid_token_is_a_401(
    gateway: GatewayProcess, case: str
) -> None:
    answer = send(gateway, f"Authorization: {REFUSED[case](gateway)}")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("key", [KEY, SECONDARY_KEY])
def test_both_keys_open(gateway: GatewayProcess, key: str) -> None:
    line = f"Authorization: bearer {gateway.token(SEND, key=key)}"
    assert send(gateway, line).status == 202


def test_a_body_is_not_read_for_a_caller_without_a_token(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway) as client:
        client.request(
            "POST",
            f"{SEND}?{VERSION}",
            "Content-Type: text/plain",
            f"Content-Length: {100 * MIB}",
        )
        with suppress(ConnectionError, TimeoutError):
            client.socket.settimeout(0.2)
            for _ in range(100):
                client.socket.sendall(b"x" * MIB)
        client.socket.settimeout(10)
        assert client.answer().status == 401


# Bodies.


def test_a_body_of_exactly_one_mebibyte_is_accepted(gateway: GatewayProcess) -> None:
    assert send(gateway, body=b"x" * MIB).status == 202


def test_a_body_of_one_byte_more_is_a_413(gateway: GatewayProcess) -> None:
    answer = send(gateway, body=b"x" * (MIB + 1))
    assert answer.status == 413
    assert json.loads(answer.body)["code"]


@pytest.mark.parametrize("length", [2**31, 2**63, 10**18])
def test_a_body_announced_as_huge_is_a_413_before_it_comes(
    gateway: GatewayProcess, length: int
) -> None:
    answer = send(gateway, f"Content-Length: {length}", body=b"x")
    assert answer.status == 413


def test_chunks_that_add_up_to_more_than_a_mebibyte_are_a_413(
    gateway: GatewayProcess,
) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    body = chunk * 17 + b"0\r\n\r\n"
    assert send(gateway, "Transfer-Encoding: chunked", body=body).status == 413


def test_chunks_are_accepted(gateway: GatewayProcess) -> None:
    body = b"2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n"
    assert send(gateway, "Transfer-Encoding: chunked", body=body).status == 202


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"", 400),
        ("application/json", b"{", 400),
        ("application/json", b"{} {}", 400),
        ("application/json", b"NaN", 400),
        ("application/json", b"'x'", 400),
        ("application/json", b'"\xff"', 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"[" * 50_000 + b"]" * 50_000, 400),
        ("application/json; charset=klingon", b"{}", 415),
        ("text/plain", b"\xff", 400),
        ("text/plain; charset=klingon", b"x", 415),
        ("text/html", b"x", 415),
        ("application/xml", b"x", 415),
        ("nonsense", b"x", 415),
        ("text/plain; charset", b"x", 415),
        ("multipart/form-data", b"x", 415),
    ],
)
def test_bodies_that_are_not_what_they_say_are_refused(
    gateway: GatewayProcess, kind: str, body: bytes, status: int
) -> None:
    answer = send(gateway, f"Content-Type: {kind}", body=body)
    assert answer.status == status


@pytest.mark.parametrize(
    "line",
    [
        "X-WebPubSub-Metadata-: v",
        f"X-WebPubSub-Metadata-{'k' * 257}: v",
        f"X-WebPubSub-Metadata-k: {'v' * 1025}",
        "X-WebPubSub-Metadata-k: \xe4",
    ],
)
def test_metadata_out_of_bounds_is_a_400(gateway: GatewayProcess, line: str) -> None:
    assert send(gateway, line).status == 400


def test_a_body_that_drips_is_cut(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.request(
            "POST",
            f"{SEND}?{VERSION}",
            bearer(gateway, SEND),
            "Content-Type: text/plain",
            "Content-Length: 100",
        )
        client.send(b"a few bytes")
        answer = client.answer()
        assert answer.status == 408
        assert client.read_to_end() == b""


def test_a_caller_that_resets_within_its_body_disturbs_nobody(
    gateway: GatewayProcess,
) -> None:
    for _ in range(20):
        client = RawClient(gateway)
        client.request(
            "POST",
            f"{SEND}?{VERSION}",
            bearer(gateway, SEND),
            "Content-Type: text/plain",
            "Content-Length: 100",
        )
        client.send(b"half")
        client.abort()
    assert send(gateway).status == 202


def test_an_expectation_is_answered(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.request(
            "POST",
            f"{SEND}?{VERSION}",
            bearer(gateway, SEND),
            "Content-Type: text/plain",
            "Content-Length: 2",
            "Expect: 100-continue",
        )
        assert client.answer(head_only=True).status == 100
        client.send(b"hi")
        assert client.answer().status == 202


# Paths, queries, methods.

PATHS = [
    ("GET", "/nowhere", 404),
    ("GET", "/api", 404),
    ("GET", "/api/hubs", 404),
    ("GET", "/api/hubs/http", 404),
    ("POST", "/api/hubs/http/:dance", 404),
    ("POST", "/api/hubs//:send", 404),
    ("POST", "/api/hubs/1http/:send", 400),
    ("POST", "/api/hubs/a%20b/:send", 400),
    ("POST", "/api/hubs/a%2Fb/:send", 400),
    ("POST", "/api/hubs/%00/:send", 400),
    ("POST", "/api/hubs/%FF/:send", 400),
    ("POST", f"/api/hubs/{'a' * 129}/:send", 400),
    ("POST", "/api/hubs/http/groups/%20/:send", 400),
    ("POST", f"/api/hubs/http/groups/{'g' * 1025}/:send", 400),
    ("POST", "/api/hubs/http/groups/%FF/:send", 400),
    ("POST", "/api/hubs/http/users/%20/:send", 400),
    ("POST", "/api/hubs/http/groups//:send", 404),
    ("GET", "/api/hubs/http/:send", 405),
    ("DELETE", "/api/hubs/http/:send", 405),
    ("PUT", "/api/hubs/http/permissions/fly/connections/x", 400),
    ("GET", "/../../etc/passwd", 404),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
    ("GET", "/metrics/../../etc/passwd", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_paths_and_methods_that_are_none_are_refused(
    gateway: GatewayProcess, method: str, path: str, status: int
) -> None:
    answer = ask(
        gateway, method, f"{path}?{VERSION}", "Content-Type: text/plain", body=b"x"
    )
    assert answer.status == status
    if status == 400:
        assert json.loads(answer.body)["code"] == "Error.BadRequest"


QUERIES = [
    "api-version=2020-01-01",
    "api-version=",
    "api-version=2024-12-01&api-version=2024-12-01",
    f"{VERSION}&messageTtlSeconds=301",
    f"{VERSION}&messageTtlSeconds=-1",
    f"{VERSION}&messageTtlSeconds=x",
    f"{VERSION}&messageTtlSeconds=1.5",
    f"{VERSION}&filter=userId",
    f"{VERSION}&filter=userId%20eq",
    f"{VERSION}&filter=nobody%20eq%20%27x%27",
    f"{VERSION}&filter=%27",
    f"{VERSION}&filter={'(' * 500}",
    f"{VERSION}&filter={'not%20' * 2000}userId%20eq%20%27x%27",
    f"{VERSION}&filter=userId%20eq%20%27x%27" + "%20or%20userId%20eq%20%27x%27" * 1200,
    f"{VERSION}&filter=%FF",
    f"{VERSION}&filter=%00",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:50])
def test_queries_that_cannot_be_read_are_a_400_that_says_why(
    gateway: GatewayProcess, query: str
) -> None:
    path = f"{SEND}?{query}"
    answer = ask(gateway, "POST", path, "Content-Type: text/plain", body=b"x")
    assert answer.status == 400
    fault = json.loads(answer.body)
    assert fault["code"] == "Error.BadRequest"
    assert len(fault["message"]) > 10


def test_a_head_answer_has_no_body(gateway: GatewayProcess) -> None:
    path = "/api/hubs/http/users/nobody"
    with RawClient(gateway) as client:
        client.request(
            "HEAD", f"{path}?{VERSION}", bearer(gateway, path), "Connection: close"
        )
        data = client.read_to_end()
    assert data.startswith(b"HTTP/1.1 404")
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1


# The wire.


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: x"],
        ["Content-Length: -1"],
        ["Content-Length: 1, 2"],
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: 2", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Bad Header: x"],
    ],
    ids=repr,
)
def test_framing_that_could_smuggle_a_request_is_a_400(
    gateway: GatewayProcess, lines: list[str]
) -> None:
    with RawClient(gateway) as client:
        client.request(
            "POST",
            f"{SEND}?{VERSION}",
            bearer(gateway, SEND),
            "Content-Type: text/plain",
            *lines,
        )
        client.send_if_possible(b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().status in {400, 413, 501}
        assert b"hubbub_connections" not in client.read_to_end()


def test_a_broken_chunk_ends_the_connection(gateway: GatewayProcess) -> None:
    answer = send(gateway, "Transfer-Encoding: chunked", body=b"zz\r\nhi\r\n0\r\n\r\n")
    assert answer.status == 400


def test_pipelined_requests_are_answered_in_order(gateway: GatewayProcess) -> None:
    paths = ["/api/health", "/nowhere", "/", "/metrics", "/nowhere"]
    with RawClient(gateway) as client:
        client.send(*(request(gateway, "GET", path) for path in paths))
        statuses = [client.answer().status for _ in paths]
    assert statuses == [200, 404, 200, 200, 404]


def test_an_idle_connection_is_closed(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.request("GET", "/")
        assert client.answer().status == 200
        assert client.read_to_end() == b""


def test_a_request_to_close_is_heeded(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.request("GET", "/", "Connection: close")
        assert client.answer().status == 200
        assert client.read_to_end() == b""


def test_http_1_0_is_answered_and_closed(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200
        assert client.read_to_end() == b""


def test_an_upgrade_to_something_else_is_ignored_on_rest(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway) as client:
        client.request("GET", "/", "Connection: Upgrade", "Upgrade: h2c")
        assert client.answer().status == 200


def test_an_upgrade_on_a_rest_path_is_a_404(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        answer = client.upgrade(f"{SEND}?{VERSION}", bearer(gateway, SEND))
        assert answer.status in {400, 404}


def test_a_host_header_does_not_choose_the_audience(gateway: GatewayProcess) -> None:
    token = gateway.token("", aud=f"http://evil.example{SEND}")
    with RawClient(gateway) as client:
        client.send(
            f"POST {SEND}?{VERSION} HTTP/1.1\r\nHost: evil.example\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: text/plain\r\n"
            "X-Forwarded-Host: evil.example\r\nContent-Length: 2\r\n\r\nhi".encode()
        )
        assert client.answer().status == 401


def test_hundreds_of_callers_at_once_are_all_answered(gateway: GatewayProcess) -> None:
    clients = [RawClient(gateway) for _ in range(300)]
    head = request(
        gateway,
        "POST",
        f"{SEND}?{VERSION}",
        bearer(gateway, SEND),
        "Content-Type: text/plain",
        "Content-Length: 2",
    )
    for client in clients:
        client.send(head)
    for client in clients:
        client.send(b"hi")
    for client in clients:
        with client:
            assert client.answer().status == 202


def test_a_client_token_opens_no_rest_path_and_the_reverse(
    gateway: GatewayProcess,
) -> None:
    client_token = target(gateway, "http").partition("=")[2]
    assert send(gateway, f"Authorization: Bearer {client_token}").status == 401
    with RawClient(gateway) as client:
        token = gateway.token(SEND)
        answer = client.upgrade(f"/client/hubs/http?access_token={token}")
        assert answer.status == 401


def test_no_secret_stands_in_the_log(gateway: GatewayProcess) -> None:
    token = gateway.token(SEND)
    send(gateway, f"Authorization: Bearer {token}")
    log = gateway.log
    assert KEY not in log
    assert token.rpartition(".")[2] not in log


def test_nothing_hostile_was_an_error_of_ours(gateway: GatewayProcess) -> None:
    assert "Traceback" not in gateway.log
    assert " error " not in gateway.log
