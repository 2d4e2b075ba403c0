"""What sends and bulk operations carry: types, charsets, JSON, metadata, limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import commands
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.transport.rest_protobuf import is_any
from hubbub.transport.settings import Limits
from support import asgi
from support.rest import HOST, Rig, answer, bearer

SEND = "/api/hubs/chat/:send"
BULK = "/api/hubs/chat/:addToGroups"
JSON = "application/json"
METADATA = "X-WebPubSub-Metadata-"
NOT_JSON = "The request body is not a valid JSON."
GROUPS = (
    "Invalid group name. "
    "Valid group name should be in between 1 and 1024 characters long."
)


class Sender(Rig):
    """Sends bodies, within limits of its own."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(limits=Limits(**limits))

    async def send(
        self, body: Any, *headers: tuple[str, str], target: str = SEND
    ) -> asgi.Response:
        return await answer(self.app, "POST", target, *headers, body=body)

    @property
    def published(self) -> commands.Publish:
        (command,) = self.gateway.told
        assert isinstance(command, commands.Publish)
        return command


# content type, body, payload
TAKEN: list[tuple[str | None, bytes, Payload]] = [
    (None, b"\0\xff", Binary(b"\0\xff")),
    ("", b"x", Binary(b"x")),
    ("application/octet-stream", b"", Binary(b"")),
    ("APPLICATION/Octet-Stream; charset=utf-8", b"x", Binary(b"x")),
    ("text/plain", "h\u00e9\U0001f600".encode(), Text("h\u00e9\U0001f600")),
    ("text/plain", b"", Text("")),
    ("Text/Plain ; Charset=UTF-8", b"x", Text("x")),
    ('text/plain;charset="utf-8"', b"x", Text("x")),
    ("text/plain; format=flowed; charset=iso-8859-1;", b"\xe9", Text("\u00e9")),
    ("text/plain; charset=windows-1252", b"\x80", Text("\u20ac")),
    ("text/plain; charset=utf-16", "\u00e9".encode("utf-16"), Text("\u00e9")),
    ("text/plain; charset=utf-16le", "\u00e9".encode("utf-16-le"), Text("\u00e9")),
    ("text/plain; charset=shift_jis", "\u3042".encode("shift-jis"), Text("\u3042")),
    ("text/plain; charset=us-ascii", b"x", Text("x")),
    (JSON, b' {"a" : 1.0, "a": 1e999}\n', Json(b' {"a" : 1.0, "a": 1e999}\n')),
    (JSON, b'"hi"', Json(b'"hi"')),
    (JSON, b"3", Json(b"3")),
    (JSON, b"null", Json(b"null")),
    (JSON, b"9" * 5000, Json(b"9" * 5000)),
    (JSON, b"\xef\xbb\xbf[]", Json(b"[]")),
    (JSON, b"[" * 100 + b"]" * 100, Json(b"[" * 100 + b"]" * 100)),
    (f"{JSON}; charset=latin1", b'"\xe9"', Json('"\u00e9"'.encode())),
    (f"{JSON}; charset=utf-16", '"\u00e9"'.encode("utf-16"), Json('"\u00e9"'.encode())),
    ("application/x-protobuf", b"\x0a\x01t\x12\x01v", Protobuf(b"\x0a\x01t\x12\x01v")),
    ("application/x-protobuf", b"", Protobuf(b"")),
]


@pytest.mark.parametrize(("kind", "body", "payload"), TAKEN)
async def test_the_content_type_says_what_a_body_is(
    kind: str | None, body: bytes, payload: Payload
) -> None:
    rig = Sender()
    headers = [] if kind is None else [("Content-Type", kind)]
    assert (await rig.send(body, *headers)).status == 202
    assert rig.published.payload == payload


@pytest.mark.parametrize(
    "kind",
    [
        "application/xml",
        "text/html",
        "text",
        "text/",
        "/plain",
        "text/plain, text/plain",
        "text/plain charset=utf-8",
        "text/plain; charset",
        'text/plain; charset="utf-8',
        "text/plain; charset=klingon",
        "text/plain; charset=unicode_escape",
        "text/plain; charset=idna",
        "text/plain; charset=zlib",
        "text/plain; charset=../../etc",
        "application/json; charset=utf-7",
        "text/plain; charset=\xe9",
    ],
)
async def test_another_content_type_is_415(kind: str) -> None:
    rig = Sender()
    response = await rig.send(None, ("Content-Type", kind))
    assert response.status == 415
    assert response.json()["code"] == "Error.UnsupportedMediaType"
    assert rig.gateway.posted == []


