"""Servers attached to a hub: who gets which event, and what becomes of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.attached import MOST_ATTEMPTS
from hubbub.actors.messages import commands, events, internal, requests
from hubbub.actors.messages.payload import Text
from hubbub.actors.messages.servers import Handle, Listen, Retire, Rule
from hubbub.actors.seats import MOST_RULES
from hubbub.actors.upstream_mail import ServerSetup
from support.fakes import FakeSocket, Probe, Stage, hub_on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT = Rule("event")
CONNECT = Rule("connect")
HI = Text("hi")


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time(handler=False)


def say(name: str = "say", ack_id: int | None = 1) -> requests.SendEvent:
    return requests.SendEvent(name, HI, ack_id)


def told(stage: Stage, client: FakeSocket, *messages: requests.Request) -> None:
    client.send(*messages)
    stage.settle()


def test_a_server_answers_the_events_it_declared(stage: Stage) -> None:
    server, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say())
    (event,) = server.events
    assert (event["kind"], event["event"], event["userId"]) == ("event", "say", "ann")
    assert client.inbox == []
    server.answer(events.Respond(Text("hello")))
    assert client.order == ["hello", 1]


def test_a_user_event_that_no_pattern_fits_is_not_for_the_server(stage: Stage) -> None:
    server, client = stage.serve(Rule("event", "order.*")), stage.join()
    told(stage, client, say("say", 1), say("order.new", 2))
    assert [event["event"] for event in server.events] == ["order.new"]
    assert client.acks == [(1, "InternalServerError")]


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("userId eq 'ann'", True),
        ("userId eq 'bob'", False),
        ("event eq 'say'", True),
        ("startswith(event, 'order')", False),
        ("'lobby' in groups", True),
        ("'attic' in groups", False),
        ("group eq null", True),
    ],
)
def test_a_filter_is_over_the_client_and_the_event(
    stage: Stage, text: str, taken: bool
) -> None:
    server = stage.serve(Rule("event", filter=text))
    client = stage.join("ann", groups=["lobby"])
    told(stage, client, say())
    assert bool(server.events) is taken


def test_a_client_stays_with_its_server(stage: Stage) -> None:
    servers = [stage.serve(EVENT) for _ in range(3)]
    clients = [stage.join(f"u{number}") for number in range(6)]
    for round_ in range(1, 5):
        for client in clients:
            told(stage, client, say(ack_id=round_))
        for server in servers:
            for number in range(len(server.events)):
                server.answer(events.Respond(), number)
    users = [{event["userId"] for event in server.events} for server in servers]
    assert [len(names) for names in users] == [2, 2, 2]
    assert len(set.union(*users)) == 6


def test_the_least_busy_server_gets_a_new_client(stage: Stage) -> None:
    busy, idle = stage.serve(EVENT), stage.serve(EVENT)
    told(stage, stage.join("a"), say())
    told(stage, stage.join("b"), say())
    idle.answer(events.Respond())
    told(stage, stage.join("c"), say())
    assert [event["userId"] for event in busy.events] == ["a"]
    assert [event["userId"] for event in idle.events] == ["b", "c"]


def test_a_window_bounds_what_a_server_has_unanswered(stage: Stage) -> None:
    server = stage.serve(EVENT, window=2)
    for number in range(5):
        told(stage, stage.join(f"u{number}"), say())
    assert len(server.events) == 2
    server.answer(events.Respond(), 0)
    assert [event["userId"] for event in server.events] == ["u0", "u1", "u2"]
    for place in (1, 2, 3, 4):
        server.answer(events.Respond(), place)
    assert [event["userId"] for event in server.events] == [f"u{n}" for n in range(5)]


def test_a_lost_servers_events_go_to_another(stage: Stage) -> None:
    first, second = stage.serve(EVENT), stage.serve(EVENT)
    client = stage.join("ann")
    told(stage, client, say())
    assert "attempt" not in first.events[0]
    first.leave()
    stage.settle()
    assert second.events[0]["attempt"] == 2
    second.answer(events.Respond(Text("here")))
    assert client.order == ["here", 1]


def test_what_waits_for_a_lost_server_is_no_second_attempt(stage: Stage) -> None:
    first, second = stage.serve(EVENT, window=1), None
    clients = [stage.join(f"u{number}") for number in range(2)]
    for client in clients:
        told(stage, client, say())
    second = stage.serve(EVENT)
    first.leave()
    stage.settle()
    attempts = {event["userId"]: event.get("attempt", 1) for event in second.events}
    assert attempts == {"u0": 2, "u1": 1}


def test_an_event_is_not_given_to_server_after_server_for_ever(stage: Stage) -> None:
    client = stage.join("ann")
    servers = [stage.serve(EVENT) for _ in range(MOST_ATTEMPTS + 1)]
    told(stage, client, say())
    for server in servers[:MOST_ATTEMPTS]:
        assert len(server.events) == 1
        server.leave()
        stage.settle()
    assert servers[-1].events == []
    assert client.acks == [(1, "InternalServerError")]


def test_a_timer_of_a_lost_server_does_not_end_the_next_ones_time(
    stage: Stage,
) -> None:
    first, second = stage.serve(EVENT), stage.serve(EVENT)
    client = stage.join("ann")
    told(stage, client, say())
    first.send(requests.SocketClosed(1006, ""))
    upstream = stage._actor(stage.hub())._upstream
    (stale,) = [timer._message for timer in stage._actor(upstream)._place.timers or ()]
    stage.settle()
    upstream.post(stale)  # it had fired when the server's end was still in the mail
    stage.settle()
    assert client.acks == []
    second.answer(events.Respond())
    assert client.acks == [(1, True)]


def test_without_another_server_an_event_waits_for_one_to_attach(stage: Stage) -> None:
    server, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say())
    server.leave()
    stage.settle()
    assert client.acks == []
    again = stage.serve(EVENT)
    again.answer(events.Respond())
    assert client.acks == [(1, True)]


def test_nobody_waits_longer_than_the_grace(stage: Stage) -> None:
    stage.serve(EVENT).leave()
    client = stage.join("ann")
    told(stage, client, say(ack_id=1))
    stage.loop.advance(10.1)
    assert client.acks == [(1, "InternalServerError")]
    told(stage, client, say(ack_id=2))
    assert client.acks[1:] == [(2, "InternalServerError")], "not again so long"


def test_connects_are_refused_while_the_server_that_decides_is_gone(
    stage: Stage,
) -> None:
    stage.serve(CONNECT).leave()
    stage.settle()
    socket = stage.knock(FakeSocket())
    stage.settle()
    assert socket.journal == []
    stage.loop.advance(10.1)
    assert [status for status, _ in socket.all("rejected")] == [503]
    assert stage.knock(FakeSocket()).all("accepted") == []


def test_a_server_that_undeclares_before_it_leaves_is_not_missed(stage: Stage) -> None:
    server = stage.serve(CONNECT)
    server.handle()
    server.leave()
    stage.settle()
    assert stage.join("ann").all("rejected") == []


def test_a_new_version_need_not_take_what_the_old_one_did(stage: Stage) -> None:
    old = stage.serve(CONNECT, Rule("publish"))
    new = stage.serve()
    new.ask(Handle((EVENT,), 10, supersede=True))
    hub = stage._actor(stage.hub())
    assert hub._attending.current.publish, "the old one is still here"
    old.leave()
    stage.settle()
    client, listener = stage.join("ann"), stage.join("bob", groups=["g"])
    told(stage, client, send())
    assert listener.data == ["hi"]
    new.leave()
    stage.settle()
    told(stage, client, say(ack_id=2))
    stage.serve(EVENT).answer(events.Respond())
    assert client.acks == [(1, True), (2, True)], "what it took itself is waited for"


def test_servers_can_be_required(stage: Stage) -> None:
    del stage
    strict = hub_on_virtual_time(handler=False, servers=ServerSetup(required=True))
    socket = strict.knock(FakeSocket())
    strict.loop.advance(10.1)
    assert [status for status, _ in socket.all("rejected")] == [503]
    server = strict.serve(CONNECT)
    socket = strict.knock(FakeSocket(), "ann")
    strict.settle()
    server.answer(events.Accept())
    assert socket.all("accepted")


@pytest.mark.parametrize("first", [True, False])
def test_precedence_over_handlers_is_a_setting(first: bool) -> None:
    stage = hub_on_virtual_time(servers=ServerSetup(first=first))
    server, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say())
    assert bool(server.events) is first
    assert bool(stage.desk.told(events.UserEvent)) is not first


def test_a_handler_takes_over_when_the_last_server_is_gone() -> None:
    stage = hub_on_virtual_time()
    server, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say())
    server.leave()
    stage.settle()
    stage.desk.answer(events.Respond())
    stage.settle()
    assert client.acks == [(1, True)]


def test_an_event_without_an_answer_fails_and_is_cancelled(stage: Stage) -> None:
    server, client = stage.serve(EVENT, window=1), stage.join("ann")
    told(stage, client, say())
    stage.loop.advance(100.1)
    assert client.acks == [(1, "InternalServerError")]
    assert server.frames("cancel") == [{"type": "cancel", "eventId": 1}]
    server.answer(events.Respond(Text("late")))
    told(stage, client, say(ack_id=2))
    assert len(server.events) == 2, "the place is free again"
    assert client.data == []


def test_a_retiring_server_gets_nothing_new_and_is_told_when_it_is_done(
    stage: Stage,
) -> None:
    old, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say(ack_id=1))
    new = stage.serve(EVENT)
    old.ask(Retire(7))
    other = stage.join("bob")
    told(stage, other, say())
    assert len(old.events) == 1
    assert old.results == []
    old.answer(events.Respond())
    assert old.results == [(7, None)]
    told(stage, client, say(ack_id=2))
    assert [event["userId"] for event in new.events] == ["bob", "ann"]


def test_a_server_may_declare_again_while_it_retires(stage: Stage) -> None:
    server, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say(ack_id=1))
    server.ask(Retire(7))
    server.ask(Handle((EVENT,), 10, 8))
    assert sorted(server.results) == [(7, None), (8, None)]
    server.answer(events.Respond())
    told(stage, client, say(ack_id=2))
    assert len(server.events) == 2


def test_an_answer_that_does_not_fit_fails_the_event(stage: Stage) -> None:
    server, client = stage.serve(EVENT), stage.join("ann")
    told(stage, client, say())
    server.answer(events.Accept())
    assert client.acks == [(1, "InternalServerError")]


def test_disconnected_comes_after_the_event_under_way(stage: Stage) -> None:
    server, client = stage.serve(EVENT, Rule("disconnected")), stage.join("ann")
    told(stage, client, say(), requests.SocketClosed(1000, ""))
    assert [event["kind"] for event in server.events] == ["event"]
    server.answer(events.Respond(state="s"))
    assert [event["kind"] for event in server.events] == ["event", "disconnected"]
    assert server.events[1]["state"] == "s"


def test_presence_events_are_told_where_a_server_declared_them(stage: Stage) -> None:
    server = stage.serve(Rule("joined", "room-*"), Rule("left", "room-*"))
    client = stage.join("ann")
    told(stage, client, requests.JoinGroup("room-1"), requests.JoinGroup("hall"))
    told(stage, client, requests.LeaveGroup("room-1"))
    seen = [(event["kind"], event["group"]) for event in server.events]
    assert seen == [("joined", "room-1"), ("left", "room-1")]


def test_a_hub_does_not_remember_rules_without_end(stage: Stage) -> None:
    server = stage.serve()
    rules = tuple(Rule("event", f"e{number}") for number in range(MOST_RULES + 1))
    server.ask(Handle(rules, 10, 1), Handle(rules[:10], 10, 2))
    assert server.results == [(1, "Conflict"), (2, None)]


def test_a_restarted_upstream_knows_the_servers_that_are_here(stage: Stage) -> None:
    server = stage.serve(CONNECT)
    upstream = stage._actor(stage.hub())._upstream
    upstream.post("nonsense")  # an upstream that fails at its mail
    stage.loop.advance(0.2)
    socket = stage.knock(FakeSocket(), "ann")
    stage.settle()
    assert [event["kind"] for event in server.events] == ["connect"]
    assert socket.all("accepted") == []


def test_a_drained_hub_lets_servers_hear_of_the_ends_then_sends_them_off(
    stage: Stage,
) -> None:
    server, drained = stage.serve(Rule("disconnected")), Probe()
    stage.join("ann")
    stage.gateway.post(internal.Drain(drained))
    stage.settle()
    assert [event["kind"] for event in server.events] == ["disconnected"]
    assert not server.all("closed")
    server.answer()
    assert server.inbox[-1] == {"type": "draining"}
    assert server.all("closed") == [(1001, "the gateway is shutting down")]
    assert drained.expect(bool)


def test_many_servers_leave_nothing_behind(stage: Stage) -> None:
    client = stage.join("ann", groups=["g"])
    for _ in range(20):
        server = stage.serve(EVENT)
        server.ask(Listen("g"), Listen("other"), Listen(None))
        told(stage, client, say(ack_id=None))
        server.answer(events.Respond())
        server.leave()
        stage.settle()
    hub = stage._actor(stage.hub())
    assert list(hub._membership.groups) == ["g"]
    assert hub._membership.overheard is None
    assert not hub._servers._ids
    assert not stage._actor(hub._upstream)._servers.seats._seats


def intercepted(stage: Stage, *rules: Rule) -> tuple[Any, FakeSocket, FakeSocket]:
    server = stage.serve(*rules)
    listener = stage.join("lis", groups=["g", "other"])
    return server, stage.join("ann"), listener


def send(group: str = "g", ack_id: int | None = 1) -> requests.SendToGroup:
    return requests.SendToGroup(group, HI, ack_id=ack_id)


@pytest.mark.parametrize(
    ("outcome", "heard", "acks"),
    [
        (events.Allow(), ["hi"], [(1, True)]),
        (events.Allow(Text("HI")), ["HI"], [(1, True)]),
        (events.Deny("no"), [], [(1, "Forbidden")]),
        (events.Fail("oops"), [], [(1, "InternalServerError")]),
        (events.Respond(), [], [(1, "InternalServerError")]),
    ],
)
def test_a_server_decides_on_what_is_published(
    stage: Stage, outcome: events.Outcome, heard: list[str], acks: list[Any]
) -> None:
    server, client, listener = intercepted(stage, Rule("publish"))
    told(stage, client, send())
    assert listener.data == []
    server.answer(outcome)
    assert (listener.data, client.acks) == (heard, acks)


def test_a_publication_can_be_sent_to_another_group(stage: Stage) -> None:
    server, client, _ = intercepted(stage, Rule("publish"))
    spy = stage.join("spy", groups=["quarantine"])
    told(stage, client, send())
    server.answer(events.Allow(group="quarantine"))
    assert spy.data == ["hi"]


@pytest.mark.parametrize(
    "outcome", [events.Allow(), events.Deny("no"), events.Allow(group="other")]
)
def test_a_server_decides_on_who_joins(stage: Stage, outcome: events.Outcome) -> None:
    server, client = stage.serve(Rule("subscribe")), stage.join("ann")
    told(stage, client, requests.JoinGroup("g", 1))
    assert not stage.exists(commands.ToGroup("g"))
    server.answer(outcome)
    joined = ""
    if isinstance(outcome, events.Allow):
        joined = outcome.group or "g"
    assert stage.exists(commands.ToGroup("g")) is (joined == "g")
    assert stage.exists(commands.ToGroup("other")) is (joined == "other")
    assert client.acks == [(1, bool(joined) or "Forbidden")]


def test_only_what_fits_a_rule_is_asked(stage: Stage) -> None:
    rule = Rule("publish", "secret-*", "userId ne 'boss'")
    server, client, listener = intercepted(stage, rule)
    told(stage, client, send("g", 1), send("secret-1", 2))
    assert listener.data == ["hi"]
    assert [event["group"] for event in server.events] == ["secret-1"]
    told(stage, stage.join("boss"), send("secret-1", 1))
    assert len(server.events) == 1


def test_what_comes_behind_an_intercepted_message_waits(stage: Stage) -> None:
    server, client, listener = intercepted(stage, Rule("publish", "g"))
    told(stage, client, send("g", 1), requests.SendToGroup("other", Text("2")))
    told(stage, client, requests.SocketClosed(1000, ""))
    assert listener.data == []
    server.answer(events.Allow())
    assert listener.data == ["hi", "2"], "also when the client has left meanwhile"
    assert not stage.exists(commands.ToUser("ann"))


def test_permission_is_checked_before_anyone_is_asked(stage: Stage) -> None:
    server = stage.serve(Rule("publish"), Rule("subscribe"))
    client = stage.join("ann", roles=())
    told(stage, client, send(ack_id=1), requests.JoinGroup("g", 2))
    assert server.events == []
    assert client.acks == [(1, "Forbidden"), (2, "Forbidden")]


def test_an_interception_without_its_server_fails_closed(stage: Stage) -> None:
    server, client, listener = intercepted(stage, Rule("publish"))
    server.leave()
    stage.settle()
    told(stage, client, send())
    stage.loop.advance(10.1)
    assert listener.data == []
    assert client.acks == [(1, "InternalServerError")]


def test_undeclaring_lets_messages_through_again(stage: Stage) -> None:
    server, client, listener = intercepted(stage, Rule("publish"))
    server.handle()
    told(stage, client, send())
    assert (listener.data, client.acks) == (["hi"], [(1, True)])


def test_what_servers_and_handlers_publish_is_not_intercepted(stage: Stage) -> None:
    server, _, listener = intercepted(stage, Rule("publish"))
    stage.do(commands.Publish(commands.ToGroup("g"), HI))
    assert (listener.data, server.events) == (["hi"], [])


@pytest.mark.parametrize("late", [True, False])
def test_connections_of_before_and_after_know_what_is_intercepted(
    stage: Stage, late: bool
) -> None:
    make: Callable[[], FakeSocket] = lambda: stage.join("ann")  # noqa: E731 - twice
    client = None if late else make()
    server = stage.serve(Rule("publish"))
    client = client or make()
    told(stage, client, send())
    assert len(server.events) == 1
