"""Packets between gateways: those of the page on the peering protocol, and any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from hubbub.actors.messages import commands, counting, events, peers, servers, states
from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages.payload import (
    Binary,
    Json,
    StreamError,
    StreamMark,
    Text,
)
from hubbub.actors.messages.pushes import StateItem
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.policy.rules import KINDS
from hubbub.transport.wire.peering import UNADDRESSED
from support import peering_moves

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT = events.Client(
    "chat", "a1c0ffee", "alice", "json.webpubsub.azure.v1", "level=3"
)
GATEWAY, TAG = "a1", 2**63 + 1


def batch(*messages: peers.Message, **more: Any) -> peers.Batch:
    return peers.Batch(
        **{"gateway": GATEWAY, "tag": TAG, "number": 7, "received": 3, **more},
        messages=messages,
    )


EXAMPLES: dict[str, peers.Packet] = {
    "knock": peers.Knock(1, "hubbub", "a1", "tcp://10.0.0.7:7000", 1),
    "hello": peers.Hello(1, "hubbub", "b2", "tcp://10.0.0.8:7000", 5, echo=9, knock=1),
    "refusal": peers.Refusal("a1", 1, "this gateway is of the cluster shop"),
    "heartbeat": peers.Heartbeat(GATEWAY, TAG, sent=7, received=3, missing=True),
    "an empty batch": batch(),
    "relay": batch(
        peers.Relay(
            "chat",
            commands.Publish(commands.ToGroup("news"), Json(b'{"n":1}'), "alice"),
        ),
        prompt=True,
    ),
    "relay with everything": batch(
        peers.Relay(
            "chat",
            commands.Publish(
                commands.Everyone(),
                Binary(b"\x01\x02\xff"),
                None,
                {"kind": "a"},
                60,
                ("a1c0ffee",),
                compile_filter("userId ne null"),
            ),
        )
    ),
    "relays of a stream": batch(
        peers.Relay(
            "chat",
            commands.Publish(
                commands.ToGroup("news"),
                Text("hel"),
                "alice",
                stream=StreamMark("s-1", 1),
            ),
        ),
        peers.Relay(
            "chat",
            commands.Publish(
                commands.ToGroup("news"),
                Text(""),
                "alice",
                stream=StreamMark(
                    "s-1", 2, end=True, error=StreamError("UserError", "no more")
                ),
            ),
        ),
    ),
    "interest": batch(
        peers.Reset("chat"),
        peers.Interests("chat", (commands.Everyone(), commands.ToUser("alice"))),
        peers.Interest("chat", commands.ToGroup("news"), True),
        peers.Interest("chat", peers.Overheard(), False),
        peers.Complete(),
    ),
    "call": batch(
        peers.Call(4, "chat", commands.Exists(commands.ToUser("alice"), UNADDRESSED)),
        peers.Call(5, "chat", commands.Members("news", "", 200, UNADDRESSED)),
        peers.Call(0, "chat", commands.Close(commands.ToConnection("a1c0ffee"))),
    ),
    "return": batch(
        peers.Return(4, True),
        peers.Return(5, commands.MemberPage((("b2d0d0", None),), more=False)),
    ),
    "servers": batch(
        peers.Call(
            6,
            "chat",
            peers.Attach("s1", (servers.Rule("event", "order.*"),), 100),
        ),
        peers.Give(
            "chat", "s1", events.UserEvent(CLIENT, 1, "order.new", Text("9")), 1
        ),
        peers.Outcome("chat", "a1c0ffee", 1, events.Respond(Text("thanks"))),
        peers.Withdraw("chat", "s1", "a1c0ffee", 1),
        peers.Told("chat", "s1", servers.Presence("joined", "b2d0d0", None, "news")),
        peers.Detach("chat", "s1"),
    ),
    "states": batch(
        peers.Interest("chat", states.StateOf("news"), True),
        peers.Call(7, "chat", states.ListStates("news")),
        peers.Return(
            7,
            states.StatePage(
                (StateItem("b2d0d0", "bob", {"status": "away"}, 1790000000000),),
                more=False,
            ),
        ),
        states.StateNews(
            "chat", "news", (StateItem("b2d0d0", "bob", None, 1790000000500),)
        ),
    ),
    **{title: batch(*said) for title, said in peering_moves.EXAMPLES.items()},
    "gateways": batch(
        peers.Acquaintances(("tcp://10.0.0.9:7000",)),
        counting.Inquire(8, "web-1"),
        counting.Counted(8, "0", b"{}"),
        peers.Goodbye(),
    ),
}


# Anything that can be said.

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = texts
hubs = st.sampled_from(["chat", "a", "shop_2", "x.y[`]"])
numbers = st.integers(0, 2**64 - 1)
tags = st.integers(1, 2**64 - 1)
lines = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"]),
    min_size=1,
    max_size=12,
)
flags = st.booleans()
contents = st.one_of(
    st.builds(Text, texts),
    st.builds(lambda text: Json(text.encode()), texts),
    st.builds(Binary, st.binary(max_size=12)),
    st.builds(payloads.Protobuf, st.binary(max_size=12)),
)
metadata: st.SearchStrategy[Mapping[str, str] | None] = st.none() | st.dictionaries(
    texts, texts, min_size=1, max_size=3
)
header_metadata: st.SearchStrategy[Mapping[str, str] | None] = (
    st.none()
    | st.dictionaries(
        st.from_regex(r"[a-z!-]{1,8}", fullmatch=True),
        st.from_regex(r"[ -~]{0,8}", fullmatch=True),
        max_size=3,
    )
)
wheres = st.none() | st.sampled_from(
    [compile_filter(text) for text in ("userId ne null", "'a' in groups")]
)
several = st.lists(names, max_size=3).map(tuple)
to_group = st.builds(commands.ToGroup, names)
to_user = st.builds(commands.ToUser, names)
to_connection = st.builds(commands.ToConnection, names)
members = to_user | to_connection
sought = to_group | members
targets = st.just(commands.Everyone()) | sought
keys = targets | st.just(peers.Overheard()) | st.builds(states.StateOf, names)
stream_errors = st.builds(StreamError, texts, st.none() | texts, st.none() | texts)
marks = st.builds(StreamMark, names, numbers, flags, st.none() | stream_errors)
items = st.lists(
    st.builds(
        StateItem,
        names,
        st.none() | names,
        st.none() | st.dictionaries(texts, texts, max_size=3),
        numbers,
    ),
    max_size=3,
).map(tuple)
publications = st.builds(
    commands.Publish,
    targets,
    contents,
    st.none() | names,
    metadata,
    st.integers(-(2**63), 2**63 - 1),
    several,
    wheres,
    st.none(),
    st.none() | marks,
)
plain_publications = st.builds(commands.Publish, targets, contents, st.none() | names)
permissions = st.sampled_from(commands.Permission)
nowhere = st.just(UNADDRESSED)
rules = st.builds(
    servers.Rule,
    st.sampled_from(list(KINDS)),
    st.sampled_from(["*", "a.*", "**"]),
    st.none() | st.sampled_from(["userId eq 'a'", "event eq 'b'", "group ne null"]),
)
patterns = st.lists(st.sampled_from(["*", "a.?", "**"]), max_size=3).map(tuple)
shared = st.one_of(
    publications,
    st.builds(commands.AddToGroup, members, names),
    st.builds(commands.RemoveFromGroup, members, st.none() | names),
    st.builds(commands.AddAllToGroups, several, wheres),
    st.builds(commands.RemoveAllFromGroups, several, wheres),
    st.builds(commands.Close, targets, several, st.none() | texts),
    st.builds(commands.Grant, names, permissions, names, nowhere),
    st.builds(commands.Revoke, names, permissions, names, nowhere),
    st.builds(commands.HasPermission, names, permissions, names, nowhere),
    st.builds(commands.Exists, sought, nowhere),
    st.builds(commands.Members, names, names, st.integers(1, 2**31 - 1), nowhere),
    st.builds(
        peers.Attach,
        names,
        st.lists(rules, max_size=3).map(tuple),
        st.integers(1, 10_000),
        flags,
    ),
    st.builds(peers.Retire, names),
    st.builds(peers.Watch, names, flags, patterns),
    st.builds(states.ListStates, names, names),
    peering_moves.commands,
)
results = st.one_of(
    flags,
    st.builds(
        commands.MemberPage,
        st.lists(st.tuples(names, st.none() | names), max_size=3).map(tuple),
        flags,
    ),
    st.builds(commands.Verdict, flags, flags),
    st.builds(peers.Declined, texts),
    st.builds(commands.Unavailable, texts),
    st.builds(states.StatePage, items, flags),
    peering_moves.offers,
)
maybe_text = st.none() | texts
clients = st.builds(events.Client, hubs, names, maybe_text, maybe_text, maybe_text)
values = st.dictionaries(texts, several, max_size=3)
event_names = st.sampled_from(["order.new", "message", "a"])
given_events = st.one_of(
    st.builds(
        events.Connect,
        clients,
        numbers,
        values,
        values,
        values,
        several,
        st.lists(st.builds(events.Certificate, texts, texts), max_size=2).map(tuple),
    ),
    st.builds(events.Connected, clients, numbers),
    st.builds(
        events.UserEvent, clients, numbers, event_names, contents, header_metadata
    ),
    st.builds(events.Disconnected, clients, numbers, texts),
    st.builds(events.Joined, clients, numbers, names),
    st.builds(events.Left, clients, numbers, names),
    st.builds(events.Publish, clients, numbers, names, contents, header_metadata),
    st.builds(events.Subscribe, clients, numbers, names),
)
maybe_content = st.none() | contents
outcomes = st.one_of(
    st.builds(
        events.Accept,
        maybe_text,
        st.none() | several,
        st.none() | several,
        maybe_text,
        maybe_text,
    ),
    st.builds(events.Reject, st.integers(400, 599), texts),
    st.builds(events.Respond, maybe_content, maybe_text, metadata),
    st.builds(events.Allow, maybe_content, metadata, maybe_text),
    st.builds(events.Deny, texts),
    st.builds(events.Fail, texts),
)
presences = st.builds(
    servers.Presence,
    st.sampled_from(["connected", "disconnected", "joined", "left"]),
    names,
    maybe_text,
    maybe_text,
)
endpoints = st.lists(lines, max_size=3).map(tuple)
messages: st.SearchStrategy[peers.Message] = st.one_of(
    st.builds(peers.Relay, hubs, publications | plain_publications),
    st.builds(peers.Interest, hubs, keys, flags),
    st.builds(peers.Interests, hubs, st.lists(keys, max_size=4).map(tuple)),
    st.builds(peers.Reset, hubs),
    st.just(peers.Complete()),
    st.builds(peers.Call, numbers, hubs, shared),
    st.builds(peers.Return, numbers, results),
    st.builds(peers.Detach, hubs, names),
    st.builds(peers.Give, hubs, names, given_events, st.integers(1, 1000)),
    st.builds(peers.Withdraw, hubs, names, names, numbers),
    st.builds(peers.Outcome, hubs, names, numbers, st.none() | outcomes),
    st.builds(peers.Told, hubs, names, presences),
    st.builds(peers.Acquaintances, endpoints),
    st.builds(counting.Inquire, numbers, texts),
    st.builds(counting.Counted, numbers, texts, st.binary(max_size=12)),
    st.just(peers.Goodbye()),
    st.builds(states.StateNews, hubs, names, items),
    peering_moves.messages,
)
batches = st.builds(
    peers.Batch,
    lines,
    tags,
    numbers,
    numbers,
    st.lists(messages, max_size=4).map(tuple),
    flags,
)
packets: st.SearchStrategy[peers.Packet] = st.one_of(
    st.builds(peers.Knock, numbers, lines, lines, lines, numbers),
    st.builds(peers.Hello, numbers, lines, lines, lines, tags, numbers, numbers),
    st.builds(peers.Refusal, lines, numbers, lines),
    st.builds(peers.Heartbeat, lines, tags, numbers, numbers, flags),
    batches,
)
