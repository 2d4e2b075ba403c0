"""What a setting may be: one reader per kind of value.

A reader takes a value as TOML, the environment or a flag gives it, and returns it as
``Settings`` wants it, or raises ``MisfitError``. It knows nothing of files and lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from hubbub.actors.policy.names import hub_name as fold_hub_name
from hubbub.actors.policy.names import is_event_name
from hubbub.actors.policy.patterns import EventPattern, PatternError, compile_pattern

Reader: TypeAlias = Callable[[object], Any]

SHORTEST_KEY = 32
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_HANDLER_CLASS = re.compile(f"{_DOTTED}:{_DOTTED}")
_PLACEHOLDER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_LONGEST_SHOWN = 60


class MisfitError(Exception):
    """A value does not fit; the text says what was expected."""


def expected(what: str, value: object) -> MisfitError:
    """Say what was expected, and what stands there instead."""
    shown = repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = shown[:_LONGEST_SHOWN] + "..."
    return MisfitError(f"expected {what}, got {shown}")


def text(value: object) -> str:
    """Read a text that is not empty."""
    if isinstance(value, str) and value.strip() and not _CONTROL.search(value):
        return value
    raise expected("a text", value)


def boolean(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise expected("true or false", value)


def integer(low: int, high: int) -> Reader:
    """Make a reader of whole numbers between two bounds."""

    def read(value: object) -> int:
        match value:
            case int() if not isinstance(value, bool) and low <= value <= high:
                return value
        raise expected(f"a whole number from {low} to {high}", value)

    return read


def seconds(high: float) -> Reader:
    """Make a reader of times above zero."""

    def read(value: object) -> float:
        match value:
            case int() | float() if value is not True and 0 < value <= high:
                return float(value)
        raise expected(f"seconds above 0 and up to {high:g}", value)

    return read


def choice(*options: str) -> Reader:
    """Make a reader of one word out of several."""

    def read(value: object) -> str:
        if isinstance(value, str) and value.strip().lower() in options:
            return value.strip().lower()
        raise expected("one of " + ", ".join(options), value)

    return read


def listed(reader: Reader) -> Reader:
    """Make a reader of lists from the reader of their items."""

    def read(value: object) -> tuple[Any, ...]:
        if isinstance(value, list | tuple):
            return tuple(dict.fromkeys(reader(item) for item in value))
        raise expected("a list", value)

    return read


def hub_name(value: object) -> str:
    """Read a hub name; hubs are told apart without regard to case."""
    name = fold_hub_name(value) if isinstance(value, str) else None
    if name is None:
        what = "a hub name (a letter, then up to 127 of letters, digits and _`,.[])"
        raise expected(what, value)
    return name


def event_pattern(value: object) -> str:
    """Read a pattern of user events, as ``*`` or ``order.*, message``."""
    try:
        EventPattern(text(value))
    except (MisfitError, PatternError) as error:
        what = 'a pattern of event names, as "*" or "order.*, message"'
        raise MisfitError(f"{expected(what, value)} ({error})") from error
    for entry in filter(None, map(str.strip, text(value).split(","))):
        if not re.search(r"[*?]", entry) and not is_event_name(entry):
            what = "event names of letters, digits, _ . and -, a letter first"
            raise expected(what, entry)
    return text(value)


def group_pattern(value: object) -> str:
    """Read a pattern of group names, as ``room-*``."""
    try:
        compile_pattern(text(value))
    except (MisfitError, PatternError) as error:
        what = 'a pattern of group names, as "room-*"'
        raise MisfitError(f"{expected(what, value)} ({error})") from error
    return text(value)


def handler_class(value: object) -> str:
    """Read the name of a handler class, as ``shop.lobby:Lobby``."""
    if isinstance(value, str) and _HANDLER_CLASS.fullmatch(value):
        return value
    raise expected('a class as "module:Class"', value)


def group_classes(value: object) -> tuple[tuple[str, str], ...]:
    """Read a table of patterns of group names, each with a class, in order."""
    if not isinstance(value, dict):
        raise expected('a table, as { "polite.*" = "words:Polite" }', value)
    return tuple(
        (group_pattern(pattern), handler_class(path)) for pattern, path in value.items()
    )


def access_key(value: object) -> str:
    """Read an access key (REST reference, keys); it is never part of the text."""
    if not isinstance(value, str):
        raise MisfitError('expected a text, { env = "NAME" } or { file = "path" }')
    if len(value.encode()) < SHORTEST_KEY:
        raise MisfitError(
            f"expected a key of at least {SHORTEST_KEY} bytes; "
            "`openssl rand -base64 48` makes a good one"
        )
    if ";" in value or _CONTROL.search(value) or value != value.strip():
        raise MisfitError("a key has no `;`, control characters or spaces around it")
    return value


def readable_file(value: object) -> str:
    """Read the path of a file that exists."""
    path = text(value)
    if not Path(path).is_file():
        raise expected("the path of a file that exists", value)
    return path


def host(value: object) -> str:
    """Read an address to listen on: a name or an IP address, without a port."""
    if isinstance(value, str):
        name = value.removeprefix("[").removesuffix("]")
        if name and not re.search(r"[\s/@?#]", name) and name.count(":") != 1:
            return name
    raise expected('a host name or IP address, as "127.0.0.1" or "0.0.0.0"', value)


def endpoint(value: object) -> str:
    """Read the public URL of a gateway."""
    what = 'a URL as "https://pubsub.example.com"'
    parts = _http_url(value, what)
    if parts.query or parts.fragment or parts.username is not None:
        raise MisfitError(f"expected {what}, without user, query and fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def origin(value: object) -> str:
    """Read an origin of a browser page, or ``*``."""
    if value == "*":
        return "*"
    what = 'an origin as "https://app.example.com", or "*"'
    parts = _http_url(value, what)
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise MisfitError(f"expected {what}, without a path")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def url_template(value: object) -> str:
    """Read the URL template of a webhook (event handlers, URL template)."""
    what = 'an http or https URL, as "https://app.example.com/hooks/{event}"'
    parts = _http_url(value, what)
    if "{" in parts.netloc or "}" in parts.netloc:
        raise MisfitError(
            "{hub} and {event} may stand in the path or query, not in the host"
        )
    if re.search(r"[{}]", _PLACEHOLDER.sub("", f"{parts.path}{parts.query}")):
        raise MisfitError(
            "the only placeholders of a URL template are {hub} and {event}"
        )
    if parts.fragment or _CONTROL.search(str(value)) or " " in str(value):
        raise MisfitError(f"expected {what}, without spaces and fragment")
    return str(value)


def _http_url(value: object, what: str) -> SplitResult:
    """Split an absolute http or https URL; a URL may hold secrets, so none is shown."""
    if not isinstance(value, str):
        raise MisfitError(f"expected {what}")
    try:
        parts = urlsplit(value.strip())
        _ = parts.port  # raises when it is no port
    except ValueError:
        raise MisfitError(f"expected {what}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MisfitError(f"expected {what}")
    return parts
