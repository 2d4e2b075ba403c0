"""How messages look in a terminal: one line each."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from hubbub.transport.cli_output import visible

if TYPE_CHECKING:
    from hubbub.transport.cli_session import Frame


def describe(frame: Frame) -> str:
    """Write a message for people: ``[lobby] alice: hello``."""
    place = frame.group if frame.from_ == "group" else "server"
    author = f" {frame.from_user_id}:" if frame.from_user_id else ""
    return visible(f"[{place}]{author} {_content(frame)}")


def one_line(text: str) -> str:
    """Put a JSON text into one line, otherwise as it is.

    Inside a JSON string a line break is always escaped, so that only blanks change.
    """
    return text.replace("\r", " ").replace("\n", " ")


def _content(frame: Frame) -> str:
    raw = bytes(frame.data)
    if frame.data_type == "json":
        return one_line(raw.decode())
    text = msgspec.json.decode(raw, type=str)
    if frame.data_type == "text":
        return text
    size = len(base64.b64decode(text))
    return f"({frame.data_type}, {size} bytes) {text}"
