"""CloudEvents as bytes, from the worked examples of the event handler reference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubbub.actors import Binary, Json, Protobuf, Text, events
from hubbub.transport.wire import cloudevents
from support.handlers import (
    KEYS,
    ORIGIN,
    client,
    connect,
    connected,
    disconnected,
    said,
)

NOON = 1_795_536_000.0  # 2026-11-24T16:00:00Z
SIGNATURE = (
    "sha256=41bf72b7d6a79ba95d316042ab4e2a9c0220327b559f69696ff5f69f316be5e6,"
    "sha256=1547e553dfd2f68b4558eb8281dadccfeca9a300a7a852baf534838978d19c33"
)
ALICE = client(user_id="alice", subprotocol="json.webpubsub.azure.v1", state="eyJ9")


def request(event: events.Event) -> cloudevents.Request:
    return cloudevents.request(
        event,
        "https://app.example/eventhandler",
        origin=ORIGIN,
        sign=cloudevents.signature(event.client.connection_id, KEYS.all()),
        now=NOON,
        guid="0e5a1f9c",
    )


def common(kind: str, number: int, name: str) -> set[tuple[str, str]]:
    return {
        ("WebHook-Request-Origin", "svc.example"),
        ("ce-specversion", "1.0"),
        ("ce-awpsversion", "1.0"),
        ("ce-type", f"azure.webpubsub.{kind}.{name}"),
        ("ce-source", "/hubs/chat/client/c0nn1"),
        ("ce-id", str(number)),
        ("ce-time", "2026-11-24T16:00:00Z"),
        ("ce-signature", SIGNATURE),
        ("ce-hub", "chat"),
        ("ce-connectionId", "c0nn1"),
        ("ce-eventName", name),
        ("x-ms-client-request-id", "0e5a1f9c"),
    }


OF_ALICE = {
    ("ce-userId", "alice"),
    ("ce-subprotocol", "json.webpubsub.azure.v1"),
    ("ce-connectionState", "eyJ9"),
}
JSON = ("Content-Type", "application/json; charset=utf-8")


def headers(event: events.Event) -> set[tuple[str, str]]:
    found = request(event).headers
    assert len({name.lower() for name, _ in found}) == len(found)  # once each
    return set(found)


# Requests.


def test_connect_is_spelled_as_the_reference_spells_it() -> None:
    assert headers(connect()) == {JSON, *common("sys", 0, "connect")}


def test_connect_tells_the_user_but_neither_state_nor_subprotocol() -> None:
    told = headers(connect(who=ALICE)) - headers(connect())
    assert told == {("ce-userId", "alice")}


def test_notices_are_spelled_as_the_reference_spells_them() -> None:
    for event, kind, name in (
        (connected(1, ALICE), "sys", "connected"),
        (disconnected(1, "bye", ALICE), "sys", "disconnected"),
        (events.Joined(ALICE, 1, "room"), "gp", "joined"),
        (events.Left(ALICE, 1, "room"), "gp", "left"),
    ):
        assert headers(event) == {JSON, *common(kind, 1, name), *OF_ALICE}


def test_a_user_event_carries_its_metadata_in_headers() -> None:
    event = said("say", who=ALICE, metadata={"trace": "t1", "Big": "B"})
    assert headers(event) == {
        ("Content-Type", "text/plain; charset=utf-8"),
        *common("user", 2, "say"),
        *OF_ALICE,
        ("X-WebPubSub-Metadata-trace", "t1"),
        ("X-WebPubSub-Metadata-big", "B"),
    }


def test_an_empty_state_is_sent_and_an_empty_user_is_not() -> None:
    names = dict(headers(connected(1, client(user_id="", state=""))))
    assert names["ce-connectionState"] == ""
    assert "ce-userId" not in names


@pytest.mark.parametrize(
    ("payload", "content_type", "body"),
    [
        (Text("h\u00e9"), "text/plain; charset=utf-8", b"h\xc3\xa9"),
        (Text(""), "text/plain; charset=utf-8", b""),
        (Json(b'{"n": 1}'), "application/json", b'{"n": 1}'),
        (Binary(b"\x01\xff"), "application/octet-stream", b"\x01\xff"),
        (Protobuf(b"\n\x01x"), "application/x-protobuf", b"\n\x01x"),
    ],
)
def test_a_payload_is_the_body(payload: Any, content_type: str, body: bytes) -> None:
    made = request(said("say", payload))
    assert (dict(made.headers)["Content-Type"], made.body) == (content_type, body)


def test_a_connect_body_has_all_five_fields_even_when_empty() -> None:
    event = events.Connect(client(), 0, {}, {}, {}, ())
    assert request(event).body == (
        b'{"claims":{},"query":{},"headers":{},"subprotocols":[],"clientCertificates":[]}'
    )


def test_a_connect_body_keeps_names_and_order_but_no_token() -> None:
    event = events.Connect(
        client(),
        0,
        query={"id": ("7",), "tag": ("a", "b"), "Access_Token": ("secret",)},
        headers={"X-Own": ("1",), "AUTHORIZATION": ("secret",), "Cookie": ("s=1",)},
        claims={"role": ("r1", "r2")},
        subprotocols=("b", "a"),
        certificates=(events.Certificate("3CE9", "-----BEGIN"),),
    )
    assert json.loads(request(event).body) == {
        "claims": {"role": ["r1", "r2"]},
        "query": {"id": ["7"], "tag": ["a", "b"]},
        "headers": {"X-Own": ["1"], "Cookie": ["s=1"]},
        "subprotocols": ["b", "a"],
        "clientCertificates": [{"thumbprint": "3CE9", "content": "-----BEGIN"}],
    }


def test_bodies_of_notices_are_objects() -> None:
    assert request(connected(1)).body == b"{}"
    assert request(disconnected(1, "")).body == b'{"reason":""}'
    assert request(events.Joined(client(), 1, "r")).body == b'{"group":"r"}'


@pytest.mark.parametrize(
    "event",
    [
        connected(1, client(user_id="a\r\nX-Evil: 1")),
        connected(1, client(user_id="a\x00")),
        connected(1, client(state="\u00e9")),
        said(metadata={"trace": "a\nb"}),
    ],
)
def test_a_value_that_no_header_can_hold_is_an_error(event: events.Event) -> None:
    with pytest.raises(ValueError, match="does not fit into a header"):
        request(event)


def test_a_user_id_need_not_be_ascii() -> None:
    assert ("ce-userId", "\u00e9va") in headers(
        connected(1, client(user_id="\u00e9va"))
    )


def test_both_keys_sign_without_a_blank() -> None:
    assert cloudevents.signature("c0nn1", KEYS.all()) == SIGNATURE
    assert cloudevents.signature("c0nn1", KEYS.all()[:1]) == SIGNATURE.partition(",")[0]
