"""What a trace holds: every message with a few words on it, no secrets, no more lines.

The trace of a real gateway is read as a person would: who told whom what.
"""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hubbub.actors.messages import commands, events, internal, pushes, requests
from hubbub.actors.messages import payload as payloads
from hubbub.actors.runtime.supervision import Ended
from hubbub.actors.runtime.trace import Party
from hubbub.sdk import WebPubSubServer
from hubbub.transport.cli import app
from hubbub.transport.subprotocols import SPOKEN, codec
from hubbub.transport.trace import TraceFile, read_trace
from hubbub.transport.trace_codec import TracedCodec
from hubbub.transport.trace_details import detail_of, name_of
from support.fakes import Probe
from support.gateway import KEY, GatewayProcess
from support.official import Bystander

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret-of-a-user"
ANN = events.Client("chat", "c1", "ann", state=SECRET)
VALUES = {"access_token": (SECRET,), "Authorization": (SECRET,)}
ROLES = (f"webpubsub.sendToGroup.{SECRET}",)
APPLICANT = internal.Applicant("ann", ROLES, ("g1", "g2"), VALUES, VALUES, VALUES, ())
HELLO = payloads.Text("hello")
RECEIPT = commands.Receipt(Probe(), pushes.Ack(9), SECRET)
METADATA = {"key": SECRET}

TOLD: list[tuple[Any, str, str]] = [
    (
        requests.SendToGroup("lobby", HELLO, True, 3, METADATA),
        "requests.SendToGroup",
        'group lobby, text of 5 "hello", no echo, ack 3',
    ),
    (requests.JoinGroup("lobby"), "requests.JoinGroup", "group lobby"),
    (requests.Ping(), "requests.Ping", ""),
    (
        requests.SocketClosed(1006, f"access_token={SECRET}"),
        "requests.SocketClosed",
        "1006, access_token=***",
    ),
    (
        pushes.Connected("c1", "ann", SECRET),
        "pushes.Connected",
        "connection c1, user ann",
    ),
    (
        pushes.Ack(4, pushes.AckError(pushes.AckName.FORBIDDEN, "no")),
        "pushes.Ack",
        "ack 4, Forbidden, no",
    ),
    (
        pushes.GroupMessage("lobby", "ann", payloads.Binary(b"123"), METADATA),
        "pushes.GroupMessage",
        "group lobby, from ann, 3 bytes",
    ),
    (
        events.Delivery(events.Connect(ANN, 0, VALUES, VALUES, VALUES, ()), Probe()),
        "events.Connect",
        "of ann",
    ),
    (
        events.Delivery(
            events.UserEvent(ANN, 2, "order.new", payloads.Json(b'{"n":1}')), Probe()
        ),
        "events.UserEvent",
        'of ann, order.new, JSON of 7 bytes {"n":1}',
    ),
    (
        events.Answered("c1", 0, events.Accept("ann", ("lobby",), ROLES, None, SECRET)),
        "events.Accept",
        "user ann, groups lobby",
    ),
    (events.Answered("c1", 1, None), "events.Answered", "connection c1"),
    (
        events.Answered("c1", 1, events.Respond(payloads.Protobuf(b"12"), SECRET)),
        "events.Respond",
        "protobuf of 2 bytes",
    ),
    (
        commands.ForHub("chat", commands.Publish(commands.Everyone(), HELLO)),
        "commands.Publish",
        'to everyone, text of 5 "hello"',
    ),
    (
        commands.Publish(
            commands.ToGroup("lobby"), HELLO, exclude=("c1", "c2"), receipt=RECEIPT
        ),
        "commands.Publish",
        'to group lobby, text of 5 "hello", without c1 c2',
    ),
    (
        commands.Close(commands.ToUser("ann"), reason="bye"),
        "commands.Close",
        "to user ann, bye",
    ),
    (
        internal.Admit("chat", APPLICANT, Probe()),  # type: ignore[arg-type] # any door
        "internal.Admit",
        "hub chat, user ann, groups g1 g2",
    ),
    (
        internal.Deliver(pushes.ServerMessage(HELLO), (), RECEIPT),
        "internal.Deliver",
        'text of 5 "hello"',
    ),
    (
        Ended(Probe(), ValueError(SECRET)),  # type: ignore[arg-type] # any reference
        "Ended",
        "ValueError",
    ),
    (SECRET, "builtins.str", ""),
    (None, "builtins.NoneType", ""),
]


