"""A server whose gateway breaks every rule: nothing hangs, grows, or ends for good."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from hubbub.sdk import AckError, DeadlineError
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.server.codecs import CODECS
from support.fake_gateway import SECONDS, FakeGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EVENT: dict[str, Any] = {
    "type": "event",
    "eventId": 1,
    "kind": "event",
    "connectionId": "c",
    "event": "ask",
    "dataType": "text",
    "data": "?",
}
GARBAGE: list[bytes] = [
    b"",
    b"\xff",
    b"{",
    b"[]",
    b'"text"',
    b'{"type": 1}',
    b'{"type": "event"}',
    b"\xa1",
    b"\xc1\x00",
    b"\xd8\x23\x61\x28",
    b"\x9f" * 1000,
    b"[" * 100_000,
    *(
        cbor2.dumps({**EVENT, **wrong})
        for wrong in (
            {"eventId": "1"},
            {"kind": "unheard of"},
            {"connectionId": None},
            {"event": None},
            {"data": None},
            {"data": 1},
            {"dataType": "xml"},
            {"metadata": {"k": 1}},
            {"kind": "publish"},
            {"kind": "connect", "query": {"a": "b"}},
        )
    ),
    cbor2.dumps({"type": "result"}),
    cbor2.dumps({"type": "result", "id": 1, "value": "yes"}),
    cbor2.dumps({"type": "welcome"}),
    cbor2.dumps({"type": "cancel"}),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda data: repr(data[:20]))
async def test_garbage_ends_one_connection_and_no_more(garbage: bytes) -> None:
    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", lambda _: "fine")
        async with server:
            first = await gateway.peer()
            await first.heard("handle")
            await first.socket.send(garbage)
            await asyncio.wait_for(first.socket.wait_closed(), SECONDS)
            assert first.socket.close_code == 1002
            second = await gateway.peer()
            await second.heard("handle")
            await second.event(1)
            assert (await second.heard("respond"))["data"] == "fine"


@pytest.mark.parametrize("protocol", ["cbor", "json"])
async def test_what_a_newer_gateway_says_is_passed_over(protocol: str) -> None:
    async with FakeGateway() as gateway:
        server = gateway.server(protocol=protocol)
        server.handle_event("*", lambda _: "fine")
        async with server:
            peer = await gateway.peer()
            await peer.say(type="weather", temperature=21)
            await peer.say(type="pong", mood="good")
            await peer.say(type="result", id=12345)
            await peer.say(type="error", id=12345, name="X", message="y")
            await peer.say(type="error", name="BadRequest", message="no id")
            await peer.say(type="welcome", serverId="again", hub="chat")
            await peer.say(
                type="message", group="nobody listens", dataType="text", data="x"
            )
            await peer.say(type="message", group="no data")
            await peer.say(type="presence", kind="joined", connectionId="c")
            await peer.event(1, more="fields")
            assert (await peer.heard("respond"))["data"] == "fine"
            assert server.server_id == "s1"


async def test_messages_in_fragments_are_put_together() -> None:
    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", lambda event: event.payload)
        async with server:
            peer = await gateway.peer()
            await peer.heard("handle")
            for number in range(3):
                data = cbor2.dumps({**EVENT, "eventId": number, "data": "x" * 100})
                await peer.socket.send([data[:1], b"", data[1:50], data[50:]])
                await peer.socket.ping()
                frame = await peer.heard("respond")
                assert (frame["eventId"], frame["data"]) == (number, "x" * 100)


async def test_fragments_without_end_cut_the_connection() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        first = await gateway.peer()

        async def nothing() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0)
                yield b""

        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(first.socket.send(nothing()), SECONDS)
        await gateway.peer()
        await server.wait_attached(SECONDS)


async def test_a_gateway_that_says_no_goodbye_is_left_at_once() -> None:
    async with FakeGateway() as gateway, gateway.server(timeout=SECONDS) as server:
        first = await gateway.peer()
        first.socket.transport.pause_reading()
        await first.socket.send(b"garbage")
        second = await gateway.peer()
        asking = asyncio.create_task(server.user("u").exists())
        await second.result(await second.heard("exists"), value=True)
        assert await asking is True
        first.cut()


async def test_a_result_that_never_comes_is_not_waited_for() -> None:
    async with FakeGateway() as gateway, gateway.server(timeout=0.05) as server:
        peer = await gateway.peer()
        with pytest.raises(DeadlineError, match="the answer"):
            await server.publish("group", "x")
        await peer.result(await peer.heard("publish"))  # too late
        asking = asyncio.create_task(server.user("u").exists())
        await peer.result(await peer.heard("exists"), value=True)
        assert await asking is True


async def test_declarations_that_are_never_answered_are_not_waited_for() -> None:
    async with FakeGateway() as gateway, gateway.server(timeout=0.05) as server:
        peer = await gateway.peer()
        peer.obliging = False
        with pytest.raises(DeadlineError, match="consent"):
            await server.subscribe("group", lambda _: None)
        peer.obliging = True


async def test_a_cancelled_call_disturbs_no_other() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        first = asyncio.create_task(server.user("first").exists())
        frame = await peer.heard("exists")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(server.user("second").exists())
        other = await peer.heard("exists")
        await peer.result(frame, value=True)
        await peer.result(other, value=False)
        assert await second is False


async def test_a_refused_call_says_why() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        calling = asyncio.create_task(server.client("c").grant("sendToGroup", "g"))
        frame = await peer.heard("grant")
        await peer.say(type="error", id=frame["id"], name="NotFound", message="gone")
        with pytest.raises(AckError, match="NotFound: gone") as caught:
            await calling
        assert caught.value.name == "NotFound"


async def test_a_handler_that_is_refused_is_forgotten() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        peer.obliging = False
        declared = server.handle_event("order.*", lambda _: None)
        frame = await peer.heard("handle")
        await peer.say(type="error", id=frame["id"], name="Conflict", message="full")
        with pytest.raises(AckError, match="Conflict"):
            await declared
        later = server.handle_event("other", lambda _: None)
        frame = await peer.heard("handle")
        assert [rule["pattern"] for rule in frame["rules"]] == ["other"]
        await peer.result(frame)
        await later
        peer.obliging = True


async def test_a_gateway_that_does_not_read_holds_up_calls_not_memory() -> None:
    async with FakeGateway() as gateway, gateway.server(timeout=0.3) as server:
        peer = await gateway.peer()
        peer.socket.transport.pause_reading()
        big = b"x" * (1 << 20)
        calls = [server.publish("group", big) for _ in range(40)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, DeadlineError) for error in results)
        session = server._link._session
        assert session is not None
        in_socket = session._socket.transport.get_write_buffer_size()
        assert 1 << 20 < in_socket + session._outgoing_bytes < 12 << 20
        peer.cut()


async def test_what_was_said_is_written_before_the_socket_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeGateway() as gateway:
        server = gateway.server(drain_timeout=0.01)
        server.handle_event("*", lambda _: b"x" * (1 << 20))
        await server.start()
        peer = await gateway.peer()
        await peer.heard("handle")
        peer.socket.transport.pause_reading()
        session = server._link._session
        assert session is not None
        number = 0
        while session._outgoing_bytes < 4 << 20:  # more than one write holds
            number += 1
            await peer.event(number)
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(server.close())
        while "closes nevertheless" not in caplog.text:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
        peer.socket.transport.resume_reading()
        for _ in range(number):
            await peer.heard("respond")
        await closing


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_no_frame(data: bytes) -> None:
    for codec in CODECS.values():
        with contextlib.suppress(ProtocolError):
            codec.decode(data)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KINDS = st.sampled_from(
    "event result message error cancel presence welcome draining other".split()  # noqa: SIM905 - shorter
)
FIELDS = st.sampled_from(sorted({*EVENT, "id", "value", "group", "query", "name"}))


@settings(max_examples=300, deadline=None)
@given(KINDS, st.dictionaries(FIELDS, VALUES, max_size=6))
def test_any_map_is_a_frame_or_no_frame(kind: str, fields: dict[str, Any]) -> None:
    data = cbor2.dumps({**fields, "type": kind})
    with contextlib.suppress(ProtocolError):
        CODECS["cbor"].decode(data)
