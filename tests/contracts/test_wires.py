"""One contract for all wires: loopback, and ZeroMQ over tcp and ipc.

First of the port itself, then of whole gateways that it links: what holds in a
simulation over one holds over the others.
"""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.messages import commands, events, peers, requests, servers
from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages.mesh import LinkState
from hubbub.actors.policy.filter import compile_filter
from support.fakes import publish, say
from support.handlers import PATIENCE, Inbox
from support.meshes import KINDS, Nodes, service, wires_of

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hubbub.actors.runtime.ports import Channel, Wire
    from support.meshes import Wires


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# The port.


@pytest.fixture
def made(kind: str, tmp_path: Path) -> AbstractAsyncContextManager[Wires]:
    return wires_of(kind, tmp_path)


def listening(wire: Wire) -> Inbox:
    inbox = Inbox().listen()
    wire.open(inbox)
    return inbox


def beat(number: int) -> peers.Heartbeat:
    return peers.Heartbeat("g0", 1, number, 0)


async def reach(channel: Channel, inbox: Inbox) -> None:
    """Send until something gets there; then all that was sent has."""
    async with asyncio.timeout(PATIENCE):
        for number in itertools.count(1_000_000):
            channel.send(beat(number))
            try:
                async with asyncio.timeout(0.05):
                    await inbox.next()
            except TimeoutError:
                continue
            break
        channel.send(beat(0))
        while (await inbox.next()) != beat(0):
            pass


async def test_what_is_sent_arrives_once_and_in_order_both_ways(
    made: AbstractAsyncContextManager[Wires],
) -> None:
    async with made as wires:
        one, other = wires.make(), wires.make()
        ways = [(one.dial(other.endpoint), listening(other))]
        ways.append((other.dial(one.endpoint), listening(one)))
        for channel, inbox in ways:
            await reach(channel, inbox)
        for number in range(1, 501):
            for channel, _ in ways:
                channel.send(beat(number))
        for _, inbox in ways:
            came = [await inbox.next() for _ in range(500)]
            assert came == [beat(number) for number in range(1, 501)]


SENT: list[peers.Packet] = [
    peers.Knock(1, "tested", "g0", "tcp://10.0.0.1:7000", 5),
    peers.Hello(1, "tested", "g0", "tcp://10.0.0.1:7000", 5, 6, 7),
    peers.Refusal("g0", 5, "not of ours"),
    peers.Heartbeat("g0", 5, 3, 2, missing=True),
    peers.Batch(
        "g0",
        5,
        1,
        0,
        (
            peers.Interest("chat", commands.ToGroup("red"), present=True),
            peers.Relay("chat", publish(commands.ToGroup("red"), "hello", ttl=3)),
            peers.Call(4, "chat", commands.RemoveFromGroup(commands.ToUser("u"), None)),
            peers.Return(4, value=True),
            peers.Goodbye(),
        ),
        prompt=True,
    ),
]


@pytest.mark.parametrize("packet", SENT, ids=lambda packet: type(packet).__name__)
async def test_a_packet_arrives_as_it_was_sent(
    made: AbstractAsyncContextManager[Wires], packet: peers.Packet
) -> None:
    async with made as wires:
        one, other = wires.make(), wires.make()
        inbox, channel = listening(other), one.dial(other.endpoint)
        await reach(channel, inbox)
        channel.send(packet)
        assert await inbox.next() == packet


async def test_a_gateway_that_is_dialed_before_it_listens_is_reached(
    made: AbstractAsyncContextManager[Wires],
) -> None:
    async with made as wires:
        one, other = wires.make(), wires.make()
        endpoint = other.endpoint
        other.close()
        channel = one.dial(endpoint)
        channel.send(beat(1))
        await reach(channel, listening(await wires.again(endpoint)))


async def test_a_gateway_that_comes_back_is_reached_by_the_same_channel(
    made: AbstractAsyncContextManager[Wires],
) -> None:
    async with made as wires:
        one, other = wires.make(), wires.make()
        channel = one.dial(other.endpoint)
        await reach(channel, listening(other))
        other.close()
        channel.send(beat(1))
        await reach(channel, listening(await wires.again(other.endpoint)))


