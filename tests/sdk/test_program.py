"""The program of the hosted service's server SDK, line by line in Python.

It runs against a real gateway; what each line does is seen by real clients.
"""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import (
    Accept,
    AckError,
    Allow,
    BlockingWebPubSubServer,
    Deny,
    Message,
    Reject,
    Text,
    WebPubSubClient,
    WebPubSubServer,
)

if TYPE_CHECKING:
    from hubbub.actors.messages import events
    from support.gateway import GatewayProcess

SECONDS = 5.0
ROLES = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")


async def test_the_program_does_what_it_says(gateway: GatewayProcess) -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    gone: asyncio.Queue[events.Disconnected] = asyncio.Queue()

    def on_message(message: Message) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, message)

    def on_connect(event: events.Connect) -> Accept | Reject:
        if event.client.user_id == "mallory":
            return Reject(403, "not you")
        return Accept(roles=ROLES)

    def on_disconnected(event: events.Disconnected) -> None:
        loop.call_soon_threadsafe(gone.put_nowait, event)

    def on_publish(event: events.Publish) -> Allow | Deny:
        match event.payload:
            case Text(text="spam"):
                return Deny("no spam")
        return Allow(Text("checked"))

    def on_subscribe(event: events.Subscribe) -> Deny:
        return Deny(f"{event.group} is closed")

    loop = asyncio.get_running_loop()

    # The program.
    server = WebPubSubServer(
        gateway.connection_string, "program", "publisher+subscriber+manager"
    )
    server.subscribe("group", on_message)
    async with server:
        await server.publish("group", "data")
        await server.handle_event("connect", on_connect)
        await server.handle_event("disconnect", on_disconnected)
        await server.handle_events("publish", on_publish, filter="group eq 'moderated'")
        await server.handle_events(
            "subscribe", on_subscribe, filter="startswith(group, 'staff')"
        )

        # subscribe and publish: the server heard its own, as a client would.
        assert (await asyncio.wait_for(heard.get(), SECONDS)).data == "data"

        # connect
        client = WebPubSubClient(server.client_url(user_id="ann"))
        async with client:
            await client.join("group")
            await server.publish("group", "data")
            message = await client.next(SECONDS)
            assert (message.group, message.data) == ("group", "data")
            await asyncio.wait_for(heard.get(), SECONDS)
            await client.send_to_group("group", {"from": "ann"}, no_echo=True)
            spoken = await asyncio.wait_for(heard.get(), SECONDS)
            assert (spoken.from_user, spoken.data) == ("ann", {"from": "ann"})

            # publish, with its filter
            await client.join("moderated")
            await client.send_to_group("moderated", "anything")
            assert (await client.next(SECONDS)).data == "checked"
            with pytest.raises(AckError, match="Forbidden: no spam"):
                await client.send_to_group("moderated", "spam")

            # subscribe, with its filter
            with pytest.raises(AckError, match=r"staff\.only is closed"):
                await client.join("staff.only")

            # a client by its id, and the manager
            connection = server.client(client.connection_id)
            await connection.send("from the server")
            assert (await client.next(SECONDS)).data == "from the server"
            await server.manager.send_to_connection(client.connection_id, b"\x00\x01")
            assert (await client.next(SECONDS)).data == b"\x00\x01"

            # close, and disconnect
            first = client.connection_id
            await connection.close("enough")
            event = await asyncio.wait_for(gone.get(), SECONDS)
            assert event.client.connection_id == first
            assert not await server.client(first).exists()


def test_the_program_runs_without_asyncio(gateway: GatewayProcess) -> None:
    heard: queue.Queue[object] = queue.Queue()
    server = BlockingWebPubSubServer(
        gateway.connection_string, "blocking_program", "publisher+subscriber+manager"
    )
    server.subscribe("group", lambda message: heard.put(message.data))
    server.handle_event("connect", lambda _: Accept(user_id="bob", groups=("group",)))
    server.handle_event("disconnect", lambda event: heard.put(event.reason))
    server.handle_events("publish", lambda _: Deny("no"), filter="group eq 'm'")
    server.handle_events("subscribe", lambda _: Deny("no"), filter="group eq 's'")
    with server:
        said = asyncio.run(talk(server))
        assert said == ["data", "to you", "by the manager", "no", "no"]
        assert heard.get(timeout=SECONDS) == "data"
        assert "enough" in str(heard.get(timeout=SECONDS))


async def talk(server: BlockingWebPubSubServer) -> list[object]:
    """Be a client of the program; give what it hears."""
    said: list[object] = []
    client = WebPubSubClient(server.client_url(roles=ROLES))
    async with client:
        assert client.user_id == "bob"
        await asyncio.to_thread(server.publish, "group", "data")
        handle = server.client(client.connection_id)
        await asyncio.to_thread(handle.send, "to you")
        send = server.manager.send_to_connection
        await asyncio.to_thread(send, client.connection_id, "by the manager")
        said += [(await client.next(SECONDS)).data for _ in range(3)]
        for refused in (client.send_to_group("m", "x"), client.join("s")):
            try:
                await refused
            except AckError as error:
                said.append(error.message)
        states = client.states()
        await anext(states)
        await asyncio.to_thread(handle.close, "enough")
        await anext(states)
    return said
