"""``WebhookApp`` behind real gateways, with real clients; and its page."""

from __future__ import annotations

import importlib.util
import itertools
import json
import queue
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from websockets.exceptions import InvalidStatus

from hubbub.sdk.webhooks import (
    Accept,
    Client,
    Connect,
    Connected,
    Disconnected,
    Fail,
    Joined,
    Left,
    Reject,
    Respond,
    Text,
    UserEvent,
    WebhookApp,
)
from support.asgi_server import served
from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.official import SECONDS, Bystander

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.sdk.webhooks.handlers import EventAnswer

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "receive-webhooks-in-python.md"
JSON_V1 = "json.webpubsub.azure.v1"
_users = (f"user-{number}" for number in itertools.count(1))

# An application with the secondary key alone, as while keys are being replaced.

chat = WebhookApp("chat", access_keys=[SECONDARY_KEY])
notices: queue.Queue[Connected | Disconnected | Joined | Left] = queue.Queue(1000)


@chat.connect
async def connect(event: Connect) -> Accept | Reject | None:
    query = {name: values[0] for name, values in event.query.items()}
    if "reject" in query:
        return Reject(int(query["reject"]), "a word for the log")
    if "as" not in query:
        return None
    assert event.subprotocols == (JSON_V1,)
    assert event.claims["sub"] == ("token-user",)
    assert "access_token" not in event.query
    return Accept(query["as"], ("given",), ("webpubsub.sendToGroup.given",), None, "0")


@chat.event("count")
async def count(event: UserEvent) -> Respond:
    state = str(int(event.client.state or "0") + 1)
    return Respond(Text(state), state=state)


@chat.event("tagged")
async def tagged(event: UserEvent) -> Respond:
    return Respond(Text("x"), metadata={**(event.metadata or {}), "more": "1"})


@chat.event("fail")
def fail(event: UserEvent) -> Fail:
    return Fail(f"not for clients: {event.event}")


@chat.event("throw")
def throw(event: UserEvent) -> None:
    raise RuntimeError(f"not for clients: {event.event}")


@chat.event("echo, message")
def echo(event: UserEvent) -> EventAnswer:
    return event.payload


@chat.event("*")
async def quiet(event: UserEvent) -> None:
    del event


@chat.event("never-reached")
def unreached(event: UserEvent) -> str:
    return event.event


@chat.connected
@chat.disconnected
@chat.joined
@chat.left
def keep(event: Connected | Disconnected | Joined | Left) -> None:
    notices.put_nowait(event)


HANDLER = """
[[hubs.{hub}.handlers]]
url = "{url}"
system_events = ["connect", "connected", "disconnected"]
presence_events = ["joined", "left"]
user_events = "*"
retries = 0
"""


