"""A real @azure/web-pubsub-express server as the upstream of a gateway."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus

from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.official import NODE, SECONDS, Bystander

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

pytestmark = pytest.mark.node

HUB = "chat"
JSON_V1 = "json.webpubsub.azure.v1"
_users = (f"user-{number}" for number in itertools.count(1))


class Upstream:
    """The process of ``tests/node/upstream.mjs`` and the events it has seen."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "upstream.mjs"],
            cwd=NODE,
            env={**os.environ, "HUB": HUB},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._seen: list[dict[str, Any]] = []
        self._change = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        port = self._await(lambda seen: seen["what"] == "listening")["port"]
        self.url = f"http://127.0.0.1:{port}/api/webpubsub/hubs/chat/"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._change:
                self._seen.append(json.loads(line))
                self._change.notify_all()

    def _await(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next(filter(wanted, self._seen), None)

        with self._change:
            found = self._change.wait_for(find, SECONDS)
        assert found is not None, f"the upstream has not seen it: {self._seen[-5:]}"
        return found

    async def event(self, what: str, user: str, name: str = "") -> dict[str, Any]:
        """Wait until it has seen an event of a user."""

        def wanted(seen: dict[str, Any]) -> bool:
            context = seen.get("context", {})
            return (
                seen["what"] == what
                and context.get("userId") == user
                and (not name or context["eventName"] == name)
            )

        return await asyncio.to_thread(self._await, wanted)

    def count(self, user: str, name: str) -> int:
        """Count the events of a user, retries included."""
        with self._change:
            contexts = [seen.get("context", {}) for seen in self._seen]
        return sum(
            context.get("userId") == user and context["eventName"] == name
            for context in contexts
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)
        self._reader.join(SECONDS)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as process:
        yield process


@pytest.fixture(scope="module")
def served(upstream: Upstream) -> Iterator[GatewayProcess]:
    """A gateway whose hub has the upstream as its handler of everything."""
    with GatewayProcess("--handler", f"{HUB}={upstream.url}") as process:
        yield process


@pytest.fixture
def user() -> str:
    """A user of this test alone."""
    return next(_users)


def url(served: GatewayProcess, user: str | None = None, **query: object) -> str:
    """Make a client URL whose query tells the upstream what to do."""
    address: str = served.client_url(HUB, user)
    return f"{address}&{urlencode(query, doseq=True)}" if query else address


async def test_an_accepted_client_gets_what_the_upstream_gave_it(
    served: GatewayProcess, upstream: Upstream, user: str
) -> None:
    given = {
        "as": user,
        "group": ["given", "a/b"],
        "role": ["webpubsub.sendToGroup.given"],
    }
    async with Bystander(url(served, "token-user", **given)) as client:
        assert client.connected["userId"] == user
        allowed = await client.request(
            type="sendToGroup", group="given", dataType="text", data="hello"
        )
        assert allowed["success"]
        push = await client.push()
        assert (push["group"], push["fromUserId"]) == ("given", user)
        denied = await client.request(type="joinGroup", group="other")
        assert denied["error"]["name"] == "Forbidden"
    seen = await upstream.event("connect", "token-user")
    assert seen["query"]["as"] == [user]
    assert seen["query"]["group"] == ["given", "a/b"]
    assert "access_token" not in seen["query"]
    assert seen["claims"]["sub"] == ["token-user"]
    assert seen["subprotocols"] == [JSON_V1]
    assert seen["clientCertificates"] == []


async def test_an_accepted_client_without_answer_keeps_its_token(
    served: GatewayProcess, user: str
) -> None:
    async with Bystander(served.client_url(HUB, user, groups=["mine"])) as client:
        assert client.connected["userId"] == user


async def test_the_upstream_chooses_the_subprotocol(
    served: GatewayProcess, user: str
) -> None:
    query = {"as": user, "subprotocol": "custom.v2"}
    address = url(served, None, **query)
    async with Bystander(address, None, offers=("custom.v1", "custom.v2")) as client:
        assert client.socket.subprotocol == "custom.v2"
        await client.socket.send("hello")
        assert await client.frame() == "echo hello"


@pytest.mark.parametrize("status", [400, 401, 403, 429])
async def test_a_rejected_client_sees_the_status_of_the_upstream(
    served: GatewayProcess, status: int
) -> None:
    client = Bystander(url(served, "mallory", reject=str(status)))
    with pytest.raises(InvalidStatus) as caught:
        await client.__aenter__()
    assert caught.value.response.status_code == status


async def test_state_makes_the_round_trip_over_several_events(
    served: GatewayProcess, user: str
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        for count in (1, 2, 3):
            ack = await client.request(type="event", event="count", data=0)
            assert ack["success"]
            assert await client.data() == {"since": "connect", "count": count}


async def test_a_failed_event_leaves_the_state_alone(
    served: GatewayProcess, user: str
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        await client.request(type="event", event="count", data=0)
        await client.request(type="event", event="fail", data=0)
        await client.request(type="event", event="count", data=0)
        assert [one["count"] for one in await client.datas(2)] == [1, 2]


@pytest.mark.parametrize(
    ("event", "kind", "data", "answer"),
    [
        ("text", "text", "hé ✓", {"dataType": "text", "data": "heard hé ✓"}),
        (
            "json",
            "json",
            {"n": [1, None]},
            {"dataType": "json", "data": {"heard": {"n": [1, None]}}},
        ),
        ("binary", "binary", "AQL/", {"dataType": "binary", "data": "/wIB"}),
    ],
)
async def test_the_answer_to_an_event_precedes_its_ack(
    served: GatewayProcess,
    upstream: Upstream,
    user: str,
    event: str,
    kind: str,
    data: object,
    answer: dict[str, object],
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        await client.socket.send(
            json.dumps(
                {
                    "type": "event",
                    "event": event,
                    "dataType": kind,
                    "data": data,
                    "ackId": 1,
                }
            )
        )
        assert await client.push() == {"type": "message", "from": "server", **answer}
        assert await client.push() == {"type": "ack", "ackId": 1, "success": True}
    seen = await upstream.event("event", user)
    assert (seen["dataType"], seen["data"]) == (kind, data)
    assert seen["context"]["eventName"] == event
    assert seen["context"]["hub"] == HUB


async def test_success_without_data_answers_with_the_ack_alone(
    served: GatewayProcess, user: str
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        ack = await client.request(type="event", event="quiet", data=1)
        assert ack["success"]
        assert (await client.request(type="event", event="text", data="x"))["success"]
        assert await client.data() == "heard x"


async def test_a_failed_event_fails_its_ack_and_shows_nothing_of_the_upstream(
    served: GatewayProcess, user: str
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        ack = await client.request(type="event", event="fail", data=1)
        assert ack["success"] is False
        assert ack["error"]["name"] == "InternalServerError"
        assert "this is wrong" not in json.dumps(ack)
        assert (await client.request(type="event", event="quiet", data=1))["success"]


async def test_a_handler_that_throws_is_asked_again_and_then_fails_the_event(
    upstream: Upstream, user: str, tmp_path: Path
) -> None:
    settings = tmp_path / "hubbub.toml"
    settings.write_text(
        f"""
        [[hubs.{HUB}.handlers]]
        url = "{upstream.url}"
        user_events = "*"
        system_events = ["connect"]
        retries = 1
        """
    )
    with GatewayProcess("--config", str(settings)) as served:
        async with Bystander(url(served, **{"as": user})) as client:
            ack = await client.request(type="event", event="throw", data=1)
            assert ack["success"] is False
            assert ack["error"]["name"] == "InternalServerError"
            ack = await client.request(type="event", event="quiet", data=1)
            assert ack["success"]
    await upstream.event("event", user, "quiet")
    assert upstream.count(user, "throw") == 2


async def test_simple_clients_converse_in_bare_frames(
    served: GatewayProcess, upstream: Upstream, user: str
) -> None:
    async with Bystander(url(served, user), None) as client:
        await client.socket.send("hé")
        assert await client.frame() == "echo hé"
        await client.socket.send(b"\x01\x02")
        assert await client.frame() == b"\x01\x02"
    seen = await upstream.event("event", user, "message")
    assert (seen["dataType"], seen["data"]) == ("text", "hé")


async def test_connected_and_disconnected_are_told_once_with_identity_and_state(
    served: GatewayProcess, upstream: Upstream, user: str
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        connected = await upstream.event("connected", user)
        assert connected["context"]["connectionId"] == client.id
        assert connected["context"]["states"] == {"since": "connect"}
        connection_id = client.id
    disconnected = await upstream.event("disconnected", user)
    assert disconnected["context"]["connectionId"] == connection_id
    assert disconnected["context"]["states"] == {"since": "connect"}
    assert isinstance(disconnected["reason"], str)


async def test_every_event_is_signed_with_both_keys(
    served: GatewayProcess, upstream: Upstream, user: str
) -> None:
    async with Bystander(url(served, **{"as": user})) as client:
        context = (await upstream.event("connected", user))["context"]
        signature = ",".join(
            "sha256="
            + hmac.new(key.encode(), client.id.encode(), hashlib.sha256).hexdigest()
            for key in (KEY, SECONDARY_KEY)
        )
        assert context["signature"] == signature


async def test_a_binary_event_of_a_megabyte_makes_the_round_trip(
    served: GatewayProcess, user: str
) -> None:
    data = os.urandom(700_000)
    async with Bystander(url(served, **{"as": user})) as client:
        ack = await client.request(
            type="event",
            event="binary",
            dataType="binary",
            data=base64.b64encode(data).decode(),
        )
        assert ack["success"]
        assert await client.data() == data[::-1]
