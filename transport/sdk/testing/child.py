"""The process of a test's gateway: serves as in production, tells what happens.

Its one argument is the descriptor of a socket to the test. The first line there is the
settings; each further one is a command. It drains when that socket ends.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import msgspec
import uvloop

from hubbub.sdk.testing.inside import WatchedProcess
from hubbub.sdk.testing.lines import Cut, Happened, Ready, Severed, write
from hubbub.transport import logs
from hubbub.transport.settings import Settings


class ChildProcess(WatchedProcess):
    """A gateway that takes orders from a test.

    Args:
        settings: Its settings.
        channel: The socket to the test.
    """

    def __init__(self, settings: Settings, channel: socket.socket) -> None:
        self._channel = channel
        super().__init__(settings, lambda event: self._tell(Happened(event)))

    async def serve(self) -> int:
        """Run until a signal, or until the test has ended."""
        asyncio.get_running_loop().add_reader(self._channel, self._order)
        return await self.main(lambda endpoint: self._tell(Ready(endpoint)))

    def _order(self) -> None:
        line = self._channel.recv(1 << 16)
        if not line:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._leave.set()
            return
        order = msgspec.json.decode(line, type=Cut)
        self._tell(Severed(self.cut(order.connection_id)))

    def _tell(self, message: msgspec.Struct) -> None:
        try:
            self._channel.sendall(write(message))
        except OSError:
            self._leave.set()  # the test is gone


def main() -> int:
    """Serve until the test has enough."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    line = bytearray()
    while not line.endswith(b"\n"):
        more = channel.recv(1 << 16)
        if not more:
            return 0
        line += more
    settings = msgspec.json.decode(bytes(line), type=Settings)
    logs.set_up(settings.log_format, settings.log_level)

    async def serve() -> int:
        return await ChildProcess(settings, channel).serve()

    return uvloop.run(serve())


if __name__ == "__main__":
    sys.exit(main())
