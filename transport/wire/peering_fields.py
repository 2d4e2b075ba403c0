"""How a value of a message between gateways stands in CBOR, and what it may be. Pure.

A field writes a value as what CBOR has, and reads it back. Both refuse what the other
would: so whatever is sent can be read, and whatever is read can be carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from hubbub.actors.messages import payload as payloads
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.policy.names import HUB, is_event_name, metadata_fault
from hubbub.actors.policy.patterns import compile_pattern

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping

    from hubbub.actors.messages.commands import Where
    from hubbub.actors.messages.payload import Payload

    Convert: TypeAlias = Callable[[Any], Any]

MOST_NAME: Final = 1 << 16
"""Characters of an id or a group's name, above any limit at the edge."""
MOST_NUMBER: Final = 2**64 - 1
MOST_LINE: Final = 1024
"""Characters of what is shown to people: gateways, endpoints, reasons."""
MOST_RULES: Final = 100
MOST_ENDPOINTS: Final = 4096

KNOWN_HUBS: Final[dict[str, None]] = {}
"""Names of hubs that were looked at before, so many at most."""
_MOST_KNOWN: Final = 4096


class Unfit(ValueError):  # noqa: N818 - what it is; the caller makes it an error
    """A value that is not of its field; the text does not quote it."""


class Field(NamedTuple):
    """A way to write a value and to read it."""

    write: Convert
    read: Convert


def both(convert: Convert) -> Field:
    """Make a field that writes and reads alike."""
    return Field(convert, convert)


