"""Reads what a REST call sends: a payload of four kinds, its metadata, or groups.

A body has a size and a deadline. What a body means is its Content-Type's business,
what JSON says is nobody's: it is kept byte for byte (REST reference, send).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from encodings.aliases import aliases
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeAlias

import msgspec

from hubbub.actors.messages.commands import Where
from hubbub.actors.messages.payload import Binary, Json, Protobuf, Text
from hubbub.actors.policy.names import is_group_name, metadata_fault
from hubbub.transport.rest_answers import (
    Headers,
    Refused,
    invalid,
    too_large,
    too_slow,
    unsupported_media_type,
)
from hubbub.transport.rest_protobuf import is_any
from hubbub.transport.rest_query import GROUP_MESSAGE, compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.transport.settings import Limits

Receive: TypeAlias = Callable[[], Awaitable[Any]]
"""ASGI's way to give a body."""

_METADATA: Final = b"x-webpubsub-metadata-"
_ENCODING: Final = b"content-encoding"
_BOM: Final = b"\xef\xbb\xbf"
_UTF_8: Final = "utf_8"
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(
    rf'[ \t]*;[ \t]*(?:({_WORD})=(?:({_WORD})|"((?:[^"\\]|\\.)*)"))?'
)
_MEDIA_TYPE: Final = re.compile(rf"[ \t]*({_WORD}/{_WORD})")

# Only these of Python's codecs are charsets of text that people send.
_CODECS: Final = frozenset(
    {
        *("ascii", "latin_1", "utf_8", "utf_16", "utf_16_le", "utf_16_be"),
        *("utf_32", "utf_32_le", "utf_32_be", "koi8_r", "koi8_u", "cp437", "cp850"),
        *("cp852", "cp866", "cp874", "mac_roman", "gb2312", "gbk", "gb18030", "big5"),
        *("shift_jis", "euc_jp", "euc_kr", "iso2022_jp", "tis_620"),
        *(f"cp125{number}" for number in range(9)),
        *(f"iso8859_{number}" for number in range(2, 17)),
    }
)


class Disconnected(Exception):  # noqa: N818 - nobody's error
    """The caller hung up: there is no one to answer."""


class MediaType(NamedTuple):
    """A Content-Type: the essence in lower case, and Python's name of its charset."""

    essence: str
    codec: str


_NO_TYPE: Final = MediaType("application/octet-stream", _UTF_8)


