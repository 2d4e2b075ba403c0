"""Tables: a session on its way to another gateway, as arrays. Pure."""

from __future__ import annotations

from typing import Any, Final

from hubbub.actors.messages import sessions
from hubbub.transport.wire.peering_fields import (
    NAMES,
    TEXTS,
    Field,
    Unfit,
    flag,
    mapping,
    name,
    number,
    octets,
    several,
)
from hubbub.transport.wire.peering_parts import STATES
from hubbub.transport.wire.peering_structs import shape, struct

_MOST_SECONDS: Final = 2**31
_ttl = number(-1, _MOST_SECONDS)


def _body(value: Any) -> tuple[bytes, int]:
    match value:
        case (data, ttl):
            return octets(data), _ttl(ttl)
    raise Unfit("a message and its seconds are expected")


def _written_body(value: Any) -> list[Any]:
    return [*_body(value)]


_mail = shape(
    sessions.Mail, [number(), number(), number(), several(Field(_written_body, _body))]
)


def _found_mail(values: Any) -> sessions.Mail:
    mail: sessions.Mail = _mail.read(values)
    if mail.last - mail.acknowledged != len(mail.bodies):
        raise Unfit("there must be a message for every number")
    return mail


_milliseconds = number(1, _MOST_SECONDS * 1000)
_SECONDS: Final = Field(
    lambda seconds: _milliseconds(round(seconds * 1000)),
    lambda value: _milliseconds(value) / 1000,
)
_RULES: Final = mapping(flag, flag)
_STREAM: Final = struct(
    shape(sessions.OpenStream, [name, name, number(1), flag, _SECONDS])
)


def session_shape(client: Field) -> Field:
    """Describe a session.

    Args:
        client: How the client of an event stands there.
    """
    return struct(
        shape(
            sessions.Session,
            [
                client,
                number(),
                struct(shape(sessions.Rights, [TEXTS, _RULES, _RULES])),
                several(number(), most=1000),
                Field(_mail.write, _found_mail),
                NAMES,
                several(_STREAM),
                STATES,
            ],
        )
    )
