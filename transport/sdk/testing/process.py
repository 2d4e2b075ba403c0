"""A gateway as a process of its own, for tests that want real signals and crashes."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hubbub.sdk.testing.gateway import HubbubGateway
from hubbub.sdk.testing.lines import Cut, Happened, Ready, Severed, read, write

if TYPE_CHECKING:
    from hubbub.transport.settings import Settings

_Answer = TypeVar("_Answer", Ready, Severed)

_START = 20.0
"""Seconds until a gateway that is not ready is an error."""

_ANSWER = 10.0
"""Seconds until a command that is not answered is one."""


class ProcessGateway(HubbubGateway):
    """A gateway in another process, which ends with this one at the latest.

    Args:
        settings: Its settings; port 0 takes a free one, and keeps it.

    Raises:
        RuntimeError: It did not get ready.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.keys.primary)
        self._settings = settings
        self._endpoint = ""
        self._frozen = False
        self._start()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return self._endpoint

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    def cut(self, connection_id: str | None = None) -> int:
        """Cut the sockets of one client or of all."""
        self._channel.sendall(write(Cut(connection_id)))
        return self._answer(Severed, _ANSWER).count

    def freeze(self) -> None:
        """Stop the process (SIGSTOP)."""
        if not self._frozen:
            self._frozen = True
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let the process go on (SIGCONT)."""
        if self._frozen:
            self._frozen = False
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill the process (SIGKILL), and start another on the same port."""
        self._kill()
        self._settings = msgspec.structs.replace(self._settings, port=self.port)
        self._start()

    def stop(self) -> None:
        """Drain (SIGTERM); what has not ended in time is killed."""
        self.thaw()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ANSWER + 2 * self._settings.drain_seconds)
        self._kill()

    def _start(self) -> None:
        self._channel, theirs = socket.socketpair()
        self._answers: queue.Queue[Ready | Severed | None] = queue.Queue()
        path = [entry or os.getcwd() for entry in sys.path]  # noqa: PTH109 - as text
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [
                    sys.executable,
                    "-m",
                    "hubbub.sdk.testing.child",
                    str(theirs.fileno()),
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl+C is for pytest, which ends us then
            )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        try:
            self._channel.sendall(write(self._settings))
            self._endpoint = self._answer(Ready, _START).endpoint
        except BaseException:
            self._kill()
            raise

    def _answer(self, kind: type[_Answer], seconds: float) -> _Answer:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                answer = self._answers.get(timeout=left)
            except queue.Empty:
                break
            if answer is None:
                raise RuntimeError("the gateway has ended: its stderr says why")
            if isinstance(answer, kind):
                return answer
        raise RuntimeError(f"the gateway did not answer within {seconds:g} seconds")

    def _read(self) -> None:
        answers, log = self._answers, self._log
        with self._channel.makefile("rb") as lines:
            try:
                for line in lines:
                    match read(line):
                        case Happened(event=event):
                            log.add(event)
                        case answer:
                            answers.put(answer)
            except OSError:
                pass  # it was killed
        answers.put(None)

    def _kill(self) -> None:
        self._frozen = False
        self._process.kill()
        self._process.wait()
        self._reading.join()
        self._channel.close()
