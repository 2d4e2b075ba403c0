"""What ``hubbub connect`` does once it is connected: lines in, messages out.

Loaded when it is called: the HTTP client takes a quarter of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import threading
from typing import TYPE_CHECKING

import msgspec

from hubbub.transport.cli_messages import describe, one_line
from hubbub.transport.cli_output import FailedError, complain, hint, result
from hubbub.transport.cli_session import cancelled, connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.transport.cli_session import Session

HELP = (
    "join GROUP | leave GROUP | send GROUP TEXT | event NAME JSON | help | quit"
    '  (a group with spaces: send "my group" hello)'
)
_COMMAND = re.compile(r'\s*(\w+)\s*(?:"([^"]*)"|(\S*))\s*(.*?)\s*', re.DOTALL)


class UsageError(Exception):
    """A line is no command; the text says what is."""


async def converse(address: str, as_json: bool) -> None:
    """Carry out the lines of stdin and print what arrives, until either ends.

    Raises:
        FailedError: The connection ended, or a command of a script failed.
    """
    async with connected(address) as session:
        lines = _lines_of_stdin()
        listening = asyncio.ensure_future(_show(session, as_json))
        talking = asyncio.ensure_future(_talk(session, lines))
        tasks = {listening, talking}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                failed = talking.result()
                if failed and not sys.stdin.isatty():
                    raise FailedError(f"{failed} of the commands failed")
            else:
                listening.result()
                raise FailedError(session.ending)
        finally:
            await cancelled(*tasks)


async def _show(session: Session, as_json: bool) -> None:
    """Print what arrives."""
    async for frame, text in session.messages():
        if as_json:
            result(one_line(text))
        elif frame.type == "message":
            result(describe(frame))
        elif frame.event == "connected":
            who = frame.user_id or "an anonymous user"
            hint(f"connected as {who}, connection id {frame.connection_id}")
            hint(HELP)


async def _talk(session: Session, lines: asyncio.Queue[str | None]) -> int:
    """Carry out the commands; gives how many failed."""
    failed = 0
    while (line := await lines.get()) is not None:
        if line.strip() in {"quit", "exit"}:
            break
        if line.strip() == "help":
            hint(HELP)
        elif line.strip():
            try:
                await session.request(**parse(line))
                hint(f"done: {line.strip()}")
            except (UsageError, FailedError) as error:
                complain(str(error))
                failed += 1
    return failed


def parse(line: str) -> dict[str, object]:
    """Read a command into a request of the subprotocol.

    Raises:
        UsageError: It is none.
    """
    found = _COMMAND.fullmatch(line)
    verb, quoted, word, rest = found.groups() if found else ("", None, "", "")
    name = word if quoted is None else quoted
    match verb, name, rest:
        case ("join" | "leave") as verb, str(group), "" if group:
            return {"type": f"{verb}Group", "group": group}
        case "send", str(group), str(text) if group and text:
            content = {"dataType": "text", "data": text}
            return {"type": "sendToGroup", "group": group, **content}
        case "event", str(event), str(data) if event:
            return {"type": "event", "event": event, **_event_data(data)}
    raise UsageError(f"not a command: {line.strip()}; commands are {HELP}")


def _event_data(data: str) -> dict[str, object]:
    try:
        value = msgspec.json.decode(data, type=msgspec.Raw)
        msgspec.json.decode(data)
    except msgspec.DecodeError:
        text = 'expected JSON after the event\'s name, as event order {"id": 9}'
        raise UsageError(text) from None
    return {"dataType": "json", "data": value}


def _lines_of_stdin() -> asyncio.Queue[str | None]:
    """Read stdin in a thread: a loop cannot wait for terminals and files alike.

    The thread reads the descriptor, not ``sys.stdin``, whose lock it would still hold
    when the program ends before the next line.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    descriptor = sys.stdin.fileno()

    def pump() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and so are we
            for line in _lines(descriptor):
                loop.call_soon_threadsafe(queue.put_nowait, line)
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=pump, name="stdin", daemon=True).start()
    return queue


def _lines(descriptor: int) -> Iterator[str]:
    rest = b""
    while chunk := os.read(descriptor, 65_536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")
