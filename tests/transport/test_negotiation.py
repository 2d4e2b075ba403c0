"""Which subprotocol is spoken, and which name is echoed (the reference's table)."""

from __future__ import annotations

import pytest

from hubbub.actors.messages.events import Reject
from hubbub.transport.subprotocols import SIMPLE, SPOKEN, Agreed, codec, negotiate
from hubbub.transport.subprotocols.simple import send_event, send_to_group

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.webpubsub.azure.v1"

JSON_ROWS: list[tuple[str, list[str], str | None, str]] = [
    ("one known name", [JSON], None, JSON),
    ("its spelling is echoed", [JSON.upper()], None, JSON.upper()),
    ("the first known of several", ["a", JSON, "b"], None, JSON),
    ("the first spelling", ["a", "Json.WebPubSub.Azure.V1", JSON], None, ""),
    ("a name we speak beside one we do not", [RELIABLE, JSON], None, JSON),
    ("the handler chose it", ["a", JSON], JSON, JSON),
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
]

REFUSED: list[tuple[str, list[str], str | None, int]] = [
    ("only a reliable name", [RELIABLE], None, 400),
    ("only a protobuf name", [PROTOBUF], None, 400),
    ("a reliable name in another case", [RELIABLE.upper()], None, 400),
    ("a reliable name beside an unknown one", ["a", RELIABLE], None, 400),
    ("mqtt", ["mqtt"], None, 400),
    ("the handler chose a name we do not speak", [JSON, RELIABLE], RELIABLE, 400),
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


def test_a_refusal_of_a_reliable_name_says_what_to_offer_instead() -> None:
    refusal = negotiate([RELIABLE], None, send_event)
    assert isinstance(refusal, Reject)
    assert RELIABLE in refusal.reason
    assert JSON in refusal.reason


def test_connections_of_a_kind_share_their_codec() -> None:
    composer = SPOKEN[JSON]
    assert codec(composer, None) is codec(composer, None)
    assert codec(composer, 12) is codec(composer, 12)
    kinds = {codec(composer, None), codec(composer, 12), codec(composer, 11)}
    assert len(kinds | {codec(SIMPLE, None)}) == 4
