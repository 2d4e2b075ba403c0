"""Finds gateways by name: asks DNS again and again for the addresses of a service.

Knows names and addresses; what a gateway does with them is not its business.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

logger = logging.getLogger(__name__)

MOST_ADDRESSES = 1000
"""Of one name; a full mesh ends long before."""

Resolver: TypeAlias = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""Gives the addresses of a name; raises ``OSError`` when there are none."""


class Rhythm(msgspec.Struct, frozen=True):
    """How often a name is looked up, and how long an answer may take, in seconds.

    Args:
        every: Between two questions, give or take ``jitter`` of it, so that gateways
            which started together do not ask together.
        jitter: A fraction.
        patience: For an answer.
    """

    every: float = 5.0
    jitter: float = 0.2
    patience: float = 3.0

    def pause(self, chance: float) -> float:
        """Seconds to wait, by a number from 0 to 1."""
        return self.every * (1 + self.jitter * (2 * chance - 1))


async def addresses_of(name: str, port: int) -> tuple[str, ...]:
    """Ask the system for every address of a name, IPv4 and IPv6.

    Raises:
        OSError: There are none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return tuple(str(address[0]) for *_, address in found)


class Discovery:
    """Keeps up with the addresses of a name.

    Args:
        place: ``dns://NAME:PORT``.
        resolve: Who answers.
        rhythm: When to ask.
        sleep: Waits; a test has no time.
    """

    def __init__(
        self,
        place: str,
        resolve: Resolver = addresses_of,
        rhythm: Rhythm | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(place)
        self._place = place
        self._name = parts.hostname or ""
        self._port = parts.port or 0
        self._resolve = resolve
        self._rhythm = rhythm or Rhythm()
        self._sleep = sleep
        self._fault = ""
        self.endpoints: tuple[str, ...] = ()
        """Where gateways were at the last answer; without an answer it stands."""

    async def look(self) -> bool:
        """Ask once, and tell whether the endpoints are others than before."""
        try:
            async with asyncio.timeout(self._rhythm.patience):
                addresses = await self._resolve(self._name, self._port)
        except TimeoutError:
            self._failed("no answer")
            return False
        except (OSError, UnicodeError) as error:  # a name may be too long for DNS
            self._failed(getattr(error, "strerror", None) or str(error))
            return False
        if self._fault:
            self._fault = ""
            logger.info("%s has an answer again", self._place)
        before = self.endpoints
        self.endpoints = tuple(
            f"tcp://{_bracketed(address)}:{self._port}"
            for address in sorted(set(addresses))[:MOST_ADDRESSES]
        )
        return self.endpoints != before

    async def watch(self, found: Callable[[tuple[str, ...]], object]) -> None:
        """Ask for ever, and tell the endpoints whenever they have changed."""
        while True:
            await self._sleep(self._rhythm.pause(random.random()))  # noqa: S311 - no secret
            if await self.look():
                logger.info("%s is %d addresses", self._place, len(self.endpoints))
                found(self.endpoints)

    def _failed(self, fault: str) -> None:
        """Say what is wrong, once until it is another thing."""
        if fault != self._fault:
            self._fault = fault
            logger.warning("%s cannot be looked up: %s", self._place, fault)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
