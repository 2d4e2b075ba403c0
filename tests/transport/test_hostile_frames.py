"""Frames and messages gone wrong, each with its close code, against a real process.

A healthy client is connected all the while and hears itself after every case.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from support.gateway import GatewayProcess
from support.raw import (
    EVERYTHING,
    JSON,
    RawClient,
    Witness,
    await_metric,
    metrics,
    target,
)
from support.swarm import resident
from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    NO_OP_MASK,
    PING,
    PONG,
    TEXT,
    client_frame,
    close,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MIB = 1 << 20

CONFIG = """
compression = true

[limits]
close_seconds = 0.5
queue_bytes = 4194304

[hubs.beating]
keep_alive = 0.2
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("frames") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(scope="module")
def healthy(gateway: GatewayProcess) -> Iterator[Witness]:
    with Witness(gateway, "frames") as witness:
        yield witness


@pytest.fixture(autouse=True)
def undisturbed(healthy: Witness) -> Iterator[None]:
    yield
    healthy.check()


def opened(
    gateway: GatewayProcess,
    protocol: str | None = JSON,
    hub: str = "frames",
    groups: Sequence[str] = (),
) -> RawClient:
    wanted = target(gateway, hub, groups=groups, role=EVERYTHING, sub="mallory")
    return RawClient(gateway).open(wanted, protocol=protocol)


def publication(group: str, data: object, **more: object) -> bytes:
    return text(
        json.dumps({"type": "sendToGroup", "group": group, "data": data, **more})
    )


