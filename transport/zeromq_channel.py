"""The way to one gateway over ZeroMQ: a socket that dials, and dials again.

The library could dial again by itself, but gives up for good after some failed
handshakes, and asks name servers in the thread that serves every connection. So each
attempt is ours.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket as sockets
from typing import TYPE_CHECKING, Final

import msgspec
import zmq

from hubbub.actors.messages import peers
from hubbub.transport.configuration import is_loopback
from hubbub.transport.wire.peering import encode, passable
from hubbub.transport.zeromq_endpoint import address
from hubbub.transport.zeromq_monitor import Happening, Monitor, trouble_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.transport.zeromq_endpoint import Endpoint
    from hubbub.transport.zeromq_security import Keys

logger = logging.getLogger(__name__)

MOST_BYTES: Final = 64 << 20
"""Bytes of a packet; the other side ends a connection that brings more."""
MOST_PACKETS: Final = 1024
"""Packets a connection holds on each side."""
FAREWELL_MS: Final = 200
"""How long what was sent last may take to leave once a channel is closed."""
KEEPALIVE_SECONDS: Final = 5
UNACKNOWLEDGED_MS: Final = 15_000
"""How long a machine may not acknowledge bytes until its connection counts as cut."""
HANDSHAKE_MS: Final = 5_000

_CONNECT_MS: Final = 3_000
_LOOKUP_SECONDS: Final = 5.0
_ATTEMPT_SECONDS: Final = 10.0
"""When an attempt counts as failed of which the library tells nothing."""
_FIRST_WAIT: Final = 0.05
_LONGEST_WAIT: Final = 1.0
_PATIENCE: Final = 3
"""Attempts until it is told that nobody answers."""


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Let the system notice that the machine at the other end is gone."""
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = KEEPALIVE_SECONDS
    socket.tcp_keepalive_intvl = KEEPALIVE_SECONDS
    socket.tcp_keepalive_cnt = 3
    socket.set(zmq.TCP_MAXRT, UNACKNOWLEDGED_MS)
    socket.handshake_ivl = HANDSHAKE_MS
    socket.maxmsgsize = MOST_BYTES


