"""The page on the peering protocol: its examples, and its CDDL for all that is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cddl_verifier import Validator, schema_diagnostics
from hypothesis import given, settings

from hubbub.actors.messages import peers
from hubbub.transport.cluster_secret import PREFIX
from hubbub.transport.wire.peering import decode, encode
from hubbub.transport.zeromq_monitor import Happening, trouble_in, trouble_out
from support.peering_examples import EXAMPLES, packets

PAGE = (
    Path(__file__).parents[2] / "docs" / "reference" / "peering-protocol.md"
).read_text()
(CDDL,) = re.findall(r"^```cddl\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = {
    title: (diagnostic, bytes.fromhex("".join(digits.split())))
    for title, diagnostic, digits in re.findall(
        r"^### ([^\n]+)\n\n```cbor-diag\n(.*?)^```\n\n```hex\n(.*?)^```",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
}
SHAPE = Validator(CDDL)


def fits(data: bytes) -> bool:
    return bool(SHAPE.validate(data, root_type="packet").valid)


def values(diagnostic: str) -> Any:
    """Read diagnostic notation (RFC 8949, section 8): JSON, and h'' for bytes."""
    marked = re.sub(r"h'([0-9a-f]*)'", r'{"": "\1"}', " ".join(diagnostic.split("\n")))
    return json.loads(
        marked,
        object_hook=lambda found: bytes.fromhex(found[""]) if "" in found else found,
    )


def test_the_description_has_no_fault() -> None:
    assert schema_diagnostics(CDDL) == ()


def test_the_page_shows_every_example() -> None:
    assert list(SHOWN) == list(EXAMPLES)


@pytest.mark.parametrize("title", SHOWN)
def test_an_example_is_what_gateways_say(title: str) -> None:
    diagnostic, data = SHOWN[title]
    assert encode(EXAMPLES[title]) == data
    assert decode(data) == EXAMPLES[title]
    assert cbor2.loads(data) == values(diagnostic)
    assert fits(data)


@given(packets)
@settings(max_examples=300, deadline=None)
def test_all_that_is_said_is_as_described(packet: peers.Packet) -> None:
    assert fits(encode(packet))


@pytest.mark.parametrize(
    "value",
    [
        [4, "a1", 1, 2, 3, 0],
        [5, "a1", 1, 1, 1, True, [[17]]],
        [5, "a1", 1, 1, 1, True, [[1, "chat", 0, "x", 0, "t", None]]],
        [5, "a1", 1, 1, 1, True, [[1, "chat", 1, "x", 0, b"t", None]]],
        [5, "a1", 1, 1, 1, True, [[1, "chat", 1, "x", 0, "t", None, {}]]],
        [5, "a1", 1, 1, 1, True, [[6, 1, "chat", [10, [0]]]]],
    ],
)
def test_what_is_not_as_described_is_not_read(value: list[Any]) -> None:
    data = cbor2.dumps(value)
    assert not fits(data)
    assert isinstance(decode(data), peers.Malformed)


def test_the_page_quotes_what_people_see() -> None:
    for secured in (True, False):
        assert f"`{trouble_in(secured=secured)}`" in PAGE
        for happening in (None, Happening.UNREACHABLE, Happening.MISMATCH):
            assert f"`{trouble_out(happening, secured=secured)}`" in PAGE
    assert f"`{PREFIX}`" in PAGE
