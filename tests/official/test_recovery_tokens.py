"""Reconnection tokens: which of them open a session, and which do not.

The clients are those of the ``websockets`` package; the tokens that are wrong are made
by hand (client protocols, reliable subprotocols).
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.cluster import aside, awaited
from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.returning import (
    UNRECOVERABLE,
    Returning,
    address_of,
    lost,
    member,
    sign,
    way_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

THIRD_KEY = "tests-third-key-0123456789abcdef0123456789abcd"
FOURTH_KEY = "tests-fourth-key-0123456789abcdef0123456789abc"

FORGERIES: dict[str, Callable[[str, str], str]] = {
    "none": lambda _id, _token: "",
    "not a token": lambda _id, _token: "x",
    "of another key": lambda id_, _token: sign(id_, key=KEY[::-1]),
    "of another connection": lambda id_, _token: sign(id_[::-1]),
    "of no connection": lambda id_, _token: sign(id_, aud=None),
    "of another service": lambda id_, _token: sign(id_, iss="https://example.com"),
    "too old": lambda id_, _token: sign(id_, seconds=-3600),
    "with another payload": lambda id_, token: ".".join(
        (
            token.split(".")[0],
            sign(id_, seconds=9_999_999).split(".")[1],
            token.split(".")[2],
        )
    ),
    "with a bit of its signature gone": lambda _id, token: token[:-4],
    "with no signature": lambda _id, token: f"{token.rpartition('.')[0]}.",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_wrong_token_is_let_in_and_closed_and_does_no_harm(
    gateway: GatewayProcess, hub: str, forge: Callable[[str, str], str]
) -> None:
    async with member(gateway, hub) as alice:
        token = forge(alice.id, alice.token)
        url = way_back(address_of(gateway, hub), alice.id, token)
        code, reason = await lost(url)
        assert code == UNRECOVERABLE
        assert reason
        await alice.still()


async def test_a_client_token_is_no_reconnection_token(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        access = gateway.token(f"/client/hubs/{hub}", sub="alice")
        assert (await lost(alice.way_back(token=access)))[0] == UNRECOVERABLE
        assert (await lost(f"{way_back(address_of(gateway, hub), alice.id, '')}"))[
            0
        ] == UNRECOVERABLE
        await alice.still()


async def test_the_token_of_one_client_does_not_open_the_session_of_another(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice, member(gateway, hub, user="bob") as bob:
        assert (await lost(bob.way_back(token=alice.token)))[0] == UNRECOVERABLE
        await bob.still()


def keys(primary: str, secondary: str) -> str:
    return f'access_key = "{primary}"\nsecondary_key = "{secondary}"\n'


async def test_tokens_outlive_the_rotation_of_one_key_and_not_of_both(
    tmp_path: Path, hub: str
) -> None:
    file = tmp_path / "hubbub.toml"

    async def rotate(primary: str, secondary: str) -> None:
        told = gateway.log.count("settings reloaded")
        file.write_text(keys(primary, secondary))
        gateway.signal(signal.SIGHUP)
        await aside(
            awaited,
            lambda: gateway.log.count("settings reloaded"),
            lambda count: count > told,
        )

    file.write_text(keys(KEY, SECONDARY_KEY))
    with GatewayProcess(
        "--config", str(file), "--log-level", "info", keys=(), workers=1
    ) as gateway:
        async with member(gateway, hub) as alice, member(gateway, hub) as bob:
            await rotate(THIRD_KEY, KEY)
            for client in (alice, bob):
                await client.cut()
            async with alice.back() as again:
                assert again.id == alice.id
                await again.cut()
                await rotate(FOURTH_KEY, THIRD_KEY)
                # The return brought a token of the third key.
                async with again.back() as third:
                    assert third.id == alice.id
                    assert (await lost(alice.way_back()))[0] == UNRECOVERABLE
                    await third.still()
                assert (await lost(bob.way_back()))[0] == UNRECOVERABLE


@pytest.mark.parametrize("key", [KEY, SECONDARY_KEY])
async def test_a_token_of_either_key_counts(
    gateway: GatewayProcess, hub: str, key: str
) -> None:
    async with member(gateway, hub) as alice:
        await alice.cut()
        token = sign(alice.id, key=key)
        async with Returning(alice.way_back(token=token)) as again:
            assert again.id == alice.id