BROKEN: dict[str, tuple[bytes, int]] = {
    "unmasked": (client_frame(TEXT, b"{}", mask=None), 1002),
    "an unmasked ping": (client_frame(PING, mask=None), 1002),
    "RSV1": (client_frame(TEXT, b"{}", rsv=4), 1002),
    "RSV2": (client_frame(TEXT, b"{}", rsv=2), 1002),
    "RSV3": (client_frame(TEXT, b"{}", rsv=1), 1002),
    "RSV1 on a ping": (client_frame(PING, b"x", rsv=4), 1002),
    "opcode 3": (client_frame(3, b"x"), 1002),
    "opcode 7": (client_frame(7, b"x"), 1002),
    "opcode 11": (client_frame(11, b"x"), 1002),
    "opcode 15": (client_frame(15, b"x"), 1002),
    "a continuation of nothing": (client_frame(CONT, b"x"), 1002),
    "a new message inside fragments": (
        client_frame(TEXT, b"x", fin=False) + text("y"),
        1002,
    ),
    "a ping of 126 bytes": (client_frame(PING, b"x" * 126), 1002),
    "a fragmented ping": (client_frame(PING, b"x", fin=False), 1002),
    "a fragmented close": (client_frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "a close of one byte": (client_frame(CLOSE, b"\x03"), 1002),
    "close code 999": (close(999), 1002),
    "close code 1005": (close(1005), 1002),
    "close code 1006": (close(1006), 1002),
    "close code 5000": (close(5000), 1002),
    "a close reason that is no UTF-8": (close(1000, b"\xc3\x28"), 1007),
    "a length of 2^63": (client_frame(TEXT, length=2**63), 1009),
    "text that is no UTF-8": (text(b'{"type":"ping","x":"\xc3\x28"}'), 1007),
    "text with a lone surrogate": (text(b'{"type":"ping","x":"\xed\xa0\x80"}'), 1007),
    "text that ends within a character": (text(b'{"type":"ping"}\xe2\x82'), 1007),
    "overlong text": (text(b'{"type":"ping","x":"\xc0\xaf"}'), 1007),
    "fragments that are no UTF-8": (
        client_frame(TEXT, b'{"type":"ping","x":"', fin=False)
        + client_frame(CONT, b"\xff", fin=False)
        + client_frame(CONT, b'"}'),
        1007,
    ),
    "a binary frame": (client_frame(BINARY, b'{"type":"ping"}'), 1003),
    "an empty text": (text(""), 1007),
    "no JSON": (text("hello"), 1007),
    "no object": (text("[1]"), 1007),
    "no type": (text("{}"), 1007),
    "an unknown type": (text('{"type":"dance"}'), 1007),
    "a group that is missing": (text('{"type":"joinGroup"}'), 1007),
    "a blank group": (text('{"type":"joinGroup","group":" "}'), 1007),
    "a long group": (
        text(json.dumps({"type": "joinGroup", "group": "g" * 1025})),
        1007,
    ),
    "a quoted ack id": (text('{"type":"joinGroup","group":"g","ackId":"1"}'), 1007),
    "a negative ack id": (text('{"type":"joinGroup","group":"g","ackId":-1}'), 1007),
    "data null": (text('{"type":"sendToGroup","group":"g","data":null}'), 1007),
    "no data": (text('{"type":"event","event":"e"}'), 1007),
    "an event name with a space": (
        text('{"type":"event","event":"a b","data":1}'),
        1007,
    ),
    "a data type that is none": (
        text('{"type":"event","event":"e","dataType":"xml","data":""}'),
        1007,
    ),
    "base64 that is none": (
        text('{"type":"event","event":"e","dataType":"binary","data":"A"}'),
        1007,
    ),
    "deep nesting": (
        text('{"type":"event","event":"e","data":' + "[" * 50_000 + "]" * 50_000 + "}"),
        1007,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_json_client_that_breaks_the_protocol_is_told_why_and_closed(
    gateway: GatewayProcess, case: str
) -> None:
    data, expected = BROKEN[case]
    with opened(gateway) as client:
        client.send(data)
        messages, (code, reason) = client.messages_to_close()
    assert code == expected
    assert len(reason) > 5
    assert [message["event"] for message in messages] == ["disconnected"]
    assert len(messages[0]["message"]) > 5


SIMPLE = [case for case, (_, code) in BROKEN.items() if code in {1002, 1009}]


@pytest.mark.parametrize("case", SIMPLE)
def test_a_simple_client_that_breaks_the_protocol_is_closed_with_a_reason(
    gateway: GatewayProcess, case: str
) -> None:
    data, expected = BROKEN[case]
    with opened(gateway, None) as client:
        client.send(data)
        frame = client.frame()
    code, reason = frame.close
    assert code == expected
    assert len(reason) > 5


def test_what_came_before_a_broken_frame_is_carried_out(
    gateway: GatewayProcess,
) -> None:
    with (
        opened(gateway, groups=["will"]) as heir,
        opened(gateway) as client,
    ):
        client.send(
            text('{"type":"sendToGroup","group":"will","data":"before"}'),
            text("broken"),
            text('{"type":"sendToGroup","group":"will","data":"behind"}'),
        )
        assert client.messages_to_close()[1][0] == 1007
        assert heir.message()["data"] == "before"
        heir.send(text('{"type":"ping"}'))
        assert heir.message() == {"type": "pong"}


def test_nothing_follows_a_close_frame(gateway: GatewayProcess) -> None:
    for _ in range(20):
        with opened(gateway, groups=["own"]) as client:
            client.send(
                *(publication("own", number, ackId=number) for number in range(20)),
                text("broken"),
            )
            assert client.messages_to_close()[1][0] == 1007
            client.send_if_possible(close(1007))
            assert client.frames_to_end() == []


def test_the_notice_precedes_the_close_also_behind_a_ping(
    gateway: GatewayProcess,
) -> None:
    with opened(gateway) as client:
        client.send(client_frame(PING, b"?"), client_frame(TEXT, b"x", mask=None))
        kinds = []
        while (frame := client.frame()).opcode != CLOSE:
            kinds.append(frame.opcode)
        assert kinds == [PONG, TEXT]
        assert client.frames_to_end() == []


def test_a_message_behind_a_close_frame_is_not_carried_out(
    gateway: GatewayProcess,
) -> None:
    with (
        opened(gateway, groups=["quiet"]) as heir,
        opened(gateway) as client,
    ):
        client.send(
            close(1000), text('{"type":"sendToGroup","group":"quiet","data":1}')
        )
        assert client.closed() == (1000, "")
        heir.send(text('{"type":"ping"}'))
        assert heir.message() == {"type": "pong"}


# Sizes.


def sized(size: int) -> bytes:
    """Make a publication to the group ``big`` of exactly so many bytes."""
    head = '{"type":"sendToGroup","group":"big","dataType":"text","data":"'
    return f'{head}{"x" * (size - len(head) - 2)}"}}'.encode()


def test_a_message_of_exactly_one_mebibyte_is_served(gateway: GatewayProcess) -> None:
    with opened(gateway, groups=["big"]) as client:
        client.send(client_frame(TEXT, sized(MIB)))
        assert len(client.message()["data"]) > MIB - 100


def test_a_message_of_one_byte_more_is_a_1009(gateway: GatewayProcess) -> None:
    with opened(gateway, groups=["big"]) as client:
        client.send_if_possible(client_frame(TEXT, sized(MIB + 1)))
        messages, (code, reason) = client.messages_to_close()
    assert code == 1009
    assert "limit" in reason
    assert [message["event"] for message in messages] == ["disconnected"]


def test_fragments_of_more_than_a_mebibyte_are_a_1009(gateway: GatewayProcess) -> None:
    data = sized(MIB + 1)
    with opened(gateway) as client:
        client.send(client_frame(TEXT, data[: MIB // 2], fin=False, mask=NO_OP_MASK))
        client.send_if_possible(
            client_frame(CONT, data[MIB // 2 :], mask=NO_OP_MASK),
        )
        assert client.messages_to_close()[1][0] == 1009


def test_a_mebibyte_in_fragments_is_served(gateway: GatewayProcess) -> None:
    data, piece = sized(MIB), 10_000
    pieces = [data[start : start + piece] for start in range(0, MIB, piece)]
    with opened(gateway, groups=["big"]) as client:
        for number, part in enumerate(pieces):
            client.send(
                client_frame(
                    CONT if number else TEXT,
                    part,
                    fin=number == len(pieces) - 1,
                    mask=NO_OP_MASK,
                ),
                client_frame(PING),
            )
        while (frame := client.frame()).opcode == PONG:
            pass
        assert len(json.loads(frame.data)["data"]) > MIB - 100


def test_a_message_that_drips_is_served(gateway: GatewayProcess) -> None:
    with opened(gateway) as client:
        for byte in text('{"type":"ping"}'):
            client.send(bytes([byte]))
        assert client.message() == {"type": "pong"}


# Floods.


def test_a_flood_of_pings_is_answered_in_order(gateway: GatewayProcess) -> None:
    count = 20_000
    stream = b"".join(
        client_frame(PING, b"%d" % n, mask=NO_OP_MASK) for n in range(count)
    )
    with opened(gateway) as client:
        writer = threading.Thread(target=client.send, args=(stream,))
        writer.start()
        pongs = [client.frame().data for _ in range(count)]
        writer.join(10)
    assert pongs == [b"%d" % n for n in range(count)]


def test_a_flood_of_pongs_is_ignored(gateway: GatewayProcess) -> None:
    with opened(gateway) as client:
        client.send(client_frame(PONG, b"x", mask=NO_OP_MASK) * 50_000)
        client.send(text('{"type":"ping"}'))
        assert client.message() == {"type": "pong"}


def test_a_flood_of_tiny_frames_lets_others_have_their_turn(
    gateway: GatewayProcess, healthy: Witness
) -> None:
    data = (
        '{"type":"sendToGroup","group":"tiny","dataType":"text","data":"x","ackId":1}'
    )
    first = client_frame(TEXT, data[:1].encode(), fin=False, mask=NO_OP_MASK)
    rest = b"".join(
        client_frame(CONT, byte.encode(), fin=False, mask=NO_OP_MASK)
        for byte in data[1:]
    )
    last = client_frame(CONT, b"", mask=NO_OP_MASK)
    with opened(gateway) as client:
        writer = threading.Thread(
            target=client.send, args=((first + rest + last) * 400,)
        )
        writer.start()
        healthy.check()
        acks = [client.message() for _ in range(400)]
        writer.join(10)
    names = [ack["success"] or ack["error"]["name"] for ack in acks]
    assert sorted(map(str, names)) == ["Duplicate"] * 399 + ["True"]


def test_a_flood_of_messages_is_served_completely_and_in_order(
    gateway: GatewayProcess, healthy: Witness
) -> None:
    count = 20_000
    stream = b"".join(
        client_frame(
            TEXT,
            b'{"type":"sendToGroup","group":"flood","data":%d}' % n,
            mask=NO_OP_MASK,
        )
        for n in range(count)
    )
    with opened(gateway, groups=["flood"]) as client:
        writer = threading.Thread(target=client.send, args=(stream,))
        writer.start()
        healthy.check()
        got = [client.message()["data"] for _ in range(count)]
        writer.join(10)
    assert got == list(range(count))


def test_a_slow_client_is_closed_and_counted_and_others_get_everything(
    gateway: GatewayProcess, healthy: Witness
) -> None:
    before = metrics(gateway)["hubbub_slow_clients_total"]
    count, filler = 3000, "x" * 10_000
    with (
        RawClient(gateway, receive_buffer=4096) as stalled,
        opened(gateway, groups=["busy"]) as quick,
        opened(gateway) as publisher,
    ):
        stalled.open(target(gateway, "frames", groups=["busy"]))
        got: list[int] = []

        def read() -> None:
            messages = (quick.message()["data"] for _ in range(count))
            got.extend(int(data.partition(" ")[0]) for data in messages)

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(count):
            body = {
                "type": "sendToGroup",
                "group": "busy",
                "dataType": "text",
                "data": f"{number} {filler}",
            }
            publisher.send(
                client_frame(TEXT, json.dumps(body).encode(), mask=NO_OP_MASK)
            )
            if number % 1000 == 0:
                healthy.check()
        reader.join(30)
        assert got == list(range(count))
        await_metric(gateway, "hubbub_slow_clients_total", before + 1)
        assert "slow client" in gateway.log
        # Whatever it reads now ends; the process has let go of it.
        stalled.read_to_end()
    assert metrics(gateway)["hubbub_slow_clients_total"] == before + 1


def test_a_client_that_never_reads_its_pongs_is_closed_as_slow_or_stopped(
    gateway: GatewayProcess,
) -> None:
    ping = client_frame(PING, b"x" * 125, mask=NO_OP_MASK) * 500
    with RawClient(gateway, receive_buffer=4096) as client:
        client.open(target(gateway, "frames"))
        client.socket.settimeout(0.3)
        sent = 0
        with suppress(TimeoutError, ConnectionError):
            while sent < 64 * MIB:
                client.socket.sendall(ping)
                sent += len(ping)
        assert sent < 64 * MIB


# Ends.


def test_a_close_is_echoed_and_the_socket_closed(gateway: GatewayProcess) -> None:
    for code, reason in (
        (1000, b""),
        (1001, b"away"),
        (3000, b"x"),
        (4999, "ä".encode()),
    ):
        with opened(gateway) as client:
            client.send(close(code, reason))
            assert client.closed() == (code, reason.decode())
            assert client.frames_to_end() == []
            assert not client.reset


def test_a_close_without_a_code_is_echoed_without_one(gateway: GatewayProcess) -> None:
    with opened(gateway) as client:
        client.send(close(None))
        assert client.closed() == (1005, "")
        assert client.frames_to_end() == []


@pytest.mark.parametrize("protocol", [JSON, None])
def test_a_half_open_client_that_never_answers_pings_is_closed(
    gateway: GatewayProcess, protocol: str | None
) -> None:
    with opened(gateway, protocol, "beating") as client:
        code, reason = client.closed()
        assert code == 1011
        assert "ping" in reason
        assert client.frames_to_end() == []


def test_a_client_that_answers_pings_stays(gateway: GatewayProcess) -> None:
    with opened(gateway, JSON, "beating") as client:
        for _ in range(5):
            frame = client.frame()
            assert frame.opcode == PING
            client.send(client_frame(PONG, frame.data))
        client.send(text('{"type":"ping"}'))
        while (frame := client.frame()).opcode == PING:
            client.send(client_frame(PONG, frame.data))
        assert json.loads(frame.data) == {"type": "pong"}


def test_a_client_that_never_completes_the_close_is_cut(
    gateway: GatewayProcess,
) -> None:
    with opened(gateway, "custom") as client:
        client.send(client_frame(TEXT, b"no handler"))
        assert client.closed()[0] == 1011
        assert client.frames_to_end() == []


def test_a_client_that_floods_after_the_close_is_cut(gateway: GatewayProcess) -> None:
    with opened(gateway, "custom") as client:
        client.send(client_frame(TEXT, b"no handler"))
        assert client.closed()[0] == 1011
        deadline = time.monotonic() + 10
        data = text("x" * 1000) * 100
        with suppress(ConnectionError):
            while time.monotonic() < deadline:
                client.socket.sendall(data)
            raise AssertionError("it reads for ever")


def test_a_close_is_completed_by_its_echo_although_messages_come_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hubbub.toml"
    # Longer than this test waits: only the echo can end the connection in time.
    path.write_text("[limits]\nclose_seconds = 600")
    with (
        GatewayProcess("--config", str(path)) as patient,
        opened(patient, "custom") as client,
    ):
        client.send(client_frame(TEXT, b"no handler"))
        assert client.closed()[0] == 1011
        client.send(text("late") * 1000, close(1011))
        assert client.frames_to_end() == []


@pytest.mark.parametrize("protocol", [JSON, None])
def test_a_reset_is_a_departure_and_disturbs_nobody(
    gateway: GatewayProcess, protocol: str | None
) -> None:
    name = "hubbub_connections"
    before = metrics(gateway)[name]
    clients = [opened(gateway, protocol) for _ in range(20)]
    assert metrics(gateway)[name] == before + 20
    for number, client in enumerate(clients):
        client.send(text('{"type":"ping"}')[:number])
        client.abort()
    deadline = time.monotonic() + 10
    while metrics(gateway)[name] > before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_end_of_stream_without_a_close_is_a_departure(
    gateway: GatewayProcess,
) -> None:
    before = metrics(gateway).get('hubbub_connections_closed_total{code="1006"}', 0)
    with opened(gateway) as client:
        client.socket.shutdown(socket.SHUT_WR)
        assert client.frames_to_end() == []
    await_metric(gateway, 'hubbub_connections_closed_total{code="1006"}', before + 1)


def test_what_was_sent_before_the_end_of_the_stream_is_carried_out(
    gateway: GatewayProcess,
) -> None:
    count = 1000
    with opened(gateway, groups=["legacy"]) as heir, opened(gateway) as client:
        client.send(*(publication("legacy", number) for number in range(count)))
        client.socket.shutdown(socket.SHUT_WR)
        got = [heir.message()["data"] for _ in range(count)]
    assert got == list(range(count))


def test_closes_are_counted_and_logged_with_their_cause(
    gateway: GatewayProcess,
) -> None:
    name = 'hubbub_connections_closed_total{code="1003"}'
    before = metrics(gateway).get(name, 0)
    with opened(gateway) as client:
        client.send(client_frame(BINARY, b"x"))
        _, (_, reason) = client.messages_to_close()
    await_metric(gateway, name, before + 1)
    assert f"1003 {reason}" in gateway.log


# Compression.

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"


def deflated(data: bytes, bits: int = 12) -> bytes:
    deflate = zlib.compressobj(9, wbits=-bits)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def packed(gateway: GatewayProcess, *groups: str) -> RawClient:
    wanted = target(gateway, "frames", role=EVERYTHING, groups=groups)
    client = RawClient(gateway)
    answer = client.upgrade(wanted, OFFER)
    assert "permessage-deflate" in answer.headers["sec-websocket-extensions"]
    assert client.message()["event"] == "connected"
    return client


def test_deflated_messages_are_read_and_answered_in_kind(
    gateway: GatewayProcess,
) -> None:
    body = json.dumps(
        {"type": "sendToGroup", "group": "small", "data": "again and " * 500}
    ).encode()
    with packed(gateway, "small") as client:
        for _ in range(2):
            client.send(client_frame(TEXT, deflated(body), rsv=4))
            frame = client.frame()
            assert frame.rsv == 4
            assert len(frame.data) < 200
            assert json.loads(frame.content)["data"] == "again and " * 500


def test_a_client_may_send_plainly_after_it_agreed_to_compress(
    gateway: GatewayProcess,
) -> None:
    with packed(gateway) as client:
        client.send(text('{"type":"ping"}'))
        assert client.message() == {"type": "pong"}


@pytest.mark.parametrize("size", [MIB + 1, 16 * MIB, 128 * MIB])
def test_a_deflate_bomb_is_a_1009(gateway: GatewayProcess, size: int) -> None:
    deflate = zlib.compressobj(3, wbits=-12)
    bomb = b"".join(deflate.compress(b"x" * MIB) for _ in range(size // MIB))
    bomb += deflate.compress(b"x" * (size % MIB)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    memory = resident(gateway.pid)
    with packed(gateway) as client:
        client.send_if_possible(client_frame(TEXT, bomb[:-4], rsv=4, mask=NO_OP_MASK))
        messages, (code, reason) = client.messages_to_close()
    assert code == 1009
    assert reason
    assert [message["event"] for message in messages] == ["disconnected"]
    assert resident(gateway.pid) - memory < 32 * MIB


def test_a_mebibyte_that_was_deflated_is_served(gateway: GatewayProcess) -> None:
    with packed(gateway, "big") as client:
        client.send(client_frame(TEXT, deflated(sized(MIB)), rsv=4))
        assert len(client.message()["data"]) > MIB - 100


def test_deflated_fragments_add_up_to_the_limit(gateway: GatewayProcess) -> None:
    data = deflated(sized(3 * MIB))
    with packed(gateway) as client:
        half = len(data) // 2
        client.send(
            client_frame(TEXT, data[:half], fin=False, rsv=4),
            client_frame(CONT, data[half:]),
        )
        assert client.messages_to_close()[1][0] == 1009


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (client_frame(TEXT, b"\xff\xff\xff\xff\xff", rsv=4), {1002, 1007}),
        (client_frame(TEXT, b"x", fin=False) + client_frame(CONT, b"y", rsv=4), {1002}),
        (client_frame(PING, b"x", rsv=4), {1002}),
        (client_frame(TEXT, deflated(b'{"type":"ping"\xff'), rsv=4), {1007}),
    ],
    ids=["garbage", "RSV1 on a continuation", "RSV1 on a ping", "no UTF-8 inside"],
)
def test_broken_compression_closes_with_a_reason(
    gateway: GatewayProcess, data: bytes, codes: set[int]
) -> None:
    with packed(gateway) as client:
        client.send(data)
        messages, (code, reason) = client.messages_to_close()
    assert code in codes
    assert reason
    assert [message["event"] for message in messages] == ["disconnected"]


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; nonsense=1",
        "permessage-deflate; client_no_context_takeover=x",
        "x-webkit-deflate-frame",
        "permessage-deflate;;",
        ",,,",
        "=",
    ],
)
def test_odd_offers_of_extensions_are_declined_or_refused(
    gateway: GatewayProcess, offer: str
) -> None:
    with RawClient(gateway) as client:
        answer = client.upgrade(
            target(gateway, "frames"), f"Sec-WebSocket-Extensions: {offer}"
        )
        assert answer.status in {101, 400}
        if answer.status == 101:
            assert "sec-websocket-extensions" not in answer.headers
            assert client.message()["event"] == "connected"


def test_nothing_hostile_was_an_error_of_ours(gateway: GatewayProcess) -> None:
    assert "Traceback" not in gateway.log
    assert " error " not in gateway.log
