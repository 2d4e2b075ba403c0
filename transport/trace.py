"""The trace of a gateway: who told whom what, as lines of JSON in a file.

Bounded, for the owner's eyes alone, and harmless: what cannot be written ends the
trace, not the gateway.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.trace_details import detail_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hubbub.actors.runtime.trace import Party

logger = logging.getLogger(__name__)

MOST_RECORDS: Final = 100_000
"""Records after which a trace ends; about 25 MB."""

OUTSIDE: Final = "outside"
"""Who sends what comes from a timer, or from someone the trace does not know."""


class Begin(msgspec.Struct, frozen=True, tag_field="line", tag="begin"):
    """The first line: when the trace began, in seconds since 1970."""

    started: float
    version: int = 1


class Record(
    msgspec.Struct, frozen=True, tag_field="line", tag="message", omit_defaults=True
):
    """One message, when it was posted, in seconds since the beginning.

    ``ids`` and ``kinds`` are those of sender and recipient: a label may change, and
    two may have the same; an id stays with its party.
    """

    time: float
    sender: str
    recipient: str
    message: str
    detail: str
    ids: tuple[int, int]
    kinds: tuple[str, str]


class End(msgspec.Struct, frozen=True, tag_field="line", tag="end"):
    """The last line: why there are no more."""

    reason: str


class Trace(msgspec.Struct, frozen=True):
    """A trace as it was read from a file."""

    started: float
    records: tuple[Record, ...]
    end: str | None


class TraceFile:
    """Records messages in a file, until it is closed or full.

    Args:
        path: The file; what was in it is lost.
        most: Records after which it is full.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, most: int = MOST_RECORDS) -> None:
        # Payloads stand in it, so nobody else may read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: io.FileIO | None = io.FileIO(descriptor, "w")
        self._path = path
        self._left = most
        self._most = most
        self._lock = threading.Lock()  # handlers with a thread of their own post too
        self._began = time.monotonic()
        self._write(Begin(time.time()))

    def record(self, sender: Party | None, recipient: Party, message: Any) -> None:
        """Take down one message, from any thread."""
        if self._file is None:
            return
        try:
            name, detail = name_of(message), detail_of(message)
        except Exception:
            logger.exception("a message to %s is not in the trace", recipient.label)
            return
        with self._lock:
            self._take_down(sender, recipient, name, detail)

    def close(self, reason: str = "the gateway has stopped") -> None:
        """End the trace; harmless when it has ended."""
        with self._lock:
            self._end(reason)

    def _take_down(
        self, sender: Party | None, recipient: Party, name: str, detail: str
    ) -> None:
        label, number, kind = OUTSIDE, 0, OUTSIDE
        if sender is not None:
            label, number, kind = sender.label, sender.number, sender.kind
        passed = round(time.monotonic() - self._began, 6)
        ids, kinds = (number, recipient.number), (kind, recipient.kind)
        self._write(Record(passed, label, recipient.label, name, detail, ids, kinds))
        self._left -= 1
        if not self._left:
            self._end(f"the trace is full: it holds {self._most} messages")

    def _write(self, line: Begin | Record | End) -> None:
        file = self._file
        if file is None:
            return
        try:
            file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._file = None
            logger.error("the trace %s ends here: %s", self._path, error.strerror)  # noqa: TRY400 - the message says all

    def _end(self, reason: str) -> None:
        self._write(End(reason))
        file, self._file = self._file, None
        if file is not None:
            file.close()


@contextmanager
def tracing(path: Path | None) -> Iterator[TraceFile | None]:
    """Trace into a file, if there is one.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        trace = TraceFile(path)
    except OSError as error:
        said = f"--trace: cannot write {path}: {error.strerror}"
        raise ConfigurationError(said) from error
    try:
        yield trace
    finally:
        trace.close()


def read_trace(path: Path) -> Trace:
    """Read a trace; one of a gateway that was killed has no end.

    Raises:
        OSError: There is no such file.
        ValueError: It is no trace.
    """
    lines = path.read_bytes().split(b"\n")[:-1]  # the last may be half a line
    decoder = msgspec.json.Decoder(Begin | Record | End)
    try:
        first, *rest = (decoder.decode(line) for line in lines)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{path} is not a trace") from error
    if not isinstance(first, Begin):
        problem = f"{path} is not a trace"
        raise ValueError(problem)  # noqa: TRY004 - the file is wrong, not a call
    records = tuple(line for line in rest if isinstance(line, Record))
    ends = [line.reason for line in rest if isinstance(line, End)]
    return Trace(first.started, records, ends[-1] if ends else None)
