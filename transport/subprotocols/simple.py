"""Clients without a subprotocol: bare payloads, no envelopes (simple clients)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.wire.frames import BINARY, TEXT, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request


class Simple:
    """Says nothing but payloads: system messages and acks do not exist here."""

    def compose(self, push: Push) -> Said | None:
        """Say the payload of a message; None for anything else.

        The end of a stream is something else: all that it says is in its envelope.
        """
        match push:
            case pushes.GroupMessage(payload=payload, stream=stream):
                return None if stream is not None and stream.end else _say(payload)
            case pushes.ServerMessage(payload=payload):
                return _say(payload)
            case _:
                return None


def send_event(data: bytes, text: bool) -> Request:
    """Read a frame in the default raw mode: an event named ``message``."""
    return requests.SendFrame(_payload(data, text))


def send_to_group(group: str, no_echo: bool) -> Callable[[bytes, bool], Request]:
    """Make the reader of frames in the raw mode that publishes to a group."""

    def read(data: bytes, text: bool) -> Request:
        return requests.PublishFrame(group, _payload(data, text), no_echo)

    return read


def _payload(data: bytes, text: bool) -> Payload:
    return payloads.Text(data.decode()) if text else payloads.Binary(data)


def _say(payload: Payload) -> Said:
    match payload:
        case payloads.Text(text=text):
            return (TEXT, text.encode())
        case payloads.Json(raw=raw):
            return (TEXT, raw)
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return (BINARY, data)
