"""Logging to standard error: one line a record, UTC times, secrets masked.

No module logs a secret; the mask is for what libraries and exceptions let slip through.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from typing import TextIO

MASK = "***"

_SECRETS = re.compile(
    r"""(\b access_token= | \b AccessKey= | [?&]code= | \b Bearer\s+ ) [^\s&;,"'<>]+""",
    re.IGNORECASE | re.VERBOSE,
)
_BREAKS = {ord("\n"): "\\n", ord("\r"): "\\r", 0x85: "\\x85"}
_BREAKS |= {ord("\u2028"): "\\u2028", ord("\u2029"): "\\u2029", 0x1B: "\\x1b"}

_QUIET = ("uvicorn", "uvicorn.access", "websockets", "aiohttp.access")


class Entry(msgspec.Struct, omit_defaults=True):
    """A log record as a line of JSON."""

    time: str
    level: str
    logger: str
    message: str
    exception: str | None = None
    worker: str | None = None


def mask(text: str) -> str:
    """Put asterisks in place of tokens and keys, as they stand in URLs and headers."""
    return _SECRETS.sub(rf"\1{MASK}", text)


def set_up(
    log_format: str,
    level: str = "info",
    stream: TextIO | None = None,
    *,
    worker: str | None = None,
) -> None:
    """Send all logging to a stream, in place of what was set up before.

    Args:
        log_format: ``text`` or ``json``.
        level: The lowest level that is logged, as ``info``.
        stream: Where to; standard error when left out.
        worker: Which of several processes that write there this one is.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    kind = JsonLines if log_format == "json" else TextLines
    handler.setFormatter(kind(worker))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    def __init__(self, worker: str | None = None) -> None:
        super().__init__()
        self._worker = worker


class JsonLines(_Lines):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        trace = _trace(self, record)
        entry = Entry(
            _time(record),
            record.levelname.lower(),
            record.name,
            mask(record.getMessage()),
            mask(trace) if trace else None,
            self._worker,
        )
        return msgspec.json.encode(entry).decode()


class TextLines(_Lines):
    """Formats a record as a line for people; a traceback follows it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        message = mask(record.getMessage()).translate(_BREAKS)
        level = record.levelname.lower()
        if self._worker is not None:
            level += f" worker={self._worker}"
        line = f"{_time(record)} {level} {record.name}: {message}"
        trace = _trace(self, record)
        if trace:
            line += "".join(f"\n    {part}" for part in mask(trace).splitlines())
        return line


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)
