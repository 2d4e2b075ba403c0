"""What the roles of its token allow an attached server, against a real process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.bare_server import CBOR, JSON, ROLES, BareServer, client, data

if TYPE_CHECKING:
    from support.gateway import GatewayProcess

pytestmark = pytest.mark.parametrize("protocol", [JSON, CBOR])

HUB = "roles"


NEEDS: dict[str, list[dict[str, Any]]] = {
    "publisher": [{"type": "publish", "data": 1}],
    "subscriber": [
        {"type": "subscribe"},
        {"type": "unsubscribe"},
        {"type": "handle", "rules": [{"kind": "connect"}]},
    ],
    "manager": [
        {"type": "watch", "connections": True},
        {"type": "close"},
        {"type": "exists", "group": "g"},
        {"type": "addToGroup", "group": "g", "userId": "u"},
        {"type": "removeFromGroup", "group": "g", "userId": "u"},
        {"type": "addAllToGroups", "groups": ["g"]},
        {"type": "removeAllFromGroups", "groups": ["g"]},
        *(
            {
                "type": name,
                "connectionId": "c",
                "permission": "sendToGroup",
                "group": "g",
            }
            for name in ("grant", "revoke", "hasPermission")
        ),
        {"type": "members", "group": "g"},
    ],
}


def written(protocol: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Write a frame's data down as a subprotocol does."""
    return {**frame, "data": data(protocol, 1)} if "data" in frame else frame


@pytest.mark.parametrize("missing", ROLES)
async def test_a_missing_role_refuses_the_request_and_closes_nothing(
    gateway: GatewayProcess, missing: str, protocol: str
) -> None:
    has = {role for role in ROLES if role != missing}
    if missing == "publisher":
        has.discard("manager")  # a manager may publish, as over REST
    async with BareServer(gateway, HUB, protocol, roles=sorted(has)) as server:
        assert set(server.welcome["roles"]) == has
        for frame in NEEDS[missing]:
            push = await server.request(**written(protocol, frame))
            assert (push["type"], push["name"]) == ("error", "Forbidden"), frame
            assert missing in push["message"]
        await server.quiet()


async def test_a_server_without_roles_is_let_in_and_may_do_nothing(
    gateway: GatewayProcess, protocol: str
) -> None:
    roles = ["webpubsub.sendToGroup"]
    async with BareServer(gateway, HUB, protocol, roles=roles) as server:
        assert server.welcome["roles"] == []
        for frames in NEEDS.values():
            for frame in frames:
                assert await server.refusal(**written(protocol, frame)) == "Forbidden"
        await server.do(type="drain")


async def test_what_is_forbidden_without_an_id_is_told_without_an_id(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with (
        client(gateway, HUB) as bystander,
        BareServer(gateway, HUB, protocol, roles=["subscriber"]) as server,
    ):
        await server.send(type="publish", data=data(protocol, "not heard"))
        push = await server.push()
        assert push["name"] == "Forbidden"
        assert "id" not in push
        assert (await bystander.request(type="joinGroup", group="g"))["success"]


async def test_a_manager_publishes_as_over_rest(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = f"{HUB}_manager"
    async with (
        client(gateway, hub) as bystander,
        BareServer(gateway, hub, protocol, roles=["manager"]) as server,
    ):
        await server.do(type="publish", data=data(protocol, {"n": 1}))
        assert await bystander.data() == {"n": 1}
