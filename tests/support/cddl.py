"""Checks values against CDDL (RFC 8610), as far as the page on the protocol uses it.

Rules, choices of types, maps and groups with ``?`` and ``*``, arrays of one type,
ranges, literals, and the types any, bool, tstr and bstr. A map's own keys come before
its wildcard, as the RFC's cuts want it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(
    r'\s+|;[^\n]*|("[^"]*"|\d+|\.\.|=>|[\w-]+|[{}()\[\],:=/?*+])', re.ASCII
)
_PRELUDE: dict[str, Callable[[Any], bool]] = {
    "any": lambda _: True,
    "bool": lambda value: isinstance(value, bool),
    "tstr": lambda value: isinstance(value, str),
    "bstr": lambda value: isinstance(value, bytes),
}


class Entry(NamedTuple):
    """A member of a map: key or None for any text, its type, how often."""

    occurs: str
    key: str | None
    type: Type


class Inclusion(NamedTuple):
    """A group by name, between the members of a map."""

    name: str


class Map(NamedTuple):
    members: list[Entry | Inclusion]


class Array(NamedTuple):
    occurs: str
    type: Type


class Range(NamedTuple):
    low: int
    high: int


class Choice(NamedTuple):
    types: list[Type]


class Name(NamedTuple):
    name: str


class Literal(NamedTuple):
    text: str


Type: TypeAlias = Map | Array | Range | Choice | Name | Literal


class Cddl:
    """The rules of a text.

    Raises:
        AssertionError: It has what this does not know.
    """

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            assert match, f"cannot read {text[position : position + 30]!r}"
            position = match.end()
            if match[1]:
                self._tokens.append(match[1])
        self._next = 0
        self.rules: dict[str, Type] = {}
        while self._next < len(self._tokens):
            name = self._take()
            self._take("=")
            assert name not in self.rules, f"{name} is defined twice"
            self.rules[name] = self._group() if self._sees("(") else self._choice()
        self._resolve()

    def fits(self, value: Any, name: str) -> bool:
        """Tell whether a value is of the type that a rule names."""
        return self._fits(value, Name(name))

    def names(self) -> set[str]:
        """Give the keys of all maps and groups."""
        return {
            member.key
            for rule in self.rules.values()
            if isinstance(rule, Map)
            for member in rule.members
            if isinstance(member, Entry) and member.key is not None
        }

    def literals(self, name: str, key: str) -> set[str]:
        """Give the texts that a key may have in the maps that a rule stands for."""
        return set(self._literals(Name(name), key))

    def _literals(self, kind: Type, key: str) -> list[str]:
        match kind:
            case Name(name) if name in self.rules:
                return self._literals(self.rules[name], key)
            case Choice(types):
                return [text for one in types for text in self._literals(one, key)]
            case Literal(text):
                return [text]
            case Map():
                return [
                    text
                    for entry in self._entries(kind)
                    if entry.key == key
                    for text in self._literals(entry.type, key)
                ]
            case _:
                return []

    # Reading.

    def _sees(self, token: str, ahead: int = 0) -> bool:
        place = self._next + ahead
        return place < len(self._tokens) and self._tokens[place] == token

    def _take(self, expected: str | None = None) -> str:
        token = self._tokens[self._next]
        assert expected in {None, token}, f"{expected!r} expected, not {token!r}"
        self._next += 1
        return token

    def _choice(self) -> Type:
        types = [self._type()]
        while self._sees("/"):
            self._take()
            types.append(self._type())
        return types[0] if len(types) == 1 else Choice(types)

    def _type(self) -> Type:
        if self._sees("{"):
            return self._group("{", "}")
        token = self._take()
        if token == "[":
            occurs = self._take()
            assert occurs in {"*", "+"}
            found = Array(occurs, self._choice())
            self._take("]")
            return found
        if token.isdigit():
            self._take("..")
            return Range(int(token), int(self._take()))
        return Literal(token[1:-1]) if token.startswith('"') else Name(token)

    def _group(self, opens: str = "(", closes: str = ")") -> Map:
        self._take(opens)
        members: list[Entry | Inclusion] = []
        while not self._sees(closes):
            members.append(self._member())
            if not self._sees(closes):
                self._take(",")
        self._take(closes)
        return Map(members)

    def _member(self) -> Entry | Inclusion:
        occurs = self._take() if self._sees("?") or self._sees("*") else ""
        name = self._take()
        if self._sees("=>"):
            self._take()
            assert (occurs, name) == ("*", "tstr")
            return Entry(occurs, None, self._choice())
        if self._sees(":"):
            self._take()
            return Entry(occurs, name, self._choice())
        assert not occurs, name
        return Inclusion(name)

    def _resolve(self) -> None:
        """Check that every name is there."""
        for token, following in zip(self._tokens, [*self._tokens[1:], ""], strict=True):
            key = following in {":", "="}
            if re.fullmatch(r"[a-z][\w-]*", token) and not key:
                assert token in self.rules or token in _PRELUDE, token

    # Checking.

    def _fits(self, value: Any, kind: Type) -> bool:
        match kind:
            case Name(name) if name in _PRELUDE:
                return _PRELUDE[name](value)
            case Name(name):
                return self._fits(value, self.rules[name])
            case Choice(types):
                return any(self._fits(value, one) for one in types)
            case Literal(text):
                return bool(value == text)
            case Range(low, high):
                return type(value) is int and low <= value <= high
            case Array(occurs, item):
                return (
                    isinstance(value, list)
                    and (occurs == "*" or bool(value))
                    and all(self._fits(one, item) for one in value)
                )
            case Map():
                return isinstance(value, dict) and self._fits_map(value, kind)

    def _fits_map(self, value: dict[Any, Any], kind: Map) -> bool:
        entries = list(self._entries(kind))
        known = {entry.key: entry for entry in entries if entry.key is not None}
        rest = [entry.type for entry in entries if entry.key is None]
        missing = [key for key, entry in known.items() if not entry.occurs]
        return all(key in value for key in missing) and all(
            self._fits(one, known[key].type)
            if key in known
            else isinstance(key, str) and any(self._fits(one, kind) for kind in rest)
            for key, one in value.items()
        )

    def _entries(self, kind: Map) -> list[Entry]:
        found: list[Entry] = []
        for member in kind.members:
            if isinstance(member, Entry):
                found.append(member)
            else:
                group = self.rules[member.name]
                assert isinstance(group, Map)
                found += self._entries(group)
        return found
