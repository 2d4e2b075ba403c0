"""Events as HTTP requests in the binary mode of CloudEvents.

Source: the service's event handler reference (the event request, connection state,
ce-signature). Time, ids and keys come in as arguments; what comes back is in
``webhook_answers``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, assert_never

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
from hubbub.actors.policy.routes import event_name
from hubbub.transport.wire.webhook_answers import Headers

if TYPE_CHECKING:
    from collections.abc import Iterable

_JSON: Final = "application/json; charset=utf-8"

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TYPES: Final = {
    events.Connect: "sys.connect",
    events.Connected: "sys.connected",
    events.Disconnected: "sys.disconnected",
    events.Joined: "gp.joined",
    events.Left: "gp.left",
}


class Request(msgspec.Struct, frozen=True):
    """What is posted to a webhook."""

    url: str
    headers: Headers
    body: bytes


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
        case events.Publish() | events.Subscribe():
            raise ValueError("the service's webhooks do not intercept")
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
