"""Outcomes written as answers, and read back as the service reads them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import events
from hubbub.actors.messages.events import Accept, Fail, Reject, Respond
from hubbub.actors.messages.payload import Binary, Json, Protobuf, Text
from hubbub.sdk.webhooks.answers import (
    UnfitOutcomeError,
    allowed,
    answer,
    consent,
    outcome_of,
    unhandled,
)
from hubbub.sdk.webhooks.reading import Envelope, Kind
from hubbub.transport.wire import webhook_answers

CLIENT = events.Client("chat", "c0nn1")
CONNECT = events.Connect(CLIENT, 0, {}, {}, {}, ())
EVENT = events.UserEvent(CLIENT, 1, "say", Text("hi"))
ASKED = [(b"ce-awpsversion", b"1.0"), (b"webhook-request-origin", b"svc.example")]


def envelope(kind: Kind = "user", *, mqtt: bool = False) -> Envelope:
    return Envelope(kind, CLIENT, 0, "say", mqtt=mqtt)


# What is written is read as it was meant, by the other side's code.

texts = st.text(st.characters(exclude_categories=["Cs"]))
groups = texts.filter(lambda name: name.strip() != "")
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
states = st.none() | visible
accepts = st.builds(
    Accept,
    st.none() | texts,
    st.none() | st.lists(groups, min_size=1, max_size=3).map(tuple),
    st.none() | st.lists(texts, max_size=3).map(tuple),
    st.none() | visible.filter(bool),
    states,
)
payloads = st.one_of(
    st.builds(Text, texts.filter(bool)),
    st.builds(Binary, st.binary(min_size=1)),
    st.builds(Protobuf, st.binary(min_size=1)),
    texts.map(lambda text: Json(msgspec.json.encode({"a": text}))),
)
# A comma in an answer's metadata ends what precedes it (answers, user events).
metadata = st.none() | st.dictionaries(
    st.from_regex(r"[a-z0-9_-]{1,9}", fullmatch=True),
    visible.filter(lambda text: "," not in text),
    min_size=1,
    max_size=3,
)
responds = st.builds(Respond, payloads, states, metadata)


@given(accepts)
def test_an_accept_is_read_as_it_was_meant(accept: Accept) -> None:
    outcome = outcome_of(CONNECT, accept)
    written = answer(outcome, envelope("connect"), None)
    assert webhook_answers.connect_outcome(written) == accept


@given(responds)
def test_a_respond_is_read_as_it_was_meant(respond: Respond) -> None:
    written = answer(outcome_of(EVENT, respond), envelope(), None)
    assert webhook_answers.event_outcome(written) == respond


@pytest.mark.parametrize("result", [None, Respond()])
def test_nothing_is_answered_with_nothing(result: object) -> None:
    written = answer(outcome_of(EVENT, result), envelope(), None)
    assert webhook_answers.event_outcome(written) == Respond()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_reject_keeps_its_status(status: int) -> None:
    written = answer(Reject(status, "no"), envelope("connect"), None)
    outcome = webhook_answers.connect_outcome(written)
    assert isinstance(outcome, Reject)
    assert (outcome.status, written.body) == (status, b"no")


def test_a_fail_is_a_failure_that_is_not_repeated() -> None:
    written = answer(outcome_of(EVENT, Fail("no")), envelope(), None)
    assert (written.status, written.body) == (400, b"no")


# What handlers may return.


@pytest.mark.parametrize(
    ("result", "payload"),
    [
        ("hi", Text("hi")),
        (b"hi", Binary(b"hi")),
        (Json(b"[1]"), Json(b"[1]")),
        ({"a": [1, None]}, Json(b'{"a":[1,null]}')),
        ([], Json(b"[]")),
        (False, Json(b"false")),
        (0, Json(b"0")),
    ],
)
def test_a_value_is_an_answer_with_a_message(result: object, payload: object) -> None:
    outcome = outcome_of(EVENT, result)
    assert isinstance(outcome, Respond)
    assert outcome.payload == payload


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (CONNECT, "hi"),
        (CONNECT, Respond()),
        (CONNECT, Reject(200)),
        (CONNECT, Accept(groups=("",))),
        (CONNECT, Accept(state="a\r\nSet-Cookie: b")),
        (EVENT, Accept()),
        (EVENT, Reject()),
        (EVENT, Respond(Text("x"), state="é")),
        (EVENT, Respond(Text("x"), metadata={"a\r\nb": "c"})),
        (EVENT, Respond(Text("x"), metadata={"a": "b\r\nSet-Cookie: c"})),
    ],
)
def test_what_does_not_answer_an_event_is_refused(
    event: events.Connect | events.UserEvent, result: object
) -> None:
    with pytest.raises(UnfitOutcomeError):
        outcome_of(event, result)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        outcome_of(EVENT, {"a": object()})


def test_what_a_notice_returns_means_nothing() -> None:
    outcome = outcome_of(events.Connected(CLIENT, 1), Reject())
    assert answer(outcome, envelope("connected"), None).status == 200


# MQTT: codes of its versions (event handler reference, server packages).


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        *((4, 400, 4), (4, 401, 5), (4, 500, 3), (4, 403, 3)),
        *((5, 400, 134), (5, 401, 135), (5, 500, 128), (5, 429, 128)),
        (6, 401, 1),
    ],
)
def test_a_refused_mqtt_client_gets_a_code_of_its_version(
    version: int, status: int, code: int
) -> None:
    told = envelope("connect", mqtt=True)
    written = answer(Reject(status, "no"), told, version)
    assert written.status == status
    assert msgspec.json.decode(written.body) == {"mqtt": {"code": code, "reason": "no"}}


@pytest.mark.parametrize(
    ("kind", "mqtt", "status"),
    [("connect", True, 204), ("connect", False, 200), ("user", True, 200)],
)
def test_nobody_answers_with_success(kind: Kind, mqtt: bool, status: int) -> None:
    assert unhandled(envelope(kind, mqtt=mqtt)).status == status


# Abuse protection.


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("*", "*"),
        ("Svc.Example", "svc.example"),
        ("svc.example:8080", "svc.example:8080"),
        ("https://svc.example/", "svc.example"),
        ("https://svc.example:443", "svc.example"),
        ("http://svc.example:443", "svc.example:443"),
        ("http://[::1]:80/x", "[::1]"),
    ],
)
def test_an_origin_is_named_as_the_service_compares_it(origin: str, host: str) -> None:
    assert allowed([origin]) == (host,)


@pytest.mark.parametrize(
    "origins", [[], [""], ["a,b"], ["a b"], ["*.example"], ["é"], ["https://"], "*"]
)
def test_what_names_no_origin_is_refused(origins: list[str]) -> None:
    with pytest.raises(ValueError, match="origin"):
        allowed(origins)


def test_consent_has_a_line_for_each_origin() -> None:
    assert consent(ASKED, ("a", "b")).values("webhook-allowed-origin") == ["a", "b"]
    assert consent(ASKED[:1], ("a",)).status == 400
    assert consent(ASKED[1:], ("a",)).status == 404
