"""Packets between gateways, byte by byte: what is said, what is read, what is not."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from hubbub.actors.messages import commands, events, peers, servers, states
from hubbub.actors.messages.payload import Binary, Json, StreamMark, Text
from hubbub.actors.messages.pushes import StateItem
from hubbub.actors.policy.filter import compile_filter
from hubbub.transport.wire.peering import (
    UNADDRESSED,
    PeeringViolation,
    decode,
    encode,
    passable,
)
from support.peering_examples import CLIENT, EXAMPLES, GATEWAY, TAG, batch

BEAT = [4, GATEWAY, TAG, 7, 3, False]
ENVELOPE = [5, GATEWAY, TAG, 7, 3, False]
RELAY = [1, "chat", 1, "news", 0, "hello", None]
FULL = [*RELAY, {}, 0, [], None]
STREAMED = [*FULL, ["s", 1, False, None]]
CLIENT_ROW = ["chat", "a1c0ffee", "alice", None, None]
HEAD = bytes.fromhex("87056261311b80000000000000010703f4")


def rows(*messages: Any) -> list[Any]:
    return [*ENVELOPE, list(messages)]


def malformed(said: Any) -> str:
    """Read what says whose it is; gives what is wrong with the rest."""
    found = decode(said if isinstance(said, bytes) else cbor2.dumps(said))
    assert isinstance(found, peers.Malformed), found
    assert (found.gateway, found.tag) == (GATEWAY, TAG)
    return found.reason


@pytest.mark.parametrize("title", EXAMPLES)
def test_a_packet_comes_out_as_it_went_in(title: str) -> None:
    packet = EXAMPLES[title]
    assert decode(encode(packet)) == packet


def test_a_plain_relay_is_a_flat_array_of_seven() -> None:
    relay = peers.Relay("chat", commands.Publish(commands.ToGroup("news"), Text("hi")))
    assert cbor2.loads(encode(batch(relay)))[6] == [
        [1, "chat", 1, "news", 0, "hi", None]
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (RELAY, commands.Publish(commands.ToGroup("news"), Text("hello"))),
        (
            [1, "chat", 0, None, 1, b"[1]", "bob"],
            commands.Publish(commands.Everyone(), Json(b"[1]"), "bob"),
        ),
        (
            [
                1,
                "chat",
                2,
                "ann",
                2,
                b"\0",
                None,
                {"a": "b"},
                -1,
                ["c"],
                "userId eq 'a'",
            ],
            commands.Publish(
                commands.ToUser("ann"),
                Binary(b"\0"),
                None,
                {"a": "b"},
                -1,
                ("c",),
                compile_filter("userId eq 'a'"),
            ),
        ),
    ],
)
def test_a_relay_is_read(row: list[Any], message: commands.Publish) -> None:
    found = decode(cbor2.dumps(rows(row)))
    assert isinstance(found, peers.Batch)
    assert found.messages == (peers.Relay("chat", message),)


def test_neither_receipts_nor_answers_cross() -> None:
    somebody: Any = object()
    call = peers.Call(1, "chat", commands.Exists(commands.ToUser("ann"), somebody))
    said = peers.Call(2, "chat", commands.Close(commands.Everyone(), receipt=somebody))
    found = decode(encode(batch(call, said)))
    assert isinstance(found, peers.Batch)
    asked, told = found.messages
    assert isinstance(asked, peers.Call)
    assert isinstance(told, peers.Call)
    assert asked.command == commands.Exists(commands.ToUser("ann"), UNADDRESSED)
    assert told.command == commands.Close(commands.Everyone())


def test_an_answer_to_nobody_has_no_effect() -> None:
    UNADDRESSED.post(True)
    assert repr(UNADDRESSED) == "UNADDRESSED"


def test_values_of_a_connect_event_are_plain_dicts_of_tuples() -> None:
    asked = events.Connect(CLIENT, 0, {"a": ("1", "2")}, {}, {"sub": ("x",)}, ("p",))
    found = decode(encode(batch(peers.Give("chat", "s1", asked, 1))))
    assert isinstance(found, peers.Batch)
    (give,) = found.messages
    assert isinstance(give, peers.Give)
    assert give.event == asked
    assert type(give.event.query) is dict


# What cannot cross.


def publish(**more: Any) -> peers.Relay:
    fields = {"target": commands.Everyone(), "payload": Text("x"), **more}
    return peers.Relay("chat", commands.Publish(**fields))


@pytest.mark.parametrize(
    "message",
    [
        publish(where=lambda _: True),
        publish(payload="text"),
        publish(payload=Text("\ud800")),
        publish(payload=Text(b"x")),  # type: ignore[arg-type]
        publish(payload=Json(b"\xff")),
        publish(payload=Json("x")),  # type: ignore[arg-type]
        publish(payload=Binary(bytearray(b"x"))),  # type: ignore[arg-type]
        publish(metadata={"a": 1}),
        publish(metadata=["a"]),
        publish(exclude=(1,)),
        publish(ttl=0.5),
        publish(ttl=2**63),
        publish(from_user=7),
        publish(stream=StreamMark("s", -1)),
        publish(stream=StreamMark("s", 1, end=1)),  # type: ignore[arg-type]
        states.StateNews("chat", "g", (StateItem("c", None, {"a": 1}, 1),)),  # type: ignore[dict-item]
        states.StateNews("chat", "g", (StateItem("c", None, None, 0.5),)),  # type: ignore[arg-type]
        publish(target="news"),
        publish(target=commands.ToGroup(7)),  # type: ignore[arg-type]
        publish(target=commands.ToGroup("x" * 65_537)),
        peers.Relay("Chat!", commands.Publish(commands.Everyone(), Text("x"))),
        peers.Call(1, "chat", commands.Members("g", "", 0, UNADDRESSED)),
        peers.Call(1, "chat", peers.Attach("s", (servers.Rule("no"),), 1)),
    ],
)
def test_what_the_other_side_would_not_read_is_not_said(message: peers.Message) -> None:
    good = publish()
    with pytest.raises((TypeError, ValueError)):
        encode(batch(good, message, good))
    assert passable(batch(good, message, good)) == batch(good, good)


def test_a_function_in_the_place_of_a_filter_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a function cannot cross"):
        encode(batch(publish(where=lambda _: True)))


def test_texts_of_an_enumeration_cross_as_texts() -> None:
    name = commands.Permission.SEND_TO_GROUP
    found = decode(encode(batch(publish(target=commands.ToGroup(name)))))
    assert found == batch(publish(target=commands.ToGroup("sendToGroup")))


def test_a_reason_becomes_one_short_line() -> None:
    found = decode(encode(peers.Refusal("a1", 1, "a\nb\x1b[1m" + "c" * 2000)))
    assert isinstance(found, peers.Refusal)
    assert found.reason.startswith("a?b?[1mccc")
    assert len(found.reason) == 1024


# What is no packet, and does not say whose it is.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"hello",
        b"\x80",
        b"\xa0",
        b"\xf6",
        b"\x87\x05",
        bytes(100),
        b"\x81" * 100_000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b\x7f" + b"\xff" * 7,
        b"\x87\x05\x7b\x7f" + b"\xff" * 7,
        bytes.fromhex("9f0401ff"),
        cbor2.dumps([0]),
        cbor2.dumps([9, "a", 1]),
        cbor2.dumps([True, 1, "c", "g", "e", 1]),
        cbor2.dumps([5.0, GATEWAY, TAG, 7, 3, False, []]),
        cbor2.dumps([5]),
        cbor2.dumps([5, "", TAG, 7, 3, False, []]),
        cbor2.dumps([5, "a\n", TAG, 7, 3, False, []]),
        cbor2.dumps([5, b"a1", TAG, 7, 3, False, []]),
        cbor2.dumps([5, "a" * 1025, TAG, 7, 3, False, []]),
        cbor2.dumps([5, GATEWAY, 0, 7, 3, False, []]),
        cbor2.dumps([5, GATEWAY, -1, 7, 3, False, []]),
        cbor2.dumps([5, GATEWAY, True, 7, 3, False, []]),
        cbor2.dumps([5, GATEWAY, 2**64, 7, 3, False, []]),
        cbor2.dumps([1, 1, "c", "g", "e"]),
        cbor2.dumps([1, 1, "c", "g", "e", 1.5]),
        cbor2.dumps([1, 1, "c\x1b", "g", "e", 1]),
        cbor2.dumps([2, 1, "c", "g", "e", 0, 0, 0]),
        cbor2.dumps([3, "g", 1]),
        encode(EXAMPLES["knock"]) + b"\0",
        cbor2.dumps({"kind": 5, "gateway": GATEWAY, "tag": TAG}),
    ],
)
def test_what_is_no_packet_is_a_violation(data: bytes) -> None:
    with pytest.raises(PeeringViolation) as caught:
        decode(data)
    assert str(caught.value)


def test_greetings_of_later_versions_are_read_as_far_as_they_are_known() -> None:
    assert decode(cbor2.dumps([1, 9, "c", "g", "e", 4, "new", []])) == peers.Knock(
        9, "c", "g", "e", 4
    )
    assert decode(cbor2.dumps([2, 9, "c", "g", "e", 4, 5, 6, {}])) == peers.Hello(
        9, "c", "g", "e", 4, 5, 6
    )
    assert decode(cbor2.dumps([3, "g", 4, "no", 1])) == peers.Refusal("g", 4, "no")


# What says whose it is, and cannot be read.


@pytest.mark.parametrize(
    "said",
    [
        BEAT[:5],
        [*BEAT, 1],
        [*BEAT[:5], 0],
        [*BEAT[:4], -1, False],
        [*BEAT[:4], 2**64, False],
        [*BEAT[:4], 1.0, False],
        [*BEAT[:4], float("nan"), False],
        [*BEAT[:4], None, False],
        ENVELOPE,
        [*ENVELOPE, None],
        [*ENVELOPE, {}],
        [*ENVELOPE, [], []],
        rows(None),
        rows([]),
        rows([0]),
        rows([17]),
        rows(["1"]),
        rows([True]),
        rows([1.0, *RELAY[1:]]),
        rows({}),
        rows([5, 1]),
        rows([4]),
        rows([4, "CHAT"]),
        rows([4, ""]),
        rows([4, b"chat"]),
        rows([4, ["chat"]]),
    ],
)
def test_a_packet_that_cannot_be_read_says_whose_it_is(said: list[Any]) -> None:
    assert malformed(said)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, "Chat"),
        (1, "9"),
        (1, None),
        (1, {}),
        (2, 4),
        (2, -1),
        (2, True),
        (2, 1.0),
        (2, [1]),
        (2, 0),
        (3, None),
        (3, 7),
        (3, b"news"),
        (3, "x" * 65_537),
        (4, 4),
        (4, "text"),
        (4, False),
        (4, 1),
        (4, 2),
        (5, b"hello"),
        (5, None),
        (5, ["hello"]),
        (6, 7),
        (6, b"ann"),
        (6, "x" * 65_537),
        (7, []),
        (7, {"a": 1}),
        (7, {b"a": "b"}),
        (7, None),
        (8, 2**63),
        (8, 0.0),
        (8, True),
        (9, None),
        (9, "abc"),
        (9, [1]),
        (9, [["a"]]),
        (10, ""),
        (10, "userId eq"),
        (10, "event eq 'a'"),
        (10, "(" * 10_000),
        (10, "x" * 40_000),
        (10, 1),
        (11, None),
        (11, "s"),
        (11, []),
        (11, ["s", 1, False]),
        (11, ["s", 1, False, None, None]),
        (11, [b"s", 1, False, None]),
        (11, ["s", -1, False, None]),
        (11, ["s", 1.0, False, None]),
        (11, ["s", 1, 0, None]),
        (11, ["s", 1, True, "UserError"]),
        (11, ["s", 1, True, ["UserError", None]]),
        (11, ["s", 1, True, [None, None, None]]),
        (11, ["s", 1, True, ["UserError", 1, None]]),
    ],
)
def test_every_item_of_a_relay_is_checked(place: int, value: Any) -> None:
    row = [*(RELAY if place < len(RELAY) else STREAMED)]
    assert isinstance(decode(cbor2.dumps(rows(row))), peers.Batch)
    row[place] = value
    assert malformed(rows([4, "chat"], row)).startswith("message 1: ")


@pytest.mark.parametrize("size", [0, 1, 6, 8, 9, 10, 13])
def test_a_relay_has_seven_items_or_eleven_or_twelve(size: int) -> None:
    assert malformed(rows([1, *([*STREAMED, None][1:size])]))


def test_a_relay_that_is_no_part_of_a_stream_does_not_say_so() -> None:
    relay = publish(ttl=1)
    assert len(cbor2.loads(encode(batch(relay)))[6][0]) == len(FULL)


def test_what_is_said_in_a_group_is_no_target() -> None:
    assert malformed(rows([1, "chat", 5, "g", 0, "x", None]))
    assert malformed(rows([6, 1, "chat", [6, [5, "g"], [], None]]))


def test_json_that_is_no_text_is_not_read() -> None:
    assert malformed(rows([1, "chat", 1, "g", 1, b"\xff", None]))
    assert malformed(rows([1, "chat", 1, "g", 1, b'"\xed\xa0\x80"', None]))


@pytest.mark.parametrize(
    "row",
    [
        [2, "chat", 1, "g", 1],
        [2, "chat", 1, None, True],
        [2, "chat", 0, "g", True],
        [2, "chat", 4, "g", True],
        [2, "chat", 5, None, True],
        [2, "chat", 6, "g", True],
        [2, "chat", 1, "g"],
        [3, "chat", None],
        [3, "chat", [[]]],
        [3, "chat", [[1]]],
        [3, "chat", [[0, "x"]]],
        [3, "chat", [[5]]],
        [3, "chat", [[6]]],
        [3, "chat", [7]],
        [6, -1, "chat", [13, "s"]],
        [6, 1, "chat", [0]],
        [6, 1, "chat", [15]],
        [6, 1, "chat", None],
        [6, 1, "chat", [1, [0], [0, "x"], None, None, 0, [], None]],
        [6, 1, "chat", [1, [0], [0], None, None, 0, [], None, None]],
        [6, 1, "chat", [1, [4], [0, "x"], None, None, 0, [], None, None]],
        [6, 1, "chat", [1, [0], [0, "x"], None, None, 0, [], None, ["s"]]],
        [6, 1, "chat", [2, [0], "g"]],
        [6, 1, "chat", [2, [1, "g"], "g"]],
        [6, 1, "chat", [2, [2, "ann"], None]],
        [6, 1, "chat", [4, "g", None]],
        [6, 1, "chat", [4, ["g"], "nonsense"]],
        [6, 1, "chat", [7, "c", "sendtogroup", "g"]],
        [6, 1, "chat", [7, "c", ["sendToGroup"], "g"]],
        [6, 1, "chat", [10, [0]]],
        [6, 1, "chat", [11, "g", "", 0]],
        [6, 1, "chat", [11, "g", "", 2**31]],
        [6, 1, "chat", [12, "s", [["nothing", "*", None]], 1, False]],
        [6, 1, "chat", [12, "s", [["left", "\\", None]], 1, False]],
        [6, 1, "chat", [12, "s", [["publish", "", None]], 1, False]],
        [6, 1, "chat", [12, "s", [["event", "*", "no filter"]], 1, False]],
        [6, 1, "chat", [12, "s", [["event", "*"]], 1, False]],
        [6, 1, "chat", [12, "s", [["event", "*", None]] * 101, 1, False]],
        [6, 1, "chat", [12, "s", [], 0, False]],
        [6, 1, "chat", [12, "s", [], 10_001, False]],
        [6, 1, "chat", [15, "g"]],
        [6, 1, "chat", [15, "g", None]],
        [6, 1, "chat", [14, "s", True, [""]]],
        [6, 1, "chat", [14, "s", True, ["\\"]]],
        [6, 1, "chat", [14, "s", True, ["*"] * 101]],
        [7, 1, None],
        [7, 1, 1],
        [7, 1, [1]],
        [7, 1, [2, [["a"]], False]],
        [7, 1, [2, [["a", None, 1]], False]],
        [7, 1, [2, [[None, None]], False]],
        [7, 1, [2, ["ab"], False]],
        [7, 1, [3, 1, 1]],
        [7, 1, [6, [["c", None, {"a": "b"}]], False]],
        [7, 1, [6, [["c", None, {"a": 1}, 1]], False]],
        [7, 1, [6, [["c", None, None, -1]], False]],
        [7, 1, [6, [], None]],
        [9, "chat", "s", [2, CLIENT_ROW, 1], 0],
        [9, "chat", "s", [2, CLIENT_ROW, 1], 1001],
        [9, "chat", "s", [2, CLIENT_ROW, -1], 1],
        [9, "chat", "s", [2, CLIENT_ROW[:4], 1], 1],
        [9, "chat", "s", [2, ["CHAT", *CLIENT_ROW[1:]], 1], 1],
        [9, "chat", "s", [3, CLIENT_ROW, 1, "9", [0, "x"], None], 1],
        [9, "chat", "s", [3, CLIENT_ROW, 1, "e", None, None], 1],
        [9, "chat", "s", [3, CLIENT_ROW, 1, "e", [0, "x"], {"a b": "c"}], 1],
        [9, "chat", "s", [3, CLIENT_ROW, 1, "e", [0, "x"], {"a": "\n"}], 1],
        [9, "chat", "s", [1, CLIENT_ROW, 0, {"a": "b"}, {}, {}, [], []], 1],
        [9, "chat", "s", [1, CLIENT_ROW, 0, {b"a": ["b"]}, {}, {}, [], []], 1],
        [9, "chat", "s", [1, CLIENT_ROW, 0, {}, {}, {}, [], [["t"]]], 1],
        [11, "chat", "c", 1, [2, 399, ""]],
        [11, "chat", "c", 1, [2, 600, ""]],
        [11, "chat", "c", 1, [1, None, "g", None, None, None]],
        [11, "chat", "c", 1, []],
        [11, "chat", "c", 1, False],
        [12, "chat", "s", ["gone", "c", None, None]],
        [12, "chat", "s", [["joined"], "c", None, None]],
        [13, ["tcp://a:1\n"]],
        [13, ["x" * 1025]],
        [13, [""]],
        [13, ["a"] * 4097],
        [15, 1, "w", "figures"],
        [16, 0],
        [17, "chat", "g"],
        [17, "chat", "g", [["c", None, ["a"], 1]]],
        [17, "CHAT", "g", []],
    ],
)
def test_every_field_of_a_message_is_checked(row: list[Any]) -> None:
    assert malformed(rows(row)).startswith("message 0: ")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("81c1", "damaged"),  # a tag that nothing follows
        ("81c24101", "damaged"),  # a big number
        ("818204c1646368617", "damaged"),
        ("81d9010080", "damaged"),
        ("9f820464636861 74ff", "damaged"),  # an array of indefinite length
        ("81820 47f6463686174ff", "damaged"),
        ("818204 6463ff6174", "damaged"),  # no UTF-8
        ("818204 63eda080", "damaged"),  # a lone surrogate
        ("818b0164636861740 0f6006178f6a2616161626161 6163 0080f6", "damaged"),
        ("819b7fffffffffffffff", "too early"),
        ("815b7fffffffffffffff00", "too early"),
        ("bb7fffffffffffffff", "too early"),
        ("81" * 40, "damaged"),
        ("8182046463686174 00", "something follows"),
        ("8182046463686174 82046463686174", "something follows"),
    ],
)
def test_bad_cbor_behind_an_envelope_is_malformed(body: str, why: str) -> None:
    digits = body.replace(" ", "")
    data = HEAD + bytes.fromhex(digits + "0" * (len(digits) % 2))
    assert why in malformed(data)


def test_a_packet_cut_off_after_its_envelope_is_malformed() -> None:
    whole = encode(EXAMPLES["relay with everything"])
    envelope = len(HEAD) - 3
    for size in range(len(whole)):
        if size < envelope:
            with pytest.raises(PeeringViolation):
                decode(whole[:size])
        else:
            assert malformed(whole[:size])
    assert decode(whole) == EXAMPLES["relay with everything"]


def test_what_is_wrong_is_said_without_quoting_it() -> None:
    mark = "a-word-that-must-not-be-told"
    for said in (
        rows([4, mark]),
        rows([1, "chat", 1, "g", 0, b"x", None, {}, 0, [], mark]),
        rows([6, 1, "chat", [12, "s", [[mark, "*", None]], 1, False]]),
        rows([1, "chat", 1, "g", 0, "x", None, {}, 0, [], f"{mark} eq"]),
        [*ENVELOPE, mark],
    ):
        assert mark not in malformed(said)