class ZeroMqChannel:
    """Implements the port ``Channel``.

    What is sent while there is no connection is lost, but for the last greeting: it
    goes out with the next connection, so that gateways find each other at once.

    Args:
        loop: In whose turns it works.
        context: Of the wire.
        endpoint: Where the gateway is.
        keys: Of the wire, if there is a secret.
        report: Takes why it cannot be reached.
        closed: Called at the end.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: Endpoint,
        keys: Keys | None,
        report: Callable[[str, str], None],
        closed: Callable[[ZeroMqChannel], None],
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._secured = keys is not None
        self._report = report
        self._closed = closed
        self._socket = socket = context.socket(zmq.PUSH)
        socket.linger = FAREWELL_MS
        socket.sndhwm = MOST_PACKETS
        socket.immediate = True  # nothing queues up for a gateway that is not there
        socket.reconnect_ivl = -1
        socket.connect_timeout = _CONNECT_MS
        keep_alive(socket)
        if keys is not None:
            keys.dial(socket)
        try:
            self._monitor = Monitor(loop, socket, self._happened)
        except zmq.ZMQError:
            socket.close()
            raise
        self._address = ""
        self._attempts = 0
        self._why: Happening | None = None
        self._refused: Happening | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._lookup: asyncio.Task[None] | None = None
        self._greeting: bytes | None = None
        self._open = True
        self.dropped = 0
        """Packets that did not get through."""
        self._dial()

    @property
    def text(self) -> str:
        """The endpoint."""
        return self._endpoint.text

    def send(self, packet: peers.Packet) -> None:
        """Send without waiting; what does not get through is lost."""
        if not self._open:
            return
        data = self._encoded(packet)
        if not self._sent(data):
            self.dropped += 1
            if isinstance(packet, peers.Knock | peers.Hello | peers.Refusal):
                self._greeting = data

    def close(self) -> None:
        """Give up what is not about to leave; harmless when closed."""
        if not self._open:
            return
        self._open = False
        self._greeting = None
        for timer in (self._waiting, self._deadline):
            if timer is not None:
                timer.cancel()
        if self._lookup is not None:
            self._lookup.cancel()
        self._monitor.close()
        self._socket.close()
        self._closed(self)

    def _sent(self, data: bytes) -> bool:
        """Send; when that fails, once more if the library had not yet looked around."""
        for _ in range(2):
            try:
                self._socket.send(data, zmq.NOBLOCK)
            except zmq.Again:
                if not int(self._socket.get(zmq.EVENTS)) & zmq.POLLOUT:
                    return False
            else:
                return True
        return False

    def _encoded(self, packet: peers.Packet) -> bytes:
        """Write a packet; a message that cannot cross does not take others with it."""
        try:
            data = encode(packet)
        except (TypeError, ValueError) as error:
            if not isinstance(packet, peers.Batch):
                raise
            logger.error(  # noqa: TRY400 - the message says it
                "a message to %s is left out: it cannot cross to another gateway (%s)",
                self.text,
                error,
            )
            data = encode(packet := passable(packet))
        if len(data) > MOST_BYTES and isinstance(packet, peers.Batch):
            logger.error(
                "%d messages to %s are left out: they have %d bytes together, more "
                "than gateways take",
                len(packet.messages),
                self.text,
                len(data),
            )
            data = encode(msgspec.structs.replace(packet, messages=()))
        return data

    # Dialing.

    def _dial(self) -> None:
        """Begin an attempt."""
        self._waiting = None
        endpoint = self._endpoint
        if endpoint.path:
            self._connect(endpoint.text)
        elif endpoint.is_numeric:
            self._connect(address(endpoint.host, endpoint.port))
        else:
            self._lookup = self._loop.create_task(self._find())

    async def _find(self) -> None:
        """Look up the name anew: a gateway may come back with another address."""
        host, port = self._endpoint.host, self._endpoint.port
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                found = await self._loop.getaddrinfo(
                    host, port, type=sockets.SOCK_STREAM
                )
        except (OSError, TimeoutError, UnicodeError):
            found = []
        hosts = [
            str(entry[4][0])
            for entry in found
            if self._secured or is_loopback(str(entry[4][0]))
        ]
        self._lookup = None
        if hosts:
            self._connect(address(hosts[self._attempts % len(hosts)], port))
        else:
            self._failed(None)

    def _connect(self, place: str) -> None:
        if self._address:
            try:
                self._socket.disconnect(self._address)
            except zmq.ZMQError as error:
                if error.errno != errno.ENOENT:  # the library has forgotten it already
                    raise
        self._address = ""
        self._why = None
        self._socket.ipv6 = place.startswith("tcp://[")
        try:
            self._socket.connect(place)
        except zmq.ZMQError:  # as of an address of an interface that is not there
            self._failed(Happening.UNREACHABLE)
        else:
            self._address = place
            self._deadline = self._loop.call_later(
                _ATTEMPT_SECONDS, self._failed, Happening.UNREACHABLE
            )

    def _happened(self, happening: Happening) -> None:
        match happening:
            case Happening.UP:
                self._attempts = 0
                self._refused = None
                self._rest()
                greeting, self._greeting = self._greeting, None
                if greeting is not None:
                    self._sent(greeting)
            case Happening.OVER | Happening.UNREACHABLE:
                self._failed(self._why or happening)
            case Happening.DENIED | Happening.MISMATCH:
                self._why = self._refused = happening
            case Happening.BROKEN_OFF:
                # Either side may find first that keys do not fit; the other is cut off.
                self._why = self._refused or happening

    def _failed(self, why: Happening | None) -> None:
        """Note that there is no connection, and try again a little later each time."""
        self._rest()
        self._attempts += 1
        if self._attempts >= _PATIENCE or why in {Happening.DENIED, Happening.MISMATCH}:
            self._report(self.text, trouble_out(why, secured=self._secured))
        if self._waiting is None:
            wait = min(_FIRST_WAIT * 2 ** min(self._attempts - 1, 10), _LONGEST_WAIT)
            self._waiting = self._loop.call_later(wait, self._dial)

    def _rest(self) -> None:
        """End the attempt."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
