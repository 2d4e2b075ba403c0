"""A real ``hubbub serve`` process for tests, on a free port of loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

KEY = "tests-primary-key-0123456789abcdef0123456789"
SECONDARY_KEY = "tests-secondary-key-0123456789abcdef01234567"
START_SECONDS = 60.0


class Reachable:
    """Where a service is reached: one gateway, or what stands before several."""

    endpoint: str

    @property
    def connection_string(self) -> str:
        return f"Endpoint={self.endpoint};AccessKey={KEY};Version=1.0;"

    @property
    def host(self) -> str:
        return self.endpoint.split("://")[1].rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def token(self, path: str, *, key: str = KEY, **claims: Any) -> str:
        """Sign a token for a path of this gateway, valid for an hour by default."""
        content = {"aud": f"{self.endpoint}{path}", "exp": int(time.time()) + 3600}
        return jwt.encode({**content, **claims}, key, algorithm="HS256")

    def client_url(
        self,
        hub: str = "chat",
        user: str | None = None,
        roles: Sequence[str] = (),
        groups: Sequence[str] = (),
    ) -> str:
        """Make the URL that a client connects to."""
        claims: dict[str, Any] = {}
        if user is not None:
            claims["sub"] = user
        if roles:
            claims["role"] = list(roles)
        if groups:
            claims["webpubsub.group"] = list(groups)
        token = self.token(f"/client/hubs/{hub}", **claims)
        scheme = "wss" if self.endpoint.startswith("https") else "ws"
        address = self.endpoint.partition("://")[2]
        return f"{scheme}://{address}/client/hubs/{hub}?access_token={token}"


class GatewayProcess(Reachable):
    """``hubbub serve`` with our test keys, from its ready line to its exit.

    Args:
        arguments: Further arguments of ``hubbub serve``.
        environment: Further environment variables.
        keys: The access keys.
        workers: How many processes share the port; None takes what the test run says.
    """

    workers: ClassVar[int] = 1
    """Of each gateway, in this test run: ``pytest --workers``."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        keys: Sequence[str] = (KEY, SECONDARY_KEY),
        workers: int | None = None,
    ) -> None:
        command = [sys.executable, "-m", "hubbub.transport", "serve", "--port", "0"]
        for key in keys:
            command += ["--access-key", key]
        count = self.workers if workers is None else workers
        if count > 1:
            command += ["--workers", str(count)]
        self._log = tempfile.NamedTemporaryFile(prefix="hubbub-", suffix=".log")  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.endpoint = self._await_ready()

    def _await_ready(self) -> str:
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        try:
            assert self.process.stdout is not None
            for line in self.process.stdout:
                if line.startswith("ready "):
                    return line.split()[1]
        finally:
            watchdog.cancel()
        raise AssertionError(f"the gateway did not get ready:\n{self.log}")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What the process has written to stderr so far."""
        return Path(self._log.name).read_text()

    def await_log(self, text: str, seconds: float = 10.0) -> str:
        """Wait until the log contains a text."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            log = self.log
            if text in log:
                return log
            time.sleep(0.01)
        raise AssertionError(f"{text!r} is not in the log:\n{self.log}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Drain by SIGTERM; gives the exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