async def test_a_closed_channel_sends_nothing_and_disturbs_no_other(
    made: AbstractAsyncContextManager[Wires],
) -> None:
    async with made as wires:
        one, other = wires.make(), wires.make()
        inbox = listening(other)
        closed, channel = one.dial(other.endpoint), one.dial(other.endpoint)
        await reach(closed, inbox)
        await reach(channel, inbox)
        closed.close()
        closed.send(beat(1))
        closed.close()
        channel.send(beat(2))
        assert await inbox.next() == beat(2)


async def test_a_closed_wire_lets_nothing_in_and_sends_nothing(
    made: AbstractAsyncContextManager[Wires],
) -> None:
    async with made as wires:
        one, other, third = wires.make(), wires.make(), wires.make()
        inbox, outside = listening(other), listening(third)
        there, back = one.dial(other.endpoint), other.dial(third.endpoint)
        witness = one.dial(third.endpoint)
        await reach(there, inbox)
        await reach(back, outside)
        await reach(witness, outside)
        other.close()
        other.close()
        there.send(beat(1))
        back.send(beat(2))
        witness.send(beat(3))
        assert await outside.next() == beat(3)
        assert beat(1) not in inbox.messages


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "nonsense", ""])
async def test_an_endpoint_of_another_kind_is_not_dialed(
    made: AbstractAsyncContextManager[Wires], endpoint: str
) -> None:
    async with made as wires:
        with pytest.raises(ValueError, match=r".+"):
            wires.make().dial(endpoint)


# Whole gateways.


@pytest.fixture
def mesh(kind: str, tmp_path: Path) -> AbstractAsyncContextManager[Nodes]:
    return service(kind, tmp_path)


