"""Events as HTTP requests in the binary mode of CloudEvents, and what answers mean.

Source: the service's event handler reference (URL template, the event request, answers,
connection state, ce-signature). Time, ids and keys come in as arguments. Longer than
most files: the two directions share their headers, and are read side by side.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never
from urllib.parse import quote, urlsplit

import msgspec

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import (
    Binary,
    Json,
    Metadata,
    Payload,
    Protobuf,
    Text,
)
from hubbub.actors.policy.names import is_group_name, metadata_fault
from hubbub.actors.policy.routes import event_name, is_state

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers: TypeAlias = tuple[tuple[str, str], ...]

ANSWER_LIMIT: Final = 16 << 20
"""Longest body of an answer (answers, user events)."""

_JSON: Final = "application/json; charset=utf-8"
_METADATA: Final = "x-webpubsub-metadata-"
_STATE: Final = "ce-connectionstate"

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PARAMETER: Final = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_TYPES: Final = {
    events.Connect: "sys.connect",
    events.Connected: "sys.connected",
    events.Disconnected: "sys.disconnected",
    events.Joined: "gp.joined",
    events.Left: "gp.left",
}


class UrlTemplate(msgspec.Struct, frozen=True):
    """The URL of a webhook, with ``{hub}`` and ``{event}`` in path or query."""

    text: str

    def __post_init__(self) -> None:
        """Check the template.

        Raises:
            ValueError: It is not an absolute http or https URL, or has other braces.
        """
        try:
            parts = urlsplit(self.text)
            parts.port  # noqa: B018 - raises when it is no number
        except ValueError as error:
            raise ValueError(f"the URL cannot be read: {error}") from None
        if parts.scheme == "tunnel":
            raise ValueError("tunnel URLs are not supported")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the URL must be absolute, http or https")
        if {"{", "}"} & set(_PARAMETER.sub("", self.text)) or "{" in parts.netloc:
            raise ValueError("the URL has braces other than {hub} and {event}")
        if not self.text.isascii() or any(map(str.isspace, self.text)):
            raise ValueError("the URL must be percent-encoded ASCII")

    def fill(self, hub: str, event: str) -> str:
        """Give the URL for an event; all but unreserved characters are encoded."""
        values = {"hub": quote(hub, safe=""), "event": quote(event, safe="")}
        return _PARAMETER.sub(lambda found: values[found[1].lower()], self.text)

    @property
    def label(self) -> str:
        """The URL for logs: without query and user, which may be secrets."""
        parts = urlsplit(self.text)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"


class Request(msgspec.Struct, frozen=True):
    """What is posted to a webhook."""

    url: str
    headers: Headers
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """What came back; header names in any case, repeated ones one by one."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status <= 299  # noqa: PLR2004

    def values(self, name: str) -> list[str]:
        """Give the values of a header by its lower-case name."""
        return [value for key, value in self.headers if key.lower() == name]


def signature(connection_id: str, keys: Iterable[str]) -> str:
    """Sign a connection id with each key, the primary first (ce-signature).

    No blank after the comma: .NET splits without trimming.
    """
    message = connection_id.encode()
    return ",".join(
        "sha256=" + hmac.digest(key.encode(), message, hashlib.sha256).hex()
        for key in keys
    )


