"""Permissions of a connection are given, taken and asked for from every gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from hubbub.sdk import AckError
from support.spread import NOBODY, Spread

if TYPE_CHECKING:
    from support.cluster import Cluster

kinds = pytest.mark.parametrize("kind", ["rest", "server"])
places = pytest.mark.parametrize("at", range(3))


@kinds
@places
@pytest.mark.parametrize("permission", ["joinLeaveGroup", "sendToGroup"])
async def test_a_permission_counts_from_grant_to_revocation(
    cluster: Cluster, hub: str, at: int, kind: str, permission: str
) -> None:
    wish: dict[str, object] = {"type": "joinGroup", "group": "room"}
    if permission == "sendToGroup":
        wish = {"type": permission, "group": "room", "data": 1, "noEcho": True}
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        other = await scene.rest((at + 1) % 3)
        for one in await scene.trio(roles=()):
            where = (permission, one.id)

            async def allowed() -> list[bool]:
                return [
                    *[
                        await asked.has_permission(*where, target_name="room")  # noqa: B023 - used in this round
                        for asked in (manager, other)
                    ],
                    (await one.request(**wish))["success"],  # noqa: B023 - likewise
                ]

            assert await allowed() == [False] * 3
            await manager.grant_permission(*where, target_name="room")
            assert await allowed() == [True] * 3
            await manager.revoke_permission(*where, target_name="room")
            assert await allowed() == [False] * 3


@kinds
@places
async def test_permissions_of_who_is_nowhere_are_not_found(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        gone = await scene.arrive((at + 1) % 3)
        await manager.close_connection(gone.id)
        for missing in (NOBODY, gone.id, "ffffff" + "0" * 26):
            where = ("sendToGroup", missing)
            with pytest.raises((ResourceNotFoundError, AckError)):
                await manager.grant_permission(*where, target_name="room")
            assert not await manager.has_permission(*where, target_name="room")


async def test_too_many_rules_are_a_conflict_told_from_afar(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager, service = await scene.manager(0, "server"), await scene.rest(2)
        one = await scene.arrive(1, roles=())
        where = ("sendToGroup", one.id)
        await asyncio.gather(
            *(
                manager.grant_permission(*where, target_name=f"g{number}")
                for number in range(1000)
            )
        )
        for asked, refusal in ((manager, AckError), (service, HttpResponseError)):
            with pytest.raises(refusal, match="Conflict"):
                await asked.grant_permission(*where, target_name="one more")
        assert await manager.has_permission(*where, target_name="g999")
        assert not await manager.has_permission(*where, target_name="one more")