@pytest.mark.parametrize(("message", "name", "detail"), TOLD, ids=lambda v: str(v)[:30])
def test_a_message_is_told_in_a_few_words(message: Any, name: str, detail: str) -> None:
    assert (name_of(message), detail_of(message)) == (name, detail)


def test_long_and_many_things_are_cut() -> None:
    long = requests.SendToGroup("g" * 1024, payloads.Text("x\n" * 500))
    detail = detail_of(long)
    assert len(detail) < 120
    assert "\n" not in detail
    assert "text of 1000" in detail
    many = internal.Enter("c1", None, None, Probe(), tuple("abcdefgh"))  # type: ignore[arg-type] # any outlet
    assert detail_of(many) == "connection c1, groups a b c d e ..."


@given(st.text(min_size=1))
def test_the_details_of_any_payload_are_one_line(text: str) -> None:
    detail = detail_of(requests.SendFrame(payloads.Text(text)))
    assert detail.isprintable()


# The file.


def recorded(path: Path, count: int, most: int) -> TraceFile:
    trace = TraceFile(path, most)
    party = Party("Hub", "Hub chat")
    for number in range(count):
        trace.record(None, party, requests.JoinGroup(f"g{number}"))
    return trace


def test_a_trace_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    recorded(path, 2, 10).close()
    trace = read_trace(path)
    assert [record.detail for record in trace.records] == ["group g0", "group g1"]
    assert {(record.sender, record.recipient) for record in trace.records} == {
        ("outside", "Hub chat")
    }
    assert trace.end == "the gateway has stopped"


def test_a_trace_is_bounded_and_its_last_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    recorded(path, 10, 3).close()
    trace = read_trace(path)
    assert len(trace.records) == 3
    assert trace.end == "the trace is full: it holds 3 messages"
    assert b"is full" in path.read_bytes().splitlines()[-1]


