"""JSON objects in text frames: ``json.webpubsub.azure.v1``, and reliable. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.sdk.client.heard import Frame, read
from hubbub.sdk.client.said import describe
from hubbub.sdk.errors import ProtocolError
from hubbub.transport.subprotocols.json_data import json_value, read_data
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.client.protocols import Arrival, Said

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Frame).decode


class JsonV1:
    """A JSON object in each text frame.

    Args:
        name: The name that the handshake negotiates.
        reliable: Whether messages are numbered.
    """

    def __init__(self, name: str, *, reliable: bool) -> None:
        self.name = name
        self.reliable = reliable

    def encode(self, request: Said) -> str:
        """Write a request."""
        return _encode(describe(request, json_value)).decode()

    def decode(self, frame: str | bytes) -> Arrival | None:
        """Read a text frame."""
        if not isinstance(frame, str):
            raise ProtocolError("a binary frame came, where only text is agreed")
        try:
            content = _decode(frame)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ProtocolError(f"a frame cannot be read: {error}") from None
        return read(content, partial(_payload, content), numbered=self.reliable)


JSON_V1: Final = JsonV1("json.webpubsub.azure.v1", reliable=False)
"""The subprotocol ``json.webpubsub.azure.v1``."""

JSON_RELIABLE_V1: Final = JsonV1("json.reliable.webpubsub.azure.v1", reliable=True)
"""The subprotocol ``json.reliable.webpubsub.azure.v1``."""


def _payload(frame: Frame) -> Payload | None:
    if not bytes(frame.data):
        return None
    try:
        return read_data(frame.data_type, frame.data)
    except ProtocolViolation as violation:
        raise ProtocolError(f"a message cannot be read: {violation}") from None
