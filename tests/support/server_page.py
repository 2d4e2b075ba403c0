"""The page on the server protocol, as far as tests read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from support.cddl import Cddl

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "server-protocol.md"

_CDDL = re.compile(r"^```cddl\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(
    r"^#### ([^\n]+)\n\n```json\n(.*?)^```\n\n"
    r"```cbor-diag\n(.*?)^```\n\n```hex\n(.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Example(NamedTuple):
    """A frame of the page: JSON, CBOR as values, CBOR as bytes."""

    title: str
    json: str
    diagnostic: dict[str, Any]
    cbor: bytes


def cddl() -> Cddl:
    """Read the description of both vocabularies."""
    (text,) = _CDDL.findall(PAGE.read_text())
    return Cddl(text)


def examples() -> list[Example]:
    """Read the examples."""
    return [
        Example(title, text.replace("\n", ""), _values(diagnostic), _bytes(hexadecimal))
        for title, text, diagnostic, hexadecimal in _EXAMPLE.findall(PAGE.read_text())
    ]


def _bytes(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


def _values(diagnostic: str) -> Any:
    """Read diagnostic notation (RFC 8949, section 8): JSON, and h'' for bytes."""
    marked = re.sub(r"h'([0-9a-f]*)'", r'"bytes:\1"', diagnostic.replace("\n", ""))
    return json.loads(marked, object_hook=_with_bytes)


def _with_bytes(found: dict[str, Any]) -> dict[str, Any]:
    return {
        key: bytes.fromhex(value.removeprefix("bytes:"))
        if isinstance(value, str) and value.startswith("bytes:")
        else value
        for key, value in found.items()
    }
