"""The wire between gateways: what is sent gets there in order, and again after cuts."""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from hubbub.actors.messages import commands, peers
from hubbub.actors.messages.payload import Binary, Text
from hubbub.transport.cluster_secret import new_secret, parse_secret
from hubbub.transport.listening import PortError
from hubbub.transport.wire.peering import encode
from hubbub.transport.zeromq import SLICE_PACKETS, ZeroMqWire
from support.tcp_proxy import free_port
from support.wires import FREE, Arrivals, beat, connected, knock, wire

if TYPE_CHECKING:
    from pathlib import Path

SECRET = parse_secret(new_secret())


def relay(payload: Any, number: int = 1) -> peers.Batch:
    published = commands.Publish(commands.ToGroup("g"), payload)
    return peers.Batch("a1", 1, number, 0, (peers.Relay("chat", published),))


@pytest.mark.parametrize("secret", [None, SECRET], ids=["open", "secured"])
@pytest.mark.parametrize("place", ["tcp", "tcp6", "ipc"])
async def test_what_is_sent_gets_there_in_order(
    tmp_path: Path, place: str, secret: Any
) -> None:
    places = {"tcp": FREE, "tcp6": "tcp://[::1]:0", "ipc": f"ipc://{tmp_path}/a"}
    async with (
        wire(places[place], secret=secret) as (there, arrivals),
        wire(secret=secret) as (here, _),
    ):
        channel = here.dial(there.endpoint)
        channel.send(knock(7))  # before there is a connection
        assert await arrivals.packets(1) == [knock(7)]
        for number in range(500):
            channel.send(beat(number))
        assert await arrivals.packets(500) == [beat(number) for number in range(500)]


async def test_packets_go_both_ways_each_on_its_own_connection() -> None:
    async with wire() as (a, at_a), wire() as (b, at_b):
        to_b, to_a = a.dial(b.endpoint), b.dial(a.endpoint)
        to_b.send(knock(1))
        to_a.send(knock(2))
        assert await at_b.packets(1) == [knock(1)]
        assert await at_a.packets(1) == [knock(2)]


async def test_a_name_can_be_dialed() -> None:
    async with wire() as (there, arrivals), wire() as (here, _):
        channel = here.dial(there.endpoint.replace("127.0.0.1", "localhost"))
        channel.send(knock(1))
        assert await arrivals.packets(1) == [knock(1)]


async def test_a_wire_listens_at_several_places(tmp_path: Path) -> None:
    loop, path = asyncio.get_running_loop(), f"ipc://{tmp_path}/a"
    there, arrivals = ZeroMqWire(loop, (path, FREE), FREE), Arrivals()
    there.open(arrivals)
    try:
        async with wire() as (here, _):
            for number, place in enumerate((path, there.endpoint)):
                here.dial(place).send(knock(number))
            assert len(await arrivals.packets(2)) == 2
    finally:
        there.close()


async def test_port_0_stands_for_the_real_one() -> None:
    async with wire() as (one, _), wire(endpoint="tcp://localhost:0") as (other, _):
        assert one.endpoint.startswith("tcp://127.0.0.1:")
        assert other.endpoint.startswith("tcp://localhost:")
        assert not one.endpoint.endswith(":0")
        assert not other.endpoint.endswith(":0")


async def test_a_big_packet_gets_there_whole() -> None:
    big = relay(Binary(bytes(range(256)) * (40 << 12)))  # 40 MiB
    async with (
        wire(secret=SECRET) as (there, arrivals),
        wire(secret=SECRET) as (here, _),
    ):
        send = await connected(here, there.endpoint, arrivals)
        send(big)
        assert await arrivals.packets(1) == [big]


async def test_a_packet_that_is_too_big_leaves_only_its_messages_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with wire() as (there, arrivals), wire() as (here, _):
        send = await connected(here, there.endpoint, arrivals)
        send(relay(Binary(bytes(65 << 20)), 1))
        send(relay(Text("next"), 2))
        empty = peers.Batch("a1", 1, 1, 0, ())
        assert await arrivals.packets(2) == [empty, relay(Text("next"), 2)]
    assert "1 messages" in caplog.text


