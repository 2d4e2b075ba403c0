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
    StreamMark,
    Text,
)

DataType: TypeAlias = Literal["text", "json", "binary", "protobuf"]


class Message(msgspec.Struct, frozen=True, dict=True):
    """A message that somebody published or sent.

    ``group`` is None for what a server sent to this connection, its user or
    everybody. ``from_user`` is None where no client sent it, or an anonymous one.
    ``stream`` says which part of which stream it is; None for most messages.
    """

    payload: Payload
    group: str | None = None
    from_user: str | None = None
    metadata: Metadata | None = None
    stream: StreamMark | None = None

    @cached_property
    def data(self) -> Any:
        """The value: str of text, bytes of binary and protobuf, else decoded JSON.

        Raises:
            msgspec.DecodeError: Its author sent as JSON what is none.
        """
        return value_of(self.payload)

    @property
    def data_type(self) -> DataType:
        """What kind of data it is."""
        return type_of(self.payload)


class InvokeResult(msgspec.Struct, frozen=True, dict=True):
    """What an invocation came to; ``payload`` is None where nothing was returned."""

    payload: Payload | None = None

    @cached_property
    def data(self) -> Any:
        """The value, as that of a message; None for nothing.

        Raises:
            msgspec.DecodeError: The server returned as JSON what is none.
        """
        return None if self.payload is None else value_of(self.payload)

    @property
    def data_type(self) -> DataType | None:
        """What kind of data it is; None for nothing."""
        return None if self.payload is None else type_of(self.payload)


def value_of(payload: Payload) -> Any:
    """Turn a payload into a value: str, bytes, else decoded JSON.

    Raises:
        msgspec.DecodeError: It should be JSON and is none.
    """
    match payload:
        case Text(text=text):
            return text
        case Json(raw=raw):
            return msgspec.json.decode(raw)
        case Binary(data=data) | Protobuf(data=data):
            return data
        case _:
            assert_never(payload)


def type_of(payload: Payload) -> DataType:
    """Name the kind of data that a payload holds."""
    match payload:
        case Text():
            return "text"
        case Json():
            return "json"
        case Binary():
            return "binary"
        case Protobuf():
            return "protobuf"
        case _:
            assert_never(payload)


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
