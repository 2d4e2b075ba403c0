"""One worker of ``hubbub serve --workers N``: a gateway that a supervisor looks after.

Started by it alone, with the number of an inherited socket: ``workers_talk`` says what
they tell each other. When the supervisor is gone, the worker drains by itself.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import uvloop

from hubbub.transport import logs
from hubbub.transport.cli_check import load_and_try
from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.listening import PortError, share_port
from hubbub.transport.workers_talk import (
    LONGEST,
    FromWorker,
    Order,
    Ready,
    Reload,
    Reloaded,
    Trial,
    Unable,
    line,
    next_line,
    to_worker,
)

if TYPE_CHECKING:
    from hubbub.transport.serve import Process

logger = logging.getLogger("hubbub.transport.worker")  # its __name__ is __main__

_ORDER_SECONDS = 10.0
"""Longest wait for the first line, and for a line to be taken."""
_WRONG_USAGE = 2


def main(arguments: list[str]) -> int:
    """Run a worker until it is told to end; gives the exit status."""
    # Until the loop handles them, these must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        control = socket.socket(fileno=int(arguments[0]))
    except (IndexError, OSError, ValueError):
        sys.stderr.write("this is started by `hubbub serve --workers N` alone\n")
        return _WRONG_USAGE
    with control:
        control.set_inheritable(False)
        control.settimeout(_ORDER_SECONDS)
        try:
            return _obey(control)
        except (ConfigurationError, PortError) as error:
            control.sendall(line(Unable(str(error))))
            return 1


def _obey(control: socket.socket) -> int:
    order = to_worker.decode(_first_line(control))
    match order:
        case Trial(flags=flags):
            load_and_try(flags)
            control.sendall(line(Ready()))
            return 0
        case Order():
            return _serve(control, order)
        case Reload():
            return _WRONG_USAGE


def _first_line(control: socket.socket) -> bytes:
    """Read the order, byte for byte no further than its end."""
    taken = bytearray()
    while not taken.endswith(b"\n") and len(taken) < LONGEST:
        seen = control.recv(LONGEST, socket.MSG_PEEK)
        if not seen:
            raise ConnectionAbortedError("the supervisor is gone")
        length = seen.find(b"\n") + 1 or len(seen)
        taken += control.recv(length)
    return bytes(taken)


def _serve(control: socket.socket, order: Order) -> int:
    settings = load_and_try(order.flags)
    settings = msgspec.structs.replace(settings, port=order.port)
    logs.set_up(settings.log_format, settings.log_level, worker=str(order.worker.index))
    from hubbub.transport.serve import Process, entry_of  # noqa: PLC0415 - slow

    process = Process(
        settings,
        share_port(settings),
        partial(load_and_try, order.flags),
        entry=entry_of(settings, order.worker),
    )
    status, alone = uvloop.run(_live(process, control))
    if alone:  # who goes removes what the supervisor would have removed
        shutil.rmtree(order.worker.site, ignore_errors=True)
    return status


async def _live(process: Process, control: socket.socket) -> tuple[int, bool]:
    """Serve until a signal, or until nobody looks after this worker.

    Returns:
        The exit status, and whether the supervisor is gone.
    """
    control.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=control, limit=LONGEST)
    ears = asyncio.create_task(_listen(process, reader, writer))

    def announce(_: str) -> None:
        writer.write(line(Ready()))

    try:
        return await process.main(announce), ears.done()
    except PortError as error:
        writer.write(line(Unable(str(error))))
        return 1, False
    finally:
        writer.close()
        ears.cancel()


async def _listen(
    process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while (text := await next_line(reader)) is not None:
        match to_worker.decode(text):
            case Reload():
                answer: FromWorker = Reloaded()
                if not process.reload():
                    answer = Unable("the log of this worker says why")
                # Once the hubs have them: the supervisor relies on it.
                asyncio.get_running_loop().call_soon(writer.write, line(answer))
            case Order() | Trial():
                logger.error("the supervisor has given a second order")
    logger.warning("the supervisor is gone; draining")
    process.leave_soon()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
