"""Servers that send nonsense, against a real process.

A healthy server and a healthy client of the same hub work on after every case.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import cbor2
import pytest

from support.bare_server import CBOR, JSON, BareServer, RawServer
from support.gateway import GatewayProcess
from support.server_witness import ServerWitness
from support.wire import BINARY, CLOSE, TEXT, client_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HUB = "hostile"
CONFIG = """
compression = true

[limits]
server_message_size = 65536
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("hostile") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(scope="module")
def witness(gateway: GatewayProcess) -> Iterator[ServerWitness]:
    with ServerWitness(gateway, HUB) as found:
        yield found


@pytest.fixture(autouse=True)
def undisturbed(gateway: GatewayProcess, witness: ServerWitness) -> Iterator[None]:
    yield
    witness.check()
    assert "Traceback" not in gateway.log


def end_of(gateway: GatewayProcess, protocol: str, *frames: bytes) -> tuple[int, str]:
    """Attach, say something, and give the close that is the answer."""
    with RawServer(gateway) as server:
        server.attach(HUB, protocol).send(*frames)
        frame = server.frame()
        assert frame.opcode == CLOSE, frame
        return frame.close


NO_JSON_FRAME = [
    b"",
    b"hello",
    b"{",
    b"[]",
    b"[{}]",
    b"7",
    b"null",
    b'"ping"',
    b"{}",
    b'{"type":"ping"}{"type":"ping"}',
    b'{"type":"ping"} x',
    b'{"type":"ping",}',
    b"{'type':'ping'}",
    b'{"type":"unheard"}',
    b'{"type":7}',
    b'{"type":"ping","type":"drain"}',
    b'{"type":"publish"}',
    b'{"type":"publish","data":NaN}',
    b'{"type":"publish","data":"\\ud800","dataType":"text"}',
    b'{"type":"publish","data":1,"id":"1"}',
    b'{"type":"publish","data":1,"id":1.0}',
    b'{"type":"publish","data":1,"id":-1}',
    b'{"type":"publish","data":1,"id":9007199254740992}',
    b'{"type":"publish","data":1,"id":1e400}',
    b'{"type":"publish","data":1,"id":' + b"9" * 5000 + b"}",
    b'{"type":"respond"}',
    b'{"type":"respond","eventId":-1}',
    b'{"type":"respond","eventId":null}',
    b'{"type":"done","eventId":"1","id":2}',
    b'{"type":"publish","data":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b"\xef\xbb\xbf{}",
    b'{"type":"publish","data":"\xff"}',
    b'{"type":"publish","data":"\xed\xa0\x80"}',
    b"\x00" * 100,
]


@pytest.mark.parametrize("data", NO_JSON_FRAME, ids=lambda data: repr(data[:40]))
def test_a_text_that_is_no_frame_ends_the_connection(
    gateway: GatewayProcess, data: bytes
) -> None:
    code, reason = end_of(gateway, JSON, client_frame(TEXT, data))
    assert code == 1007
    assert len(reason) > 10


def _publish(**more: Any) -> dict[str, Any]:
    return {"type": "publish", "dataType": "text", "data": "x", **more}


