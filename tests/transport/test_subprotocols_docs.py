"""The page on the subprotocols of clients: every exchange is played, byte for byte."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hubbub.actors.messages import pushes, requests
from hubbub.actors.messages.payload import Binary, Json, Text
from hubbub.actors.policy.permissions import Permissions
from hubbub.transport.subprotocols import SPOKEN, UNSPOKEN
from hubbub.transport.subprotocols.protobuf_v1 import ProtobufReliableV1
from hubbub.transport.subprotocols.violation import ProtocolViolation
from support.exchanges import Play, exchanges, frames

if TYPE_CHECKING:
    from support.exchanges import Line
    from support.gateway import GatewayProcess

PAGE = (
    Path(__file__).parents[2] / "docs" / "reference" / "subprotocols.md"
).read_text()
EXCHANGES = exchanges(PAGE)
FEATURES = {
    "Connect",
    "Join, leave, acks",
    "Publish",
    "Metadata",
    "Time to live",
    "Event",
    "Ping",
    "Invoke",
    "Streams",
    "Group state",
    "Reliable",
    "The first design",
    "Simple clients",
}
_numbers = itertools.count(1)


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(beginning: str) -> str:
    """Give the table whose first column is called so."""
    parts = PAGE.split("\n\n")
    (found,) = [part for part in parts if part.startswith(f"| {beginning} |")]
    return found


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


# Exchanges.


def test_every_feature_has_an_exchange() -> None:
    assert set(EXCHANGES) >= FEATURES


@pytest.mark.parametrize("lines", EXCHANGES.values(), ids=EXCHANGES.keys())
def test_what_clients_say_can_be_read(lines: list[Line]) -> None:
    closed = any(line.sign == "closed" for line in lines)
    for name, frame in frames(lines):
        if name is None:
            continue
        try:
            SPOKEN[name].decode(frame.encode(), True)
        except ProtocolViolation:
            assert closed, frame


@pytest.mark.parametrize("lines", EXCHANGES.values(), ids=EXCHANGES.keys())
async def test_an_exchange_goes_as_it_stands_there(
    gateway: GatewayProcess, lines: list[Line]
) -> None:
    async with Play(gateway, f"page{next(_numbers)}", lines) as play:
        await play.play()


def test_no_frame_stands_outside_an_exchange() -> None:
    rest = re.sub(r"^```exchange\n.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert '{"type"' not in rest
    assert '{"event"' not in rest


# Names and roles.


def test_the_names_are_those_that_are_spoken() -> None:
    found = {row[0].strip("`"): row[2] for row in rows(table("name"))[3:]}
    assert set(found) == set(SPOKEN)
    numbered = {name for name, says in found.items() if says.startswith("yes")}
    assert numbered == {name for name in SPOKEN if hasattr(SPOKEN[name], "stamp")}
    assert all(f"`{name}`" in section("Names") for name in UNSPOKEN)


def test_the_roles_are_those_that_count() -> None:
    found = re.findall(r"`(webpubsub\.\w+GroupStates?)\b", PAGE)
    assert set(found) == {
        f"webpubsub.{verb}GroupState{plural}"
        for verb in ("get", "set")
        for plural in ("", "s")
    }
    for role in ("webpubsub.getGroupState", "webpubsub.setGroupState"):
        for given in (role, f"{role}.news", f"{role}s.n*"):
            assert Permissions([given]).allows_role(role, "news"), given
        assert not Permissions([f"{role}.sport"]).allows_role(role, "news")


# Protobuf.

SAID: dict[str, requests.Request] = {
    "join `g1`, ack 1": requests.JoinGroup("g1", 1),
    "leave `g1`, ack 9": requests.LeaveGroup("g1", 9),
    "text `hi` to `g1`, ack 2, no echo": requests.SendToGroup(
        "g1", Text("hi"), no_echo=True, ack_id=2
    ),
    "event `e1` with bytes 01 02, ack 3": requests.SendEvent("e1", Binary(b"\1\2"), 3),
    "sequence ack 5": requests.AckSequence(5),
    "ping": requests.Ping(),
}
NO = pushes.AckError(pushes.AckName.FORBIDDEN, "no")
HEARD: dict[str, pushes.Push] = {
    "pong": pushes.Pong(),
    "ack 1": pushes.Ack(1),
    "ack 2, `Forbidden`, `no`": pushes.Ack(2, NO),
    "text `hi` from the group `g1`, number 5": pushes.GroupMessage(
        "g1", "u1", Text("hi")
    ),
    'JSON `{"a":1}` from the server': pushes.ServerMessage(Json(b'{"a":1}')),
    "connected `c1`, user `u1`, token `t1`": pushes.Connected("c1", "u1", "t1"),
    "disconnected, `bye`": pushes.Disconnected("bye"),
}


def examples(beginning: str) -> dict[str, bytes]:
    """Give the bytes of a table by what they say."""
    found = rows(table(beginning))[2:]
    return {what: bytes.fromhex(data.strip("`")) for what, data in found}


def test_the_bytes_of_protobuf_are_read_as_it_stands_there() -> None:
    codec = ProtobufReliableV1()
    found = examples("client says")
    assert {what: codec.decode(data, False) for what, data in found.items()} == SAID


def test_the_bytes_of_protobuf_are_said_as_it_stands_there() -> None:
    codec = ProtobufReliableV1()
    found = examples("client hears")
    assert list(found) == list(HEARD)
    for what, push in HEARD.items():
        composed = codec.compose(push)
        assert composed is not None
        data = composed[1]
        if "number 5" in what:
            data = codec.stamp(data, 5)
        assert data == found[what], what
