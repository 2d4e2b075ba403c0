"""Reads and writes the one line that tells a program where a gateway is.

``Endpoint=http://127.0.0.1:8080;AccessKey=...;Version=1.0;``, read as the official
packages do (service's REST reference, connection strings).
"""

import re
from typing import Any, Final

import msgspec

_ENDPOINT: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:@\s\[\]]+)"
    r"(?::(?P<port>[0-9]+))?(?P<base>(?:/[^?#\s]*)?)",
    re.IGNORECASE,
)
_PORTS: Final = range(1, 65536)


class ConnectionStringError(ValueError):
    """Says what is wrong with a connection string, and what to do; never the key."""


class ConnectionString(msgspec.Struct, frozen=True):
    """Where a gateway is, without a trailing slash, and the key to it."""

    endpoint: str
    access_key: str

    def __repr__(self) -> str:
        return f"ConnectionString({self.endpoint!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("endpoint", self.endpoint)]


def parse_connection_string(text: str) -> ConnectionString:
    """Read a connection string; keys it does not know are ignored.

    Raises:
        ConnectionStringError: It is incomplete, or not one.
    """
    fields = _fields(text)
    endpoint = fields.get("endpoint", "")
    access_key = fields.get("accesskey", "")
    if not endpoint:
        raise ConnectionStringError("The connection string has no Endpoint.")
    if not access_key:
        raise ConnectionStringError("The connection string has no AccessKey.")
    return ConnectionString(_address(endpoint, fields.get("port")), access_key)


def format_connection_string(endpoint: str, access_key: str) -> str:
    """Write a connection string in the form on which all official packages agree.

    Raises:
        ConnectionStringError: The endpoint is not an HTTP address, or the key has a
            semicolon.
    """
    if not access_key or ";" in access_key or access_key != access_key.strip():
        raise ConnectionStringError(
            "An access key must not be empty, have a semicolon or outer blanks.",
        )
    place = _address(endpoint, None)
    return f"Endpoint={place};AccessKey={access_key};Version=1.0;"


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for segment in filter(None, map(str.strip, text.split(";"))):
        name, equals, value = segment.partition("=")
        if not equals:
            raise ConnectionStringError(
                "A part of the connection string has no '=': "
                "write Endpoint=http://host:port;AccessKey=key;Version=1.0;",
            )
        key = name.strip().lower()
        if key in fields:
            raise ConnectionStringError(f"{name.strip()} is given twice.")
        fields[key] = value.strip()
    return fields


def _address(endpoint: str, port: str | None) -> str:
    if "://" not in endpoint:
        raise ConnectionStringError(
            f"The Endpoint {endpoint!r} has no scheme: "
            f"write http://{endpoint} or https://{endpoint}.",
        )
    parts = _ENDPOINT.fullmatch(endpoint)
    if parts is None or ";" in endpoint:
        raise ConnectionStringError(
            f"The Endpoint {endpoint!r} is not an http or https address.",
        )
    number = parts["port"] if port is None else port
    place = f"{parts['scheme'].lower()}://{parts['host'].lower()}"
    if number is not None:
        place = f"{place}:{_port(number)}"
    return place + parts["base"].rstrip("/")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len("65535")):
        raise ConnectionStringError("The Port must be a number from 1 to 65535.")
    if (port := int(text)) not in _PORTS:
        raise ConnectionStringError("The Port must be a number from 1 to 65535.")
    return port