def test_a_trace_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    TraceFile(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_trace_of_a_gateway_that_was_killed_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    recorded(path, 2, 10)
    with path.open("ab") as file:
        file.write(b'{"line":"mess')
    trace = read_trace(path)
    assert len(trace.records) == 2
    assert trace.end is None


@pytest.mark.parametrize(
    "text", ["", "hello\n", '{"line":"end","reason":""}\n', "{}\n"]
)
def test_another_file_is_no_trace(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not a trace"):
        read_trace(path)


def test_a_disk_that_is_full_ends_the_trace_and_nothing_else(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    recorded(full, 3, 10).close()
    assert [record.message.count("ends here") for record in caplog.records] == [1]


def test_a_message_that_cannot_be_told_disturbs_nobody(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class Odd:
        __struct_fields__ = ("group",)

        @property
        def group(self) -> str:
            raise ValueError(self)

    path = tmp_path / "trace.jsonl"
    trace = TraceFile(path)
    trace.record(None, Party("Hub", "Hub chat"), Odd())
    trace.close()
    assert not read_trace(path).records
    assert "is not in the trace" in caplog.text


# The fast lane.


@pytest.mark.parametrize("bits", [None, 12])
@given(sizes=st.lists(st.sampled_from([0, 1, 60, 125, 126, 300, 65_535, 70_000])))
def test_a_block_is_read_back_into_its_pushes(
    bits: int | None, sizes: list[int]
) -> None:
    traced = TracedCodec(codec(SPOKEN["json.webpubsub.azure.v1"], bits))
    sent: list[pushes.Push] = [
        pushes.GroupMessage("g", None, payloads.Text("x" * size)) for size in sizes
    ]
    assert traced.read(b"".join(map(traced.encode, sent))) == sent


# A gateway.


class Scene:
    """What a traced gateway wrote down of two clients and a REST caller."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = read_trace(path).records
        self.text = path.read_text()

    def arrows(self, message: str) -> list[tuple[str, str, str]]:
        """Give sender, recipient and details of the messages of a name."""
        return [
            (record.sender, record.recipient, record.detail)
            for record in self.records
            if record.message == message
        ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    with GatewayProcess("--trace", str(path), workers=1) as gateway:
        asyncio.run(play(gateway))
    return Scene(path)


async def play(gateway: GatewayProcess) -> None:
    roles = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
    ann = Bystander(gateway.client_url(user="ann", roles=roles, groups=("lobby",)))
    bob = Bystander(gateway.client_url(user="bob", roles=roles, groups=("lobby",)))
    async with ann, bob:
        hello = {"group": "lobby", "dataType": "text", "data": "hello"}
        await ann.request(type="sendToGroup", **hello)
        assert await bob.data() == "hello"
        await ann.request(type="sendToGroup", **{**hello, "data": "2"}, noEcho=True)
        assert await bob.data() == "2"
        publisher = WebPubSubServiceClient.from_connection_string(
            gateway.connection_string, hub="chat"
        )
        await asyncio.to_thread(publisher.send_to_all, "all", content_type="text/plain")
        assert await bob.data() == "all"
        await asyncio.to_thread(publisher.close_connection, ann.id, reason="bye")
        assert (await ann.push())["type"] == "message"


def test_a_clients_request_is_told_by_the_client(scene: Scene) -> None:
    (first, _) = scene.arrows("requests.SendToGroup")
    assert first[0] == "client ann"
    assert first[1].startswith("Connection")
    assert first[2] == 'group lobby, text of 5 "hello", ack 1'


def test_the_fast_lane_is_told_member_by_member(scene: Scene) -> None:
    arrows = scene.arrows("pushes.GroupMessage")
    assert {sender.split()[0] for sender, _, _ in arrows} == {"Group"}
    reached = [(recipient, detail.split('"')[1]) for _, recipient, detail in arrows]
    assert sorted(reached) == [
        ("client ann", "hello"),
        ("client bob", "2"),
        ("client bob", "hello"),
    ]


def test_acks_are_told_by_who_finished_the_work(scene: Scene) -> None:
    acks = scene.arrows("pushes.Ack")
    assert {(sender.split()[0], recipient) for sender, recipient, _ in acks} == {
        ("Group", "client ann")
    }


def test_a_rest_call_has_a_caller(scene: Scene) -> None:
    callers = {
        sender
        for record in ("commands.Publish", "commands.Close")
        for sender, recipient, _ in scene.arrows(record)
        if recipient == "Gateway"
    }
    assert callers == {"REST caller"}


def test_handshakes_and_closes_are_told(scene: Scene) -> None:
    accepted = [recipient for _, recipient, _ in scene.arrows("sockets.Accepted")]
    assert accepted == ["client ann", "client bob"]
    closed = scene.arrows("sockets.Closed")
    assert [(recipient, detail) for _, recipient, detail in closed] == [
        ("client ann", "1000, closed by the application server")
    ]


def test_a_message_goes_from_hand_to_hand_in_order(scene: Scene) -> None:
    way = [
        record.message
        for record in scene.records
        if '"hello"' in record.detail and record.message != "pushes.Ack"
    ]
    assert way == [
        "requests.SendToGroup",
        "commands.Publish",
        "internal.Deliver",
        "pushes.GroupMessage",
        "pushes.GroupMessage",
    ]
    times = [record.time for record in scene.records]
    assert times == sorted(times)


def test_a_trace_holds_no_keys_no_tokens_and_no_headers(scene: Scene) -> None:
    for secret in (KEY, "eyJ", "access_token", "webpubsub.", "User-Agent"):
        assert secret not in scene.text


async def test_an_attached_server_is_a_party_too(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with GatewayProcess("--trace", str(path), workers=1) as gateway:
        async with WebPubSubServer(gateway.connection_string, "chat") as server:
            await server.handle_event("order", lambda _: "soup")
            async with Bystander(gateway.client_url(user="ann")) as ann:
                await ann.request(type="event", event="order", dataType="text", data="")
                assert await ann.data() == "soup"
            name = f"erver {str(server.server_id)[-6:]}"
    scene = Scene(path)
    (declared,) = scene.arrows("servers.Handle")
    assert declared[:2] == (f"s{name}", f"S{name}")
    (given,) = scene.arrows("servers.Event")
    assert given[:2] == (f"S{name}", f"s{name}")
    assert "of ann, order" in given[2]
    (answered,) = scene.arrows("servers.Answer")
    assert answered[:2] == (f"s{name}", f"S{name}")
    assert 'text of 4 "soup"' in answered[2]
    assert KEY not in scene.text


def test_a_trace_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    options = ["serve", "--port", "0", "--trace", str(tmp_path / "none" / "x.jsonl")]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert "--trace: cannot write" in result.stderr
    assert not result.stdout
