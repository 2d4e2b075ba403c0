"""CBOR maps in binary frames: ``cbor.webpubsub.hubbub.v1``, and reliable. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cbor2
import msgspec

from hubbub.sdk.client.heard import Frame, read
from hubbub.sdk.client.said import describe
from hubbub.sdk.errors import ProtocolError
from hubbub.transport.subprotocols.cbor_items import cbor_value, load, read_body
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.client.protocols import Arrival, Said

_ABSENT: Final = object()


class CborV1:
    """A CBOR map in each binary frame; JSON data is text, binary data bytes.

    Args:
        name: The name that the handshake negotiates.
        reliable: Whether messages are numbered.
    """

    def __init__(self, name: str, *, reliable: bool) -> None:
        self.name = name
        self.reliable = reliable

    def encode(self, request: Said) -> bytes:
        """Write a request."""
        return cbor2.dumps(describe(request, cbor_value))

    def decode(self, frame: str | bytes) -> Arrival | None:
        """Read a binary frame."""
        if isinstance(frame, str):
            raise ProtocolError("a text frame came, where only binary is agreed")
        try:
            content = load(frame)
            data = content.pop("data", _ABSENT)
            said = msgspec.convert(content, Frame)
        except (ProtocolViolation, ValueError, RecursionError) as error:
            raise ProtocolError(f"a frame cannot be read: {error}") from None

        def payload() -> Payload | None:
            return None if data is _ABSENT else _payload(said, data)

        return read(said, payload, numbered=self.reliable)


CBOR_V1: Final = CborV1("cbor.webpubsub.hubbub.v1", reliable=False)
"""The subprotocol ``cbor.webpubsub.hubbub.v1``."""

CBOR_RELIABLE_V1: Final = CborV1("cbor.reliable.webpubsub.hubbub.v1", reliable=True)
"""The subprotocol ``cbor.reliable.webpubsub.hubbub.v1``."""


def _payload(frame: Frame, data: object) -> Payload:
    try:
        return read_body(frame.data_type or "json", data)
    except ValueError as error:
        raise ProtocolError(f"a message cannot be read: {error}") from None
