"""The wire between gateways: ZeroMQ, drained from the loop.

One socket takes what comes in from everywhere, one per gateway sends; each has one
direction. They are PULL and PUSH: with ROUTER, whom house rules named first, whoever
connects chooses an id, and one that meets the library's own ends the process.

Knows bytes and connections; whether a packet is welcome the mesh knows.
"""

from __future__ import annotations

import logging
import socket as sockets
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq

from hubbub.actors.messages import peers
from hubbub.transport.listening import PortError
from hubbub.transport.wire.peering import PeeringViolation, decode
from hubbub.transport.zeromq_channel import MOST_PACKETS, ZeroMqChannel, keep_alive
from hubbub.transport.zeromq_endpoint import address, bindable, dialable, parse_endpoint
from hubbub.transport.zeromq_monitor import Happening, Monitor, trouble_in
from hubbub.transport.zeromq_security import Gatekeeper, Keys

if TYPE_CHECKING:
    import asyncio

    from hubbub.actors.messages.peers import FromWire
    from hubbub.actors.runtime.address import Ref
    from hubbub.transport.cluster_secret import ClusterSecret
    from hubbub.transport.zeromq_endpoint import Endpoint

logger = logging.getLogger(__name__)

SLICE_PACKETS: Final = 64
SLICE_BYTES: Final = 512 << 10
"""Most that is taken in before others have their turn, unless one packet has more."""
REPEAT_SECONDS: Final = 5.0
"""Least time between two reports of the same trouble."""
_MOST_TROUBLES: Final = 1024
_MOST_SOCKETS: Final = 8192


