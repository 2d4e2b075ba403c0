"""What a trace says of a message: its name, and the few things that explain it. Pure.

Only fields whose names stand here are shown: tokens, keys, claims, headers and queries
have others. A payload is shown by kind and size, with the beginning of its text.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hubbub.actors.messages import commands, events, internal, peers
from hubbub.actors.messages import payload as payloads
from hubbub.transport.logs import mask

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TEXT: Final = 40
"""Characters shown of a payload or a name."""
_MOST_NAMES: Final = 5
"""Groups and the like that are named, of several."""
_ID: Final = 6
"""Characters that tell one id of a gateway from another."""
_MASKED: Final = 4096
"""Characters in which secrets are looked for, before the rest is cut off."""

_SHOWN: Final = {
    "gateway": "gateway {}",
    "hub": "hub {}",
    "group": "group {}",
    "groups": "groups {}",
    "event": "{}",
    "kind": "{}",
    "name": "{}",
    "user_id": "user {}",
    "from_user": "from {}",
    "connection_id": "connection {}",
    "server_id": "{}",
    "client": "of {}",
    "applicant": "{}",
    "target": "to {}",
    "push": "{}",
    "command": "{}",
    "outcome": "{}",
    "payload": "{}",
    "no_echo": "no echo",
    "exclude": "without {}",
    "permission": "{}",
    "rules": "rules: {}",
    "pattern": "{}",
    "ack_id": "ack {}",
    "request_id": "request {}",
    "number": "number {}",
    "attempt": "attempt {}",
    "status": "{}",
    "code": "{}",
    "reason": "{}",
    "cause": "{}",
    "error": "{}",
    "message": "{}",
    "found": "found",
    "done": "done",
}
"""How a field is said, by its name; whatever has another name is not."""

_CONVERSATIONS: Final = {"trace_edge": "sockets"}
"""What a conversation is called, where its module is not."""

_FIRST_ATTEMPT: Final = ("attempt", 1)
_COUNTED: Final = frozenset({"rules"})


def name_of(message: Any) -> str:
    """Name a message with its conversation, as ``requests.SendToGroup``."""
    kind = type(_core(message))
    *_, package, module = ("", *kind.__module__.split("."))
    if package == "runtime":
        return kind.__name__
    return f"{_CONVERSATIONS.get(module, module)}.{kind.__name__}"


def detail_of(message: Any) -> str:
    """Say in a few words what a message is about; no secrets."""
    return ", ".join(_details(_core(message)))


def short_id(name: str) -> str:
    """Give the end of an id, by which people tell connections and servers apart."""
    return name[-_ID:]


def _core(message: Any) -> Any:
    """Take a message out of what carries it to the one who is asked."""
    match message:
        case events.Delivery(event=event):
            return event
        case events.Answered(outcome=outcome) if outcome is not None:
            return outcome
        case commands.ForHub(command=command):
            return command
        case _:
            return message


def _details(message: Any) -> Iterator[str]:
    match message:
        case peers.Interest(hub=hub, key=key, present=present):
            yield f"hub {_short(hub)}"
            yield f"{'wants' if present else 'wants no more:'} {_say(key)}"
        case peers.Knock(gateway=gateway) | peers.Hello(gateway=gateway):
            yield f"gateway {_short(gateway)}"
        case peers.Batch(gateway=gateway, number=number, messages=messages):
            kinds = Counter(type(letter).__name__ for letter in messages)
            for kind, count in kinds.items():
                yield kind if count == 1 else f"{count} {kind}"
            yield f"number {number}"
            yield f"gateway {_short(gateway)}"
        case _:
            yield from _fields(message)


def _fields(message: Any) -> Iterator[str]:
    for field in getattr(message, "__struct_fields__", ()):
        form = _SHOWN.get(field)
        value = getattr(message, field)
        if form is None or (field, value) == _FIRST_ATTEMPT:
            continue
        said = str(len(value)) if field in _COUNTED else _say(value)
        if said:
            yield form.format(said)


def _say(value: Any) -> str:
    match value:
        case None | False | () | "":
            return ""
        case str() | int():
            return _short(str(value))
        case commands.Everyone():
            return "everyone"
        case commands.ToGroup(name=name):
            return f"group {_short(name)}"
        case events.Client(user_id=user_id, connection_id=connection_id):
            return _short(user_id or connection_id)
        case payloads.Text() | payloads.Json() | payloads.Binary():
            return _payload(value)
        case payloads.Protobuf(data=data):
            return f"protobuf of {len(data)} bytes"
        case internal.Applicant():
            return detail_of(value)
        case BaseException():
            return type(value).__name__
        case msgspec.Struct():
            return detail_of(value) or type(value).__name__
        case Iterable():
            return _names(value)
        case _:
            return ""


def _payload(value: payloads.Text | payloads.Json | payloads.Binary) -> str:
    match value:
        case payloads.Text(text=text):
            return f'text of {len(text)} "{_short(text)}"'
        case payloads.Json(raw=raw):
            text = raw[: _MASKED * 4].decode(errors="replace")
            return f"JSON of {len(raw)} bytes {_short(text)}"
        case payloads.Binary(data=data):
            return f"{len(data)} bytes"


def _names(values: Iterable[Any]) -> str:
    first = list(itertools.islice(values, _MOST_NAMES + 1))
    said = " ".join(_say(value) for value in first[:_MOST_NAMES])
    return f"{said} ..." if len(first) > _MOST_NAMES else said


def _short(text: str) -> str:
    """Keep the beginning of a text in one line, with secrets masked."""
    masked = mask(text[:_MASKED])
    line = "".join(
        character if character.isprintable() else " " for character in masked
    )
    return line if len(line) <= MOST_TEXT else f"{line[: MOST_TEXT - 1]}…"
