r"""Matches group names against role patterns, and event names against handlers' lists.

The language (service's client protocol reference, roles): ``?`` is one character
except a dot, ``*`` any number of characters except dots, ``**`` any number of any
character, ``\`` escapes these two and itself; a longer run of stars means ``**``.

Patterns come from tokens and names from clients, so a match must never be slow. A
pattern with at most one run of stars becomes a regular expression, which has then
nothing to backtrack over; any other is run as a set of states kept in one integer
(Shift-And), whose cost is linear in the name whatever the pattern.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

ROLE_STARS: Final = 5
ROLE_LENGTH: Final = 1024

_ANY = "**"
_PART = "*"
_ONE = "?"
_SPECIAL = "*?\\"
_RUN = re.compile(r"\*+")

type_Token = tuple[bool, str]


class PatternError(ValueError):
    """Says why a text is not a pattern."""


class Pattern:
    """Answers whether a name matches, whole and case-sensitively."""

    __slots__ = ("matches", "text")

    def __init__(self, text: str, matches: Callable[[str], bool]) -> None:
        self.text = text
        self.matches = matches

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"
