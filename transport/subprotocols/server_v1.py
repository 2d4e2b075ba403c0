"""The two subprotocols of attached servers: one vocabulary, written as JSON or CBOR.

Pure. A frame that cannot be read at all ends the connection; one that names its id, or
the event it answers, is refused alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

import cbor2
import msgspec

from hubbub.actors.messages import servers
from hubbub.transport.subprotocols import server_frames as frames
from hubbub.transport.subprotocols.cbor_items import cbor_value, load, read_body
from hubbub.transport.subprotocols.json_data import json_value, read_data
from hubbub.transport.subprotocols.server_pushes import describe
from hubbub.transport.subprotocols.server_requests import request
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import BINARY, TEXT, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.messages.servers import ServerPush, ServerRequest

    Read: TypeAlias = Callable[[], ServerRequest]

JSON_NAME: Final = "json.server.hubbub.v1"
CBOR_NAME: Final = "cbor.server.hubbub.v1"


class _Boxed(msgspec.Struct):
    """A frame in a struct: of a bare union msgspec would work out the type anew."""

    frame: frames.AnyFrame


@cache
def _frame_decoder() -> msgspec.json.Decoder[frames.AnyFrame]:
    """Make the decoder when the first server attaches: it takes some 30 ms."""
    return msgspec.json.Decoder(frames.AnyFrame)


_decode_marks: Callable[[bytes], frames.Marks] = msgspec.json.Decoder(
    frames.Marks
).decode


class JsonServer:
    """``json.server.hubbub.v1``: JSON objects in text frames, for any language."""

    def decode(self, data: bytes, text: bool) -> ServerRequest:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a binary frame, 1007 for what is no frame.
        """
        if not text:
            raise ProtocolViolation(1003, "this subprotocol takes text frames only")
        try:
            frame = _frame_decoder().decode(data)
            return request(frame, lambda: _json_payload(frame))
        except (ProtocolViolation, ValueError, RecursionError) as error:
            return _unclear(error, lambda: _decode_marks(data))

    def compose(self, push: ServerPush) -> Said:
        """Say a push."""
        return (TEXT, msgspec.json.encode(describe(push, json_value)))


class CborServer:
    """``cbor.server.hubbub.v1``: CBOR maps in binary frames (RFC 8949)."""

    def decode(self, data: bytes, text: bool) -> ServerRequest:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a text frame, 1007 for what is no frame.
        """
        if text:
            raise ProtocolViolation(1003, "this subprotocol takes binary frames only")
        content = load(data)
        body = content.pop("data", None)
        try:
            frame = msgspec.convert({"frame": content}, _Boxed).frame
            return request(frame, lambda: _cbor_payload(frame, body))
        except (ValueError, RecursionError) as error:
            return _unclear(error, lambda: msgspec.convert(content, frames.Marks))

    def compose(self, push: ServerPush) -> Said:
        """Say a push."""
        return (BINARY, cbor2.dumps(describe(push, cbor_value)))


SERVER_SPOKEN: Final[dict[str, JsonServer | CborServer]] = {
    CBOR_NAME: CborServer(),
    JSON_NAME: JsonServer(),
}
"""Names a server may offer, lower case."""


def _unclear(error: Exception, marks: Callable[[], frames.Marks]) -> ServerRequest:
    """Refuse a frame alone if it says what it is about, else all of its kind."""
    reason = error.reason if isinstance(error, ProtocolViolation) else str(error)
    try:
        found = marks()
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ProtocolViolation(1007, f"invalid frame: {reason}") from None
    if found.id is None and found.event_id is None:
        raise ProtocolViolation(1007, f"invalid frame: {reason}")
    return servers.Unclear(reason, found.id, found.event_id)


def _json_payload(frame: frames.AnyFrame) -> Payload | None:
    raw: msgspec.Raw = getattr(frame, "data", msgspec.Raw())
    if not raw:
        return None
    return read_data(getattr(frame, "data_type", None), raw)


def _cbor_payload(frame: frames.AnyFrame, body: object) -> Payload | None:
    if body is None:
        return None
    return read_body(getattr(frame, "data_type", None) or "json", body)