def text(value: Any) -> str:
    """Let a text pass; one of an enumeration as a plain one."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise Unfit("a text is expected")


def name(value: Any) -> str:
    """Let an id or a name pass."""
    if len(found := text(value)) > MOST_NAME:
        raise Unfit("a name is too long")
    return found


def line(value: Any) -> str:
    """Let a short text pass that can be shown as it is."""
    found = text(value)
    if not 0 < len(found) <= MOST_LINE or not found.isprintable():
        raise Unfit("a short printable text is expected")
    return found


def _reason(value: Any) -> str:
    """Make a line of what somebody wrote."""
    found = text(value)[:MOST_LINE]
    shown = "".join(one if one.isprintable() else "?" for one in found)
    return shown or "no reason is given"


def event_name(value: Any) -> str:
    """Let the name of a user event pass."""
    if not is_event_name(found := text(value)):
        raise Unfit("an event's name is invalid")
    return found


def hub(value: Any) -> str:
    """Let the name of a hub pass, in lower case."""
    if type(value) is str and value in KNOWN_HUBS:
        return value
    found = text(value)
    if HUB.fullmatch(found) is None or found != found.lower():
        raise Unfit("a hub's name is invalid")
    if len(KNOWN_HUBS) < _MOST_KNOWN:
        KNOWN_HUBS[found] = None
    return found


def pattern(value: Any) -> str:
    """Let a pattern over groups pass."""
    found = name(value)
    compile_pattern(found)
    return found


def flag(value: Any) -> bool:
    """Let true and false pass."""
    if value is not True and value is not False:
        raise Unfit("true or false is expected")
    return value


def octets(value: Any) -> bytes:
    """Let bytes pass."""
    if type(value) is not bytes:
        raise Unfit("bytes are expected")
    return value


def number(least: int = 0, most: int = MOST_NUMBER) -> Convert:
    """Make what lets whole numbers of a range pass."""

    def convert(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit("a whole number is expected")
        if not least <= value <= most:
            raise Unfit("a number is out of range")
        return int(value)

    return convert


def maybe(field: Field | Convert) -> Field:
    """Make a field whose value may be None."""
    write, read = field if isinstance(field, Field) else both(field)
    return Field(
        lambda value: None if value is None else write(value),
        lambda value: None if value is None else read(value),
    )


def several(field: Field | Convert, least: int = 0, most: int = MOST_NUMBER) -> Field:
    """Make a field of a tuple, which is an array in CBOR."""
    write, read = field if isinstance(field, Field) else both(field)

    def written(value: Any) -> list[Any]:
        if not least <= len(value) <= most:
            raise Unfit("too few or too many values")
        return [write(one) for one in value]

    def found(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise Unfit("an array is expected")
        if not least <= len(value) <= most:
            raise Unfit("too few or too many values")
        return tuple([read(one) for one in value])

    return Field(written, found)


def choice(values: type[enum.StrEnum]) -> Field:
    """Make a field of an enumeration, by value."""
    known = {str(value): value for value in values}

    def found(value: Any) -> Any:
        if type(value) is not str or value not in known:
            raise Unfit("a value is unknown")
        return known[value]

    return Field(lambda value: found(str(value)).value, found)


def one_of(*values: str) -> Field:
    """Make a field of one of some texts."""

    def convert(value: Any) -> str:
        if type(value) is not str or value not in values:
            raise Unfit("a value is unknown")
        return value

    return both(convert)


def mapping(read_value: Convert, write_value: Convert) -> Field:
    """Make a field of a mapping from names."""

    def written(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name(key): write_value(one) for key, one in dict(value).items()}

    def found(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Unfit("a map is expected")
        return {name(key): read_value(one) for key, one in value.items()}

    return Field(written, found)


TEXTS: Final = several(text)
NAMES: Final = several(name)
VALUES: Final = mapping(TEXTS.read, TEXTS.write)
METADATA: Final = mapping(text, text)
REASON: Final = Field(_reason, line)


def _header_metadata(found: dict[str, str]) -> dict[str, str]:
    """Let metadata pass that may become headers."""
    if metadata_fault(found.items()) is not None:
        raise Unfit("metadata is invalid")
    return found


EVENT_METADATA: Final = Field(
    lambda value: _header_metadata(METADATA.write(value)),
    lambda value: _header_metadata(METADATA.read(value)),
)


def write_where(where: Where) -> str:
    """Give the text of a compiled filter.

    Raises:
        TypeError: It is a function of somebody's own, which cannot cross.
    """
    found = getattr(where, "text", None)
    if type(found) is not str:
        raise TypeError("a function cannot cross to another gateway, a filter can")
    return found


def read_where(value: Any) -> Where:
    """Compile a filter."""
    return compile_filter(text(value))


WHERE: Final = maybe(Field(write_where, read_where))

# Payloads: their kind, and what they hold.

TEXT: Final = 0
JSON: Final = 1
BINARY: Final = 2
PROTOBUF: Final = 3


def write_payload(payload: Payload) -> tuple[int, str | bytes]:
    """Give kind and content of a payload."""
    kind = type(payload)
    if kind is payloads.Text:
        return TEXT, text(payload.text)  # type: ignore[union-attr] # it is
    if kind is payloads.Json:
        return JSON, utf8(payload.raw)  # type: ignore[union-attr]
    if kind is payloads.Binary:
        return BINARY, octets(payload.data)  # type: ignore[union-attr]
    if kind is payloads.Protobuf:
        return PROTOBUF, octets(payload.data)  # type: ignore[union-attr]
    raise TypeError("this is no payload")


def read_payload(kind: Any, content: Any) -> Payload:
    """Make a payload of its kind and content."""
    if type(kind) is int:
        if kind == TEXT and type(content) is str:
            return payloads.Text(content)
        if type(content) is bytes:
            if kind == JSON:
                return payloads.Json(utf8(content))
            if kind == BINARY:
                return payloads.Binary(content)
            if kind == PROTOBUF:
                return payloads.Protobuf(content)
    raise Unfit("a payload is expected")


def utf8(value: Any) -> bytes:
    """Let bytes pass that can stand in a text frame.

    That they are JSON is their author's affair, as it is on one gateway.
    """
    found = octets(value)
    if not found.isascii():
        found.decode()
    return found


def _written_payload(payload: Payload) -> list[Any]:
    return [*write_payload(payload)]


def _found_payload(value: Any) -> Payload:
    if type(value) is not list or len(value) != 2:  # noqa: PLR2004 - kind and content
        raise Unfit("a payload is expected")
    return read_payload(value[0], value[1])


PAYLOAD: Final = Field(_written_payload, _found_payload)
