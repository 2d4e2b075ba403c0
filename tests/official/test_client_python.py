"""azure-messaging-webpubsubclient with json.webpubsub.azure.v1, sync and aio.

The sync client of 1.1.0 loses a wake-up when an ack (or the open socket) arrives before
it waits; it then sleeps its whole timeout and reports success. Here that is short.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import pytest
from azure.core.pipeline.policies import RetryMode
from azure.messaging.webpubsubclient import (
    WebPubSubClient,
    WebPubSubClientCredential,
)
from azure.messaging.webpubsubclient.aio import (
    WebPubSubClient as AsyncClient,
)
from azure.messaging.webpubsubclient.aio import (
    WebPubSubClientCredential as AsyncCredential,
)
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OpenClientError,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from support.official import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from support.gateway import GatewayProcess

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
LOST_WAKE_UP = 3.0
ANY = memoryview(b"\n\x0ftype.test/Thing\x12\x02\x08\x01")  # a google.protobuf.Any


class Client:
    """Either client behind awaitable calls; callbacks lie in queues on our loop."""

    def __init__(
        self,
        kind: str,
        gateway: GatewayProcess,
        hub: str,
        user: str | None = "alice",
        roles: Sequence[str] = ROLES,
        groups: Sequence[str] = (),
        **options: Any,
    ) -> None:
        fixed: str | None = options.pop("client_url", None)

        def url() -> str:
            fresh: str = gateway.client_url(hub, user, roles, groups)
            return fixed or fresh

        async def awaited_url() -> str:
            return url()

        options = {
            "protocol_type": WebPubSubProtocolType.JSON,
            "ack_timeout": LOST_WAKE_UP,
            "start_timeout": LOST_WAKE_UP,
            "message_retry_total": 0,
            "reconnect_retry_backoff_factor": 0.05,
            "reconnect_retry_mode": RetryMode.Fixed,
            **options,
        }
        self._sync = kind == "sync"
        self.client: Any = (
            WebPubSubClient(WebPubSubClientCredential(url), **options)
            if self._sync
            else AsyncClient(AsyncCredential(awaited_url), **options)
        )
        self._events: dict[CallbackType, asyncio.Queue[Any]] = defaultdict(
            asyncio.Queue
        )

    async def __call__(self, method: str, *args: object, **options: object) -> None:
        async with asyncio.timeout(SECONDS):
            if self._sync:
                function = getattr(self.client, method)
                await asyncio.to_thread(function, *args, **options)
            else:
                await getattr(self.client, method)(*args, **options)

    async def next(self, event: CallbackType) -> Any:
        """Wait for the next callback of a kind and give its argument."""
        async with asyncio.timeout(SECONDS):
            return await self._events[event].get()

    async def heard(self, count: int = 1) -> list[tuple[str | None, str, Any]]:
        """Wait for group messages: who sent them, their data type, their data.

        The sync client starts a thread for each, so their order may be lost.
        """
        messages = [await self.next(CallbackType.GROUP_MESSAGE) for _ in range(count)]
        return [
            (
                one.from_user_id,
                one.data_type,
                bytes(one.data) if isinstance(one.data, memoryview) else one.data,
            )
            for one in messages
        ]

    def waiting(self, event: CallbackType) -> int:
        return self._events[event].qsize()

    async def send(self, group: str, data: object, kind: str, **options: Any) -> None:
        await self("send_to_group", group, data, WebPubSubDataType(kind), **options)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def queue(event: CallbackType) -> Callable[..., Any]:
            def put(argument: object = None) -> None:
                with suppress(RuntimeError):  # the test may be over
                    loop.call_soon_threadsafe(self._events[event].put_nowait, argument)

            async def awaited_put(argument: object = None) -> None:
                put(argument)

            return put if self._sync else awaited_put

        for event in CallbackType:
            subscribed = self.client.subscribe(event, queue(event))
            if inspect.isawaitable(subscribed):
                await subscribed
        await self("open")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self("close")


class Scene(AsyncExitStack):
    """Clients of one kind in one hub, and the service client that acts on them."""

    def __init__(self, kind: str, gateway: GatewayProcess, hub: str) -> None:
        super().__init__()
        self._arguments = (kind, gateway, hub)
        self.service: Any = WebPubSubServiceClient.from_connection_string(
            gateway.connection_string, hub
        )

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.enter_async_context(self.service)
        return self

    async def arrive(self, user: str | None = "alice", **options: Any) -> Client:
        client = Client(*self._arguments, user, **options)
        return await self.enter_async_context(client)

    def outside(self, **options: Any) -> Client:
        """Make a client that has not been opened."""
        return Client(*self._arguments, **options)


def refusal(caught: pytest.ExceptionInfo[SendMessageError]) -> tuple[str, str]:
    """Give name and message of a failed ack."""
    detail = caught.value.error_detail
    assert detail is not None
    return detail.name, detail.message


@pytest.fixture(params=["sync", "aio"])
def scene(
    request: pytest.FixtureRequest, gateway: GatewayProcess, hub: str
) -> Callable[[], Scene]:
    return lambda: Scene(request.param, gateway, hub)


async def test_open_raises_the_connected_callback(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice")
        hello = await alice.next(CallbackType.CONNECTED)
        assert hello.user_id == "alice"
        assert alice.client.is_connected()
        assert await stage.service.connection_exists(hello.connection_id)
        nobody = await stage.arrive(None)
        assert (await nobody.next(CallbackType.CONNECTED)).user_id is None


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text", "text é ✓"),
        ("json", {"b": 1, "a": [2.5, None, "é"]}),
        ("json", "a JSON string"),
        ("json", [1, 2]),
        ("json", 7),
        ("binary", memoryview(b"\x00\x01\xfe\xff")),
        ("protobuf", ANY),
    ],
)
async def test_send_to_group_carries_every_data_type(
    scene: Callable[[], Scene], kind: str, data: object
) -> None:
    async with scene() as stage:
        alice, bob = await stage.arrive("alice"), await stage.arrive("bob")
        for client in (alice, bob):
            await client("join_group", "room")
        await alice.send("room", data, kind)
        plain = bytes(data) if isinstance(data, memoryview) else data
        for client in (alice, bob):
            assert await client.heard() == [("alice", kind, plain)]


async def test_no_echo_spares_the_sender_alone(scene: Callable[[], Scene]) -> None:
    async with scene() as stage:
        alice, bob = await stage.arrive("alice"), await stage.arrive("bob")
        for client in (alice, bob):
            await client("join_group", "room")
        await alice.send("room", "not to me", "text", no_echo=True)
        await alice.send("room", "to all", "text")
        assert await alice.heard() == [("alice", "text", "to all")]
        assert sorted(await bob.heard(2)) == [
            ("alice", "text", "not to me"),
            ("alice", "text", "to all"),
        ]


async def test_leaving_a_group_stops_its_messages(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice")
        for group in ("room", "hall"):
            await alice("join_group", group)
        await alice("leave_group", "room")
        assert not await stage.service.group_exists("room")
        await alice.send("room", "missed", "text")
        await alice.send("hall", "heard", "text")
        assert await alice.heard() == [("alice", "text", "heard")]


async def test_a_send_without_ack_arrives_too(scene: Callable[[], Scene]) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice")
        await alice("join_group", "room")
        await alice.send("room", "no ack", "text", ack=False)
        assert await alice.heard() == [("alice", "text", "no ack")]


@pytest.mark.parametrize(
    ("kind", "data"),
    [("text", "x"), ("json", {"n": 1}), ("binary", ANY), ("protobuf", ANY)],
)
async def test_an_event_that_nobody_handles_fails_and_the_connection_stays(
    scene: Callable[[], Scene], kind: str, data: object
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice")
        with pytest.raises(SendMessageError) as caught:
            await alice("send_event", "nobody", data, WebPubSubDataType(kind))
        name, message = refusal(caught)
        assert name == "InternalServerError"
        assert message
        await alice("join_group", "room")
        assert alice.waiting(CallbackType.DISCONNECTED) == 0


async def test_what_no_role_permits_is_forbidden(scene: Callable[[], Scene]) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice", roles=["webpubsub.sendToGroup.mine"])
        data = WebPubSubDataType.TEXT
        for method, arguments in (
            ("join_group", ["theirs"]),
            ("leave_group", ["theirs"]),
            ("send_to_group", ["theirs", "x", data]),
        ):
            with pytest.raises(SendMessageError) as caught:
                await alice(method, *arguments)
            name, message = refusal(caught)
            assert name == "Forbidden"
            assert "theirs" in message
        await alice("send_to_group", "mine", "x", data)


async def test_retries_of_a_refusal_take_new_ack_ids(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive(
            roles=[],
            message_retry_total=3,
            message_retry_mode=RetryMode.Fixed,
            message_retry_backoff_factor=0.01,
        )
        with pytest.raises(SendMessageError) as caught:
            await alice("join_group", "theirs")
        assert caught.value.ack_id == 4


async def test_a_repeated_ack_id_counts_as_success_and_is_not_executed(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice")
        await alice("join_group", "room", ack_id=4711)
        await alice.send("room", "once", "text", ack_id=4712)
        await alice.send("room", "again", "text", ack_id=4712)
        await alice.send("room", "fence", "text")
        assert sorted(await alice.heard(2)) == [
            ("alice", "text", "fence"),
            ("alice", "text", "once"),
        ]


async def test_messages_of_the_server_arrive_in_every_data_type(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice", groups=["given"])
        hello = await alice.next(CallbackType.CONNECTED)
        for data, content_type, expected in (
            ({"n": 1}, "application/json", ("json", {"n": 1})),
            ("plain", "text/plain", ("text", "plain")),
            (b"\x01\x02", "application/octet-stream", ("binary", b"\x01\x02")),
        ):
            await stage.service.send_to_connection(
                hello.connection_id, data, content_type=content_type
            )
            message = await alice.next(CallbackType.SERVER_MESSAGE)
            kind, found = message.data_type, message.data
            assert (kind, bytes(found) if kind == "binary" else found) == expected
        await stage.service.send_to_group("given", "outside", content_type="text/plain")
        assert await alice.heard() == [(None, "text", "outside")]


async def test_close_raises_disconnected_then_stopped(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice", reconnect_retry_total=0)
        hello = await alice.next(CallbackType.CONNECTED)
        await alice("close")
        goodbye = await alice.next(CallbackType.DISCONNECTED)
        assert goodbye.connection_id == hello.connection_id
        await alice.next(CallbackType.STOPPED)
        with pytest.raises(Exception, match=r"not connected|Cannot write"):
            await alice("join_group", "late")


async def test_a_client_closed_by_the_server_returns_and_rejoins_its_groups(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice")
        hello = await alice.next(CallbackType.CONNECTED)
        for group in ("room", "hall", "left"):
            await alice("join_group", group)
        await alice("leave_group", "left")
        await stage.service.close_connection(hello.connection_id, reason="lunch")
        goodbye = await alice.next(CallbackType.DISCONNECTED)
        assert goodbye.connection_id == hello.connection_id
        assert (
            goodbye.message == "Application server closed the connection. Reason: lunch"
        )
        again = await alice.next(CallbackType.CONNECTED)
        assert again.connection_id != hello.connection_id
        async with asyncio.timeout(SECONDS):
            for group in ("room", "hall"):
                while not await stage.service.group_exists(group):
                    pass
        await stage.service.send_to_group("left", "missed")
        await stage.service.send_to_group("room", "welcome back")
        assert await alice.heard() == [(None, "json", "welcome back")]
        assert alice.waiting(CallbackType.REJOIN_GROUP_FAILED) == 0


async def test_a_failed_rejoin_is_told(scene: Callable[[], Scene]) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice", roles=[])
        hello = await alice.next(CallbackType.CONNECTED)
        await stage.service.grant_permission(
            "joinLeaveGroup", hello.connection_id, target_name="lent"
        )
        await alice("join_group", "lent")
        await stage.service.close_connection(hello.connection_id)
        failed = await alice.next(CallbackType.REJOIN_GROUP_FAILED)
        assert failed.group == "lent"
        assert failed.error.error_detail.name == "Forbidden"


async def test_without_reconnection_the_end_is_final(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        alice = await stage.arrive("alice", reconnect_retry_total=0)
        await alice.next(CallbackType.CONNECTED)
        await stage.service.close_all_connections(reason="night")
        goodbye = await alice.next(CallbackType.DISCONNECTED)
        assert goodbye.message.endswith("Reason: night")
        await alice.next(CallbackType.STOPPED)
        assert alice.waiting(CallbackType.CONNECTED) == 0


async def test_a_token_for_another_hub_fails_the_opening(
    scene: Callable[[], Scene], gateway: GatewayProcess, hub: str
) -> None:
    async with scene() as stage:
        address, _, _ = gateway.client_url(hub).partition("?")
        _, _, token = gateway.client_url("another", "mallory").partition("?")
        mallory = stage.outside(client_url=f"{address}?{token}")
        with pytest.raises(OpenClientError, match="401"):
            await mallory("open")
