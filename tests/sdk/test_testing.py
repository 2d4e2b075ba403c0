"""The pytest plugin from within: what a test can see of its gateway, and do to it."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from hubbub.actors import EventHandler, Reject, Respond, events
from hubbub.sdk import ClosedError, ConnectionLost, DeadlineError, Online

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websockets.sync.client import ClientConnection

    from hubbub.sdk import WebPubSubClient
    from hubbub.sdk.testing import HubbubGateway, NewClient

    Open = Callable[[str], ClientConnection]

SECONDS = 10.0
JSON = Subprotocol("json.webpubsub.azure.v1")

both_kinds = pytest.mark.parametrize(
    "hubbub_settings", [{}, {"process": True}], ids=["inside", "process"]
)


def service(gateway: HubbubGateway, hub: str = "chat") -> Any:
    """Give the official package's view of the gateway."""
    return WebPubSubServiceClient.from_connection_string(
        gateway.connection_string, hub=hub
    )


@pytest.fixture
def raw_client() -> Iterator[Callable[[str], ClientConnection]]:
    """Connect without any client of ours, and read who we are."""
    with ExitStack() as stack:

        def open_one(url: str) -> ClientConnection:
            socket = stack.enter_context(
                connect(url, subprotocols=[JSON], proxy=None, close_timeout=1)
            )
            assert json.loads(socket.recv(SECONDS))["event"] == "connected"
            return socket

        yield open_one


async def online_again(client: WebPubSubClient, connection_id: str) -> None:
    states = client.states()
    while (
        not isinstance(state := await states.next(SECONDS), Online)
        or state.connection_id == connection_id
    ):
        pass


# Where it is.


@both_kinds
def test_the_official_packages_reach_it(
    hubbub_gateway: HubbubGateway, raw_client: Open
) -> None:
    assert hubbub_gateway.endpoint == f"http://127.0.0.1:{hubbub_gateway.port}"
    url = service(hubbub_gateway).get_client_access_token(groups=["lobby"])["url"]
    client = raw_client(url)
    service(hubbub_gateway).send_to_group("lobby", {"text": "hello"})
    assert json.loads(client.recv(SECONDS))["data"] == {"text": "hello"}


def test_its_client_urls_say_what_they_are_told(
    hubbub_gateway: HubbubGateway, raw_client: Open
) -> None:
    url = hubbub_gateway.client_url("Chat", user="ann", roles=[], groups=["lobby"])
    client = raw_client(url)
    client.send('{"type":"joinGroup","group":"hall","ackId":1}')
    answer = json.loads(client.recv(SECONDS))
    assert answer["error"]["name"] == "Forbidden"
    seen = hubbub_gateway.wait_for_event("joined", group="lobby")
    assert (seen.hub, seen.user_id) == ("chat", "ann")
    assert "?" not in repr(hubbub_gateway)


# What it saw.


