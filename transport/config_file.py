"""A TOML file that remembers where its keys stand, so that errors can name the line.

``tomllib`` forgets lines, so a scan of the text finds table headers and keys again. It
knows the shapes people write in settings; where it finds nothing the line is left out.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys from the top of a document down; of an array of tables, the index."""

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_NAME})\s*\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")
_TRIPLE = re.compile(r'"""|\'\'\'')
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


class ConfigurationError(Exception):
    """Settings that cannot be used; the text says where and what was expected."""


class ConfigFile:
    """A parsed TOML file.

    Raises:
        ConfigurationError: It cannot be read or is not TOML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
            self.document: dict[str, Any] = tomllib.loads(self._text)
        except OSError as error:
            raise ConfigurationError(f"{path}: {_reason(error)}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{path}: expected UTF-8 text") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(_syntax_fault(path, str(error))) from error
        self._lines = dict(reversed(list(_keys(self._text))))

    def place(self, path: KeyPath) -> str:
        """Say where a key stands, as ``hubbub.toml:7: hubs.chat.origins``."""
        line = next(
            (
                self._lines[path[:length]]
                for length in range(len(path), 0, -1)
                if path[:length] in self._lines
            ),
            None,
        )
        where = str(self.path) if line is None else f"{self.path}:{line}"
        return f"{where}: {spell(path)}" if path else where


def spell(path: KeyPath) -> str:
    """Write a key path as people write it: ``hubs.chat.handlers[0].url``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _BARE.fullmatch(part) else f'."{part}"'
    return text.removeprefix(".")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _syntax_fault(path: Path, text: str) -> str:
    place = _PLACE.search(text)
    said = _PLACE.sub("", text)
    said = said[:1].lower() + said[1:]
    if place is None or place[1] is None:
        return f"{path}: not valid TOML: {said} (at the end of the file)"
    return f"{path}:{place[1]}: not valid TOML: {said} (column {place[2]})"


def _keys(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Give every header and key with its line, skipping what is inside long texts."""
    table: KeyPath = ()
    seen: dict[KeyPath, int] = {}
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside:
            if header := _HEADER.match(line):
                table = _table(header[1], _split(header[2]), seen)
                yield table, number
            elif key := _KEY.match(line):
                path = table + _split(key[1])
                for length in range(len(table) + 1, len(path) + 1):
                    yield path[:length], number
        inside ^= len(_TRIPLE.findall(line)) % 2 == 1


def _table(brackets: str, name: KeyPath, seen: dict[KeyPath, int]) -> KeyPath:
    """Insert into a header's name the indexes of the arrays of tables it lies in."""
    path: KeyPath = ()
    for depth, part in enumerate(name, start=1):
        path = (*path, part)
        if depth == len(name) and brackets == "[[":
            seen[path] = seen.get(path, -1) + 1
        if path in seen:
            path = (*path, seen[path])
    return path


def _split(name: str) -> KeyPath:
    """Split a dotted key, and take the quotes off."""
    return tuple(part.strip("\"'") for part in re.findall(_PART, name))