def told(user: str, count: int) -> list[Any]:
    """Wait for so many notices of a user; others are dropped."""
    found: list[Any] = []
    while len(found) < count:
        event = notices.get(timeout=SECONDS)
        if event.client.user_id == user:
            found.append(event)
    return found


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    stranger = WebhookApp("stranger", access_keys=["not a key of this gateway"])
    picky = WebhookApp("picky", access_keys=[KEY], allowed_origins=["svc.example"])
    routes = [
        Mount("/all", chat),
        Route("/wrong-key", stranger),
        Route("/picky", picky),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(
    app: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    path = tmp_path_factory.mktemp("webhooks") / "hubbub.toml"
    path.write_text(
        HANDLER.format(hub="chat", url=f"{app}/all/{{event}}?code=1")
        + HANDLER.format(hub="stranger", url=f"{app}/wrong-key")
        + HANDLER.format(hub="picky", url=f"{app}/picky")
    )
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture
def user() -> str:
    """A user of this test alone."""
    return next(_users)


def url(gateway: GatewayProcess, **query: str) -> str:
    return f"{gateway.client_url('chat', 'token-user')}&{urlencode(query)}"


async def test_an_accepted_client_gets_what_the_handler_gave_it(
    gateway: GatewayProcess, user: str
) -> None:
    async with Bystander(url(gateway, **{"as": user})) as client:
        assert client.connected["userId"] == user
        ack = await client.request(
            type="sendToGroup", group="given", dataType="text", data="hello"
        )
        assert ack["success"]
        push = await client.push()
        assert (push["group"], push["fromUserId"]) == ("given", user)


async def test_none_accepts_a_client_as_its_token_says(gateway: GatewayProcess) -> None:
    async with Bystander(url(gateway)) as client:
        assert client.connected["userId"] == "token-user"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_a_rejected_client_sees_the_status(
    gateway: GatewayProcess, status: int
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await Bystander(url(gateway, reject=str(status))).__aenter__()
    assert caught.value.response.status_code == status
    assert b"a word for the log" not in (caught.value.response.body or b"")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text", "hé ✓"),
        ("json", {"n": [1, None, "x"]}),
        ("binary", "AQL/"),
        ("protobuf", "CgA="),
    ],
)
async def test_an_event_of_each_kind_makes_the_round_trip(
    gateway: GatewayProcess, kind: str, data: object
) -> None:
    async with Bystander(url(gateway)) as client:
        request = {"type": "event", "event": "echo", "dataType": kind, "data": data}
        await client.socket.send(json.dumps({**request, "ackId": 1}))
        answer = {"type": "message", "from": "server", "dataType": kind, "data": data}
        assert await client.push() == answer
        assert await client.push() == {"type": "ack", "ackId": 1, "success": True}


async def test_an_event_without_answer_is_acknowledged_alone(
    gateway: GatewayProcess,
) -> None:
    async with Bystander(url(gateway)) as client:
        for event in ("quiet", "never-reached"):
            ack = await client.request(type="event", event=event, data=1)
            assert ack["success"]
        await client.request(type="event", event="echo", dataType="text", data="end")
        assert await client.data() == "end"


async def test_state_comes_back_with_each_event(
    gateway: GatewayProcess, user: str
) -> None:
    async with Bystander(url(gateway, **{"as": user})) as client:
        for number in ("1", "2", "3"):
            await client.request(type="event", event="count", data=0)
            assert await client.data() == number
    while not isinstance(notice := told(user, 1)[0], Disconnected):
        pass
    assert notice.client.state == "3"


async def test_metadata_makes_the_round_trip(gateway: GatewayProcess) -> None:
    async with Bystander(url(gateway)) as client:
        await client.request(
            type="event", event="tagged", data=0, metadata={"trace": "t1"}
        )
        push = await client.push()
        assert push["metadata"] == {"trace": "t1", "more": "1"}


@pytest.mark.parametrize("event", ["fail", "throw"])
async def test_a_failed_event_shows_nothing_of_the_handler(
    gateway: GatewayProcess, event: str
) -> None:
    async with Bystander(url(gateway)) as client:
        ack = await client.request(type="event", event=event, data=1)
        assert ack["success"] is False
        assert ack["error"]["name"] == "InternalServerError"
        assert "not for clients" not in json.dumps(ack)
        assert (await client.request(type="event", event="quiet", data=1))["success"]


async def test_simple_clients_converse_in_bare_frames(gateway: GatewayProcess) -> None:
    async with Bystander(url(gateway), None) as client:
        for frame in ("hé", b"\x01\x02"):
            await client.socket.send(frame)
            assert await client.frame() == frame


async def test_each_notice_is_told_once(gateway: GatewayProcess, user: str) -> None:
    async with Bystander(url(gateway, **{"as": user})) as client:
        who = Client("chat", client.id, user, JSON_V1, "0")
        first = told(user, 2)
        assert (await client.request(type="leaveGroup", group="given"))["error"]
    assert {type(event) for event in first} == {Connected, Joined}
    assert all(event.client == who for event in first)
    rest = told(user, 2)
    assert {type(event) for event in rest} == {Left, Disconnected}
    numbers = [event.event_id for event in first + rest]
    assert sorted(numbers) == [1, 2, 3, 4]


@pytest.mark.parametrize(("hub", "status"), [("stranger", 401), ("picky", 500)])
async def test_a_gateway_with_another_key_or_origin_is_not_served(
    gateway: GatewayProcess, hub: str, status: int
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await Bystander(gateway.client_url(hub)).__aenter__()
    assert caught.value.response.status_code == status


# The page.


def block(title: str) -> str:
    """Give the text of the file that the page tells the reader to write."""
    pattern = rf'^```\S+ title="{re.escape(title)}"\n(.*?)^```$'
    (text,) = re.findall(pattern, PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert isinstance(text, str)
    return text


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GatewayProcess]:
    """The page's application and gateway, as its reader starts them."""
    (tmp_path / "app.py").write_text(block("app.py"))
    text = f"Endpoint=http://127.0.0.1:8080;AccessKey={KEY};Version=1.0;"
    monkeypatch.setenv("HUBBUB_CONNECTION_STRING", text)
    spec = importlib.util.spec_from_file_location("page_app", tmp_path / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "page_app", module)
    spec.loader.exec_module(module)
    with served(module.app) as place:
        settings = tmp_path / "hubbub.toml"
        settings.write_text(
            block("hubbub.toml").replace("http://127.0.0.1:8081", place)
        )
        with GatewayProcess("--config", str(settings)) as gateway:
            yield gateway


async def test_the_page_tells_the_truth(
    written: GatewayProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    anonymous = written.client_url("chat").partition("?")[0]
    with pytest.raises(InvalidStatus) as caught:
        await Bystander(anonymous).__aenter__()
    assert caught.value.response.status_code == 401
    async with Bystander(f"{anonymous}?name=ann") as client:
        assert client.connected["userId"] == "ann"
        for number in (1, 2, 3):
            await client.request(type="event", event="order.new", data=1)
            assert await client.data() == f"order {number} is on its way"
        ack = await client.request(type="event", event="order.new", data=1)
        assert ack["success"] is False
        await client.request(type="event", event="price", data=1)
        assert await client.data() == {"unknown": "price", "from": "ann"}
    assert written.stop() == 0
    assert "ann has left:" in capfd.readouterr().out
