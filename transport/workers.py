"""Supervises the workers of a gateway: processes that serve one port together.

This process serves nobody. It holds the port, the folder of the sockets between the
workers, and their lives; what a worker does is ``worker``'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING

from hubbub.transport.listening import PortError, public_endpoint, reserve_port
from hubbub.transport.mesh_plan import Worker
from hubbub.transport.workers_keeper import START_SECONDS, Keeper
from hubbub.transport.workers_policy import GRACE, Opening, longest_end
from hubbub.transport.workers_process import WorkerProcess
from hubbub.transport.workers_talk import Order, Trial, Unable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubbub.transport.config_flags import Flags
    from hubbub.transport.settings import Settings

logger = logging.getLogger(__name__)

INTERRUPTED = 130
"""Exit status after a second Ctrl+C."""
_LONGEST_SITE = 98
"""Bytes of the folder's path; with a socket's name it may have 107."""


def supervise(
    settings: Settings,
    flags: Flags,
    *,
    reload: Callable[[], Settings],
    announce: Callable[[str], None],
) -> int:
    """Run workers until SIGTERM or SIGINT.

    Args:
        settings: The settings; port 0 takes a free one.
        flags: What the workers read the same settings with.
        reload: Reads the settings anew on SIGHUP; raises when they cannot be used.
        announce: Called with the endpoint once every worker accepts connections.

    Returns:
        The exit status: 0 after a drain, 1 when no worker can start, 130 when it was
        interrupted twice.
    """
    # Until the loop handles them, these must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with reserve_port(settings) as reserved, private_folder() as site:
            port: int = reserved.getsockname()[1]
            crew = Crew(settings, flags, site, port, reload)
            endpoint = public_endpoint(settings, port)
            return asyncio.run(crew.main(lambda: announce(endpoint)))
    except PortError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says all, a trace nothing
        return 1


@contextlib.contextmanager
def private_folder() -> Iterator[str]:
    """Make a folder that only this user can enter, and remove it afterwards."""
    site = tempfile.mkdtemp(prefix="hubbub-")
    if len(site.encode()) > _LONGEST_SITE:
        shutil.rmtree(site)
        site = tempfile.mkdtemp(prefix="hubbub-", dir="/tmp")
    try:
        yield site
    finally:
        shutil.rmtree(site, ignore_errors=True)


class Crew:
    """The workers of a gateway, and what signals do to them.

    Args:
        settings: The settings at the start.
        flags: For the workers.
        site: The folder of their sockets.
        port: The port, as it was reserved.
        reload: Tries the settings that a reload would bring.
    """

    def __init__(
        self,
        settings: Settings,
        flags: Flags,
        site: str,
        port: int,
        reload: Callable[[], Settings],
    ) -> None:
        self._longest_end = longest_end(settings.drain_seconds)
        self._flags = flags
        self._site = site
        self._port = port
        self._reload = reload
        self._opening = Opening(settings.workers)
        self._keepers = [
            Keeper(number, self._start, self._opened, self._failed)
            for number in range(settings.workers)
        ]
        self._leaving = asyncio.Event()
        self._status = 0
        self._wanted: dict[signal.Signals, None] = {}
        self._called = asyncio.Event()

    async def main(self, announce: Callable[[], None]) -> int:
        """Run until a signal; see ``supervise``."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leaving.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for number in (signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(number, self._call, number)
        keeping = [loop.create_task(keeper.keep()) for keeper in self._keepers]
        errands = [loop.create_task(self._announce(announce))]
        errands.append(loop.create_task(self._carry_out()))
        for task in (*keeping, *errands):
            task.add_done_callback(self._check)
        await self._leaving.wait()
        for errand in errands:
            errand.cancel()
        await self._end(keeping)
        return self._status

    async def _end(self, keeping: list[asyncio.Task[None]]) -> None:
        """Let every worker drain; kill those that take too long."""
        if not self._status:
            logger.info("draining %d workers", len(self._keepers))
        for keeper in self._keepers:
            keeper.retire()
        _, late = await asyncio.wait(keeping, timeout=self._longest_end)
        if late:
            logger.warning("%d workers did not drain in time: killed", len(late))
            for keeper in self._keepers:
                keeper.kill()
            await asyncio.wait(keeping, timeout=GRACE)

    async def _announce(self, announce: Callable[[], None]) -> None:
        for keeper in self._keepers:
            await keeper.ready.wait()
        announce()

    # What keepers ask for and tell.

    async def _start(self, number: int) -> WorkerProcess:
        worker = Worker(number, len(self._keepers), self._site)
        return await WorkerProcess.start(Order(worker, self._port, self._flags))

    def _opened(self) -> None:
        for number, reason in self._opening.ready().items():
            logger.error("worker %d %s; it is tried again", number, reason)

    def _failed(self, number: int, reason: str, pause: float) -> None:
        if self._opening.failed(number, reason):
            logger.error(
                "worker %d %s; starting it again in %g s", number, reason, pause
            )
        for hopeless in self._opening.hopeless:
            logger.error("no worker can start: %s", hopeless)
            self._give_up()

    def _check(self, task: asyncio.Task[None]) -> None:
        """End in order when a task of ours has failed; that is a bug."""
        if not task.cancelled() and task.exception() is not None:
            logger.critical("the supervisor failed", exc_info=task.exception())
            self._give_up()

    def _give_up(self) -> None:
        self._status = 1
        self._leaving.set()

    # Signals.

    def _interrupt(self) -> None:
        """Drain at the first Ctrl+C, and end everything at the second."""
        if self._leaving.is_set():
            logger.warning("interrupted again: killing the workers")
            self._status = INTERRUPTED
            for keeper in self._keepers:
                keeper.kill()
        self._leaving.set()

    def _call(self, number: signal.Signals) -> None:
        """Note what is wanted; twice before it is begun is once."""
        self._wanted[number] = None
        self._called.set()

    async def _carry_out(self) -> None:
        """Do what signals ask for, one thing at a time."""
        while True:
            await self._called.wait()
            self._called.clear()
            while self._wanted:
                number = next(iter(self._wanted))
                del self._wanted[number]
                if number == signal.SIGHUP:
                    await self._reload_all()
                else:
                    await self._replace_all()

    async def _reload_all(self) -> None:
        """Let one worker after another read the settings, if they can be used."""
        try:
            self._reload()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, keep running
            logger.error("not reloaded, the old settings stay: %s", error)  # noqa: TRY400
            return
        faults = 0
        for keeper in self._keepers:
            logger.debug("worker %d reloads", keeper.number)
            fault = await keeper.reload()
            logger.debug("worker %d is done", keeper.number)
            if fault:
                faults += 1
                logger.error("worker %d has not reloaded: %s", keeper.number, fault)
        if not faults:
            logger.info("settings reloaded")

    async def _replace_all(self) -> None:
        """Replace one worker after another, as long as successors get ready."""
        fault = await _trial(self._flags)
        if fault:
            logger.error("not replaced, the old workers stay: %s", fault)
            return
        for keeper in self._keepers:
            logger.info("replacing worker %d", keeper.number)
            if not await keeper.replace(self._longest_end):
                logger.error("the successor does not start, so the others stay")
                return
        logger.info("workers replaced")


async def _trial(flags: Flags) -> str:
    """Try the settings in a fresh process, as new code would; gives what is wrong."""
    try:
        child = await WorkerProcess.start(Trial(flags))
    except OSError as error:
        return f"a new process cannot start: {error.strerror or error}"
    try:
        async with asyncio.timeout(START_SECONDS):
            answer = await child.hear()
    except TimeoutError:
        answer = Unable(f"no answer within {START_SECONDS:g} s")
    finally:
        child.kill()
    await child.wait()
    match answer:
        case Unable(reason=reason):
            return reason
        case None:
            return "a new process cannot start; it has said why"
        case _:
            return ""
