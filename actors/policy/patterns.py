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
from collections.abc import Callable, Iterator, Sequence
from typing import Final

ROLE_STARS: Final = 5
ROLE_LENGTH: Final = 1024

_SPECIAL: Final = frozenset("*?\\")
_STARS: Final = re.compile(r"\*+")

_Token = tuple[str, str]  # (kind, character); the kinds are these four
_CHARACTER: Final = "character"
_ONE: Final = "?"
_PART: Final = "*"
_ANY: Final = "**"

_EXPRESSIONS: Final = {_ONE: "[^.]", _PART: "[^.]*", _ANY: ".*"}


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


class EventPattern:
    r"""Answers whether a handler's ``userEventPattern`` takes an event.

    The service's event handler reference, userEventPattern: a comma list, trimmed,
    case-insensitive, any entry suffices. An entry that is exactly ``*`` takes every
    name and ends the reading; one without ``*`` and ``?`` is a name as written,
    backslashes included. Empty entries are skipped.

    Raises:
        PatternError: An entry has an invalid escape.
    """

    __slots__ = ("_everything", "_names", "_patterns", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._everything = False
        names: set[str] = set()
        patterns: list[Pattern] = []
        for entry in filter(None, map(str.strip, text.lower().split(","))):
            if entry == _PART:
                self._everything = True
                break
            if "*" in entry or "?" in entry:
                patterns.append(compile_pattern(entry))
            else:
                names.add(entry)
        self._names = frozenset(names)
        self._patterns = tuple(patterns)

    def matches(self, event: str) -> bool:
        """Tell whether the event's name is on the list."""
        if self._everything:
            return True
        name = event.lower()
        return name in self._names or any(
            pattern.matches(name) for pattern in self._patterns
        )

    def __repr__(self) -> str:
        return f"EventPattern({self.text!r})"


def compile_pattern(text: str, *, stars: int | None = None) -> Pattern:
    """Read a pattern that may hold so many ``*`` characters (escaped ones are free).

    Raises:
        PatternError: It is empty, has an invalid escape or too many stars.
    """
    if not text:
        raise PatternError("A pattern must not be empty.")
    tokens = tuple(_tokens(text, stars))
    runs = sum(kind in {_PART, _ANY} for kind, _ in tokens)
    if any(kind != _CHARACTER for kind, _ in tokens):
        matches = _by_states(tokens) if runs > 1 else _by_expression(tokens)
    else:
        matches = _by_name("".join(character for _, character in tokens))
    return Pattern(text, matches)


def role_pattern(text: str) -> Pattern:
    """Read the pattern of a role: at most five stars and 1024 characters.

    Raises:
        PatternError: It is not such a pattern.
    """
    if len(text) > ROLE_LENGTH:
        raise PatternError(f"A role's pattern has at most {ROLE_LENGTH} characters.")
    return compile_pattern(text, stars=ROLE_STARS)


def _tokens(text: str, stars: int | None) -> Iterator[_Token]:
    place = seen = 0
    while place < len(text):
        character = text[place]
        if run := _STARS.match(text, place):
            seen += len(run[0])
            if stars is not None and seen > stars:
                raise PatternError(f"A pattern has at most {stars} stars.")
            yield (_PART if len(run[0]) == 1 else _ANY), ""
            place = run.end()
            continue
        if character == "\\":
            place += 1
            character = text[place : place + 1]
            if character not in _SPECIAL:
                raise PatternError(f"Invalid escape at position {place - 1}.")
            yield _CHARACTER, character
        elif character == _ONE:
            yield _ONE, ""
        else:
            yield _CHARACTER, character
        place += 1


def _by_name(literal: str) -> Callable[[str], bool]:
    return lambda name: name == literal


def _by_expression(tokens: Sequence[_Token]) -> Callable[[str], bool]:
    parts = (_EXPRESSIONS.get(kind) or re.escape(text) for kind, text in tokens)
    fullmatch = re.compile("".join(parts), re.DOTALL).fullmatch
    return lambda name: fullmatch(name) is not None


def _by_states(tokens: Sequence[_Token]) -> Callable[[str], bool]:
    """Bit n of the state says that the first n single-character tokens are matched.

    A star keeps the bit it stands at; a single-character token moves its bit up.
    """
    loop_any = loop_part = ones = count = 0
    literals: dict[str, int] = {}
    for kind, character in tokens:
        here = 1 << count
        if kind == _ANY:
            loop_any |= here
        elif kind == _PART:
            loop_part |= here
        else:
            count += 1
            if kind == _ONE:
                ones |= here
            else:
                literals[character] = literals.get(character, 0) | here
    moves = {c: bits if c == "." else bits | ones for c, bits in literals.items()}
    moves.setdefault(".", 0)
    loops = loop_any | loop_part

    def matches(name: str) -> bool:
        state = 1
        for character in name:
            keep = loop_any if character == "." else loops
            state = (state & moves.get(character, ones)) << 1 | state & keep
            if not state:
                return False
        return bool(state >> count)

    return matches
