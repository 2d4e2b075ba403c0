"""Reads HTTP requests as events: CloudEvents in the binary mode.

Pure. Knows the requests of the hosted service and of hubbub (event handler reference,
the event request); knows nothing of who handles an event, or of signatures and keys.
What ``@azure/web-pubsub-express`` passes on is answered with 404 here too.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

import msgspec

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Binary, Json, Metadata, Protobuf, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.messages.payload import Payload

T = TypeVar("T")

Notice: TypeAlias = events.Connected | events.Disconnected | events.Joined | events.Left
Event: TypeAlias = events.Connect | events.UserEvent | Notice
"""What a webhook is told."""

Kind: TypeAlias = Literal[
    "connect", "connected", "disconnected", "joined", "left", "user"
]

_KINDS: Final[dict[str, Kind]] = {
    "azure.webpubsub.sys.connect": "connect",
    "azure.webpubsub.sys.connected": "connected",
    "azure.webpubsub.sys.disconnected": "disconnected",
    "azure.webpubsub.gp.joined": "joined",
    "azure.webpubsub.gp.left": "left",
}
_USER: Final = "azure.webpubsub.user."
_METADATA: Final = b"x-webpubsub-metadata-"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class UnreadableError(ValueError):
    """Says in public words why a request is not an event, with an HTTP status."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Envelope(msgspec.Struct, frozen=True):
    """What the headers of an event say.

    ``name`` is that of a user event, else the kind. ``signature`` is empty when there
    was none. ``mqtt`` tells an MQTT client.
    """

    kind: Kind
    client: events.Client
    event_id: int
    name: str
    signature: str = ""
    content_type: str = ""
    metadata: Metadata | None = None
    mqtt: bool = False


class _Certificate(msgspec.Struct):
    thumbprint: str = ""
    content: str = ""


class _Connect(msgspec.Struct, rename="camel"):
    claims: dict[str, tuple[str, ...]] | None = None
    query: dict[str, tuple[str, ...]] | None = None
    headers: dict[str, tuple[str, ...]] | None = None
    subprotocols: tuple[str, ...] | None = None
    client_certificates: tuple[_Certificate, ...] | None = None


class _Connected(msgspec.Struct):
    pass


class _Disconnected(msgspec.Struct):
    reason: str | None = None


class _Presence(msgspec.Struct):
    group: str


class _MqttVersion(msgspec.Struct, rename="camel"):
    protocol_version: int


class _Mqtt(msgspec.Struct):
    mqtt: _MqttVersion


