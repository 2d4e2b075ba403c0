"""A message as its receiver sees it, and the way from Python values to payloads."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, TypeAlias, assert_never

import msgspec

from hubbub.actors.messages.payload import (
    Binary,
    Json,
    Metadata,
    Payload,
    Protobuf,
    Text,
)

DataType: TypeAlias = Literal["text", "json", "binary", "protobuf"]


class Message(msgspec.Struct, frozen=True, dict=True):
    """A message that somebody published or sent.

    ``group`` is None for what a server sent to this connection, its user or
    everybody. ``from_user`` is None where no client sent it, or an anonymous one.
    """

    payload: Payload
    group: str | None = None
    from_user: str | None = None
    metadata: Metadata | None = None

    @cached_property
    def data(self) -> Any:
        """The value: str of text, bytes of binary and protobuf, else decoded JSON.

        Raises:
            msgspec.DecodeError: Its author sent as JSON what is none.
        """
        match self.payload:
            case Text(text=text):
                return text
            case Json(raw=raw):
                return msgspec.json.decode(raw)
            case Binary(data=data) | Protobuf(data=data):
                return data
            case _:
                assert_never(self.payload)

    @property
    def data_type(self) -> DataType:
        """What kind of data it is."""
        match self.payload:
            case Text():
                return "text"
            case Json():
                return "json"
            case Binary():
                return "binary"
            case Protobuf():
                return "protobuf"
            case _:
                assert_never(self.payload)


def payload_of(data: object) -> Payload:
    """Turn a value into a payload: str, bytes, a payload as it is, else JSON.

    Args:
        data: What to send; JSON takes dict, list, numbers, bool, dataclasses,
            msgspec structs and what else msgspec can encode.

    Raises:
        TypeError: JSON cannot say it.
        ValueError: It is None, or another value that JSON says as null: receivers
            cannot be told null.
    """
    match data:
        case Text() | Json() | Binary() | Protobuf():
            return data
        case str():
            return Text(data)
        case bytes() | bytearray() | memoryview():
            return Binary(bytes(data))
    raw = msgspec.json.encode(data)
    if raw == b"null":
        raise ValueError("JSON null cannot be sent: receivers cannot be told it")
    return Json(raw)
