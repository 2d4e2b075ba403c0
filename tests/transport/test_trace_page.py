"""The page of a trace: what is drawn, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hubbub.actors import Text
from hubbub.actors.messages import commands, peers
from hubbub.transport import trace_page
from hubbub.transport.trace import Record, Trace
from hubbub.transport.trace_details import detail_of, name_of
from hubbub.transport.trace_page import Note, draw, page
from support.official import tell

if TYPE_CHECKING:
    from pathlib import Path

    from support.official import Story

EVIL = '</script><b id="evil">x</b><!--'


class Told:
    """Makes records, one a millisecond."""

    def __init__(self, started: float = 1000.0) -> None:
        self.started = started
        self.records: list[Record] = []
        self.now = 0.0

    def says(
        self,
        sender: tuple[int, str, str],
        recipient: tuple[int, str, str],
        message: str,
        detail: str = "",
        after: float = 0.001,
    ) -> Told:
        self.now += after
        (number, kind, label), (other, other_kind, other_label) = sender, recipient
        ids, kinds = (number, other), (kind, other_kind)
        self.records.append(
            Record(self.now, label, other_label, message, detail, ids, kinds)
        )
        return self

    @property
    def trace(self) -> Trace:
        return Trace(self.started, tuple(self.records), None)


ANN = (1, "client", "client ann")
BOB = (2, "client", "client bob")
GROUP = (3, "Group", "Group lobby")
HUB = (4, "Hub", "Hub chat")


def test_a_message_to_several_clients_is_one_row_with_several_arrows() -> None:
    told = Told().says(HUB, GROUP, "internal.Deliver", "m")
    for client in (ANN, BOB):
        for text in ("m", "n"):
            told.says(GROUP, client, "pushes.GroupMessage", text, 0.0001)
    drawing = draw([told.trace])
    places = {one.name: one.id for one in drawing.lifelines}
    both = [places["ann"], places["bob"]]
    assert [(row.detail, row.to, row.count) for row in drawing.rows[1:]] == [
        ("m", both, 2),
        ("n", both, 2),
    ]
    assert drawing.messages == 5


def test_the_same_message_twice_to_one_client_is_two_rows() -> None:
    told = Told()
    for _ in range(2):
        told.says(GROUP, ANN, "pushes.GroupMessage", "m", 0.0001)
    assert [row.count for row in draw([told.trace]).rows] == [1, 1]


def test_pushes_of_different_turns_are_rows_of_their_own() -> None:
    told = Told()
    told.says(GROUP, ANN, "pushes.GroupMessage", "m")
    told.says(GROUP, BOB, "pushes.GroupMessage", "m", 0.5)
    assert len(draw([told.trace]).rows) == 2


def test_a_party_is_called_by_its_last_name() -> None:
    told = Told().says((1, "client", "a client"), HUB, "internal.Admit")
    told.says(HUB, ANN, "pushes.Connected")
    assert [one.name for one in draw([told.trace]).lifelines] == ["ann", "chat"]


def test_who_is_known_by_an_id_is_called_by_its_name() -> None:
    told = Told().says((1, "server", "server abcdef"), HUB, "servers.Listen")
    drawing = draw([told.trace], names={"server-0123456789abcdef": "kitchen"})
    assert [one.name for one in drawing.lifelines] == ["kitchen", "chat"]


def test_two_parties_with_the_same_name_are_told_apart() -> None:
    told = Told().says(ANN, HUB, "x").says((7, "client", "client ann"), HUB, "x")
    names = [one.name for one in draw([told.trace]).lifelines]
    assert names == ["ann", "ann (2)", "chat"]


def test_kinds_stand_in_order_of_appearance_and_together() -> None:
    told = Told().says(ANN, HUB, "x").says(GROUP, BOB, "x")
    names = [one.name for one in draw([told.trace]).lifelines]
    assert names == ["ann", "bob", "chat", "lobby"]


def test_a_numerous_kind_shares_a_lifeline() -> None:
    told = Told()
    for number in range(100, 200):
        told.says(GROUP, (number, "client", f"client c{number}"), "pushes.X", "m", 0)
    drawing = draw([told.trace])
    names = [one.name for one in drawing.lifelines if one.kind == "client"]
    assert names == ["c100", "c101", "c102", "c103", "96 more"]
    (row,) = drawing.rows
    assert row.count == 100
    assert len(row.to) == 5


def test_several_gateways_share_one_time_line() -> None:
    first = Told(1000.0).says(ANN, HUB, "a", after=0.5)
    second = Told(1000.2).says(ANN, HUB, "b", after=0.1)
    drawing = draw([first.trace, second.trace], [Note(1000.4, "between")])
    assert [(row.text, row.time) for row in drawing.rows] == [
        ("b", 0.0),
        ("between", 100.0),
        ("a", 200.0),
    ]
    assert drawing.places == ["gateway 1", "gateway 2"]
    assert [(one.place, one.name) for one in drawing.lifelines] == [
        ("gateway 1", "ann"),
        ("gateway 1", "chat"),
        ("gateway 2", "ann"),
        ("gateway 2", "chat"),
    ]


def test_a_gateway_that_came_back_is_one_in_the_picture() -> None:
    lives = [Told(1000.0 + at).says(ANN, HUB, "x").trace for at in range(3)]
    drawing = draw(lives, places=["left", "right", "left"])
    names = [(one.place, one.name) for one in drawing.lifelines]
    assert names == [(at, who) for at in ("left", "right") for who in ("ann", "chat")]
    first, _, third = drawing.rows
    assert (first.sender, first.to) == (third.sender, third.to)


def test_one_gateway_that_came_back_needs_no_place() -> None:
    lives = [Told(1000.0 + at).says(ANN, HUB, "x").trace for at in range(2)]
    drawing = draw(lives, places=["gateway", "gateway"])
    assert drawing.places == []
    assert [one.place for one in drawing.lifelines] == ["", ""]


def test_a_batch_comes_from_the_link_at_the_other_gateway() -> None:
    mesh = (8, "Mesh", "Mesh")
    batch = "Relay, number 7, gateway"
    told = [
        Told(1000.0 + at)
        .says(HUB, (9, "Link", f"Link {other}"), "peers.Relay")
        .says(mesh, mesh, "peers.Batch", f"{batch} {other}", after=2)
        .says(HUB, GROUP, "internal.Deliver")
        for at, other in ((0, "bbbb0002"), (0.5, "aaaa0001"))
    ]
    names = {"aaaa0001": "left", "bbbb0002": "right"}
    drawing = draw([one.trace for one in told], (), names, ("left", "right"))
    people = {one.id: one for one in drawing.lifelines}
    found = [
        (people[row.sender], people[row.to[0]])
        for row in drawing.rows
        if row.text == "peers.Batch" and row.sender is not None
    ]
    assert [
        (link.kind, link.name, link.place, to.kind, to.place) for link, to in found
    ] == [
        ("Link", "left", "right", "Mesh", "left"),
        ("Link", "right", "left", "Mesh", "right"),
    ]
    left = [one.kind for one in drawing.lifelines if one.place == "left"]
    assert left == ["Hub", "Group", "Link", "Mesh"]
    # Of a gateway that nobody knows by name it comes from beyond.
    alone = draw([told[0].trace, told[1].trace], places=("left", "right"))
    assert [row.to for row in alone.rows if row.text == "peers.Batch"] == [
        [row.sender] for row in alone.rows if row.text == "peers.Batch"
    ]


def test_packets_of_a_mesh_say_what_is_in_them() -> None:
    lobby, hub = commands.ToGroup("lobby"), "chat"
    interest = peers.Interest(hub, lobby, True)
    relay = peers.Relay(hub, commands.Publish(lobby, Text("hello")))
    letters = (relay, interest, relay)
    batch = peers.Batch("aaaa0001", 1, 7, 3, letters)
    assert name_of(batch) == "peers.Batch"
    assert detail_of(batch) == "2 Relay, Interest, number 7, gateway aaaa0001"
    assert detail_of(interest) == "hub chat, wants group lobby"
    gone = msgspec.structs.replace(interest, present=False)
    assert detail_of(gone) == "hub chat, wants no more: group lobby"
    knock = peers.Knock(1, "cluster", "aaaa0001", "tcp://127.0.0.1:7000", 12345)
    assert detail_of(knock) == "gateway aaaa0001"


def test_a_page_has_so_many_rows_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_page, "MOST_ROWS", 3)
    told = Told()
    for _ in range(5):
        told.says(ANN, HUB, "requests.Ping")
    drawing = draw([told.trace])
    assert (len(drawing.rows), drawing.left_out) == (3, 2)


def test_a_trace_that_was_full_is_told() -> None:
    told = Told().says(ANN, HUB, "x")
    full = msgspec.structs.replace(told.trace, end="the trace is full: 1 message")
    assert draw([full]).end == "the trace is full: 1 message"


def test_a_trace_without_messages_is_a_page_too() -> None:
    assert draw([Trace(0.0, (), None)], [Note(1.0, "nothing happened")]).rows


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_what_users_say_cannot_leave_the_data() -> None:
    told = Told().says(ANN, HUB, "requests.SendFrame", f"{EVIL} [[title]] [[data]]")
    text = page(EVIL, EVIL, [told.trace], [Note(0.0, EVIL)])
    assert '<b id="evil">' not in text
    assert text.count("</script>") == page("", "", [told.trace]).count("</script>")
    data = data_of(text)
    assert data["rows"][0]["text"] == EVIL
    assert data["rows"][1]["detail"] == f"{EVIL} [[title]] [[data]]"


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = page("a", "b", [Told().says(ANN, HUB, "x").trace])
    addresses = set(re.findall(r"https?://[^\"' ]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text


# In a browser.


def long_story() -> tuple[Trace, list[Note]]:
    told = Told()
    for number in range(60):
        told.says(ANN, HUB, "requests.SendToGroup", f'group lobby, text "{number}"')
        told.says(HUB, GROUP, "internal.Deliver", f'text "{number}"')
        for client in (ANN, BOB):
            told.says(GROUP, client, "pushes.GroupMessage", f"{number} {EVIL}", 0.0001)
        told.says(GROUP, GROUP, "Stop")
        told.says(
            HUB, ANN, "pushes.Ack", f"ack {number}", 0.2 if number == 30 else 0.01
        )
    notes = [Note(1000.0, "the story begins"), Note(1000.05, "bob hears", "yes")]
    return told.trace, [*notes, Note(1000.06, "bob hears nothing", "no")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace-pictures")


@pytest.fixture(scope="module")
def story(pictures: Path) -> Story:
    trace, notes = long_story()
    file = pictures / "trace.html"
    file.write_text(page("a long story", "ann --> hub", [trace], notes))
    return tell(
        "trace.mjs",
        PAGE=file.as_uri(),
        PICTURES=str(pictures),
        CHROMIUM=shutil.which("chromium") or "",
    )


def marked(function: Any) -> Any:
    """Mark a test that needs the story of the browser."""
    return pytest.mark.node(pytest.mark.browser(function))


@marked
def test_every_message_is_an_arrow_with_a_label(story: Story) -> None:
    scene = story["drawn"]
    assert scene["rows"] == 300
    assert scene["lifelines"] == 4
    assert scene["arrows"] == 300
    assert scene["tips"] == 360
    assert scene["heads"] == ["clientann", "clientbob", "Hubchat", "Grouplobby"]
    assert scene["labels"][0].startswith("requests.SendToGroup")
    assert scene["times"] == 300
    assert scene["gaps"] == ["⋮ 200 ms later"]
    assert len(scene["notes"]) == 3


@marked
def test_labels_do_not_run_out_of_their_arrows(story: Story) -> None:
    assert story["drawn"]["widest"] <= 0


@marked
def test_markup_in_a_payload_stays_text(story: Story) -> None:
    assert story["drawn"]["evil"] == 0


@marked
def test_a_click_shows_a_message_in_full(story: Story) -> None:
    assert "from client ann to Hub chat" in story["chosen"]["click"]
    assert 'group lobby, text "0"' in story["chosen"]["click"]
    assert "internal.Deliver" in story["chosen"]["key"]


@marked
def test_kinds_and_conversations_can_be_hidden(story: Story) -> None:
    scene = story["filtered"]
    assert scene["withoutGroups"] == {
        "heads": ["clientann", "Hubchat"],
        "rows": 120,
    }
    assert scene["withoutPushes"]["rows"] == 60
    assert scene["nothing"] is True
    assert scene["again"]["rows"] == 300


@marked
def test_messages_can_be_searched(story: Story) -> None:
    assert story["searched"]["rows"] == 1


@marked
def test_one_party_can_be_followed(story: Story) -> None:
    scene = story["followed"]
    assert 0 < scene["dim"] < 300
    assert scene["after"] == 0


@marked
def test_heads_and_times_stay_in_sight(story: Story) -> None:
    scene = story["scrolled"]
    assert scene["scrolled"] > 1000
    assert abs(scene["headTop"]) < 10
    assert abs(scene["timeLeft"]) < 10


@marked
def test_it_can_be_photographed_in_light_and_dark(story: Story, pictures: Path) -> None:
    assert story["pictures"] is None
    light, dark = (pictures / f"{name}.png" for name in ("light", "dark"))
    assert light.read_bytes().startswith(b"\x89PNG")
    assert light.read_bytes() != dark.read_bytes()


@marked
def test_it_asks_for_nothing_and_complains_of_nothing(story: Story) -> None:
    scene = story["privacy"]
    assert len(scene["requests"]) == 1
    assert scene["problems"] == []