class _Fields:
    """Header values by lower-case name; one that must stand alone is an error twice."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            self._values.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str | None:
        values = self._values.get(name.encode())
        if values is None:
            return None
        if len(values) > 1:
            raise _bad(f"the header {name} is given twice")
        return _text(name, values[0])

    def all(self, name: str) -> str:
        """Join the values of a list header as HTTP allows."""
        return ",".join(_text(name, one) for one in self._values.get(name.encode(), ()))

    def metadata(self) -> Metadata | None:
        found = {
            _text("metadata", name[len(_METADATA) :]): _text("metadata", values[-1])
            for name, values in self._values.items()
            if name.startswith(_METADATA) and name != _METADATA
        }
        return found or None


def envelope(headers: Iterable[tuple[bytes, bytes]], hub: str | None) -> Envelope:
    """Read the headers of a request.

    Args:
        headers: Names in any case, and values, as bytes.
        hub: The hub whose events are wanted, in lower case; None takes any.

    Raises:
        UnreadableError: 404 for what is no event of this hub, 400 for a broken one.
    """
    fields = _Fields(headers)
    if fields.get("ce-awpsversion") is None:
        raise _foreign("it has no ce-awpsversion")
    if fields.get("webhook-request-origin") is None:
        raise _foreign("it has no WebHook-Request-Origin")
    kind, name = _kind(fields)
    named = (fields.get("ce-hub") or "").lower()
    if not named or (hub is not None and named != hub):
        raise _foreign("its hub is not served here")
    physical, subprotocol = (
        fields.get("ce-physicalconnectionid"),
        fields.get("ce-subprotocol"),
    )
    return Envelope(
        kind,
        events.Client(
            named,
            _required(fields, "ce-connectionid"),
            fields.get("ce-userid") or None,
            subprotocol or None,
            fields.get("ce-connectionstate"),
        ),
        _event_id(fields),
        name,
        fields.all("ce-signature"),
        fields.get("content-type") or "",
        fields.metadata(),
        physical is not None and "mqtt" in (subprotocol or "").lower(),
    )


def _kind(fields: _Fields) -> tuple[Kind, str]:
    told = fields.get("ce-type") or ""
    if told.startswith(_USER):
        name = fields.get("ce-eventname") or told.removeprefix(_USER)
        if not name:
            raise _bad("the event has no name")
        return "user", name
    kind = _KINDS.get(told)
    if kind is None:
        raise _foreign("its ce-type is unknown")
    return kind, kind


def _required(fields: _Fields, name: str) -> str:
    value = fields.get(name)
    if not value:
        raise _bad(f"the header {name} is missing")
    return value


def _event_id(fields: _Fields) -> int:
    text = _required(fields, "ce-id")
    if not _NUMBER.fullmatch(text):
        raise _bad("the header ce-id is not a number")
    return int(text)


def read(told: Envelope, body: bytes) -> Event:
    """Read the body of an event.

    Raises:
        UnreadableError: 400 for a broken body, 415 for a type that no event has.
    """
    who, number = told.client, told.event_id
    match told.kind:
        case "user":
            payload = _payload(told.content_type, body)
            return events.UserEvent(who, number, told.name, payload, told.metadata)
        case "connect":
            return _connect(who, number, _json(body, _Connect))
        case "connected":
            _json(body, _Connected)
            return events.Connected(who, number)
        case "disconnected":
            reason = _json(body, _Disconnected).reason
            return events.Disconnected(who, number, reason or "")
        case "joined":
            return events.Joined(who, number, _json(body, _Presence).group)
        case "left":
            return events.Left(who, number, _json(body, _Presence).group)


def mqtt_version(body: bytes) -> int | None:
    """Give the protocol version of an MQTT client that connects; None if not said."""
    try:
        return _json(body, _Mqtt).mqtt.protocol_version
    except UnreadableError:
        return None


def _connect(who: events.Client, number: int, body: _Connect) -> events.Connect:
    return events.Connect(
        who,
        number,
        query=body.query or {},
        headers=body.headers or {},
        claims=body.claims or {},
        subprotocols=body.subprotocols or (),
        certificates=tuple(
            events.Certificate(one.thumbprint, one.content)
            for one in body.client_certificates or ()
        ),
    )


def _payload(content_type: str, body: bytes) -> Payload:
    match content_type.partition(";")[0].strip().lower():
        case "text/plain":
            return Text(_text("body", body))
        case "application/json":
            _json(body, object)
            return Json(body)
        case "application/octet-stream":
            return Binary(body)
        case "application/x-protobuf":
            return Protobuf(body)
        case _:
            raise UnreadableError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "The Content-Type of a user event is text/plain, application/json, "
                "application/octet-stream or application/x-protobuf.",
            )


def _json(body: bytes, kind: type[T]) -> T:
    """Read JSON; what is wrong with it is told without quoting it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(f"the body: {error}") from None
    except RecursionError:
        raise _bad("the body is nested too deeply") from None


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _bad(f"the {name} is not UTF-8") from None


def _foreign(reason: str) -> UnreadableError:
    return UnreadableError(HTTPStatus.NOT_FOUND, f"No event of a hub here: {reason}.")


def _bad(reason: str) -> UnreadableError:
    return UnreadableError(HTTPStatus.BAD_REQUEST, f"Not a valid event: {reason}.")
