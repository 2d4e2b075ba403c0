"""Who has no business on the wire between gateways, and what gateways see of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest
import zmq
from zmq.utils import z85

from hubbub.actors.messages import peers
from hubbub.transport.cluster_secret import new_secret, parse_secret
from hubbub.transport.wire.peering import encode
from hubbub.transport.zeromq_security import Keys
from support.tcp_proxy import free_port
from support.wires import SECONDS, beat, connected, knock, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.messages.peers import Packet

A, B = parse_secret(new_secret()), parse_secret(new_secret())
MARK = b"words-that-must-not-be-logged"


@contextlib.contextmanager
def stranger(endpoint: str, kind: int = zmq.PUSH) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(kind) as one:
        one.linger = 0
        one.sndtimeo = int(SECONDS * 1000)
        one.connect(endpoint)
        yield one


def port_of(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def zmtp(endpoint: str, identity: bytes, data: bytes) -> socket.socket:
    """Connect by hand (ZMTP 3.0, NULL) with a chosen id, and say something."""
    raw = socket.create_connection(port_of(endpoint), timeout=SECONDS)
    raw.sendall(
        b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    )
    got = b""
    while len(got) < 64:
        got += raw.recv(64 - len(got))

    def known(name: bytes, value: bytes) -> bytes:
        return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value

    ready = b"\x05READY" + known(b"Socket-Type", b"PUSH") + known(b"Identity", identity)
    raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
    assert raw.recv(1024)
    raw.sendall(b"\x02" + struct.pack(">Q", len(data)) + data)
    return raw


@pytest.mark.parametrize(
    ("here", "there", "out", "into"),
    [
        (A, B, "another cluster secret, or none", "with another cluster secret"),
        (A, None, "another cluster secret, or none", "which this gateway has not"),
        (None, A, "a cluster secret and this one has none", "or without one"),
    ],
    ids=["another", "none there", "none here"],
)
async def test_keys_that_do_not_fit_are_told_on_both_sides(
    here: object, there: object, out: str, into: str
) -> None:
    async with (
        wire(secret=here) as (dials, at_dials),  # type: ignore[arg-type]
        wire(secret=there) as (listens, at_listens),  # type: ignore[arg-type]
    ):
        dials.dial(listens.endpoint).send(knock(1))
        trouble = await at_dials.trouble()
        assert trouble.endpoint == listens.endpoint
        assert out in trouble.reason
        trouble = await at_listens.trouble()
        assert not trouble.endpoint
        assert into in trouble.reason
        assert len(at_listens.heard) == len(at_listens.troubles())


def released(endpoint: str) -> None:
    """Wait until nobody listens at an address: the library closes in its own time."""
    deadline = time.monotonic() + SECONDS
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(endpoint.rpartition(":")[2])))
            except OSError:
                assert time.monotonic() < deadline, f"{endpoint} is not released"
            else:
                return
        time.sleep(0.01)


async def test_a_gateway_whose_secret_is_put_right_is_found() -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"  # nobody takes it in between
    async with wire(secret=A) as (here, at_here):
        async with wire(secret=B, listen=endpoint):
            channel = here.dial(endpoint)
            channel.send(knock(1))
            await at_here.trouble()
        await asyncio.to_thread(released, endpoint)
        async with wire(secret=None, listen=endpoint) as (_, at_none):
            await at_none.trouble()  # several kinds of failure, one after another
        await asyncio.to_thread(released, endpoint)
        async with wire(secret=A, listen=endpoint) as (_, arrivals):
            assert await arrivals.packets(1) == [knock(1)]


async def test_who_knows_public_keys_alone_is_turned_away_and_told_nothing() -> None:
    async with (
        wire(secret=A) as (there, arrivals),
        wire(secret=A) as (friend, _),
    ):
        public = zmq.curve_public(z85.encode(A.derive("hubbub listens")))
        with zmq.Context() as context, context.socket(zmq.PUSH) as one:
            one.linger = 0
            one.curve_publickey, one.curve_secretkey = zmq.curve_keypair()
            one.curve_serverkey = public
            one.connect(there.endpoint)
            one.send(encode(knock(1)))
            assert "another cluster secret" in (await arrivals.trouble()).reason
            await connected(friend, there.endpoint, arrivals)
            assert arrivals.heard == []


async def test_nobody_can_listen_in_place_of_a_gateway_without_the_secret() -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as false:
        false.linger = 0
        false.curve_server = True
        false.curve_publickey, false.curve_secretkey = zmq.curve_keypair()
        port = false.bind_to_random_port("tcp://127.0.0.1")
        async with wire(secret=A) as (here, at_here):
            here.dial(f"tcp://127.0.0.1:{port}").send(knock(1))
            assert "another cluster secret" in (await at_here.trouble()).reason
            assert not false.poll(0)


GARBAGE: list[bytes | list[bytes]] = [
    b"",
    b"\0",
    MARK,
    os.urandom(1000),
    b"\x81" * 100_000,
    b"\x9b" + b"\xff" * 8 + MARK,
    bytes(10 << 20),
    [MARK, encode(knock(1))],
    [encode(knock(1)), encode(knock(2))],
    [b"", encode(knock(1))],
    [encode(knock(1))] * 1000,
]


async def test_garbage_has_no_effect_on_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with wire() as (there, arrivals), wire() as (friend, _):
        send = await connected(friend, there.endpoint, arrivals)
        with stranger(there.endpoint) as one:
            for number, said in enumerate(GARBAGE):
                one.send_multipart([said] if isinstance(said, bytes) else said)
                send(beat(number))
            one.send(encode(knock(99)))
            expected: list[Packet] = [beat(number) for number in range(len(GARBAGE))]
            heard = await arrivals.packets(len(GARBAGE) + 1)
            assert knock(99) in heard
            heard.remove(knock(99))
            assert heard == expected
        assert there.unreadable == len(GARBAGE)
        assert arrivals.troubles() == []
    assert "could not be read" in caplog.text
    assert caplog.text.count("could not be read") < 3
    assert MARK.decode() not in caplog.text


async def test_a_batch_that_cannot_be_read_is_passed_on_as_such() -> None:
    async with wire() as (there, arrivals):
        with stranger(there.endpoint) as one:
            one.send(encode(beat(1))[:-1] + b"\x01")
            (found,) = await arrivals.packets(1)
        assert isinstance(found, peers.Malformed)
        assert (found.gateway, found.tag) == ("a1", 1)
        assert there.unreadable == 0


async def test_a_message_above_the_limit_ends_its_connection_alone() -> None:
    async with wire() as (there, arrivals), wire() as (friend, _):
        send = await connected(friend, there.endpoint, arrivals)
        raw = await asyncio.to_thread(zmtp, there.endpoint, b"", encode(knock(1)))
        with raw:
            assert await arrivals.packets(1) == [knock(1)]
            raw.sendall(b"\x02" + struct.pack(">Q", 1 << 40) + b"x" * 1000)
            raw.settimeout(SECONDS)
            with contextlib.suppress(ConnectionResetError):  # as good
                assert await asyncio.to_thread(raw.recv, 1) == b""
        send(beat(1))
        assert await arrivals.packets(1) == [beat(1)]


async def test_ids_that_strangers_choose_have_no_effect() -> None:
    async with wire() as (there, arrivals), wire() as (friend, _):
        send = await connected(friend, there.endpoint, arrivals)
        sockets = []
        for number, identity in enumerate([b"", b"", b"x", b"x", b"\0abcd", b"\0" * 5]):
            data = encode(knock(number))
            sockets.append(
                await asyncio.to_thread(zmtp, there.endpoint, identity, data)
            )
            assert await arrivals.packets(1) == [knock(number)]
        for one in sockets:
            one.close()
        send(beat(1))
        assert await arrivals.packets(1) == [beat(1)]


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.SUB, zmq.REQ, zmq.PAIR, zmq.PULL])
async def test_other_kinds_of_sockets_neither_speak_nor_hear(kind: int) -> None:
    async with wire() as (there, arrivals), wire() as (friend, _):
        with stranger(there.endpoint, kind) as one:
            if kind not in {zmq.SUB, zmq.PULL}:
                one.send(encode(knock(1)), zmq.NOBLOCK)
            await connected(friend, there.endpoint, arrivals)
            assert arrivals.heard == []
            if kind != zmq.REQ:
                assert not one.poll(0)


async def test_what_is_no_zeromq_has_no_effect() -> None:
    async with wire(secret=A) as (there, arrivals), wire(secret=A) as (friend, _):
        send = await connected(friend, there.endpoint, arrivals)
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, os.urandom(1000)):
            with socket.create_connection(port_of(there.endpoint), timeout=2) as raw:
                raw.sendall(said)
        send(beat(1))
        assert await arrivals.packets(1) == [beat(1)]


async def test_bytes_said_again_are_packets_again() -> None:
    async with wire() as (there, arrivals):
        said = encode(beat(1))
        with stranger(there.endpoint) as one:
            for _ in range(3):
                one.send(said)
            assert await arrivals.packets(3) == [beat(1)] * 3


def test_only_the_key_of_who_dials_is_admitted() -> None:
    keys = Keys(A)
    own = z85.decode(zmq.curve_public(z85.encode(A.derive("hubbub dials"))))
    assert keys.admits(b"CURVE", own)
    assert not keys.admits(b"NULL", own)
    assert not keys.admits(b"PLAIN", own)
    for other in (b"", own[:-1], own + b"\0", bytes(32)):
        assert not keys.admits(b"CURVE", other)
    listening = z85.decode(zmq.curve_public(z85.encode(A.derive("hubbub listens"))))
    assert not keys.admits(b"CURVE", listening)


async def test_no_key_is_in_a_log_or_a_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with wire(secret=A) as (here, at_here), wire(secret=B) as (there, _):
        here.dial(there.endpoint).send(knock(1))
        await at_here.trouble()
        shown = caplog.text + repr(here) + repr(vars(Keys)) + repr(at_here.heard)
    for secret in (A, B):
        for purpose in ("hubbub listens", "hubbub dials"):
            key = secret.derive(purpose)
            assert z85.encode(key).decode() not in shown
            assert key.hex() not in shown
            assert repr(key) not in shown
