"""Whatever is published reaches every kind of receiver as the specification says.

Every publisher kind to every receiver kind, every kind of data, each receiver once at
the publisher's gateway and once at another (client protocols, data conversion).
"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from support.bare_server import ANYTHING, CBOR, JSON, BareServer
from support.speakers import SAYINGS, SPEAKERS, Said, SimpleSpeaker, Speaker, json_data

if TYPE_CHECKING:
    from support.cluster import Cluster

GROUP = "room"
CONTENT_TYPES = {
    "text": "text/plain",
    "json": "application/json",
    "binary": "application/octet-stream",
    "protobuf": "application/x-protobuf",
}


class Room(AsyncExitStack):
    """A group with a receiver of every kind at two gateways, and two servers."""

    def __init__(self, cluster: Cluster, hub: str) -> None:
        super().__init__()
        self.cluster = cluster
        self.hub = hub
        self.receivers: list[Speaker] = []
        self.servers: list[BareServer] = []

    def url(self, place: int, *groups: str) -> str:
        return self.cluster[place].client_url(self.hub, "u", ANYTHING, groups)

    async def fill(self) -> None:
        for place in (0, 1):
            for kind in SPEAKERS:
                receiver = await self.enter_async_context(kind(self.url(place, GROUP)))
                self.receivers.append(receiver)
            protocol = (JSON, CBOR)[place]
            server = BareServer(self.cluster[place], self.hub, protocol)
            await self.enter_async_context(server)
            await server.request(type="subscribe", group=GROUP)
            self.servers.append(server)

    async def check(self, said: Said) -> None:
        for receiver in self.receivers:
            name = f"{type(receiver).__name__} of {said.kind}"
            expected = receiver.expects(said)
            assert await receiver.hear() == expected, name
        for server in self.servers:
            assert told(await server.push()) == valued(said)


def told(push: dict[str, Any]) -> tuple[str, Any]:
    """Give kind and data of what a server is told; of JSON its value."""
    kind, data = push["dataType"], push["data"]
    if kind == "json" and isinstance(data, str):
        data = json.loads(data)  # a server that speaks CBOR gets the text
    if kind in {"binary", "protobuf"} and isinstance(data, str):
        data = base64.b64decode(data)
    return kind, data


def valued(said: Said) -> tuple[str, Any]:
    return said.kind, json.loads(said.data) if said.kind == "json" else said.data


async def room(stack: AsyncExitStack, cluster: Cluster, hub: str) -> Room:
    made = await stack.enter_async_context(Room(cluster, hub))
    await made.fill()
    return made


@pytest.mark.parametrize("kind", SPEAKERS, ids=lambda kind: kind.__name__)
async def test_what_a_client_publishes_reaches_every_kind(
    cluster: Cluster, hub: str, kind: type[Speaker]
) -> None:
    async with AsyncExitStack() as stack:
        made = await room(stack, cluster, hub)
        url = made.url(0)
        if kind is SimpleSpeaker:
            url += f"&webpubsub_mode=sendToGroup&group={GROUP}"
        publisher = await stack.enter_async_context(kind(url))
        for said in SAYINGS:
            if said.kind in kind.kinds:
                await publisher.publish(GROUP, said)
                await made.check(said)


async def test_what_a_caller_of_rest_publishes_reaches_every_kind(
    cluster: Cluster, hub: str
) -> None:
    async with AsyncExitStack() as stack:
        made = await room(stack, cluster, hub)
        path = f"/api/hubs/{hub}/groups/{GROUP}/:send"
        url = f"{cluster[0].endpoint}{path}?api-version=2024-01-01"
        for said in SAYINGS:
            request = Request(
                url,
                said.data.encode() if isinstance(said.data, str) else said.data,
                {
                    "Authorization": f"Bearer {cluster[0].token(path)}",
                    "Content-Type": CONTENT_TYPES[said.kind],
                },
                method="POST",
            )
            await asyncio.to_thread(_send, request)
            await made.check(said)


def _send(request: Request) -> None:
    with urlopen(request, timeout=10) as answer:
        assert answer.status == HTTPStatus.ACCEPTED


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_what_an_attached_server_publishes_reaches_every_kind(
    cluster: Cluster, hub: str, protocol: str
) -> None:
    async with AsyncExitStack() as stack:
        made = await room(stack, cluster, hub)
        server = await stack.enter_async_context(BareServer(cluster[0], hub, protocol))
        for said in SAYINGS:
            await server.raw(frame_of(server, "publish", said, group=GROUP))
            await made.check(said)


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_events_and_their_answers_are_of_every_kind(
    cluster: Cluster, hub: str, protocol: str
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(BareServer(cluster[1], hub, protocol))
        await server.request(type="handle", rules=[{"kind": "event"}])
        for kind in SPEAKERS:
            client = await stack.enter_async_context(
                kind(cluster[0].client_url(hub, "u"))
            )
            for said in SAYINGS:
                if said.kind not in kind.kinds:
                    continue
                if kind is SimpleSpeaker:
                    await client.socket.send(said.data)
                else:
                    await client.send_event("ask", said)
                event = await server.event()
                assert told(event) == valued(said), kind
                number = event["eventId"]
                await server.raw(frame_of(server, "respond", said, eventId=number))
                assert await client.hear() == client.expects(said), kind


def frame_of(server: BareServer, kind: str, said: Said, **more: Any) -> str | bytes:
    """Write a frame of a server with data in it, JSON text untouched."""
    frame = {"type": kind, **more, "dataType": said.kind}
    if isinstance(server.bytes_of({}), bytes):
        return server.bytes_of({**frame, "data": said.data})
    return json.dumps(frame)[:-1] + f',"data":{json_data(said)}}}'