@both_kinds
async def test_the_events_of_a_client_are_seen_in_order(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client("chat", user="ann", groups=["lobby"])
    await ann.join("hall")
    await ann.send_to_group("hall", b"\x00\xff")
    await ann.leave("hall")
    with pytest.raises(Exception, match="No event handler"):
        await ann.send_event("order.new", {"n": 1})
    await ann.close()
    gone = await hubbub_gateway.event("disconnected", connection_id=ann.connection_id)
    seen = hubbub_gateway.events
    assert {(event.hub, event.user_id) for event in seen} == {("chat", "ann")}
    assert [(event.name, event.group) for event in seen] == [
        ("connect", None),
        ("connected", None),
        ("joined", "lobby"),
        ("joined", "hall"),
        ("published", "hall"),
        ("left", "hall"),
        ("order.new", None),
        ("left", "lobby"),
        ("disconnected", None),
    ]
    assert (seen[4].data, seen[4].data_type) == (b"\x00\xff", "binary")
    assert (seen[6].data, seen[6].data_type) == ({"n": 1}, "json")
    assert "1000" in str(gone.reason)


@both_kinds
def test_what_a_server_publishes_is_seen(hubbub_gateway: HubbubGateway) -> None:
    chat, shop = service(hubbub_gateway), service(hubbub_gateway, "shop")
    chat.send_to_group("lobby", "to a group", content_type="text/plain")
    shop.send_to_all({"to": "all"})
    chat.send_to_connection("c1", "to one", content_type="text/plain")
    chat.send_to_user("ann", "to ann", content_type="text/plain")
    to_all = hubbub_gateway.wait_for_event("published", hub="shop")
    assert (to_all.group, to_all.data, to_all.user_id) == (None, {"to": "all"}, None)
    assert hubbub_gateway.wait_for_event("published").data == "to a group"
    assert hubbub_gateway.wait_for_event("published").to_connection == "c1"
    assert hubbub_gateway.wait_for_event("published").to_user == "ann"


def test_an_event_is_given_once(hubbub_gateway: HubbubGateway) -> None:
    for text in ("a", "b", "c"):
        service(hubbub_gateway).send_to_all(text, content_type="text/plain")
    assert hubbub_gateway.wait_for_event("published", data="b").data == "b"
    assert hubbub_gateway.wait_for_event("published").data == "a"
    assert hubbub_gateway.wait_for_event("published").data == "c"
    with pytest.raises(AssertionError, match=r"(?s)no event .*published.*data='a'"):
        hubbub_gateway.wait_for_event("published", timeout=0.01)
    with pytest.raises(TypeError, match="colour"):
        hubbub_gateway.wait_for_event("published", colour="blue")
    assert len(hubbub_gateway.events) == 3


class Doorkeeper(EventHandler):
    """Turns away Mallory, and answers events with their number."""

    def on_connect(self, event: events.Connect) -> Reject | None:
        return Reject(403) if event.client.user_id == "mallory" else None

    def on_event(self, event: events.UserEvent) -> Respond:
        return Respond(event.payload)


@pytest.mark.hubbub(
    hubs={"chat": {"handlers": [{"handler": Doorkeeper, "user_events": "order.*"}]}}
)
async def test_watching_changes_nothing_for_clients_and_handlers(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(user="ann")
    await ann.send_event("order.new", 1)
    assert (await ann.next(SECONDS)).data == 1
    with pytest.raises(Exception, match="No event handler"):
        await ann.send_event("other", 2)
    seen = [event.name for event in hubbub_gateway.events]
    assert seen == ["connect", "connected", "order.new", "other"]


@pytest.mark.hubbub(hubs={"chat": {"handlers": [{"handler": Doorkeeper}]}})
async def test_a_handler_that_names_no_events_gets_them_all(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(user="ann")
    await ann.send_event("anything", "goes")
    with pytest.raises(Exception, match="403"):
        await hubbub_client(user="mallory")
    await hubbub_gateway.event("connect", user_id="mallory")
    names = [event.name for event in hubbub_gateway.events]
    assert names.count("connected") == 1


# How it is hurt.


@both_kinds
def test_a_cut_is_no_close_frame(
    hubbub_gateway: HubbubGateway, raw_client: Open
) -> None:
    urls = [hubbub_gateway.client_url(user=user) for user in ("ann", "bob", "eve")]
    ann, bob, eve = (raw_client(url) for url in urls)
    seen = hubbub_gateway.wait_for_event("connected", user_id="bob")
    assert hubbub_gateway.cut(seen.connection_id) == 1
    with pytest.raises(ConnectionClosed) as closed:
        bob.recv(SECONDS)
    assert closed.value.rcvd is None
    for client in (ann, eve):
        client.send('{"type":"ping"}')
        assert json.loads(client.recv(SECONDS)) == {"type": "pong"}
    assert hubbub_gateway.cut(seen.connection_id) == 0
    assert hubbub_gateway.cut("nobody") == 0
    assert hubbub_gateway.cut() == 2
    for client in (ann, eve):
        with pytest.raises(ConnectionClosed):
            client.recv(SECONDS)
    for user in ("bob", "ann", "eve"):
        hubbub_gateway.wait_for_event("disconnected", user_id=user)


@both_kinds
async def test_a_frozen_gateway_says_nothing_until_it_thaws(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(groups=["lobby"])
    with hubbub_gateway.frozen():
        hubbub_gateway.freeze()
        with pytest.raises(DeadlineError):
            await ann.send_to_group("lobby", "late", timeout=0.1)
        with pytest.raises(DeadlineError):
            await hubbub_client(connect_timeout=0.1)
        assert ann.connected
    hubbub_gateway.thaw()
    assert (await ann.next(SECONDS)).data == "late"
    await ann.send_to_group("lobby", "in time")


@both_kinds
async def test_a_restart_keeps_port_and_keys_and_loses_the_rest(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient, raw_client: Open
) -> None:
    port, url = hubbub_gateway.port, hubbub_gateway.client_url(groups=["given"])
    ann = await hubbub_client(user="ann")
    await ann.join("lobby")
    before = ann.connection_id
    bystander = await asyncio.to_thread(raw_client, url)
    await asyncio.to_thread(hubbub_gateway.restart)
    assert hubbub_gateway.port == port
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.to_thread(bystander.recv, SECONDS)
    assert closed.value.rcvd is None
    await asyncio.to_thread(raw_client, url)
    await online_again(ann, before)
    await ann.send_to_group("lobby", "back")
    assert (await ann.next(SECONDS)).data == "back"
    # A crash tells nobody: what was seen of the old client ends with its joining.
    old = [event.name for event in hubbub_gateway.events if event.user_id == "ann"]
    assert old[:3] == ["connect", "connected", "joined"]
    assert old[3] == "connect"


@both_kinds
async def test_a_frozen_gateway_that_crashes_says_nothing_more(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(groups=["lobby"])
    before = ann.connection_id
    hubbub_gateway.freeze()
    under_way = asyncio.create_task(ann.send_to_group("lobby", "unheard"))
    await asyncio.sleep(0)
    await asyncio.to_thread(hubbub_gateway.restart)
    with pytest.raises(ConnectionLost):
        await under_way
    await online_again(ann, before)
    await ann.send_to_group("lobby", "heard")
    assert (await ann.next(SECONDS)).data == "heard"


@both_kinds
async def test_a_client_that_a_test_closed_is_not_closed_again(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client()
    await ann.close()
    with pytest.raises(ClosedError):
        await ann.join("lobby")
    assert hubbub_gateway.cut() in {0, 1}  # its socket may still be closing
