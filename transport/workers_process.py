"""One worker as its supervisor has it: a child process and the socket to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from hubbub.transport.workers_talk import LONGEST, from_worker, line, next_line

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from hubbub.transport.workers_talk import FromWorker, ToWorker


class WorkerProcess:
    """A child process; its output goes where the supervisor's does."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, order: ToWorker) -> Self:
        """Start a process with an order.

        Raises:
            OSError: The system has no room for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # a folder named hubbub, here, is not ours
                    "-m",
                    "hubbub.transport.worker",
                    str(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    process_group=0,  # Ctrl+C is for the supervisor to pass on
                )
            except OSError:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST)
        worker = cls(process, reader, writer)
        worker.tell(order)
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def tell(self, message: ToWorker) -> None:
        """Send a message; one to a process that has ended is lost."""
        self._writer.write(line(message))

    async def hear(self) -> FromWorker | None:
        """Wait for a message; None when there will be no more."""
        text = await next_line(self._reader)
        return None if text is None else from_worker.decode(text)

    def terminate(self) -> None:
        """Tell it to drain and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self, patience: float) -> bool:
        """Wait for its end so long, and tell whether it came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._process.wait()
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Wait for its end; gives the exit status, below zero for a signal."""
        status = await self._process.wait()
        self._writer.close()
        return status