class Membership(msgspec.Struct, frozen=True):
    """The body of a bulk operation."""

    groups: tuple[str, ...]
    where: Where | None


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Give the values of a header, by lower-case name."""
    return [value for key, value in headers if key == name]


async def payload(headers: Headers, receive: Receive, limits: Limits) -> Payload:
    """Read the body of a send.

    Raises:
        Refused: The body is too large or late, of no known type, or not what it says.
        Disconnected: The caller hung up.
    """
    kind = _media_type(headers)
    make = _PAYLOADS.get(kind.essence)
    if make is None:
        raise Refused(unsupported_media_type(f"{kind.essence} is not supported."))
    return make(await _read(headers, receive, limits), kind.codec)


def metadata(headers: Headers) -> Metadata | None:
    """Give the metadata of a send; of repeated values the last counts."""
    found: dict[str, str] | None = None
    for name, value in headers:
        if name.startswith(_METADATA):
            if found is None:
                found = {}
            key = name[len(_METADATA) :].decode("latin-1")
            found[key] = value.rpartition(b",")[2].strip().decode("latin-1")
    if found is not None and (fault := metadata_fault(found.items())) is not None:
        raise Refused(invalid("Metadata", fault))
    return found


async def membership(headers: Headers, receive: Receive, limits: Limits) -> Membership:
    """Read the body of a bulk operation; property names compare without case.

    Raises:
        Refused: The body is too large or late, or says nothing that can be done.
        Disconnected: The caller hung up.
    """
    kind = _media_type(headers)
    if kind.essence != "application/json":
        raise Refused(unsupported_media_type("The body must be application/json."))
    raw = _json(await _read(headers, receive, limits), kind.codec).raw
    try:
        properties = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        _bad("Request", "The request body must be a JSON object.")
    named = {name.lower(): value for name, value in properties.items()}
    where = compiled(_filter(named.get("filter")), in_body=True)
    return Membership(_groups(named.get("groups")), where)


def _groups(raw: msgspec.Raw | None) -> tuple[str, ...]:
    try:
        names = () if raw is None else msgspec.json.decode(raw, type=tuple[str, ...])
    except msgspec.DecodeError:
        names = ()
    if not names or not all(map(is_group_name, names)):
        _bad("Groups", GROUP_MESSAGE)
    return tuple(dict.fromkeys(names))


def _filter(raw: msgspec.Raw | None) -> str | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=str | None)
    except msgspec.DecodeError:
        _bad("Filter", "The filter must be a string.")


async def _read(headers: Headers, receive: Receive, limits: Limits) -> bytes:
    """Read the whole body, of declared length or in chunks."""
    limit = limits.message_size
    for length in values(headers, b"content-length"):
        if int(length) > limit:
            raise Refused(too_large(limit))
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _gather(receive, limit)
    except TimeoutError:
        raise Refused(too_slow()) from None


async def _gather(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise Refused(too_large(limit))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _media_type(headers: Headers) -> MediaType:
    """Give what the body claims to be; without a claim it is binary."""
    if any(coding.lower() != b"identity" for coding in values(headers, _ENCODING)):
        raise Refused(unsupported_media_type("Compressed bodies are not supported."))
    given = values(headers, b"content-type")
    return _parsed(b", ".join(given)) if given else _NO_TYPE


@lru_cache(maxsize=256)
def _parsed(header: bytes) -> MediaType:
    """Parse a Content-Type (RFC 9110 8.3.1)."""
    text = header.decode("latin-1").strip(" \t")
    if not text:
        return _NO_TYPE
    essence = _MEDIA_TYPE.match(text)
    charset = ""
    at = 0 if essence is None else essence.end()
    while at and at < len(text):
        parameter = _PARAMETER.match(text, at)
        at = 0 if parameter is None else parameter.end()
        if parameter is not None and (parameter[1] or "").lower() == "charset":
            charset = parameter[2] or parameter[3] or ""
    if essence is None or not at:
        raise Refused(unsupported_media_type("The Content-Type cannot be read."))
    return MediaType(essence[0].lower(), _codec(charset))


def _codec(charset: str) -> str:
    """Find Python's codec of a charset: in a table, for Python would import a name."""
    name = re.sub(r"[^a-z0-9]+", "_", charset.lower()) or _UTF_8
    codec = aliases.get(name, name)
    if codec not in _CODECS:
        raise Refused(unsupported_media_type("The charset is not supported."))
    return codec


def _decoded(body: bytes, codec: str) -> str:
    try:
        return body.decode(codec)
    except UnicodeError:
        _bad("Request", "The request body is not valid text of its charset.")


def _text(body: bytes, codec: str) -> Text:
    return Text(_decoded(body, codec))


def _json(body: bytes, codec: str) -> Json:
    """Check that a body is one JSON value; a byte order mark is not part of it.

    msgspec checks the grammar without making objects, but not that strings are UTF-8;
    of nesting deeper than Python's stack it says so, and the request is refused.
    """
    text = _decoded(body, codec)
    body = (
        body.removeprefix(_BOM)
        if codec == _UTF_8
        else text.removeprefix("\ufeff").encode()
    )
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        _bad("Request", "The request body is not a valid JSON.")
    return Json(body)


def _binary(body: bytes, _codec: str) -> Binary:
    return Binary(body)


def _protobuf(body: bytes, _codec: str) -> Protobuf:
    if not is_any(body):
        _bad("Request", "The request body is not a google.protobuf.Any.")
    return Protobuf(body)


def _bad(target: str, message: str) -> NoReturn:
    raise Refused(invalid(target, message, in_body=True))


_PAYLOADS: Final[dict[str, Callable[[bytes, str], Payload]]] = {
    "text/plain": _text,
    "application/json": _json,
    "application/octet-stream": _binary,
    "application/x-protobuf": _protobuf,
}
