"""Writes outcomes as HTTP answers, as ``@azure/web-pubsub-express`` writes them.

Pure. Knows the service's event handler reference (abuse protection, answers, connection
state, MQTT differences); how the service reads answers is in ``wire.webhook_answers``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from hubbub.actors.facade import payload_of
from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.policy.routes import fault
from hubbub.transport.wire.webhook_answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.sdk.webhooks.reading import Envelope, Event
    from hubbub.transport.wire.webhook_answers import Headers

EVERYONE: Final = "*"
"""The allowed origin that stands for all."""

_JSON: Final = ("Content-Type", "application/json; charset=utf-8")
_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
_BINARY: Final = ("Content-Type", "application/octet-stream")
_PROTOBUF: Final = ("Content-Type", "application/x-protobuf")

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

# MQTT 3.1.1, 3.2.2.3: connect return codes; MQTT 5.0, 3.2.2.2: connect reason codes.
_MQTT_CODES: Final = {
    4: ({400: 4, 401: 5}, 3),
    5: ({400: 134, 401: 135}, 128),
}


class UnfitOutcomeError(TypeError):
    """Says why what a handler returned does not answer its event."""


def outcome_of(event: Event, result: object) -> events.Outcome | None:
    """Read what a handler returned; a notice has no outcome.

    Raises:
        UnfitOutcomeError: It does not answer this event.
        TypeError: JSON cannot hold it.
    """
    outcome: object
    match event:
        case events.Connect():
            outcome = events.Accept() if result is None else result
        case events.UserEvent() if result is None:
            outcome = events.Respond()
        case events.UserEvent() if isinstance(result, events.Outcome):
            outcome = result
        case events.UserEvent():
            outcome = events.Respond(payload_of(result))
        case _:
            return None
    if (problem := fault(event, outcome)) is not None:
        raise UnfitOutcomeError(problem)
    assert isinstance(outcome, events.Outcome)  # noqa: S101 - fault() has looked at it
    return outcome


def answer(
    outcome: events.Outcome | None, told: Envelope, mqtt_version: int | None
) -> Answer:
    """Write the answer to an event.

    Args:
        outcome: What its handler decided; None for a notice.
        told: The headers of the event.
        mqtt_version: The protocol version of an MQTT client that is refused.
    """
    match outcome:
        case events.Accept():
            return _accepted(outcome)
        case events.Reject(status=status, reason=reason):
            version = mqtt_version if told.mqtt else None
            return _rejected(status, reason, version)
        case events.Respond(payload=payload, state=state, metadata=metadata):
            own = [
                (f"X-WebPubSub-Metadata-{k}", v) for k, v in (metadata or {}).items()
            ]
            kind, body = _content(payload)
            return Answer(200, (kind, *_state(state), *own), body)
        case events.Fail(reason=reason):
            return Answer(400, (), reason.encode())
        case _:
            return Answer(200)


def unhandled(told: Envelope) -> Answer:
    """Answer an event that no handler takes: success that changes nothing."""
    return Answer(204 if told.mqtt and told.kind == "connect" else 200)


def refusal(status: HTTPStatus, reason: str, *more: tuple[str, str]) -> Answer:
    """Write the answer to what is not an event, or cannot be handled now."""
    return Answer(status, (_TEXT, *more), reason.encode())


def consent(headers: Iterable[tuple[bytes, bytes]], origins: Iterable[str]) -> Answer:
    """Answer the question whether events are wanted (abuse protection).

    The service compares: one line for each allowed origin, whoever asks.
    """
    names = {name.lower() for name, _ in headers}
    if b"ce-awpsversion" not in names:
        return refusal(HTTPStatus.NOT_FOUND, "Not a question of the service.")
    if b"webhook-request-origin" not in names:
        return refusal(HTTPStatus.BAD_REQUEST, "WebHook-Request-Origin is missing.")
    return Answer(200, tuple(("WebHook-Allowed-Origin", one) for one in origins))


def allowed(origins: Iterable[str]) -> tuple[str, ...]:
    """Write down who may send events, as answers name them.

    Args:
        origins: Host names, ``host:port``, URLs of services, or ``*`` for all.

    Raises:
        ValueError: One is none of these, or there is none.
    """
    if isinstance(origins, str):
        raise ValueError("allowed_origins is a list, not one text")  # noqa: TRY004 - one kind of error for all arguments
    hosts = tuple(map(_host, origins))
    if not hosts:
        raise ValueError("allowed_origins is empty: no service could send events")
    return hosts


def _host(origin: str) -> str:
    parts = urlsplit(origin if "://" in origin else f"//{origin}")
    host = parts.netloc.rpartition("@")[2].lower()
    host = host.removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    odd = not (host.isascii() and host.isprintable()) or set(host) & set(" ,")
    if not host or odd or (host != EVERYONE and EVERYONE in host):
        raise ValueError(f"{origin!r} is not an origin: write a host name, a URL or *")
    return host


def _accepted(accept: events.Accept) -> Answer:
    body = {
        name: value
        for name, value in (
            ("userId", accept.user_id),
            ("groups", accept.groups),
            ("roles", accept.roles),
            ("subprotocol", accept.subprotocol),
        )
        if value is not None
    }
    if not body:
        return Answer(204, _state(accept.state))
    return Answer(200, (_JSON, *_state(accept.state)), msgspec.json.encode(body))


def _rejected(status: int, reason: str, mqtt_version: int | None) -> Answer:
    if mqtt_version is None:
        return Answer(status, (), reason.encode())
    codes, other = _MQTT_CODES.get(mqtt_version, ({}, 1))
    told: dict[str, object] = {"code": codes.get(status, other)}
    if reason:
        told["reason"] = reason
    return Answer(status, (_JSON,), msgspec.json.encode({"mqtt": told}))


def _content(payload: Payload | None) -> tuple[tuple[str, str], bytes]:
    match payload:
        case None:
            return _BINARY, b""
        case Text(text=text):
            return _TEXT, text.encode()
        case Json(raw=raw):
            return _JSON, raw
        case Binary(data=data):
            return _BINARY, data
        case Protobuf(data=data):
            return _PROTOBUF, data


def _state(state: str | None) -> Headers:
    return () if state is None else (("ce-connectionState", state),)
