"""What a client asks: to join, to leave, to publish, that events be answered."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from hubbub.actors.messages import requests
from hubbub.sdk.client.asking import Asking, check_event, check_group, check_metadata
from hubbub.sdk.errors import AckError, DeadlineError
from hubbub.sdk.messages import payload_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.sdk.client.protocols import Said

_MOST_TTL = 300


class ClientRequests(Asking):
    """The requests of a client that members of groups and callers of events make."""

    async def join(
        self,
        group: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
        ack_id: int | None = None,
    ) -> None:
        """Join a group, and stay in it over new connections.

        Args:
            group: Its name.
            timeout: Seconds to wait; None for the client's.
            ack_id: The number of an earlier request that this one repeats, as its
                exception told it.

        Raises:
            AckError: The gateway does not let us.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
            ValueError: There can be no such group.
        """
        check_group(group)
        await self._ask(lambda n: requests.JoinGroup(group, n), timeout, ack_id)
        self._upkeep.groups[group] = None

    async def leave(
        self,
        group: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        ack_id: int | None = None,
    ) -> None:
        """Leave a group; it is not joined again, even if no answer comes.

        Args and errors are those of ``join``.
        """
        check_group(group)
        joined = group in self._upkeep.groups
        self._upkeep.groups.pop(group, None)
        try:
            await self._ask(lambda n: requests.LeaveGroup(group, n), timeout, ack_id)
        except AckError:
            if joined:
                self._upkeep.groups[group] = None
            raise

    async def send_to_group(  # noqa: PLR0913 - keywords
        self,
        group: str,
        data: object,
        *,
        no_echo: bool = False,
        ack: bool = True,
        metadata: Mapping[str, str] | None = None,
        ttl: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        ack_id: int | None = None,
    ) -> None:
        """Publish to a group.

        Args:
            group: Its name; one need not be in it.
            data: str is sent as text, bytes as binary, a payload as it is, anything
                else as JSON.
            no_echo: Whether not to receive it oneself.
            ack: Whether to wait until it is handed out; without, nobody tells
                whether it was.
            metadata: Names and values that travel with it.
            ttl: Seconds it may wait for a receiver that is away; 0 for no limit.
            timeout: Seconds to wait; None for the client's.
            ack_id: The number of an earlier request that this one repeats.

        Raises:
            AckError: The gateway does not let us.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
            TypeError: JSON cannot say the data.
            ValueError: There can be no such group, data, metadata or ttl.
        """
        check_group(group)
        check_metadata(metadata)
        if not 0 <= ttl <= _MOST_TTL:
            raise ValueError(f"ttl must be from 0 to {_MOST_TTL} seconds")
        payload = payload_of(data)

        def make(number: int | None) -> Said:
            return requests.SendToGroup(group, payload, no_echo, number, metadata, ttl)

        await (self._ask(make, timeout, ack_id) if ack else self._say(make, timeout))

    async def send_event(
        self,
        event: str,
        data: object,
        *,
        ack: bool = True,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        ack_id: int | None = None,
    ) -> None:
        """Send an event to the hub's event handler, and wait until it has answered.

        What it answers comes as a message, before this returns.

        Args:
            event: The event's name.
            data: As with ``send_to_group``.
            ack: Whether to wait for the handler.
            metadata: Names and values that travel with it.
            timeout: Seconds to wait; None for the client's.
            ack_id: The number of an earlier request that this one repeats.

        Raises:
            AckError: The handler failed, or there is none.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
            TypeError: JSON cannot say the data.
            ValueError: There can be no such event, data or metadata.
        """
        check_event(event)
        check_metadata(metadata)
        payload = payload_of(data)

        def make(number: int | None) -> Said:
            return requests.SendEvent(event, payload, number, metadata)

        await (self._ask(make, timeout, ack_id) if ack else self._say(make, timeout))

    async def ping(self, *, timeout: float | None = None) -> float:  # noqa: ASYNC109 - as above
        """Ask the gateway for a sign of life; gives how many seconds that took.

        The client looks after its socket by itself (``keep_alive``): this is for those
        who want to know how far away the gateway is.

        Args:
            timeout: Seconds to wait; None for the client's.

        Raises:
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
        """
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                session = await self._upkeep.current.get()
                began = time.perf_counter()
                await session.ping()
                return time.perf_counter() - began
        except TimeoutError:
            raise DeadlineError("a pong", seconds) from None