def request(
    event: events.Event, url: str, *, origin: str, sign: str, now: float, guid: str
) -> Request:
    """Make the request that tells a webhook of an event.

    Args:
        event: What happened.
        url: Where to post it.
        origin: The host name of this service.
        sign: The signature of the connection id.
        now: Seconds since the epoch.
        guid: An id of this request, the same on retries.

    Raises:
        ValueError: A value does not fit into a header.
    """
    client, name = event.client, event_name(event)
    content_type, body = _content(event)
    moment = datetime.fromtimestamp(now, UTC)
    headers = [
        ("Content-Type", content_type),
        ("WebHook-Request-Origin", origin),
        ("ce-specversion", "1.0"),
        ("ce-awpsversion", "1.0"),
        ("ce-type", f"azure.webpubsub.{_TYPES.get(type(event), f'user.{name}')}"),
        ("ce-source", f"/hubs/{client.hub}/client/{client.connection_id}"),
        ("ce-id", str(event.event_id)),
        ("ce-time", f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
        ("ce-signature", sign),
        ("ce-hub", client.hub),
        ("ce-connectionId", client.connection_id),
        ("ce-eventName", name),
        ("x-ms-client-request-id", guid),
    ]
    if client.user_id:
        headers.append(("ce-userId", client.user_id))
    if not isinstance(event, events.Connect):
        if client.subprotocol:
            headers.append(("ce-subprotocol", client.subprotocol))
        if client.state is not None:
            headers.append(("ce-connectionState", client.state))
    if isinstance(event, events.UserEvent):
        headers += _metadata_headers(event.metadata or {})
    for key, value in headers:
        if not _is_header_value(value, ascii_only=key != "ce-userId"):
            raise ValueError(f"the value of {key} does not fit into a header")
    return Request(url, tuple(headers), body)


def _metadata_headers(metadata: Metadata) -> list[tuple[str, str]]:
    lowered = {key.lower(): value for key, value in metadata.items()}
    return [(f"X-WebPubSub-Metadata-{key}", lowered[key]) for key in lowered]


def _is_header_value(value: str, *, ascii_only: bool) -> bool:
    if ascii_only and not value.isascii():
        return False
    return _CONTROL.search(value) is None


def _content(event: events.Event) -> tuple[str, bytes]:
    match event:
        case events.Connect():
            return _JSON, msgspec.json.encode(_connect_body(event))
        case events.Connected():
            return _JSON, b"{}"
        case events.Disconnected(reason=reason):
            return _JSON, msgspec.json.encode({"reason": reason})
        case events.Joined(group=group) | events.Left(group=group):
            return _JSON, msgspec.json.encode({"group": group})
        case events.UserEvent(payload=payload):
            return _user_content(payload)
        case _:
            assert_never(event)


def _connect_body(event: events.Connect) -> dict[str, Any]:
    """All five fields, always: ASP.NET and Functions index them."""
    return {
        "claims": event.claims,
        "query": _without(event.query, "access_token"),
        "headers": _without(event.headers, "authorization"),
        "subprotocols": event.subprotocols,
        "clientCertificates": [
            {"thumbprint": one.thumbprint, "content": one.content}
            for one in event.certificates
        ],
    }


def _without(values: events.Values, name: str) -> events.Values:
    return {key: value for key, value in values.items() if key.lower() != name}


def _user_content(payload: Payload) -> tuple[str, bytes]:
    match payload:
        case Text(text=text):
            return "text/plain; charset=utf-8", text.encode()
        case Json(raw=raw):
            return "application/json", raw
        case Binary(data=data):
            return "application/octet-stream", data
        case Protobuf(data=data):
            return "application/x-protobuf", data
        case _:
            assert_never(payload)


class ConnectAnswer(msgspec.Struct, frozen=True, rename="lower"):
    """The body of an accepted connect; what else it holds is ignored."""

    userid: str | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    subprotocol: str | None = None


def connect_outcome(answer: Answer) -> events.Accept | events.Reject:
    """Say what an answer to ``connect`` means (answers, connect).

    Raises:
        ValueError: It is a success that cannot be understood.
    """
    if not answer.succeeded:
        # Never a body: what a webhook writes about a failure is not for clients.
        status = answer.status if answer.status >= 400 else 500  # noqa: PLR2004
        return events.Reject(status, "The event handler refused the connection.")
    overrides = _overrides(answer.body)
    if not all(map(is_group_name, overrides.groups or ())):
        raise ValueError("it names an invalid group")
    return events.Accept(
        overrides.userid,
        overrides.groups or None,
        overrides.roles,
        overrides.subprotocol or None,
        _state(answer),
    )


def _overrides(body: bytes) -> ConnectAnswer:
    content = _json(body) if body.strip() else None
    if isinstance(content, dict):
        # One page of the reference writes subProtocol: names compare in lower case.
        content = {key.lower(): value for key, value in content.items()}
    try:
        return msgspec.convert({} if content is None else content, ConnectAnswer)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def event_outcome(answer: Answer) -> events.Respond:
    """Say what an answer to a user event means (answers, user events).

    Raises:
        ValueError: It is a failure, or a success that cannot be understood.
    """
    if not answer.succeeded:
        raise ValueError(f"status {answer.status}")
    metadata = _metadata(answer)
    payload = _payload(answer)
    if payload is None and metadata:
        payload = Text("")
    return events.Respond(payload, _state(answer), metadata)


def _payload(answer: Answer) -> Payload | None:
    body = answer.body
    if not body:  # wins over its type: express answers so for "no reply"
        return None
    kinds = answer.values("content-type")
    match kinds[-1].partition(";")[0].strip().lower() if kinds else "":
        case "text/plain":
            return Text(body.decode())
        case "application/json":
            # JavaScript clients drop or hang on null.
            return None if _json(body) is None else Json(body)
        case "application/octet-stream" | "":
            return Binary(body)
        case "application/x-protobuf":
            return Protobuf(body)
        case kind:
            raise ValueError(f"a body of type {kind} is not a message")


def _json(body: bytes) -> Any:
    """Read JSON; what is wrong with it is told without quoting it."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _metadata(answer: Answer) -> dict[str, str] | None:
    metadata = {
        key[len(_METADATA) :].lower(): value.rpartition(",")[2].strip()
        for key, value in answer.headers
        if key.lower().startswith(_METADATA)
    }
    fault = metadata_fault(metadata.items())
    if fault is not None:
        raise ValueError(fault)
    return metadata or None


def _state(answer: Answer) -> str | None:
    """Give the state to store; an empty one is stored too, of several the last."""
    states = answer.values(_STATE)
    if not states:
        return None
    if not is_state(states[-1]):
        raise ValueError("its connection state is too long or not printable ASCII")
    return states[-1]