async def test_a_publication_reaches_the_members_at_every_gateway_once(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        members = [await node.enter(f"u{node.name}", "red") for node in nodes.all]
        stranger = await nodes.all[1].enter("stranger", "blue")
        for member in members:
            member.send(say("red", member.label))
        labels = sorted(member.label for member in members)
        for member in members:
            await member.counts(3)
            assert sorted(member.data) == labels
        for node in nodes.all:
            await node.do(
                lambda paid: publish(commands.Everyone(), "end", receipt=paid)
            )
        await stranger.hears("end", "end", "end")


async def test_what_one_publishes_to_a_group_arrives_in_its_order(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, _, there = nodes.all
        member, publisher = await there.enter("m", "red"), await here.enter("p")
        texts = [str(number) for number in range(300)]
        for start in range(0, 300, 7):
            publisher.send(*(say("red", text) for text in texts[start : start + 7]))
            await asyncio.sleep(0)
        await member.hears(*texts)


async def test_a_publication_visits_only_gateways_with_members(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, with_member, without = nodes.all
        member = await with_member.enter("m", "red")
        publisher = await here.enter("p")
        publisher.send(say("red", "hello"))
        await member.hears("hello")
        relayed = {one.gateway: one.relayed for one in (await here.view()).peers}
        assert relayed == {with_member.name: 1, without.name: 0}


async def test_what_is_published_anywhere_after_the_ack_of_a_join_arrives(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, _ = nodes.all
        member, publisher = await there.enter("m"), await here.enter("p")
        for number in range(20):
            await member.join("red")
            publisher.send(say("red", str(number)))
            await member.counts(number + 1)
            await member.leave_group("red")
        publisher.send(say("red", "not for it"))
        await here.do(lambda paid: publish(commands.Everyone(), "end", receipt=paid))
        await member.hears(*(str(number) for number in range(20)), "end")


async def test_a_user_is_reached_wherever_it_is(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        first, second, third = nodes.all
        twice = [await first.enter("ann"), await second.enter("ann")]
        other = await second.enter("bob")
        third.command(publish(commands.ToUser("ann"), "for ann"))
        third.command(publish(commands.ToConnection(other.connection_id), "for bob"))
        for one in twice:
            await one.hears("for ann")
        await other.hears("for bob")


async def test_existence_is_known_across_gateways(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, _ = nodes.all
        member = await there.enter("ann", "red")
        connection = commands.ToConnection
        for target, answer in (
            (connection(member.connection_id), True),
            (connection(f"{there.name}{'0' * 26}"), False),
            (connection("nowhere"), False),
            (commands.ToUser("ann"), True),
            (commands.ToUser("bob"), False),
            (commands.ToGroup("red"), True),
            (commands.ToGroup("blue"), False),
        ):
            said = await here.ask(partial(commands.Exists, target))
            assert said is answer, target


async def test_members_are_listed_across_gateways_in_order_and_page_by_page(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        ids = sorted(
            [
                (await node.enter(f"u{number}", "red")).connection_id
                for number in range(3)
                for node in nodes.all
            ]
        )
        found: list[str] = []
        more = True
        while more:
            after = found[-1] if found else ""
            question = partial(commands.Members, "red", after, 2)
            page = await nodes.all[1].ask(question)
            found += [connection_id for connection_id, _ in page.members]
            more = page.more
        assert found == ids


async def test_permissions_are_granted_and_asked_across_gateways(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, third = nodes.all
        client = await there.enter("ann", roles=())
        who, may = client.connection_id, commands.Permission.JOIN_LEAVE_GROUP

        async def asks(
            node: Any, kind: Any, connection_id: str = who
        ) -> commands.Verdict:
            return await node.ask(lambda to: kind(connection_id, may, "red", to))  # type: ignore[no-any-return] # a question's answer

        yes, no = commands.Verdict(found=True, done=True), commands.Verdict(True, False)
        assert await asks(here, commands.HasPermission) == no
        assert await asks(third, commands.Grant) == yes
        assert await asks(here, commands.HasPermission) == yes
        await client.join("red")
        assert await asks(here, commands.Revoke) == yes
        assert await asks(third, commands.HasPermission) == no
        nobody = commands.Verdict(found=False, done=False)
        assert await asks(here, commands.Grant, f"{there.name}nobody") == nobody


async def test_connections_are_closed_across_gateways(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, third = nodes.all
        alone, ann = await there.enter("x"), await third.enter("ann")
        members = [await node.enter("m", "red") for node in nodes.all]
        for target, closed in (
            (commands.ToConnection(alone.connection_id), [alone]),
            (commands.ToUser("ann"), [ann]),
            (commands.ToGroup("red"), members),
        ):
            said = await here.do(partial(commands.Close, target, (), "bye"))
            assert said == "done"
            for one in closed:
                await one.ends()


async def test_a_user_is_added_to_a_group_and_removed_at_every_gateway(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here = nodes.all[0]
        ann = [await node.enter("ann") for node in nodes.all[1:]]
        target = commands.ToUser("ann")
        said = await here.do(lambda paid: commands.AddToGroup(target, "red", paid))
        assert said == "done"
        nodes.all[1].command(publish(commands.ToGroup("red"), "in"))
        for one in ann:
            await one.hears("in")
        said = await here.do(lambda paid: commands.RemoveFromGroup(target, "red", paid))
        assert said == "done"
        await here.do(lambda paid: publish(commands.ToGroup("red"), "x", receipt=paid))
        here.command(publish(target, "end"))
        for one in ann:
            await one.hears("in", "end")
        nobody = commands.ToUser("nobody")
        said = await here.do(lambda paid: commands.AddToGroup(nobody, "red", paid))
        assert said == "missing"


async def test_a_connection_is_added_to_a_group_at_its_own_gateway(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, third = nodes.all
        client = await there.enter("ann")
        target = commands.ToConnection(client.connection_id)
        said = await here.do(lambda paid: commands.AddToGroup(target, "red", paid))
        assert said == "done"
        third.command(publish(commands.ToGroup("red"), "in"))
        await client.hears("in")


async def test_those_who_pass_a_filter_are_found_at_every_gateway(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, third = nodes.all
        ann, bob = await there.enter("ann"), await third.enter("bob")
        where = compile_filter("userId eq 'ann'")
        said = await here.do(
            lambda paid: commands.AddAllToGroups(("red",), where, paid)
        )
        assert said == "done"
        here.command(publish(commands.ToGroup("red"), "for ann"))
        where = compile_filter("userId eq 'bob'")
        here.command(publish(commands.Everyone(), "for bob", where=where))
        here.command(publish(commands.Everyone(), "end"))
        await ann.hears("for ann", "end")
        await bob.hears("for bob", "end")


async def test_a_server_gets_and_answers_events_of_clients_elsewhere(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, _ = nodes.all
        server, client = await here.attach(servers.Rule("event")), await there.enter()
        client.send(requests.SendEvent("say", payloads.Text("hi"), 1))
        event = await server.frame("event")
        assert (event["event"], event["data"]) == ("say", "hi")
        server.answer(event, events.Respond(payloads.Text("hello")))
        await nodes.bell.until(lambda: client.order == ["hello", 1])


async def test_the_events_of_a_server_that_leaves_are_given_to_another_elsewhere(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, third = nodes.all
        client, first = await there.enter(), await here.attach(servers.Rule("event"))
        client.send(requests.SendEvent("say", payloads.Text("hi"), 1))
        await first.frame("event")
        second = await third.attach(servers.Rule("event"))
        first.leave()
        event = await second.frame("event")
        assert event["attempt"] == 2
        second.answer(event, events.Respond())
        await nodes.bell.until(lambda: client.acks == [(1, True)])


async def test_a_server_that_retires_gets_no_more_from_anywhere(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, third = nodes.all
        client, first = await there.enter(), await here.attach(servers.Rule("event"))
        second = await third.attach(servers.Rule("event"))
        await first.requests(servers.Retire(7), 7)
        client.send(requests.SendEvent("say", payloads.Text("hi"), 1))
        second.answer(await second.frame("event"), events.Respond())
        await nodes.bell.until(lambda: client.acks == [(1, True)])
        assert first.frames("event") == []


async def test_a_server_listens_across_gateways(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, _ = nodes.all
        of_group, of_hub = await here.attach(), await here.attach()
        await of_group.requests(servers.Listen("red", 2), 2)
        await of_hub.requests(servers.Listen(None, 2), 2)
        client = await there.enter("ann")
        client.send(say("red", "one"), say("blue", "two"))
        await nodes.bell.until(lambda: len(of_hub.frames("message")) >= 2)
        heard = [frame["data"] for frame in of_hub.frames("message")]
        assert heard == ["one", "two"]
        assert (await of_group.frame("message"))["data"] == "one"
        assert len(of_group.frames("message")) == 1


async def test_a_server_is_told_who_comes_and_goes_elsewhere(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        here, there, _ = nodes.all
        server = await here.attach()
        watch = servers.Watch(connections=True, groups=("red",), request_id=3)
        await server.requests(watch, 3)
        client = await there.enter("ann", "red")
        client.leave()
        await server.frame("presence", 3)
        told = [frame["kind"] for frame in server.frames("presence")]
        assert told == ["connected", "joined", "left", "disconnected"]


async def test_a_gateway_that_leaves_is_missed_at_once_and_welcome_again(
    mesh: AbstractAsyncContextManager[Nodes],
) -> None:
    async with mesh as nodes:
        first, second, third = nodes.all
        member, publisher = await second.enter("m", "red"), await first.enter("p")
        await third.leave()
        await first.sees(second.name)
        publisher.send(say("red", "two are enough"))
        await member.hears("two are enough")
        again = nodes.start(await nodes.wires.again(third.endpoint))
        await nodes.whole(first, second, again)
        newcomer = await again.enter("n", "red")
        publisher.send(say("red", "three"))
        await newcomer.hears("three")
        await member.hears("two are enough", "three")


async def test_a_gateway_of_another_cluster_is_refused_on_both_sides(
    kind: str, tmp_path: Path
) -> None:
    async with service(kind, tmp_path, 1) as nodes:
        (ours,) = nodes.all
        stranger = nodes.start(cluster="theirs")
        view = await stranger.view_when(lambda seen: any(p.trouble for p in seen.peers))
        (peer,) = view.peers
        assert peer.state is LinkState.REFUSED
        assert "cluster" in peer.trouble
        assert all(one.state is not LinkState.UP for one in (await ours.view()).peers)