async def test_two_content_types_are_415() -> None:
    kind = ("Content-Type", "text/plain")
    assert (await Sender().send(b"", kind, kind)).status == 415


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("identity", 202)])
async def test_a_compressed_body_is_415(coding: str, status: int) -> None:
    response = await Sender().send(b"x", ("Content-Encoding", coding))
    assert response.status == status


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b"nope", b"'a'", b"[1,]", b"1 2", b"NaN", b"01", b'"\n"'),
        *(b'"\xff"', b'{"a" 1}', b'"\\x"', b"\x00", b"1e", b"[1]]", b'"\xed\xa0\x80"'),
        *(rb'"\ud800"', rb'{"a":["\udc00"]}'),
        *(b"[" * 100_000, b'{"a":' * 50_000, b"[" * 500_000 + b"]" * 500_000),
    ],
    ids=range(22),
)
async def test_what_is_not_one_json_value_is_400(body: bytes) -> None:
    rig = Sender()
    response = await rig.send(body, ("Content-Type", JSON))
    assert response.status == 400
    assert response.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert response.json()["code"] == "Error.BadRequest"
    if b"\xff" not in body and b"\xed" not in body:
        assert response.json()["message"] == NOT_JSON
    assert rig.gateway.posted == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"\xff"),
        ("text/plain; charset=us-ascii", b"\xe9"),
        ("text/plain; charset=utf-16le", b"x"),
        ("application/x-protobuf", b"\x0a\x05t"),
        ("application/x-protobuf", b"\x0a\x01\xff"),
    ],
)
async def test_a_body_that_is_not_what_it_says_is_400(kind: str, body: bytes) -> None:
    assert (await Sender().send(body, ("Content-Type", kind))).status == 400


async def test_a_chunked_body_is_put_together() -> None:
    rig = Sender()
    response = await rig.send([b"he", b"", b"llo"], ("Content-Type", "text/plain"))
    assert response.status == 202
    assert rig.published.payload == Text("hello")


async def test_a_body_of_the_limit_is_taken() -> None:
    assert (await Sender(message_size=10).send(b"x" * 10)).status == 202


@pytest.mark.parametrize("body", [b"x" * 11, [b"x" * 6] * 2, [b"x"] * 100])
@pytest.mark.parametrize("target", [SEND, BULK])
async def test_a_larger_body_is_413_and_ends_the_connection(
    body: Any, target: str
) -> None:
    rig = Sender(message_size=10)
    response = await rig.send(body, ("Content-Type", JSON), target=target)
    assert response.status == 413
    assert response.json()["code"] == "Error.PayloadTooLarge"
    assert response.headers["connection"] == "close"
    assert rig.gateway.posted == []


async def test_a_body_that_says_it_is_larger_is_not_read() -> None:
    response = await Sender(message_size=10).send(None, ("Content-Length", "11"))
    assert response.status == 413


async def test_a_body_that_does_not_come_in_time_is_408() -> None:
    response = await Sender(body_seconds=0.01).send(None, ("Content-Length", "5"))
    assert response.status == 408
    assert response.headers["connection"] == "close"


async def test_a_caller_who_hangs_up_gets_no_answer_and_sends_nothing() -> None:
    rig = Sender()
    headers = [("Host", HOST), bearer(SEND)]
    assert await asgi.call(rig.app, "POST", SEND, headers, body=[]) is None
    assert rig.gateway.posted == []


async def test_a_body_is_not_read_before_the_caller_is_known() -> None:
    response = await Sender().send(None, ("Authorization", "Bearer x"))
    assert response.status == 401


async def test_bodies_of_other_operations_are_not_read() -> None:
    target = "/api/hubs/chat/groups/g1/connections/c1"
    response = await answer(Sender().app, "PUT", target, body=None)
    assert response.status == 200


async def test_metadata_comes_from_headers_and_the_last_value_counts() -> None:
    rig = Sender()
    headers = [
        (f"{METADATA}Trace-Id", "first"),
        (f"{METADATA}trace-id", "a, b , last "),
        (f"{METADATA}empty", ""),
        ("X-WebPubSub-Other", "x"),
    ]
    assert (await rig.send(b"", *headers)).status == 202
    assert rig.published.metadata == {"trace-id": "last", "empty": ""}