async def test_a_message_that_cannot_cross_does_not_take_others_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def mine(subject: commands.Subject) -> bool:
        return bool(subject.user_id)

    bad = commands.Publish(commands.Everyone(), Text("secret words"), where=mine)
    good = peers.Reset("chat")
    async with wire() as (there, arrivals), wire() as (here, _):
        send = await connected(here, there.endpoint, arrivals)
        send(peers.Batch("a1", 1, 1, 0, (peers.Relay("chat", bad), good)))
        assert await arrivals.packets(1) == [peers.Batch("a1", 1, 1, 0, (good,))]
    assert "a function cannot cross" in caplog.text
    assert "secret words" not in caplog.text


async def test_thousands_are_drained_while_others_have_their_turns() -> None:
    count = 20_000
    async with wire() as (there, arrivals), wire() as (here, _):
        send = await connected(here, there.endpoint, arrivals)
        turns, most = 0, 0
        for first in range(0, count, 500):
            for number in range(first, first + 500):
                send(beat(number))
            while len(arrivals.heard) < first + 500:
                before = len(arrivals.heard)
                await asyncio.sleep(0)
                turns += 1
                most = max(most, len(arrivals.heard) - before)
        assert await arrivals.packets(count) == [
            beat(number) for number in range(count)
        ]
        assert here.dropped <= 1  # the first knock may have come before the connection
    assert most <= 2 * SLICE_PACKETS
    assert turns > count / (2 * SLICE_PACKETS)


async def test_what_came_before_the_wire_was_open_is_there() -> None:
    loop = asyncio.get_running_loop()
    there = ZeroMqWire(loop, (FREE,), FREE)
    arrivals = Arrivals()
    try:
        with zmq.Context() as context, context.socket(zmq.PUSH) as push:
            push.connect(there.endpoint)
            for number in range(3):
                push.send(encode(beat(number)))
            # Another wire proves that time enough has passed.
            async with wire() as (other, at_other), wire() as (third, _):
                await connected(third, other.endpoint, at_other)
            there.open(arrivals)
            assert await arrivals.packets(3) == [beat(number) for number in range(3)]
    finally:
        there.close()


@pytest.mark.parametrize("secret", [None, SECRET], ids=["open", "secured"])
async def test_a_channel_finds_a_gateway_that_comes_back(secret: Any) -> None:
    async with wire(secret=secret) as (here, at_here):
        async with wire(secret=secret) as (there, arrivals):
            endpoint = there.endpoint
            channel = here.dial(endpoint)
            channel.send(knock(1))
            await arrivals.packets(1)
        assert "nothing answers there" in (await at_here.trouble()).reason
        channel.send(beat(1))  # lost: nobody is there
        channel.send(knock(2))
        channel.send(knock(3))  # the last greeting waits
        async with wire(endpoint, secret=secret) as (_, arrivals):
            assert await arrivals.packets(1) == [knock(3)]
            channel.send(beat(2))
            assert await arrivals.packets(1) == [beat(2)]


async def test_a_gateway_that_is_not_there_yet_is_found_when_it_comes() -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    async with wire() as (here, at_here):
        channel = here.dial(endpoint)
        channel.send(knock(1))
        assert (await at_here.trouble()).endpoint == endpoint
        async with wire(endpoint) as (_, arrivals):
            assert await arrivals.packets(1) == [knock(1)]


async def test_a_name_that_is_unknown_is_a_trouble() -> None:
    async with wire(secret=SECRET) as (here, at_here):
        here.dial("tcp://no-such-host.invalid:7000")
        assert await at_here.trouble() == peers.Trouble(
            "tcp://no-such-host.invalid:7000", "there is no such host"
        )


async def test_a_place_that_the_system_does_not_know_is_a_trouble() -> None:
    async with wire(secret=SECRET) as (here, at_here):
        here.dial("tcp://[fe80::1%nowhere0]:7000")
        reason = (await at_here.trouble()).reason
        assert reason in {"there is no such host", "nothing answers there"}


async def test_the_same_trouble_is_not_told_again_and_again() -> None:
    async with wire() as (here, at_here), wire() as (other, at_other):
        here.dial(f"tcp://127.0.0.1:{free_port()}")
        await at_here.trouble()
        for _ in range(5):  # while it goes on dialing
            await connected(here, other.endpoint, at_other)
        assert len(at_here.troubles()) == 1


