"""Requests read as events: the gateway's own, those of the reference, and rubbish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.sdk.webhooks.reading import (
    Event,
    UnreadableError,
    envelope,
    mqtt_version,
    read,
)
from hubbub.sdk.webhooks.signature import Signatures, signatures
from hubbub.transport.wire import cloudevents

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1_795_536_000.0
Headers = list[tuple[bytes, bytes]]


def wire(event: Event, sign: str = "") -> tuple[Headers, bytes]:
    """Give the request that a gateway makes of an event, as ASGI shows it."""
    request = cloudevents.request(
        event, "http://app", origin="svc.example", sign=sign, now=NOW, guid="g"
    )
    headers = [(name.lower().encode(), v.encode()) for name, v in request.headers]
    return headers, request.body


def status_of(headers: Headers, body: bytes) -> int:
    """Read an event of the hub ``chat``; anything but a refusal is raised."""
    try:
        read(envelope(headers, "chat"), body)
    except UnreadableError as error:
        assert error.reason.isprintable()  # noqa: PT017 - not every call raises it
        return error.status
    return 200


# What the gateway writes comes back.

# HTTP allows no blanks at the ends of values.
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
texts = st.text(st.characters(exclude_categories=["Cs"]))
users = st.none() | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1
).filter(lambda text: text == text.strip())
values = st.dictionaries(
    texts.filter(lambda name: name.lower() not in {"authorization", "access_token"}),
    st.lists(texts).map(tuple),
    max_size=3,
)
numbers = st.integers(0, 10**15)
subprotocols = st.none() | words
clients = st.builds(
    events.Client,
    st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
    words,
    users,
    subprotocols,
    st.none() | words,
)
certificates = st.builds(events.Certificate, texts, texts)
connects = st.builds(
    events.Connect,
    st.builds(events.Client, st.just("chat"), words, users),
    st.just(0),
    query=values,
    headers=values,
    claims=values,
    subprotocols=st.lists(texts).map(tuple),
    certificates=st.lists(certificates, max_size=2).map(tuple),
)
payloads = st.one_of(
    st.builds(Text, texts),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=5,
    ).map(lambda value: Json(msgspec.json.encode(value))),
    st.builds(Binary, st.binary()),
    st.builds(Protobuf, st.binary()),
)
metadata = st.none() | st.dictionaries(
    st.from_regex(r"[a-z0-9_-]{1,9}", fullmatch=True), words, min_size=1
)
user_events = st.builds(
    events.UserEvent,
    clients,
    numbers,
    st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    payloads,
    metadata,
)
notices = st.one_of(
    st.builds(events.Connected, clients, numbers),
    st.builds(events.Disconnected, clients, numbers, texts),
    st.builds(events.Joined, clients, numbers, texts),
    st.builds(events.Left, clients, numbers, texts),
)


@given(connects | user_events | notices)
def test_an_event_of_a_gateway_comes_back_as_it_was(event: Event) -> None:
    headers, body = wire(event)
    assert read(envelope(headers, event.client.hub), body) == event


@given(connects | user_events | notices, st.data())
def test_without_one_of_its_headers_an_event_is_read_or_refused(
    event: Event, data: st.DataObject
) -> None:
    headers, body = wire(event, "sha256=00")
    lost = data.draw(st.sampled_from(headers))
    headers.remove(lost)
    assert status_of(headers, body) in {200, 400, 404, 415}


# Rubbish.

NAMES = [
    *(b"ce-awpsversion", b"webhook-request-origin", b"ce-type", b"ce-hub", b"ce-id"),
    *(b"ce-connectionid", b"ce-eventname", b"ce-userid", b"ce-subprotocol"),
    *(b"ce-connectionstate", b"ce-physicalconnectionid", b"content-type"),
    *(b"ce-signature", b"x-webpubsub-metadata-k", b"x-webpubsub-metadata-", b"other"),
]
LIKELY = [
    *(b"1.0", b"svc.example", b"chat", b"7", b"c0nn1", b"mqtt", b"text/plain"),
    *(b"azure.webpubsub.sys.connect", b"azure.webpubsub.user.", b"application/json"),
    *(b"azure.webpubsub.user.say", b"azure.webpubsub.gp.joined", b"9" * 400, b"\xff"),
    *("٣".encode(), b"-1", b"azure.webpubsub.sys.disconnected", b""),
]
fields = st.lists(
    st.tuples(
        st.sampled_from(NAMES) | st.binary(), st.sampled_from(LIKELY) | st.binary()
    )
)
whole = st.fixed_dictionaries(
    {name: st.sampled_from(LIKELY) for name in NAMES[:6]}
).map(lambda found: list(found.items()))
bodies = st.binary() | st.sampled_from(
    [
        *(b"{}", b"null", b"[]", b'{"group":1}', b'{"claims":{"a":"b"}}', b"\xff"),
        *(b'{"mqtt":{"protocolVersion":5}}', b'{"x":' * 2000, b"[" * 5000),
    ]
)


@given(fields, whole, bodies)
def test_headers_and_bodies_are_read_or_refused(
    more: Headers, likely: Headers, body: bytes
) -> None:
    for headers in (more, likely, likely + more):
        assert status_of(headers, body) in {200, 400, 404, 415}


@given(bodies)
def test_the_version_of_an_mqtt_client_is_read_or_unknown(body: bytes) -> None:
    version = mqtt_version(body)
    assert version == (5 if b"protocolVersion" in body else None)


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"])))
def test_signatures_are_compared_whatever_they_are(header: str, who: str) -> None:
    header = header.encode("utf-8", "replace").decode()
    assert not Signatures(["primary-key-1"]).match(who, header)


# The reference, one by one.


def headers(*more: tuple[str, str], without: str = "") -> Headers:
    event = events.UserEvent(events.Client("chat", "c0nn1"), 1, "say", Text("hi"))
    own = {name for name, _ in more}
    usual = [
        (name, value)
        for name, value in wire(event)[0]
        if name.decode() not in own | {without}
    ]
    return usual + [(name.encode(), value.encode()) for name, value in more]


def refused(given: Headers, body: bytes = b"hi", hub: str | None = "chat") -> int:
    with pytest.raises(UnreadableError) as caught:
        read(envelope(given, hub), body)
    return caught.value.status


@pytest.mark.parametrize(
    "name", ["ce-awpsversion", "webhook-request-origin", "ce-type", "ce-hub"]
)
def test_what_is_no_event_is_not_found(name: str) -> None:
    assert refused(headers(without=name)) == 404


@pytest.mark.parametrize(
    "kind", ["x", "azure.webpubsub.sys.other", "azure.webpubsub.sys.Connect", ""]
)
def test_an_unknown_type_is_not_found(kind: str) -> None:
    assert refused(headers(("ce-type", kind))) == 404


def test_hubs_compare_without_case_and_others_are_not_found() -> None:
    assert envelope(headers(("ce-hub", "CHAT")), "chat").client.hub == "chat"
    assert envelope(headers(("ce-hub", "Other")), None).client.hub == "other"
    assert refused(headers(("ce-hub", "other"))) == 404


@pytest.mark.parametrize("name", ["ce-connectionid", "ce-id"])
def test_an_event_must_say_whose_it_is(name: str) -> None:
    assert refused(headers(without=name)) == 400


@pytest.mark.parametrize("number", ["", "x", "-1", "1.0", "٣", "9" * 19])
def test_an_event_id_is_a_number(number: str) -> None:
    assert refused(headers(("ce-id", number))) == 400


@pytest.mark.parametrize("name", ["ce-connectionid", "ce-hub", "ce-userid", "ce-id"])
def test_a_header_that_must_stand_alone_does(name: str) -> None:
    assert refused(headers((name, "1"), (name, "1"))) == 400


def test_signatures_in_several_lines_are_one_list() -> None:
    told = envelope(headers(("ce-signature", "a"), ("ce-signature", "b,c")), None)
    assert told.signature == "a,b,c"


def test_a_header_that_is_not_utf_8_is_refused() -> None:
    assert refused([*headers(without="ce-userid"), (b"ce-userid", b"\xff")]) == 400


def test_the_name_of_an_event_may_stand_in_its_type_alone() -> None:
    assert envelope(headers(without="ce-eventname"), None).name == "say"
    nameless = headers(("ce-type", "azure.webpubsub.user."), without="ce-eventname")
    assert refused(nameless) == 400


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        ("text/plain", b"", Text("")),
        ("text/plain; charset=utf-8", "é".encode(), Text("é")),
        ("Text/Plain", b"x", Text("x")),
        ("application/json", b' {"a": 1}', Json(b' {"a": 1}')),
        ("application/octet-stream", b"\xff", Binary(b"\xff")),
        ("application/x-protobuf", b"\x0a", Protobuf(b"\x0a")),
    ],
)
def test_a_body_is_the_payload_of_its_type(
    kind: str, body: bytes, payload: Payload
) -> None:
    told = read(envelope(headers(("content-type", kind)), None), body)
    assert isinstance(told, events.UserEvent)
    assert told.payload == payload


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"\xff", 400),
        ("application/json", b"{", 400),
        ("application/json", b"", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'"\xff"', 400),
        ("text/html", b"x", 415),
        ("", b"x", 415),
    ],
)
def test_a_body_that_is_not_of_its_type_is_refused(
    kind: str, body: bytes, status: int
) -> None:
    assert refused(headers(("content-type", kind)), body) == status


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b'{"query":{"a":"b"}}', b'{"claims":[]}']
)
def test_a_body_of_connect_that_is_none_is_refused(body: bytes) -> None:
    assert refused(headers(("ce-type", "azure.webpubsub.sys.connect")), body) == 400


def test_a_body_of_connect_may_lack_what_is_empty() -> None:
    kind = ("ce-type", "azure.webpubsub.sys.connect")
    told = read(envelope(headers(kind), None), b'{"claims":null,"later":1}')
    who = events.Client("chat", "c0nn1")
    assert told == events.Connect(who, 1, {}, {}, {}, ())


def test_what_is_wrong_with_a_body_is_told_without_quoting_it() -> None:
    kind = ("ce-type", "azure.webpubsub.sys.connect")
    for body in (b'{"query":{"s3cret":[1]}}', b'{"claims":"s3cret"}', b"s3cret"):
        with pytest.raises(UnreadableError) as caught:
            read(envelope(headers(kind), None), body)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("own", "mqtt"),
    [
        ([("ce-subprotocol", "mqtt"), ("ce-physicalconnectionid", "p")], True),
        ([("ce-subprotocol", "MQTT"), ("ce-physicalconnectionid", "")], True),
        ([("ce-subprotocol", "mqtt")], False),
        ([("ce-physicalconnectionid", "p")], False),
    ],
)
def test_an_mqtt_client_is_known_by_two_headers(
    own: Iterable[tuple[str, str]], mqtt: bool
) -> None:
    assert envelope(headers(*own), None).mqtt is mqtt


# Signatures: the vector of the reference.

VECTOR = (
    "sha256=41bf72b7d6a79ba95d316042ab4e2a9c0220327b559f69696ff5f69f316be5e6",
    "sha256=1547e553dfd2f68b4558eb8281dadccfeca9a300a7a852baf534838978d19c33",
)


@pytest.mark.parametrize("key", ["primary-key-1", "secondary-key-2"])
@pytest.mark.parametrize(
    "header",
    [",".join(VECTOR), ", ".join(reversed(VECTOR)), ",".join(VECTOR).upper(), "x,,"],
)
def test_either_key_finds_its_signature(key: str, header: str) -> None:
    found = Signatures(["other", key]).match("c0nn1", header)
    assert found is ("," not in header[:2])


def test_a_signature_belongs_to_one_key_and_one_connection() -> None:
    header = VECTOR[0]
    assert Signatures(["primary-key-1"]).match("c0nn1", header)
    assert not Signatures(["secondary-key-2"]).match("c0nn1", header)
    assert not Signatures(["primary-key-1"]).match("c0nn2", header)
    assert not Signatures(["primary-key-1"]).match("c0nn1", "")


def test_no_list_of_signatures_is_long() -> None:
    guesses = ",".join(["sha256=00"] * 16 + [VECTOR[0]])
    assert not Signatures(["primary-key-1"]).match("c0nn1", guesses)


def test_keys_come_from_a_connection_string_too() -> None:
    text = "Endpoint=https://svc.example;AccessKey=secondary-key-2;Version=1.0;"
    for header in VECTOR:
        chosen = signatures(text, ["primary-key-1"], verify=True)
        assert chosen is not None
        assert chosen.match("c0nn1", header)
    assert signatures(text, (), verify=False) is None


@pytest.mark.parametrize("keys", [[], [""], ["k", ""], "key"])
def test_no_key_is_no_check_and_must_be_wanted(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="key"):
        signatures(None, keys, verify=True)