async def test_without_metadata_there_is_none() -> None:
    rig = Sender()
    await rig.send(b"")
    assert rig.published.metadata is None


@pytest.mark.parametrize(
    "headers",
    [
        [(METADATA, "x")],
        [(f"{METADATA}{'k' * 257}", "x")],
        [(f"{METADATA}k", "v" * 1025)],
        [(f"{METADATA}k", "\xe9")],
        [(f"{METADATA}k{number}", "v" * 1000) for number in range(9)],
    ],
)
async def test_metadata_beyond_the_rules_is_400(headers: list[tuple[str, str]]) -> None:
    response = await Sender().send(None, *headers)
    assert response.status == 400
    assert response.json()["target"] == "Metadata"


# body of a bulk operation, target, message
BAD_BULK = [
    (b"{}", "Groups", GROUPS),
    (b'{"groups":null}', "Groups", GROUPS),
    (b'{"groups":[]}', "Groups", GROUPS),
    (b'{"groups":"g"}', "Groups", GROUPS),
    (b'{"groups":[1]}', "Groups", GROUPS),
    (b'{"groups":[" "]}', "Groups", GROUPS),
    (b'{"groups":["g",""]}', "Groups", GROUPS),
    (b'{"groups":["%s"]}' % (b"g" * 1025), "Groups", GROUPS),
    (b'{"groups":["g"],"filter":1}', "Filter", "The filter must be a string."),
    (b'{"groups":["g"],"filter":"x"}', "Filter", None),
    (b'{"groups":["g"],"filter":" "}', "Filter", None),
    (b"[]", "Request", "The request body must be a JSON object."),
    (b'"g"', "Request", "The request body must be a JSON object."),
    (b"", "Request", NOT_JSON),
    (b'{"groups":' + b"[" * 100_000, "Request", NOT_JSON),
]


@pytest.mark.parametrize(("body", "what", "message"), BAD_BULK, ids=range(15))
async def test_a_bulk_operation_is_checked_before_anything_changes(
    body: bytes, what: str, message: str | None
) -> None:
    rig = Sender()
    response = await rig.send(body, ("Content-Type", JSON), target=BULK)
    assert response.status == 400
    assert response.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert response.json()["target"] == what
    if message is not None:
        assert response.json()["message"] == message
    assert rig.gateway.posted == []


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", ""])
async def test_a_bulk_operation_must_be_json(kind: str) -> None:
    body = b'{"groups":["g"]}'
    response = await Sender().send(body, ("Content-Type", kind), target=BULK)
    assert response.status == 415


async def test_a_bulk_operation_takes_many_groups_and_a_filter() -> None:
    rig = Sender()
    names = [f"g{number}" for number in range(1025)]
    body = (
        b'{"filter":"userId eq null","groups":["' + '","'.join(names).encode() + b'"]}'
    )
    response = await rig.send(body, ("Content-Type", JSON), target=BULK)
    assert response.status == 200
    (command,) = rig.gateway.told
    assert isinstance(command, commands.AddAllToGroups)
    assert command.groups == tuple(names)
    assert command.where is not None


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"", True),
        (b"\x0a\x03a/b\x12\x02\xff\xff", True),
        (b"\x12\x00\x0a\x00", True),
        (b"\x18\x80\x01", True),  # an unknown varint
        (b"\x1d\x00\x00\x00\x00\x21" + bytes(8), True),  # unknown fixed fields
        (b"\x1d\x00\x00\x00", False),
        (b"\x0a", False),
        (b"\x0a\x03a/", False),
        (b"\x0a\x01\xff", False),
        (b"\x00\x00", False),  # field 0
        (b"\x1b\x1c", False),  # a group
        (b"\x1f", False),
        (b"\x18" + b"\xff" * 11, False),
        (b"\x12" + b"\xff" * 9 + b"\x7f", False),
    ],
)
def test_an_any_is_told_from_other_bytes(data: bytes, verdict: bool) -> None:
    assert is_any(data) is verdict


@given(data=st.binary(max_size=40))
def test_any_bytes_can_be_asked_about(data: bytes) -> None:
    assert is_any(data) in {True, False}
