"""The same requests to ``WebhookApp`` and to @azure/web-pubsub-express, side by side.

Where the two answer differently on purpose, the reason stands in ``DIFFERENT``.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from hubbub.sdk.webhooks import (
    Accept,
    Binary,
    Connect,
    Connected,
    Disconnected,
    Fail,
    Joined,
    Json,
    Left,
    Reject,
    Respond,
    Text,
    UserEvent,
    WebhookApp,
)
from hubbub.transport.wire.cloudevents import signature
from support.asgi_server import served
from support.official import NODE, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.node

KEYS = ["primary-key-1", "secondary-key-2"]
SIGNED = signature("c0nn1", KEYS)
COUNT_ONE = "eyJjb3VudCI6MX0="
COUNT_TWO = "eyJjb3VudCI6Mn0="

# The handlers of express_handler.mjs, in Python.

everything = WebhookApp("chat", access_keys=KEYS)


@everything.connect
async def admit(event: Connect) -> Accept | Reject:
    query = {name: values[0] for name, values in event.query.items()}
    if "reject" in query:
        return Reject(int(query["reject"]), "you may not come in")
    if "throw" in query:
        raise RuntimeError("a secret of the handler")
    return Accept(
        query.get("as"),
        event.query.get("group"),
        event.query.get("role"),
        query.get("subprotocol"),
        COUNT_ONE if "state" in query else None,
    )


@everything.event("echo")
async def echo(event: UserEvent) -> Text | Json | Binary:
    assert isinstance(event.payload, Text | Json | Binary)
    return event.payload


@everything.event("who")
def who(event: UserEvent) -> str:
    client = event.client
    return f"{client.hub} {client.connection_id} {client.user_id or '-'}"


@everything.event("count")
async def count(event: UserEvent) -> Respond:
    assert event.client.state in {None, COUNT_ONE}
    if event.client.state is None:
        return Respond(Text("1"), state=COUNT_ONE)
    return Respond(Text("2"), state=COUNT_TWO)


@everything.event("fail")
async def fail(event: UserEvent) -> Fail:
    del event
    return Fail("this is wrong")


@everything.event("throw")
def throw(event: UserEvent) -> None:
    del event
    raise RuntimeError("a secret of the handler")


@everything.event("*")
async def quiet(event: UserEvent) -> None:
    del event


@everything.connected
async def connected(event: Connected) -> None:
    del event


@everything.disconnected
async def disconnected(event: Disconnected) -> None:
    del event


@everything.joined
async def joined(event: Joined) -> None:
    del event


@everything.left
async def left(event: Left) -> None:
    del event


APP = Starlette(
    routes=[
        Mount("/all", everything),
        Mount("/none", WebhookApp("chat", access_keys=KEYS)),
        Mount(
            "/guarded",
            WebhookApp(
                "chat",
                access_keys=KEYS,
                allowed_origins=[
                    "https://Svc.example",
                    "http://other.example:8080/",
                    "https://third.example:443",
                ],
            ),
        ),
    ]
)


# Requests.


class Call(NamedTuple):
    """A request; headers of None are left out."""

    method: str = "POST"
    path: str = "/all/event"
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""


class Got(NamedTuple):
    """What matters of an answer."""

    status: int
    body: bytes
    content_type: str | None
    state: str | None
    origins: list[str]


def call(kind: str, body: bytes = b"", /, path: str = "/all/event", **own: Any) -> Call:
    """Make an event; ``own`` headers replace or, with None, remove usual ones."""
    headers: dict[str, str | bytes | None] = {
        "WebHook-Request-Origin": "svc.example",
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": f"azure.webpubsub.{kind}",
        "ce-source": "/hubs/chat/client/c0nn1",
        "ce-id": "1",
        "ce-time": "2026-11-24T16:00:00Z",
        "ce-signature": SIGNED,
        "ce-hub": "chat",
        "ce-connectionId": "c0nn1",
        "ce-eventName": kind.rpartition(".")[2],
        "Content-Type": "application/json; charset=utf-8",
    }
    headers.update({name.replace("_", "-"): value for name, value in own.items()})
    return Call("POST", path, _pairs(headers), body)


def _pairs(
    headers: dict[str, str | bytes | None],
) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in headers.items()
        if value is not None
    )


def options(path: str = "/all/validate", **own: Any) -> Call:
    headers = {"WebHook-Request-Origin": "svc.example", "ce-awpsversion": "1.0"}
    headers.update({name.replace("_", "-"): value for name, value in own.items()})
    return Call("OPTIONS", path, _pairs({**headers}))


def connect(body: dict[str, Any] | None = None, /, **query: str | list[str]) -> Call:
    told = {
        "claims": {},
        "query": {k: v if isinstance(v, list) else [v] for k, v in query.items()},
        "headers": {},
        "subprotocols": [],
        "clientCertificates": [],
    }
    return call("sys.connect", json.dumps({**told, **(body or {})}).encode())


def mqtt(
    version: int | None, kind: str = "sys.connect", /, path: str = "/all/", **query: str
) -> Call:
    told = {"query": {name: [value] for name, value in query.items()}}
    own = {} if version is None else {"mqtt": {"protocolVersion": version}}
    return call(
        kind,
        json.dumps({**told, **own, "reason": None}).encode(),
        path=path,
        ce_subprotocol="mqtt",
        ce_physicalConnectionId="physical",
    )


def user(name: str, kind: str | None, body: bytes, /, **own: Any) -> Call:
    return call(f"user.{name}", body, **{"Content-Type": kind, **own})


TEXT, JSON, BINARY = "text/plain", "application/json", "application/octet-stream"

SAME = {
    # abuse protection
    "consent": options(),
    "consent of those without handlers": options("/none/"),
    "consent for anyone named": options("/guarded/validate"),
    "consent tells a stranger who is named": options(
        "/guarded/", WebHook_Request_Origin="stranger.example"
    ),
    "a question without version": options(ce_awpsversion=None),
    "a question without origin": options(WebHook_Request_Origin=None),
    "a question with an empty origin": options(WebHook_Request_Origin=""),
    # connect
    "connect": connect(),
    "connect with answers": connect(
        **{"as": ["ann"], "group": ["a", "b/é"], "role": ["webpubsub.joinLeaveGroup"]}
    ),
    "connect chooses a subprotocol": connect(**{"as": "ann", "subprotocol": "custom"}),
    "connect stores state": connect(state="1"),
    "connect stores state and answers": connect(**{"as": "ann", "state": "1"}),
    "connect is refused with 401": connect(reject="401"),
    "connect is refused with 429": connect(reject="429"),
    "connect is refused with 500": connect(reject="500"),
    "connect of anything but content type": call("sys.connect", b"{}"),
    "connect of text": call("sys.connect", b"{}", **{"Content-Type": TEXT}),
    "connect throws": connect(throw="1"),
    "connect without handler": call("sys.connect", b"{}", path="/none/"),
    "a body that nobody reads": call("sys.connect", b"rubbish", path="/none/"),
    # MQTT
    "mqtt connect": mqtt(5),
    "mqtt connect without handler": mqtt(5, path="/none/"),
    "mqtt connect with answers": mqtt(4, **{"as": "ann"}),
    "mqtt disconnected": mqtt(None, "sys.disconnected"),
    **{
        f"mqtt {version} is refused with {status}": mqtt(version, reject=str(status))
        for version in (3, 4, 5)
        for status in (400, 401, 500, 403)
    },
    "an mqtt subprotocol alone is no mqtt": call(
        "sys.connect", b'{"query":{"reject":["401"]}}', ce_subprotocol="mqtt"
    ),
    # notices
    "connected": call("sys.connected", b"{}"),
    "disconnected": call("sys.disconnected", b'{"reason":"gone"}'),
    "disconnected without reason": call("sys.disconnected", b'{"reason":null}'),
    "joined": call("gp.joined", b'{"group":"g"}'),
    "left": call("gp.left", b'{"group":"g"}'),
    "connected without handler": call("sys.connected", b"{}", path="/none/"),
    "joined without handler": call("gp.joined", b'{"group":"g"}', path="/none/"),
    # user events
    "text": user("echo", f"{TEXT}; charset=utf-8", "hé ✓".encode()),
    "text with blanks around its type": user("echo", f"  {TEXT} ; x=y", b"hi"),
    "no text": user("echo", TEXT, b""),
    "json": user("echo", JSON, b'{"n":[1,null,"x"]}'),
    "json null": user("echo", JSON, b"null"),
    "binary": user("echo", BINARY, b"\x00\x01\xff"),
    "a mebibyte": user("echo", BINARY, b"\xfe" * (1 << 20)),
    "a long name": user("a.b-c_d", TEXT, b""),
    "no answer": user("quiet", JSON, b"1"),
    "user and connection": user("who", TEXT, b"", ce_userId="zoë ✓"),
    "nobody": user("who", TEXT, b""),
    "the first state": user("count", TEXT, b""),
    "the next state": user("count", TEXT, b"", ce_connectionState=COUNT_ONE),
    "a failed event": user("fail", TEXT, b""),
    "an event that throws": user("throw", TEXT, b""),
    "an event without handler": user("echo", TEXT, b"hi", path="/none/"),
    "metadata": user("echo", TEXT, b"hi", **{"X-WebPubSub-Metadata-trace": "t1"}),
    # what is passed on
    "no version": call("sys.connected", b"{}", ce_awpsversion=None),
    "another version": call("sys.connected", b"{}", ce_awpsversion="2.0"),
    "no origin": call("sys.connected", b"{}", WebHook_Request_Origin=None),
    "no type": call("sys.connected", b"{}", ce_type=None),
    "no hub": call("sys.connected", b"{}", ce_hub=None),
    "another hub": call("sys.connected", b"{}", ce_hub="other"),
    "the hub in capitals": call("sys.connected", b"{}", ce_hub="CHAT"),
    "an unknown system event": call("sys.other", b"{}"),
    "an unknown type": call("x", b"{}", ce_type="com.example.event"),
    "a type in capitals": call("sys.Connected", b"{}"),
    "no specversion, source and time": call(
        "sys.connected", b"{}", ce_specversion=None, ce_source=None, ce_time=None
    ),
    "no name but in the type": user("quiet", TEXT, b"", ce_eventName=None),
}

JSON_ERROR = (
    "express fails at its own parser; ours is a clear 400, which is not retried"
)
TYPED = "a typed event needs it"

DIFFERENT: dict[str, tuple[Call, int, int, str]] = {
    "wrong method": (
        Call("GET", "/all/"),
        404,
        405,
        "tells a person with a browser that this is the place",
    ),
    "put": (
        call("sys.connected", b"{}")._replace(method="PUT"),
        404,
        405,
        "as above: HTTP has a word for it",
    ),
    "no signature": (
        call("sys.connected", b"{}", ce_signature=None),
        200,
        401,
        "express never checks signatures",
    ),
    "a wrong signature": (
        call("sys.connected", b"{}", ce_signature=signature("c0nn1", ["other"])),
        200,
        401,
        "express never checks signatures",
    ),
    "the signature of another connection": (
        call("sys.connected", b"{}", ce_connectionId="c0nn2"),
        200,
        401,
        "express never checks signatures",
    ),
    "no connection": (
        call("sys.connected", b"{}", ce_connectionId=None),
        200,
        400,
        TYPED,
    ),
    "no event id": (call("sys.connected", b"{}", ce_id=None), 200, 400, TYPED),
    "an event id of letters": (
        call("sys.connected", b"{}", ce_id="x"),
        200,
        400,
        TYPED,
    ),
    "connect without body": (call("sys.connect"), 500, 400, JSON_ERROR),
    "connect of null": (call("sys.connect", b"null"), 500, 400, JSON_ERROR),
    "connect of a list": (call("sys.connect", b"[]"), 204, 400, TYPED),
    "connect of rubbish": (call("sys.connect", b"{"), 500, 400, JSON_ERROR),
    "connect of other types": (connect({"query": {"as": [5]}}), 200, 400, TYPED),
    "disconnected without body": (
        call("sys.disconnected"),
        200,
        400,
        "express answers a notice before it reads it",
    ),
    "joined without group": (call("gp.joined", b"{}"), 200, 400, TYPED),
    "rubbish as json": (user("echo", JSON, b"{"), 500, 400, JSON_ERROR),
    "text that is not UTF-8": (
        user("echo", TEXT, b"\xff"),
        200,
        400,
        "express replaces what it cannot read",
    ),
    "no content type": (
        user("echo", None, b"x"),
        404,
        415,
        "HTTP has a word for it; neither is retried",
    ),
    "another content type": (
        user("echo", "text/html", b"x"),
        404,
        415,
        "HTTP has a word for it; neither is retried",
    ),
    "a content type in capitals": (
        user("echo", "Text/Plain", b"x"),
        404,
        200,
        "media types compare without regard to case (RFC 9110 8.3.1)",
    ),
    "protobuf": (
        user("quiet", "application/x-protobuf", b"\x0a\x00"),
        404,
        200,
        "the service sends such events, express cannot read them",
    ),
    "more than a client can send": (
        user("echo", BINARY, b"\xfe" * (2 << 20)),
        200,
        413,
        "express reads without end",
    ),
    "mqtt is refused without its version": (
        mqtt(None, reject="401"),
        500,
        401,
        "express fails while it makes the refusal",
    ),
    "the hub twice": (
        call("sys.connected", b"{}", **{"CE-Hub": "chat"}),
        404,
        400,
        "Node joins repeated headers; whoever repeats these deserves an explanation",
    ),
}


# Both at work.


def send(url: str, request: Call) -> Got:
    place = urlsplit(url)
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=SECONDS)
    try:
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return Got(
            answer.status,
            answer.read(),
            answer.headers["content-type"],
            answer.headers["ce-connectionstate"],
            answer.headers.get_all("webhook-allowed-origin", []),
        )
    finally:
        connection.close()


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with served(APP) as url:
        yield url


@pytest.fixture(scope="module")
def express() -> Iterator[str]:
    process = subprocess.Popen(
        ["node", "express_handler.mjs"],
        cwd=NODE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize("name", SAME)
def test_both_answer_alike(ours: str, express: str, name: str) -> None:
    mine, theirs = send(ours, SAME[name]), send(express, SAME[name])
    assert mine.status == theirs.status
    if theirs.status in {404, 500} and b"you may" not in theirs.body:
        # Each application's own error page; ours must still say nothing of the inside.
        assert b"secret" not in mine.body
        return
    if theirs.status == 400 and not theirs.body:
        assert mine.body, "ours explains"
        return
    assert mine == theirs


@pytest.mark.parametrize("name", DIFFERENT)
def test_they_differ_as_documented(ours: str, express: str, name: str) -> None:
    request, theirs, mine, reason = DIFFERENT[name]
    assert reason
    assert (send(express, request).status, send(ours, request).status) == (theirs, mine)


def test_the_table_is_about_several_answers(ours: str) -> None:
    """Guards against a table in which everything is refused for one silly reason."""
    statuses = [send(ours, request).status for request in SAME.values()]
    assert {200, 204, 400, 401, 404, 429, 500} <= set(statuses)
    assert statuses.count(404) < len(statuses) // 4
