"""The wire alone: what two processes, each on its core, can tell each other.

Batches of relays over the ZeroMQ wire, beside bare messages over bare ZeroMQ sockets.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import uvloop
import zmq

from hubbub.actors.messages import commands, peers
from hubbub.actors.messages.payload import Text
from hubbub.actors.outbox import OWED, WINDOW
from hubbub.transport.bench.mesh_clients import SIZE
from hubbub.transport.cluster_secret import parse_secret
from hubbub.transport.zeromq import ZeroMqWire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

_HERE: Final = "tcp://127.0.0.1:0"
_ROUND: Final = 4
"""Batches sent before what comes has its turn."""
_HWM: Final = 100_000
_PATIENCE: Final = 60.0
_HELLO: Final = peers.Hello(1, "bench", "bench", _HERE, 1)


class Way(NamedTuple):
    """One way to send: messages in a batch (0: bare sockets), a secret or none."""

    batch: int
    secret: str = ""


class Flow(NamedTuple):
    """What crossed: messages a second, and processor seconds of each for one."""

    per_second: float
    sender: float
    receiver: float


def measure(ways: Sequence[Way], seconds: float) -> list[Flow]:
    """Let one process send to another as much as it can, one way after another.

    Raises:
        RuntimeError: They did not find each other.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for core, sends in ((1, True), (0, False)):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_play, args=(ways, seconds, core, theirs, sends), daemon=True
        )
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        return [_flow(pipes) for _ in ways]
    finally:
        for process in processes:
            process.join(5)
            process.kill()


def _flow(pipes: Sequence[Connection]) -> Flow:
    """Introduce the two sides to each other, and hear what came of it."""
    places = [_hear(pipe) for pipe in pipes]
    for pipe, place in zip(pipes, reversed(places), strict=True):
        pipe.send(place)
    (said, _, sender), (heard, took, receiver) = [_hear(pipe) for pipe in pipes]
    return Flow(heard / took, sender / max(said, 1), receiver / max(heard, 1))


def _hear(pipe: Connection) -> Any:
    if not pipe.poll(_PATIENCE):
        raise RuntimeError("one side of the wire says nothing")
    return pipe.recv()


def _play(
    ways: Sequence[Way], seconds: float, core: int, pipe: Connection, sends: bool
) -> None:
    if (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})
    for way in ways:
        wired, bare = (_Sender, _BareSender) if sends else (_Receiver, _BareReceiver)
        uvloop.run(_run(wired if way.batch else bare, way, seconds, pipe))


async def _run(
    role: Callable[[Way], _Side], way: Way, seconds: float, pipe: Connection
) -> None:
    side = role(way)
    pipe.send(side.endpoint)
    side.begin(pipe.recv())
    await asyncio.wait_for(side.ready.wait(), _PATIENCE)
    await asyncio.sleep(seconds / 3)
    before, cpu, began = side.count, time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    pipe.send((side.count - before, took, time.process_time() - cpu))
    await asyncio.sleep(seconds / 3)  # the other side is not done yet
    side.end()


class _Side:
    """One side: counts the messages that it has sent or taken."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.loop = asyncio.get_running_loop()
        self.count = 0
        self.endpoint = ""
        self.ready = asyncio.Event()
        """Set once both have heard of each other."""

    def begin(self, other: str) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError


class _Wired(_Side):
    """A side that speaks as links do: numbered batches, acknowledged now and then."""

    def __init__(self, way: Way) -> None:
        super().__init__(way)
        secret = parse_secret(way.secret) if way.secret else None
        self.wire = ZeroMqWire(self.loop, (_HERE,), _HERE, secret)
        self.endpoint = self.wire.endpoint

    def begin(self, other: str) -> None:
        self.channel = self.wire.dial(other)
        self.wire.open(self)

    def post(self, packet: peers.FromWire, /) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self.wire.close()


class _Sender(_Wired):
    def __init__(self, way: Way) -> None:
        super().__init__(way)
        publish = commands.Publish(commands.ToGroup("lobby"), Text("x" * SIZE), "bench")
        self._messages = (peers.Relay("bench", publish),) * way.batch
        self._sent = self._acked = 0
        self._filling = self._ended = False

    def begin(self, other: str) -> None:
        super().begin(other)
        self.channel.send(_HELLO)  # it waits for the connection

    def post(self, packet: peers.FromWire, /) -> None:
        match packet:
            case peers.Hello():
                self.ready.set()
                self._fill()
            case peers.Heartbeat(received=received):
                self.count += (received - self._acked) * self.way.batch
                self._acked = received
                if not self._filling:
                    self._fill()
            case _:
                pass  # its link is none of our business

    def end(self) -> None:
        self._ended = True
        super().end()

    def _fill(self) -> None:
        self._filling = False
        for _ in range(_ROUND):
            if self._ended or self._sent - self._acked >= WINDOW:
                return
            self._sent += 1
            self.channel.send(peers.Batch("a", 1, self._sent, 0, self._messages))
        self._filling = True
        self.loop.call_soon(self._fill)


class _Receiver(_Wired):
    _taken = 0

    def post(self, packet: peers.FromWire, /) -> None:
        match packet:
            case peers.Hello():
                self.ready.set()
                self.channel.send(_HELLO)
            case peers.Batch(messages=messages):
                self._taken += 1
                self.count += len(messages)
                if self._taken % OWED == 0:
                    self.channel.send(peers.Heartbeat("b", 1, 0, self._taken))
            case _:
                pass


class _Bare(_Side):
    def __init__(self, way: Way) -> None:
        super().__init__(way)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.PULL)
        self.socket.rcvhwm = _HWM
        self.socket.bind(_HERE)
        self.endpoint = bytes(self.socket.get(zmq.LAST_ENDPOINT)).decode().rstrip("\0")

    def end(self) -> None:
        self.context.destroy(linger=0)


class _BareSender(_Bare):
    """Sends as fast as it can, and lets its loop look around now and then."""

    def begin(self, other: str) -> None:
        self._out = self.context.socket(zmq.PUSH)
        self._out.sndhwm = _HWM
        self._out.connect(other)
        self._data = b"x" * (SIZE + 32)
        self.ready.set()
        self._push()

    def _push(self) -> None:
        if self._out.closed:
            return
        try:
            for _ in range(256):
                self._out.send(self._data, zmq.NOBLOCK)
                self.count += 1
        except zmq.Again:
            self.loop.call_later(0.001, self._push)
        else:
            self.loop.call_soon(self._push)


class _BareReceiver(_Bare):
    """Drains its socket whenever the descriptor says so, a slice at a time."""

    def begin(self, other: str) -> None:
        del other
        self.ready.set()
        self.loop.add_reader(self.socket.FD, self._drain)
        self._drain()

    def end(self) -> None:
        self.loop.remove_reader(self.socket.FD)
        super().end()

    def _drain(self) -> None:
        if self.socket.closed:
            return
        try:
            for _ in range(256):
                self.socket.recv(zmq.NOBLOCK)
                self.count += 1
        except zmq.Again:
            return
        self.loop.call_soon(self._drain)
