"""What gateways say of a session that moves: for the page on the protocol, and any."""

from __future__ import annotations

from hypothesis import strategies as st

from hubbub.actors.messages import events, moving, peers, sessions
from hubbub.actors.messages.pushes import StateItem

HUB, WHO, NUMBER = "chat", "a1c0ffee", 41
CLIENT = events.Client(HUB, WHO, "alice", "protobuf.reliable.webpubsub.azure.v1", None)

SESSION = sessions.Session(
    CLIENT,
    event_id=6,
    rights=sessions.Rights(
        ("webpubsub.joinLeaveGroup",), {"news": True}, {"staff": False}
    ),
    ack_ids=(3, 4),
    mail=sessions.Mail(
        acknowledged=17,
        last=19,
        room=998,
        bodies=(
            (bytes.fromhex("120d0a067365727665721a030a0161"), 0),
            (bytes.fromhex("120d0a067365727665721a030a0162"), 28),
        ),
    ),
    groups=("news",),
    streams=(sessions.OpenStream("s-1", "news", 4, no_echo=False, idle=60.0),),
    states=sessions.States(
        (("news", StateItem(WHO, "alice", {"status": "away"}, 1790000000000)),),
        ("staff",),
    ),
)

EXAMPLES: dict[str, tuple[peers.Message, ...]] = {
    "a session is to move": (
        peers.Call(8, HUB, moving.Offer("b2d0d0")),
        peers.Call(9, HUB, moving.Fetch(WHO, NUMBER)),
        peers.Return(9, moving.Offered(CLIENT, ("news",))),
    ),
    "a session moves": (
        moving.Moving(HUB, WHO, NUMBER, ("b2", "c3")),
        moving.Passed(HUB, WHO, NUMBER),
        moving.Handed(HUB, WHO, NUMBER, SESSION),
        moving.Handed(HUB, "b2d0d0", 42, None),
    ),
}

# Anything that can be said.

_names = st.text(st.characters(codec="utf-8"), max_size=12)
_maybe_name = st.none() | _names
_several = st.lists(_names, max_size=3).map(tuple)
_numbers = st.integers(0, 2**64 - 1)
_flags = st.booleans()
_hubs = st.sampled_from(["chat", "shop_2"])
_clients = st.builds(
    events.Client, _hubs, _names, _maybe_name, _maybe_name, _maybe_name
)
_rules = st.dictionaries(_names, _flags, max_size=3)
_mails = st.builds(
    lambda acknowledged, room, bodies: sessions.Mail(
        acknowledged, acknowledged + len(bodies), room, tuple(bodies)
    ),
    st.integers(0, 2**60),
    _numbers,
    st.lists(st.tuples(st.binary(max_size=12), st.integers(-1, 300)), max_size=3),
)
_streams = st.builds(
    sessions.OpenStream,
    _names,
    _names,
    st.integers(1, 2**64 - 1),
    _flags,
    st.integers(1, 2**32 - 1).map(lambda milliseconds: milliseconds / 1000),
)
_items = st.builds(
    StateItem,
    _names,
    _maybe_name,
    st.none() | st.dictionaries(_names, _names, max_size=3),
    _numbers,
)
_sessions = st.builds(
    sessions.Session,
    _clients,
    _numbers,
    st.builds(sessions.Rights, _several, _rules, _rules),
    st.lists(_numbers, max_size=3).map(tuple),
    _mails,
    _several,
    st.lists(_streams, max_size=2).map(tuple),
    st.builds(
        sessions.States,
        st.lists(st.tuples(_names, _items), max_size=3).map(tuple),
        _several,
    ),
)
commands = st.builds(moving.Fetch, _names, _numbers) | st.builds(moving.Offer, _names)
offers = st.builds(moving.Offered, _clients, _several)
messages: st.SearchStrategy[peers.Message] = st.one_of(
    st.builds(moving.Moving, _hubs, _names, _numbers, _several),
    st.builds(moving.Passed, _hubs, _names, _numbers),
    st.builds(moving.Handed, _hubs, _names, _numbers, st.none() | _sessions),
)
