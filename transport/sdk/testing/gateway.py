"""What a test holds in its hand: a gateway of its own, and what it saw.

Loaded by every run of pytest, so it imports nothing that pytest has not loaded.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVERY_ROLE = (
    "webpubsub.joinLeaveGroup",
    "webpubsub.sendToGroup",
    "webpubsub.getGroupState",
    "webpubsub.setGroupState",
)
"""Roles that let a client join, leave and publish to any group."""

_PATIENCE = 5.0
"""Seconds that a test waits for an event, unless it says otherwise."""


@dataclass(frozen=True, kw_only=True, repr=False)
class GatewayEvent:
    """Something that happened at the gateway.

    ``name`` is ``connect``, ``connected``, ``disconnected``, ``joined``, ``left``,
    ``published``, or the name of a user event; fields that mean nothing for an event
    are None.
    """

    name: str
    hub: str
    connection_id: str | None = None
    """Who did it; None for ``published``."""
    user_id: str | None = None
    """Who did it; None for an anonymous client, and for a server."""
    group: str | None = None
    """The group that was joined, left or published to."""
    to_user: str | None = None
    to_connection: str | None = None
    """Whom a server sent something; ``published`` with no target is for all."""
    data: Any = None
    """What was published or sent with a user event: str, bytes, or decoded JSON."""
    data_type: str | None = None
    """``text``, ``json``, ``binary`` or ``protobuf``, where there is data."""
    reason: str | None = None
    """Why a client has disconnected."""

    def __repr__(self) -> str:
        said = (f"{key}={value!r}" for key, value in vars(self).items() if value)
        return f"GatewayEvent({', '.join(said)})"


class EventLog:
    """The events of one gateway, in order; written and read by any thread."""

    def __init__(self) -> None:
        self._events: list[GatewayEvent] = []
        self._given: set[int] = set()
        self._changed = threading.Condition()

    def add(self, event: GatewayEvent) -> None:
        """Add what has just happened."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def all(self) -> list[GatewayEvent]:
        """Give what has happened so far."""
        with self._changed:
            return list(self._events)

    def wait(self, wanted: dict[str, Any], seconds: float) -> GatewayEvent:
        """Give the first event that fits and was not given before.

        Raises:
            AssertionError: None came in time; the text says what did.
            TypeError: Events have no such field.
        """
        strangers = wanted.keys() - GatewayEvent.__dataclass_fields__.keys()
        if strangers:
            raise TypeError(f"an event has no field {min(strangers)}")
        deadline = time.monotonic() + seconds
        with self._changed:
            seen = 0
            while True:
                for place in range(seen, len(self._events)):
                    if place not in self._given and self._fits(place, wanted):
                        self._given.add(place)
                        return self._events[place]
                seen = len(self._events)
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(self._complaint(wanted, seconds))

    def _fits(self, place: int, wanted: dict[str, Any]) -> bool:
        event = self._events[place]
        return all(getattr(event, key) == value for key, value in wanted.items())

    def _complaint(self, wanted: dict[str, Any], seconds: float) -> str:
        words = ", ".join(f"{key}={value!r}" for key, value in wanted.items())
        seen = "".join(f"\n  {event}" for event in self._events) or " nothing"
        return f"no event with {words} within {seconds:g} seconds; seen:{seen}"


class HubbubGateway(ABC):
    """A gateway of a test's own, with verbs to look at it and to hurt it.

    Args:
        key: Its access key.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._log = EventLog()

    # Where it is.

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """Its address, as ``http://127.0.0.1:54321``."""

    @property
    def port(self) -> int:
        """Its TCP port."""
        return int(self.endpoint.rpartition(":")[2])

    @property
    def connection_string(self) -> str:
        """What a server needs: endpoint and key."""
        return f"Endpoint={self.endpoint};AccessKey={self._key};Version=1.0;"

    def client_url(
        self,
        hub: str = "chat",
        *,
        user: str | None = None,
        roles: Sequence[str] = EVERY_ROLE,
        groups: Sequence[str] = (),
        minutes: float = 60,
    ) -> str:
        """Make the URL that a client connects to, with its token.

        Args:
            hub: The hub.
            user: The user id; None for an anonymous client.
            roles: What it may do; unless given: join, leave and publish to any group.
            groups: Groups it is in from the start.
            minutes: How long the token lets it in.
        """
        from hubbub.transport.wire import audience, tokens  # noqa: PLC0415 - see top

        token = tokens.mint(
            self._key,
            audience=audience.client_audience_url(self.endpoint, hub),
            now=time.time(),
            lifetime=minutes * 60,
            user_id=user,
            roles=roles,
            groups=groups,
        )
        return audience.client_url(self.endpoint, hub, token)

    # What it saw.

    @property
    def events(self) -> list[GatewayEvent]:
        """What has happened since it started, in order."""
        return self._log.all()

    def wait_for_event(
        self, name: str, timeout: float = _PATIENCE, **fields: Any
    ) -> GatewayEvent:
        """Wait for an event, which may have happened already.

        Each event is given once: two calls for ``connected`` wait for two clients. It
        blocks: in a coroutine, await ``event`` instead.

        Args:
            name: Its name; see GatewayEvent.
            timeout: Seconds to wait at most.
            fields: Other fields of it, as ``user_id="ann"`` or ``group="lobby"``.

        Raises:
            AssertionError: There was none; the text lists what there was.
            TypeError: Events have no such field.
        """
        return self._log.wait({"name": name, **fields}, timeout)

    async def event(
        self,
        name: str,
        timeout: float = _PATIENCE,  # noqa: ASYNC109 - as in the twin that blocks
        **fields: Any,
    ) -> GatewayEvent:
        """Wait for an event as ``wait_for_event`` does, without blocking the loop."""
        import asyncio  # noqa: PLC0415 - see the top

        return await asyncio.to_thread(self.wait_for_event, name, timeout, **fields)

    # How to hurt it.

    @abstractmethod
    def cut(self, connection_id: str | None = None) -> int:
        """Cut sockets without a close frame, as a bad network does.

        Args:
            connection_id: Whose: a client's, or the id of an attached server; None for
                all clients and servers.

        Returns:
            How many were cut.
        """

    @abstractmethod
    def freeze(self) -> None:
        """Let it stop answering without closing anything, until ``thaw``."""

    @abstractmethod
    def thaw(self) -> None:
        """Let it go on; harmless when it is not frozen."""

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it for as long as the block lasts."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @abstractmethod
    def restart(self) -> None:
        """Let it crash and come back on the same port with the same keys.

        All connections are lost, and with them their groups; nobody is told.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it for good; the fixture does it after the test."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.endpoint}>"
