"""azure-messaging-webpubsubservice against a gateway: every method, sync and aio.

Its effects are observed by connected clients of bare frames. Where a test expects that
something does not arrive, a later message that everybody gets, the fence, proves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import (
    WebPubSubServiceClient as AsyncServiceClient,
)

from support.gateway import SECONDARY_KEY
from support.official import Bystander

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.gateway import GatewayProcess

TEXT = "text/plain"
BINARY = "application/octet-stream"
JSON = "application/json"
NOBODY = "no-connection-has-this-id"
ODD_NAMES = ("a/b c+é%?#&'x", "g!()*~'", "tenant%2Falice", "ends with /")


class Service:
    """Either client behind awaitable calls; the sync one runs in a thread."""

    def __init__(self, client: Any, gateway: GatewayProcess, hub: str) -> None:
        self.client = client
        self.gateway = gateway
        self.hub = hub
        self._async = isinstance(client, AsyncServiceClient)

    async def __call__(self, method: str, *args: object, **options: object) -> Any:
        async with asyncio.timeout(10):
            if self._async:
                return await getattr(self.client, method)(*args, **options)
            return await asyncio.to_thread(
                getattr(self.client, method), *args, **options
            )

    async def pages(self, **options: object) -> list[list[Any]]:
        """List the connections of a group page by page."""
        if self._async:
            return [
                [member async for member in page]
                async for page in self.client.list_connections(**options).by_page()
            ]
        return await asyncio.to_thread(
            lambda: [
                list(page) for page in self.client.list_connections(**options).by_page()
            ]
        )

    async def members(self, **options: object) -> list[Any]:
        """List the connections of a group, one after the other."""
        if self._async:
            return [member async for member in self.client.list_connections(**options)]
        return await asyncio.to_thread(
            lambda: list(self.client.list_connections(**options))
        )

    async def send_request(self, method: str, path: str, **content: Any) -> Any:
        return await self("send_request", HttpRequest(method, path, **content))

    def client_url(self, user: str | None = None, *groups: str) -> str:
        url: str = self.gateway.client_url(self.hub, user, groups=groups)
        return url


@contextlib.asynccontextmanager
async def sync_service(client: WebPubSubServiceClient) -> AsyncIterator[Any]:
    with client:
        yield client


@contextlib.asynccontextmanager
async def aio_service(client: AsyncServiceClient) -> AsyncIterator[Any]:
    async with client:
        yield client


class Scene(AsyncExitStack):
    """A service client and the clients who arrived, all gone at the end."""

    def __init__(self, kind: str, gateway: GatewayProcess, hub: str) -> None:
        super().__init__()
        self._kind = kind
        self._gateway = gateway
        self._hub = hub

    async def service(self, connection_string: str | None = None) -> Service:
        text = connection_string or self._gateway.connection_string
        client = (
            sync_service(WebPubSubServiceClient.from_connection_string(text, self._hub))
            if self._kind == "sync"
            else aio_service(AsyncServiceClient.from_connection_string(text, self._hub))
        )
        opened = await self.enter_async_context(client)
        return Service(opened, self._gateway, self._hub)

    async def arrive(self, user: str | None = None, *groups: str) -> Bystander:
        url = self._gateway.client_url(self._hub, user, groups=groups)
        return await self.enter_async_context(Bystander(url))

    async def arrive_simple(self, user: str | None = None) -> Bystander:
        url = self._gateway.client_url(self._hub, user)
        return await self.enter_async_context(Bystander(url, None))


@pytest.fixture(params=["sync", "aio"])
def scene(
    request: pytest.FixtureRequest, gateway: GatewayProcess, hub: str
) -> Callable[[], Scene]:
    return lambda: Scene(request.param, gateway, hub)


async def test_send_to_all_carries_every_data_type(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice, plain = await stage.arrive("alice"), await stage.arrive_simple()
        await service("send_to_all", {"b": 1, "a": [2.5, None, "é"]})
        await service("send_to_all", "a JSON string", content_type=JSON)
        # bytes: the aio client sends the length of a str in characters
        await service("send_to_all", "text é ✓".encode(), content_type=TEXT)
        await service("send_to_all", b"\x00\x01\xfe\xff", content_type=BINARY)
        await service("send_to_all", io.BytesIO(b"a stream"), content_type=BINARY)
        pushes = [await alice.push() for _ in range(5)]
        assert pushes == [
            {
                "type": "message",
                "from": "server",
                "dataType": kind,
                "data": data,
            }
            for kind, data in (
                ("json", {"b": 1, "a": [2.5, None, "é"]}),
                ("json", "a JSON string"),
                ("text", "text é ✓"),
                ("binary", "AAH+/w=="),
                ("binary", "YSBzdHJlYW0="),
            )
        ]
        frames = [await plain.frame() for _ in range(5)]
        assert frames == [
            '{"b": 1, "a": [2.5, null, "\\u00e9"]}',
            '"a JSON string"',
            "text é ✓",
            b"\x00\x01\xfe\xff",
            b"a stream",
        ]


async def test_send_to_all_heeds_excluded_connections_and_the_filter(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice, bob = await stage.arrive("alice"), await stage.arrive("bob")
        carol = await stage.arrive("carol")
        await service("send_to_all", 1, excluded=[alice.id, carol.id, NOBODY])
        await service("send_to_all", 2, filter="userId eq 'alice'")
        await service("send_to_all", 3, filter="userId ne 'x'", excluded=[alice.id])
        await service("send_to_all", "fence")
        assert await alice.datas(2) == [2, "fence"]
        assert await bob.datas(3) == [1, 3, "fence"]
        assert await carol.datas(2) == [3, "fence"]


async def test_send_to_group_reaches_its_members_alone(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice, bob = (
            await stage.arrive("alice", "room"),
            await stage.arrive("b", "room"),
        )
        carol = await stage.arrive("carol")
        await service("send_to_group", "room", {"n": 1})
        await service("send_to_group", "room", "plain", content_type=TEXT)
        await service("send_to_group", "room", b"\x01", content_type=BINARY)
        await service("send_to_group", "room", 2, excluded=[alice.id])
        await service("send_to_group", "room", 3, filter="userId eq 'alice'")
        await service("send_to_group", "empty", "nobody is there")
        await service("send_to_all", "fence")
        first = await alice.push()
        assert first.pop("fromUserId", None) is None
        assert first == {
            "type": "message",
            "from": "group",
            "group": "room",
            "dataType": "json",
            "data": {"n": 1},
        }
        assert await alice.datas(4) == ["plain", b"\x01", 3, "fence"]
        assert await bob.datas(5) == [{"n": 1}, "plain", b"\x01", 2, "fence"]
        assert await carol.data() == "fence"


async def test_send_to_user_reaches_all_connections_of_the_user(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        phone, desk = await stage.arrive("alice", "phones"), await stage.arrive("alice")
        bob = await stage.arrive("bob")
        await service("send_to_user", "alice", {"n": 1})
        await service("send_to_user", "alice", "plain", content_type=TEXT)
        await service("send_to_user", "alice", b"\x01", content_type=BINARY)
        await service("send_to_user", "alice", 2, filter="'phones' in groups")
        await service("send_to_user", "nobody", "lost")
        await service("send_to_all", "fence")
        assert await phone.datas(5) == [{"n": 1}, "plain", b"\x01", 2, "fence"]
        assert await desk.datas(4) == [{"n": 1}, "plain", b"\x01", "fence"]
        assert await bob.data() == "fence"


async def test_send_to_connection_reaches_that_connection_alone(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice, twin = await stage.arrive("alice"), await stage.arrive("alice")
        await service("send_to_connection", alice.id, {"n": 1})
        await service("send_to_connection", alice.id, "plain", content_type=TEXT)
        await service("send_to_connection", alice.id, b"\x01", content_type=BINARY)
        await service("send_to_connection", NOBODY, "lost")
        await service("send_to_all", "fence")
        assert await alice.datas(4) == [{"n": 1}, "plain", b"\x01", "fence"]
        assert await twin.data() == "fence"


async def test_existence_follows_arrival_and_departure(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()

        async def look(connection_id: str) -> tuple[bool, bool, bool]:
            return (
                await service("connection_exists", connection_id),
                await service("group_exists", "room"),
                await service("user_exists", "alice"),
            )

        assert await look(NOBODY) == (False, False, False)
        alice = await stage.arrive("alice", "room")
        assert await look(alice.id) == (True, True, True)
        await service("close_connection", alice.id)
        assert await look(alice.id) == (False, False, False)


async def test_close_connection_tells_the_client_the_reason(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice, bob = await stage.arrive("alice"), await stage.arrive("bob")
        plain = await stage.arrive_simple("carol")
        await service("close_connection", alice.id, reason="moved, é & <more>")
        await service("close_connection", bob.id)
        await service("close_user_connections", "carol", reason="you too")
        await service("close_connection", NOBODY, reason="not there")
        assert await alice.push() == {
            "type": "system",
            "event": "disconnected",
            "message": "Application server closed the connection."
            " Reason: moved, é & <more>",
        }
        assert await bob.push() == {
            "type": "system",
            "event": "disconnected",
            "message": "Application server closed the connection.",
        }
        assert [(await one.closed())[0] for one in (alice, bob, plain)] == [1000] * 3


async def test_closing_many_spares_the_excluded(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        phone, desk = await stage.arrive("alice"), await stage.arrive("alice")
        await service(
            "close_user_connections", "alice", excluded=[desk.id], reason="user"
        )
        assert (await phone.push())["message"].endswith("Reason: user")
        assert (await phone.closed())[0] == 1000

        inside = await stage.arrive("bob", "room")
        spared = await stage.arrive("carol", "room")
        await service(
            "close_group_connections", "room", excluded=[spared.id], reason="group"
        )
        assert (await inside.push())["message"].endswith("Reason: group")
        assert (await inside.closed())[0] == 1000

        await service("close_all_connections", excluded=[desk.id], reason="hub")
        assert (await spared.push())["message"].endswith("Reason: hub")
        assert (await spared.closed())[0] == 1000
        await service("send_to_all", "still here")
        assert await desk.data() == "still here"


async def test_connections_enter_and_leave_groups(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice = await stage.arrive("alice")
        await service("add_connection_to_group", "room", alice.id)
        await service("add_connection_to_group", "room", alice.id)
        await service("send_to_group", "room", "inside")
        assert await alice.data() == "inside"
        await service("remove_connection_from_group", "room", alice.id)
        await service("send_to_group", "room", "outside")
        for group in ("room", "hall"):
            await service("add_connection_to_group", group, alice.id)
        await service("remove_connection_from_all_groups", alice.id)
        for group in ("room", "hall"):
            assert not await service("group_exists", group)
            await service("send_to_group", group, "outside")
        await service("send_to_all", "fence")
        assert await alice.data() == "fence"


async def test_users_enter_and_leave_groups_with_all_connections(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        phone, desk = await stage.arrive("alice"), await stage.arrive("alice")
        await service("add_user_to_group", "room", "alice")
        await service("send_to_group", "room", "inside")
        await service("remove_user_from_group", "room", "alice")
        await service("send_to_group", "room", "outside")
        for group in ("room", "hall"):
            await service("add_user_to_group", group, "alice")
        await service("remove_user_from_all_groups", "alice")
        for group in ("room", "hall"):
            assert not await service("group_exists", group)
        await service("send_to_all", "fence")
        for one in (phone, desk):
            assert await one.datas(2) == ["inside", "fence"]


async def test_what_is_missing_cannot_enter_a_group_but_can_leave(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        for method, target, code in (
            ("add_connection_to_group", NOBODY, "Error.Connection.NotExisted"),
            ("add_user_to_group", "nobody", "Warning.User.NotExisted"),
        ):
            with pytest.raises(ResourceNotFoundError) as caught:
                await service(method, "room", target)
            assert caught.value.error is not None
            assert caught.value.error.code == code
            response = cast("Any", caught.value.response)
            assert response.headers["x-ms-error-code"] == code
        await service("remove_connection_from_group", "room", NOBODY)
        await service("remove_connection_from_all_groups", NOBODY)
        await service("remove_user_from_group", "room", "nobody")
        await service("remove_user_from_all_groups", "nobody")


@pytest.mark.parametrize("permission", ["joinLeaveGroup", "sendToGroup"])
async def test_a_permission_counts_from_grant_to_revocation(
    scene: Callable[[], Scene], permission: str
) -> None:
    request: dict[str, object] = {"type": "joinGroup", "group": "room"}
    if permission == "sendToGroup":
        request = {"type": permission, "group": "room", "data": 1}
    async with scene() as stage:
        service = await stage.service()
        alice = await stage.arrive("alice")

        async def allowed() -> tuple[bool, bool]:
            has = await service(
                "has_permission", permission, alice.id, target_name="room"
            )
            return has, (await alice.request(**request))["success"]

        assert await allowed() == (False, False)
        await service("grant_permission", permission, alice.id, target_name="room")
        assert await allowed() == (True, True)
        await service("revoke_permission", permission, alice.id, target_name="room")
        assert await allowed() == (False, False)


async def test_permissions_of_a_missing_connection_are_not_found(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        with pytest.raises(ResourceNotFoundError) as caught:
            await service("grant_permission", "sendToGroup", NOBODY, target_name="room")
        assert caught.value.error is not None
        assert caught.value.error.code == "Info.Connection.NotExisted"
        await service("revoke_permission", "sendToGroup", NOBODY, target_name="room")
        assert not await service(
            "has_permission", "sendToGroup", NOBODY, target_name="room"
        )


async def test_list_connections_pages_through_a_group(
    scene: Callable[[], Scene], hub: str
) -> None:
    async with scene() as stage:
        service = await stage.service()
        users = ["alice", "bob", "carol", None, "a b"]
        there = {(await stage.arrive(user, "room")).id: user for user in users}

        def seen(members: list[Any]) -> dict[str, str | None]:
            return {one.connection_id: one.user_id for one in members}

        assert seen(await service.members(group="room")) == there
        pages = await service.pages(group="room", maxpagesize=2)
        assert [len(page) for page in pages] == [2, 2, 1]
        assert seen([one for page in pages for one in page]) == there
        assert len(await service.members(group="room", top=3, maxpagesize=2)) == 3
        assert not await service.members(group="empty")

        path = f"/api/hubs/{hub}/groups/room/connections"
        first = await service.send_request("GET", path, params={"maxpagesize": 2})
        query = parse_qs(urlsplit(first.json()["nextLink"]).query)
        (token,) = query["continuationToken"]
        rest = await service.members(group="room", continuation_token_parameter=token)
        assert len(rest) == 3
        assert not {one.connection_id for one in rest} & {
            one["connectionId"] for one in first.json()["value"]
        }


async def test_a_client_access_token_opens_the_door_with_its_claims(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        token = await service(
            "get_client_access_token",
            user_id="alice",
            roles=["webpubsub.joinLeaveGroup.hall"],
            groups=["room"],
            minutes_to_expire=5,
            jwt_headers={"kid": "any"},
        )
        alice = await stage.enter_async_context(Bystander(token["url"]))
        assert alice.connected["userId"] == "alice"
        assert await service("group_exists", "room")
        assert (await alice.request(type="joinGroup", group="hall"))["success"]
        assert not (await alice.request(type="joinGroup", group="loft"))["success"]

        anonymous = await service("get_client_access_token")
        nobody = await stage.enter_async_context(Bystander(anonymous["url"]))
        assert nobody.connected.get("userId") is None


async def test_send_request_reaches_what_has_no_method(
    scene: Callable[[], Scene], hub: str
) -> None:
    async with scene() as stage:
        service = await stage.service()
        health = await service.send_request(
            "HEAD", "/api/health", params={"api-version": "2024-12-01"}
        )
        assert health.status_code == 200

        alice, bob = await stage.arrive("alice"), await stage.arrive("bob")
        bulk = {"groups": ["x", "y"], "filter": "userId eq 'alice'"}
        version = {"api-version": "2023-07-01"}
        for verb, count in (("addToGroups", 1), ("removeFromGroups", 0)):
            answer = await service.send_request(
                "POST", f"/api/hubs/{hub}/:{verb}", params=version, json=bulk
            )
            assert answer.status_code == 200, answer.text()
            assert len(await service.members(group="x")) == count
            assert len(await service.members(group="y")) == count
            await service("send_to_group", "x", verb)
        await service("send_to_all", "fence")
        assert await alice.datas(2) == ["addToGroups", "fence"]
        assert await bob.data() == "fence"

        answer = await service.send_request(
            "POST",
            f"/api/hubs/{hub}/:generateToken",
            params={"userId": "carol", "group": ["x"], "api-version": "2024-12-01"},
        )
        assert answer.status_code == 200, answer.text()
        url = f"{service.client_url().partition('?')[0]}?access_token="
        carol = await stage.enter_async_context(
            Bystander(url + cast("str", answer.json()["token"]))
        )
        assert carol.connected["userId"] == "carol"
        assert [one.user_id for one in await service.members(group="x")] == ["carol"]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_names_arrive_whole(scene: Callable[[], Scene], name: str) -> None:
    async with scene() as stage:
        service = await stage.service()
        alice = await stage.arrive(name, name)
        await service("send_to_user", name, "user")
        await service("send_to_group", name, "group")
        assert await alice.datas(2) == ["user", "group"]
        await service("remove_user_from_group", name, name)
        assert not await service("group_exists", name)
        assert await service("user_exists", name)


async def test_refusals_reach_the_caller_with_code_and_message(
    scene: Callable[[], Scene],
) -> None:
    async with scene() as stage:
        service = await stage.service()
        stranger = await stage.service(
            f"Endpoint={service.gateway.endpoint};AccessKey={'another-key-' * 4};"
        )
        with pytest.raises(ClientAuthenticationError):
            await stranger("send_to_all", "x")
        with pytest.raises(HttpResponseError) as caught:
            await service("send_to_all", "x", filter="userId eq")
        assert caught.value.status_code == 400
        assert caught.value.error is not None
        assert caught.value.error.code == "Error.BadRequest"
        assert "filter" in str(caught.value.error.message).lower()


async def test_the_secondary_key_and_the_spelling_of_the_hub_do_not_matter(
    gateway: GatewayProcess, hub: str
) -> None:

    credential = AzureKeyCredential(SECONDARY_KEY)
    async with (
        AsyncServiceClient(gateway.endpoint, hub.upper(), credential) as service,
        Bystander(gateway.client_url(hub, "alice")) as alice,
    ):
        await service.send_to_all("same hub")
        assert await alice.data() == "same hub"
