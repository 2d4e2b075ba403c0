"""Which subprotocol is spoken, and which name is echoed (the reference's table)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubbub.actors.messages.events import Reject
from hubbub.transport.subprotocols import (
    SIMPLE,
    SPOKEN,
    Agreed,
    codec,
    negotiate,
    numbering,
    resume,
)
from hubbub.transport.subprotocols.simple import send_event, send_to_group
from hubbub.transport.wire.frames import DeflateCodec, PlainCodec
from hubbub.transport.wire.numbering import StampingCodec

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.webpubsub.azure.v1"
PLAIN = [
    JSON,
    PROTOBUF,
    "cbor.webpubsub.hubbub.v1",
    "json.webpubsub.azure",
    "protobuf.webpubsub.azure",
]
NUMBERED = [
    RELIABLE,
    "protobuf.reliable.webpubsub.azure.v1",
    "cbor.reliable.webpubsub.hubbub.v1",
]
NAMES = PLAIN + NUMBERED

JSON_ROWS: list[tuple[str, list[str], str | None, str]] = [
    ("one known name", [JSON], None, JSON),
    ("its spelling is echoed", [JSON.upper()], None, JSON.upper()),
    ("the first known of several", ["a", JSON, "b"], None, JSON),
    ("the first of several known", [JSON, RELIABLE, PROTOBUF], None, JSON),
    ("the first spelling", ["a", "Json.WebPubSub.Azure.V1", JSON], None, ""),
    ("a name we speak beside one we do not", ["mqtt", JSON], None, JSON),
    ("the handler chose it", ["a", JSON], JSON, JSON),
    ("the handler chose it before another", [RELIABLE, JSON], JSON, JSON),
    ("the handler spelled it otherwise", [JSON], JSON.upper(), JSON),
    ("the handler left it open", [JSON], "", JSON),
]

SIMPLE_ROWS: list[tuple[str, list[str], str | None, str | None]] = [
    ("nothing offered", [], None, None),
    ("only unknown names, nobody chose", ["a", "b"], None, None),
    ("only unknown names, the handler chose nothing", ["a"], "", None),
    ("the handler chose an unknown name", ["a", "b"], "b", "b"),
    ("the client's spelling is echoed", ["A"], "a", "A"),
    ("the handler prefers the unknown to the known", [JSON, "a"], "a", "a"),
    ("a name that is almost known", ["json.webpubsub.azure.v2"], None, None),
]

REFUSED: list[tuple[str, list[str], str | None, int]] = [
    ("mqtt", ["mqtt"], None, 400),
    ("mqtt in another case", ["MQTT"], None, 400),
    ("mqtt beside an unknown one", ["a", "mqtt"], None, 400),
    ("the handler chose a name we do not speak", [JSON, "mqtt"], "mqtt", 400),
    ("the handler chose what nobody offered", [JSON], "a", 500),
    ("the handler chose although nothing was offered", [], JSON, 500),
]


@pytest.mark.parametrize(
    ("offered", "chosen", "echoed"),
    [row[1:] for row in JSON_ROWS],
    ids=[row[0] for row in JSON_ROWS],
)
def test_json_is_agreed(offered: list[str], chosen: str | None, echoed: str) -> None:
    agreed = negotiate(offered, chosen, send_event)
    assert isinstance(agreed, Agreed)
    assert agreed.composer is SPOKEN[JSON]
    assert agreed.decode == SPOKEN[JSON].decode
    assert agreed.name == (echoed or offered[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_every_name_is_agreed_in_any_case_and_echoed(
    name: str, spell: Callable[[str], str]
) -> None:
    spelling = spell(name)
    agreed = Agreed(spelling, SPOKEN[name], SPOKEN[name].decode)
    assert negotiate(["x", spelling], None, send_event) == agreed
    assert negotiate(["mqtt", spelling], name, send_event) == agreed


def test_these_names_and_no_others_are_spoken() -> None:
    assert sorted(SPOKEN) == sorted(NAMES)


@pytest.mark.parametrize(
    ("offered", "chosen", "echoed"),
    [row[1:] for row in SIMPLE_ROWS],
    ids=[row[0] for row in SIMPLE_ROWS],
)
def test_the_client_is_simple(
    offered: list[str], chosen: str | None, echoed: str | None
) -> None:
    decode = send_to_group("g", True)
    assert negotiate(offered, chosen, decode) == Agreed(echoed, SIMPLE, decode)


@pytest.mark.parametrize(
    ("offered", "chosen", "status"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_the_handshake_is_refused(
    offered: list[str], chosen: str | None, status: int
) -> None:
    refusal = negotiate(offered, chosen, send_event)
    assert isinstance(refusal, Reject)
    assert refusal.status == status
    assert len(refusal.reason) > 10


def test_a_refusal_says_what_to_offer_instead() -> None:
    refusal = negotiate(["mqtt"], None, send_event)
    assert isinstance(refusal, Reject)
    assert "mqtt" in refusal.reason
    for name in NAMES:
        assert name in refusal.reason


# Coming back.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offered", [[], ["a"], [JSON + ".other"]])
def test_a_session_that_comes_back_speaks_what_it_spoke(
    name: str, offered: list[str]
) -> None:
    assert resume(name, offered) == Agreed(name, SPOKEN[name], SPOKEN[name].decode)
    spelling = name.title()
    assert resume(name, [*offered, spelling, name]) == Agreed(
        spelling, SPOKEN[name], SPOKEN[name].decode
    )
    assert resume(spelling, offered) == Agreed(
        spelling, SPOKEN[name], SPOKEN[name].decode
    )


@pytest.mark.parametrize("name", ["", "mqtt", "custom"])
def test_what_is_not_spoken_is_not_resumed(name: str) -> None:
    assert resume(name, [name, JSON]) is None


# Codecs.


@pytest.mark.parametrize("name", PLAIN)
def test_connections_of_a_kind_share_their_codec(name: str) -> None:
    composer = SPOKEN[name]
    plain, deflated = codec(composer, None), codec(composer, 12)
    assert isinstance(plain, PlainCodec)
    assert isinstance(deflated, DeflateCodec)
    assert codec(composer, None) is plain
    assert codec(composer, 12) is deflated
    kinds = {plain, deflated, codec(composer, 11)}
    assert len(kinds | {codec(SIMPLE, None)}) == 4
    assert numbering(name) is None


@pytest.mark.parametrize("name", NUMBERED)
def test_a_reliable_subprotocol_has_one_codec_whatever_the_window(name: str) -> None:
    composer = SPOKEN[name]
    one = codec(composer, None)
    assert isinstance(one, StampingCodec)
    assert {codec(composer, bits) for bits in (None, 9, 15)} == {one}
    assert numbering(name) is one
    assert numbering(name.upper()) is one


def test_no_two_reliable_subprotocols_share_a_codec() -> None:
    assert len({codec(SPOKEN[name], None) for name in NUMBERED}) == 3


def test_both_protobuf_names_share_their_bytes() -> None:
    draft = SPOKEN["protobuf.webpubsub.azure"]
    assert codec(draft, None) is codec(SPOKEN[PROTOBUF], None)


@pytest.mark.parametrize("name", ["", "mqtt", "custom"])
def test_what_is_not_spoken_numbers_nothing(name: str) -> None:
    assert numbering(name) is None