async def test_what_is_sent_last_gets_there_before_the_end() -> None:
    async with wire() as (there, arrivals):
        async with wire() as (here, _):
            send = await connected(here, there.endpoint, arrivals)
            for number in range(100):
                send(beat(number))
        assert await arrivals.packets(100) == [beat(number) for number in range(100)]


async def test_a_closed_channel_sends_nothing_and_can_be_closed_again() -> None:
    async with wire() as (there, arrivals), wire() as (here, _):
        channel = here.dial(there.endpoint)
        channel.close()
        channel.close()
        channel.send(knock(1))
        await connected(here, there.endpoint, arrivals)
        assert knock(1) not in arrivals.heard


async def test_a_closed_wire_is_quiet() -> None:
    async with wire() as (there, arrivals), wire() as (here, _):
        send = await connected(here, there.endpoint, arrivals)
        there.close()
        there.close()
        send(beat(1))
        here.close()
        with pytest.raises(ValueError, match="closed"):
            here.dial(there.endpoint)
        async with wire() as (other, at_other), wire() as (third, _):
            await connected(third, other.endpoint, at_other)
        assert arrivals.heard == []


async def test_a_place_where_somebody_listens_is_refused(tmp_path: Path) -> None:
    async with wire() as (one, _), wire(f"ipc://{tmp_path}/a") as (other, arrivals):
        for endpoint in (one.endpoint, other.endpoint):
            with pytest.raises(PortError, match="cannot listen for gateways at"):
                async with wire(endpoint):
                    pass
        async with wire() as (here, _):  # it has kept its place
            await connected(here, other.endpoint, arrivals)


async def test_a_socket_left_behind_is_replaced_but_no_file(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "a"))
    left.close()
    async with wire(f"ipc://{tmp_path}/a"):
        assert stat.S_ISSOCK((tmp_path / "a").stat().st_mode)
    (tmp_path / "b").write_text("kept")
    with pytest.raises(PortError, match="a file is there"):
        async with wire(f"ipc://{tmp_path}/b"):
            pass
    assert (tmp_path / "b").read_text() == "kept"


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://10.0.0.7:7000",
        "tcp://0.0.0.0:7000",
        "tcp://[::]:7000",
        "tcp://[2001:db8::1]:7000",
    ],
)
async def test_without_a_secret_a_wire_stays_on_its_machine(endpoint: str) -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(ValueError, match="`hubbub secret FILE` makes one"):
        ZeroMqWire(loop, (endpoint,), endpoint)
    with pytest.raises(ValueError, match="`hubbub secret FILE` makes one"):
        ZeroMqWire(loop, (FREE,), endpoint)
    async with wire() as (one, _):
        with pytest.raises(ValueError, match="`hubbub secret FILE` makes one"):
            one.dial(endpoint)
        with pytest.raises(ValueError, match="`hubbub secret FILE` makes one"):
            one.dial("tcp://gateway.example.com:7000")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:7000/",
        "tcp://127.0.0.1:7000;tcp://10.0.0.1:1",
        "tcp://127.0.0.1:7000;10.0.0.1:7000",
        "tcp://*:7000",
        "tcp://::1:7000",
        "tcp://[::1]",
        "tcp://[localhost]:7000",
        "udp://127.0.0.1:7000",
        "inproc://a",
        "ipc://",
        "ipc://*",
        "ipc://@abstract",
        "ipc://" + "a" * 108,
        "ipc://a\0b",
        "ipc://a\nb",
        "http://127.0.0.1:7000",
    ],
)
async def test_what_is_no_endpoint_is_not_dialed(endpoint: str) -> None:
    async with wire() as (one, _):
        with pytest.raises(ValueError, match=r"endpoint|bytes|no port"):
            one.dial(endpoint)


async def test_names_are_not_listened_at() -> None:
    with pytest.raises(ValueError, match="takes an address of this machine"):
        ZeroMqWire(asyncio.get_running_loop(), ("tcp://a.example:1",), FREE, SECRET)


async def test_localhost_is_listened_at() -> None:
    async with wire("tcp://localhost:0") as (there, arrivals), wire() as (here, _):
        await connected(here, there.endpoint, arrivals)


async def test_a_wire_that_is_closed_leaves_no_thread_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        wire(secret=SECRET) as (there, arrivals),
        wire(secret=SECRET) as (here, _),
    ):
        await connected(here, there.endpoint, arrivals)
    for thread in threading.enumerate():
        if thread.name == "zeromq-farewell":
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
