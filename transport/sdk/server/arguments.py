"""Reads what a server is made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages.servers import ServerRole
from hubbub.actors.policy.names import hub_name
from hubbub.sdk.server.codecs import CODECS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.sdk.server.codecs import Codec


def read_roles(roles: str | Iterable[str]) -> tuple[str, ...]:
    """Read what a server may do.

    Raises:
        ValueError: There is no such role, or none is given.
    """
    names = roles.split("+") if isinstance(roles, str) else roles
    found = tuple(dict.fromkeys(name.strip().lower() for name in names))
    known = tuple(map(str, ServerRole))
    strangers = [name for name in found if name not in known]
    if strangers or not found:
        problem = f"there is no role {strangers[0]!r}" if strangers else "no role"
        raise ValueError(f"{problem}: roles are {', '.join(known)}")
    return found


def read_hub(name: str) -> str:
    """Read the name of a hub.

    Raises:
        ValueError: There can be none.
    """
    found = hub_name(name)
    if found is None:
        raise ValueError(f"{name!r} is no name of a hub")
    return found


def read_protocol(name: str) -> Codec:
    """Read which way to write frames.

    Raises:
        ValueError: There is no such way.
    """
    if name not in CODECS:
        raise ValueError(f"protocol is {' or '.join(CODECS)}, not {name!r}")
    return CODECS[name]


def within(number: int, name: str, most: int) -> int:
    """Check a number that is at least 1.

    Raises:
        ValueError: It is not, or it is too much.
    """
    if not 1 <= number <= most:
        raise ValueError(f"{name} must be from 1 to {most}")
    return number
