"""Webhooks, and classes of an author's, answer at each gateway for its own clients."""

from __future__ import annotations

import os
import queue
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError
from starlette.applications import Starlette
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from hubbub.sdk import AckError
from hubbub.sdk.webhooks import (
    Accept,
    Connect,
    Connected,
    Disconnected,
    Joined,
    Left,
    Reject,
    Respond,
    Text,
    UserEvent,
    WebhookApp,
)
from support.asgi_server import served
from support.bare_server import SECONDS, ask
from support.cluster import Cluster
from support.gateway import KEY
from support.spread import TEXT, Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]
SETTINGS = """
[[hubs.hooked.handlers]]
url = "{url}"
system_events = ["connect", "connected", "disconnected"]
presence_events = ["joined", "left"]
user_events = "*"
retries = 0

[[hubs.hosted.handlers]]
handler = "support.mesh_actors:Host"
user_events = "*"
system_events = ["connect"]

[hubs.moderated.groups]
"polite.*" = "support.mesh_actors:Polite"
"""

hooks = WebhookApp("hooked", access_keys=[KEY])
told: queue.Queue[Any] = queue.Queue(1000)


@hooks.connect
async def connect(event: Connect) -> Accept | Reject:
    name = event.query.get("name", [""])[0]
    return Accept(name, ("given",), None, None, "0") if name else Reject(403, "name?")


@hooks.event("*")
async def count(event: UserEvent) -> Respond:
    told.put_nowait(event)
    state = str(int(event.client.state or "0") + 1)
    return Respond(Text(state), state=state)


@hooks.connected
@hooks.disconnected
@hooks.joined
@hooks.left
def keep(event: Connected | Disconnected | Joined | Left) -> None:
    told.put_nowait(event)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three gateways with the same handlers."""
    path = tmp_path_factory.mktemp("handlers") / "hubbub.toml"
    with served(Starlette(routes=[Route("/hooks", hooks)])) as url:
        path.write_text(SETTINGS.format(url=f"{url}/hooks"))
        paths = {"PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
        with Cluster(3, "--config", str(path), environment=paths) as gateways:
            yield gateways


def next_of(user: str, number: int) -> list[Any]:
    """Wait for so many calls about a user."""
    found: list[Any] = []
    while len(found) < number:
        event = told.get(timeout=SECONDS)
        if event.client.user_id == user:
            found.append(event)
    return found


async def test_a_webhook_is_called_once_for_a_client_of_any_gateway(
    cluster: Cluster,
) -> None:
    for place in range(3):
        user = f"user-{place}"
        async with Spread(cluster, "hooked") as scene:
            with pytest.raises(InvalidStatus) as refused:
                await scene.arrive(place)
            assert refused.value.response.status_code == 403
            one = await scene.arrive(place, query=f"&name={user}")
            assert one.connected["userId"] == user
            for number in ("1", "2", "3"):
                assert (await ask(one))["success"]
                assert await one.data() == number
            service = await scene.rest((place + 1) % 3)
            await service.send_to_group("given", "to given", content_type=TEXT)
            assert await one.data() == "to given"
            await service.remove_connection_from_group("given", one.id)
            await service.add_connection_to_group("given", one.id)
            await service.close_connection(one.id)
            calls = next_of(user, 9)
        assert {event.client.connection_id for event in calls} == {one.id}
        kinds = [type(event).__name__ for event in calls]
        assert sorted(kinds) == sorted(
            [*["UserEvent"] * 3, *["Joined", "Left"] * 2, "Connected", "Disconnected"]
        )
        assert len({event.event_id for event in calls}) == 9, "none came twice"
        assert told.empty()


async def test_what_a_handler_publishes_reaches_the_clients_of_all_gateways(
    cluster: Cluster,
) -> None:
    async with Spread(cluster, "hosted") as scene:
        with pytest.raises(InvalidStatus):
            await scene.arrive(0)
        trio = [
            await scene.arrive(place, query=f"&name={name}")
            for place, name in enumerate(("alice", "bob", "carol"))
        ]
        for number, one in enumerate(trio):
            assert (await ask(one, data=number))["success"]
            assert (await ask(one, event="whisper", data=-number))["success"]
            heard = await one.datas(4 if one is trio[0] else 3)
            assert heard.count("told") == 2
            for other in trio:
                if other is not one:
                    assert await other.data() == number
            if one is not trio[0]:
                assert await trio[0].data() == -number


@pytest.mark.parametrize("at", range(3))
async def test_a_group_of_an_author_decides_for_all_gateways(
    cluster: Cluster, at: int
) -> None:
    group = f"polite.{at}"
    async with Spread(cluster, "moderated") as scene:
        trio = await scene.trio()
        nobody = await scene.arrive((at + 1) % 3)
        for one in trio:
            assert (await one.request(type="joinGroup", group=group))["success"]
        ack = await nobody.request(type="joinGroup", group=group)
        assert ack["error"]["name"] == "Forbidden"
        service = await scene.rest(at)
        with pytest.raises((HttpResponseError, AckError)):
            await service.add_connection_to_group(group, nobody.id)
        wish = {"type": "sendToGroup", "group": group, "dataType": "text"}
        for publisher in (trio[at], nobody):
            assert (await publisher.request(**wish, data="tea"))["success"]
            for one in trio:
                assert await one.data() == "tea, please", "revised once"
        ack = await trio[at].request(**wish, data="SHOUTED")
        assert ack["error"]["name"] == "Forbidden"
        await service.send_to_group(group, "milk", content_type=TEXT)
        for one in trio:
            assert await one.data() == "milk, please"
        found = [one async for one in service.list_connections(group=group)]
        assert {one.user_id for one in found} == {"alice", "bob", "carol"}