PING = cbor2.dumps({"type": "ping"})
NO_CBOR_FRAME = [
    b"",
    b"\xa0",
    b"\xf6",
    b"\xff",
    b"\x80",
    b"\x01",
    b"\xbf",
    b"\xa1\x64type",
    b'{"type":"ping"}',
    PING[:-1],
    PING + b"\x00",
    PING + PING,
    PING + b"\xff",
    b"\xa2" + PING[1:] * 2,
    b"\xd8\x18" + b"\x4b" + PING,
    b"\xd9\xd9\xf7" + PING,
    cbor2.dumps({"type": "unheard"}),
    cbor2.dumps({"type": 7}),
    cbor2.dumps({"type": b"ping"}),
    cbor2.dumps({1: 2}),
    cbor2.dumps({"type": "ping", (1, 2): 3})[:-1],
    cbor2.dumps(_publish(id=-1)),
    cbor2.dumps(_publish(id=2**53)),
    cbor2.dumps(_publish(id=2**64)),
    cbor2.dumps(_publish(id=1.0)),
    cbor2.dumps(_publish(id="1")),
    b"\xa1\x64data" + b"\x81" * 2000 + b"\x80",
    cbor2.dumps(_publish(data=cbor2.CBORTag(35, "(a+)+$"))),
    cbor2.dumps(_publish(data=cbor2.CBORTag(0, "2026-01-01T00:00:00Z"))),
    cbor2.dumps(_publish(data=cbor2.CBORTag(28, "x"))),
    cbor2.dumps(_publish(data=cbor2.CBORTag(29, 0))),
    cbor2.dumps(_publish(data=cbor2.CBORTag(12345, "x"))),
    cbor2.dumps(_publish(data=cbor2.undefined)),
    cbor2.dumps(_publish(data=cbor2.CBORSimpleValue(99))),
    cbor2.dumps(_publish(data=None)),
    cbor2.dumps({"type": "publish", "data": "["}),
    cbor2.dumps({"type": "publish", "data": "[" * 30_000}),
    cbor2.dumps({"type": "publish", "data": b"1"}),
    cbor2.dumps({"type": "respond"}),
    b"\x9f" * 60_000,
    b"\xa1\x61a" * 20_000,
    b"\x9b" + b"\xff" * 8,
    b"\x5b" + b"\x7f" + b"\xff" * 7,
    b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\xa1\x61\xff\x01",
]


@pytest.mark.parametrize("data", NO_CBOR_FRAME, ids=lambda data: data[:20].hex())
def test_bytes_that_are_no_frame_end_the_connection(
    gateway: GatewayProcess, data: bytes
) -> None:
    code, reason = end_of(gateway, CBOR, client_frame(BINARY, data))
    assert code == 1007
    assert len(reason) > 10


@pytest.mark.parametrize(
    ("protocol", "opcode", "data"),
    [(JSON, BINARY, b'{"type":"ping"}'), (CBOR, TEXT, b'{"type":"ping"}')],
)
def test_the_wrong_kind_of_frame_ends_the_connection(
    gateway: GatewayProcess, protocol: str, opcode: int, data: bytes
) -> None:
    assert end_of(gateway, protocol, client_frame(opcode, data))[0] == 1003


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_a_frame_has_a_largest_size(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with BareServer(gateway, HUB, protocol) as server:
        empty = server.bytes_of(_publish(data="", group="nobody"))
        room = 65536 - len(empty) - (2 if protocol == CBOR else 0)
        await server.send(**_publish(data="x" * room, group="nobody"))
        await server.quiet()
        await server.send(**_publish(data="x" * (room + 1), group="nobody"))
        code, reason = await server.closed()
        assert code == 1009
        assert "65536" in reason


def test_a_frame_may_not_grow_beyond_it_by_inflating(gateway: GatewayProcess) -> None:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeezed.compress(b" " * (1 << 24)) + squeezed.flush(zlib.Z_SYNC_FLUSH)
    with RawServer(gateway) as server:
        server.attach(HUB, JSON, "Sec-WebSocket-Extensions: permessage-deflate")
        server.send(client_frame(TEXT, bomb[:-4], rsv=4))
        assert server.closed()[0] == 1009


async def test_what_came_before_nonsense_is_carried_out(
    gateway: GatewayProcess,
) -> None:
    async with (
        BareServer(gateway, HUB) as listener,
        BareServer(gateway, HUB) as confused,
    ):
        await listener.do(type="subscribe", group="heard")
        await confused.send(**_publish(group="heard"))
        await confused.raw("nonsense")
        await confused.send(**_publish(group="heard", data="never"))
        assert (await confused.closed())[0] == 1007
        assert await listener.data() == "x"
        await listener.quiet()