class ZeroMqWire:
    """Implements the port ``Wire``.

    Args:
        loop: In whose turns packets come in.
        listen: Where: ``tcp://address:port`` (port 0 takes a free one), ``ipc:///path``.
        endpoint: Where others reach this gateway; port 0 stands for the first real one.
        secret: What the gateways of the service have in common; without one they stay
            on this machine.

    Raises:
        ValueError: An endpoint is none, or needs a secret; the text says what to do.
        PortError: Somebody else listens there, or nobody may.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listen: tuple[str, ...],
        endpoint: str,
        secret: ClusterSecret | None = None,
    ) -> None:
        self._secured = secret is not None
        places = [bindable(place, secured=self._secured) for place in listen]
        self._loop = loop
        self._keys = None if secret is None else Keys(secret)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.max_sockets = _MOST_SOCKETS
        self._gatekeeper = (
            None if self._keys is None else Gatekeeper(loop, self._context, self._keys)
        )
        self._socket = self._listening()
        self._monitor = Monitor(loop, self._socket, self._happened)
        self._channels: dict[ZeroMqChannel, None] = {}
        self._troubles: dict[tuple[str, str], float] = {}
        self._arrivals: Ref[FromWire] | None = None
        self._open = True
        self._more = False
        self._told = 0.0
        self._unread = 0
        self._dropped = 0
        self.unreadable = 0
        """Packets that were none."""
        try:
            bound = [self._bind(place) for place in places]
            self.endpoint = _with_port(endpoint, bound)
            dialable(self.endpoint, secured=self._secured)
        except BaseException:
            self.close()
            raise

    @property
    def dropped(self) -> int:
        """Packets that did not get through."""
        return self._dropped + sum(channel.dropped for channel in self._channels)

    def open(self, arrivals: Ref[FromWire]) -> None:
        """Let packets come in from now on, in the turns of the loop."""
        first, self._arrivals = self._arrivals is None, arrivals
        if self._open and first:
            self._loop.add_reader(self._socket.FD, self._arrived)
            self._drain()  # of what came before the descriptor does not tell again

    def dial(self, endpoint: str) -> ZeroMqChannel:
        """Make the way to a gateway; it need not be there yet.

        Raises:
            ValueError: This wire does not go there; the text says why.
        """
        if not self._open:
            raise ValueError("the wire is closed")
        place = dialable(endpoint, secured=self._secured)
        try:
            channel = ZeroMqChannel(
                self._loop, self._context, place, self._keys, self._report, self._forget
            )
        except zmq.ZMQError as error:  # as when there are too many
            raise ValueError(f"{endpoint} cannot be dialed: {error}") from error
        self._channels[channel] = None
        return channel

    def close(self) -> None:
        """Close every channel, and let nothing in any more."""
        if not self._open:
            return
        self._open = False
        if self._arrivals is not None:
            self._loop.remove_reader(self._socket.FD)
        for channel in tuple(self._channels):
            channel.close()
        self._monitor.close()
        self._socket.close()
        if self._gatekeeper is not None:
            self._gatekeeper.close()
        # It waits until the last packets have left, at most as long as they may take.
        threading.Thread(target=self._context.destroy, name="zeromq-farewell").start()

    # Listening.

    def _listening(self) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.PULL)
        socket.linger = 0
        socket.rcvhwm = MOST_PACKETS
        keep_alive(socket)
        if self._keys is not None:
            self._keys.listen(socket)
        return socket

    def _bind(self, place: Endpoint) -> str:
        """Listen at a place, and give it with its real port."""
        if place.path:
            _free_path(place)
        self._socket.ipv6 = ":" in place.host
        where = place.text if place.path else address(place.host, place.port)
        try:
            self._socket.bind(where)
        except zmq.ZMQError as error:
            why = zmq.strerror(error.errno or 0)
            raise PortError(f"cannot listen for gateways at {where}: {why}") from error
        return bytes(self._socket.get(zmq.LAST_ENDPOINT)).decode().rstrip("\0")

    # What comes in.

    def _arrived(self) -> None:
        """Hear that there is something; how much, only the socket tells."""
        if not self._more:
            self._drain()

    def _drain(self) -> None:
        """Take in a slice of what came."""
        self._more = False
        size = 0
        for _ in range(SLICE_PACKETS):
            if not self._open:
                return
            try:
                data = self._socket.recv(zmq.NOBLOCK)
                parts = 1
                while self._socket.rcvmore:
                    self._socket.recv(zmq.NOBLOCK)
                    parts += 1
            except zmq.Again:
                return
            self._take(data if parts == 1 else None)
            size += len(data)
            if size > SLICE_BYTES:
                break
        self._more = True
        self._loop.call_soon(self._drain)

    def _take(self, data: bytes | None) -> None:
        if self._arrivals is None:
            return
        if data is None:
            self._refuse("it has several parts")
            return
        try:
            packet = decode(data)
        except PeeringViolation as violation:
            self._refuse(str(violation))
        else:
            self._arrivals.post(packet)

    def _refuse(self, reason: str) -> None:
        """Count what is no packet; its content is nobody's business."""
        self.unreadable += 1
        self._unread += 1
        now = self._loop.time()
        if now - self._told >= REPEAT_SECONDS:
            logger.warning(
                "%d packets from outside could not be read and are dropped; of the "
                "last one: %s",
                self._unread,
                reason,
            )
            self._told, self._unread = now, 0

    # What goes wrong.

    def _happened(self, happening: Happening) -> None:
        # A handshake that breaks off without a reason may be a port that is looked at.
        if happening in {Happening.DENIED, Happening.MISMATCH}:
            self._report("", trouble_in(secured=self._secured))

    def _report(self, endpoint: str, reason: str) -> None:
        """Tell of a trouble, but not again and again."""
        now = self._loop.time()
        last = self._troubles.get((endpoint, reason))
        if self._arrivals is None or (last is not None and now - last < REPEAT_SECONDS):
            return
        if len(self._troubles) >= _MOST_TROUBLES:
            self._troubles.clear()
        self._troubles[endpoint, reason] = now
        self._arrivals.post(peers.Trouble(endpoint, reason))

    def _forget(self, channel: ZeroMqChannel) -> None:
        self._dropped += channel.dropped
        del self._channels[channel]


def _free_path(place: Endpoint) -> None:
    """See to it that nobody is there: the library would take the path from him.

    Raises:
        PortError: Somebody listens there, or it is no socket.
    """
    path = Path(place.path)
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise PortError(f"cannot listen for gateways at {path}: a file is there")
    except FileNotFoundError:
        return
    except OSError as error:
        raise PortError(
            f"cannot listen for gateways at {path}: {error.strerror}"
        ) from error
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(place.path)
        except (ConnectionRefusedError, FileNotFoundError):
            return  # left behind by a process that is gone
        except OSError:
            pass  # somebody is there, or it is not ours
    raise PortError(f"cannot listen for gateways at {path}: somebody else does")


def _with_port(endpoint: str, bound: list[str]) -> str:
    """Fill in the port that was taken."""
    place = parse_endpoint(endpoint)
    if place.path or place.port:
        return endpoint
    real = next((one for one in bound if one.startswith("tcp://")), None)
    if real is None:
        return endpoint
    return f"{endpoint.rpartition(':')[0]}:{real.rpartition(':')[2]}"
