"""What a client asks: to join, to leave, to publish, and that events be answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.actors.messages import requests
from hubbub.actors.policy.names import is_event_name, is_group_name, metadata_fault
from hubbub.sdk.errors import AckError, DeadlineError
from hubbub.sdk.messages import payload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hubbub.sdk.client.protocols import Said
    from hubbub.sdk.client.session import AckIds
    from hubbub.sdk.client.upkeep import Upkeep

_MOST_TTL = 300


class ClientRequests:
    """The requests of a client.

    Args:
        upkeep: What keeps it connected.
        ids: Numbers for requests.
        timeout: Seconds a request waits, unless it says otherwise.
    """

    def __init__(self, upkeep: Upkeep, ids: AckIds, timeout: float) -> None:
        self._upkeep = upkeep
        self._ids = ids
        self._timeout = timeout

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
        _check_group(group)
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
        _check_group(group)
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
        _check_group(group)
        _check_metadata(metadata)
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
        if not is_event_name(event):
            raise ValueError("an event's name is a letter, then letters, digits or _.-")
        _check_metadata(metadata)
        payload = payload_of(data)

        def make(number: int | None) -> Said:
            return requests.SendEvent(event, payload, number, metadata)

        await (self._ask(make, timeout, ack_id) if ack else self._say(make, timeout))

    async def _ask(
        self,
        make: Callable[[int | None], Said],
        timeout: float | None,  # noqa: ASYNC109 - as above
        ack_id: int | None,
    ) -> None:
        number = self._ids.new() if ack_id is None else self._ids.again(ack_id)
        seconds = self._timeout if timeout is None else timeout
        sent = None
        try:
            async with asyncio.timeout(seconds):
                session = await self._upkeep.current.get()
                sent = number
                await session.ask(make(number), number)
        except TimeoutError:
            what = "a connection" if sent is None else "the answer"
            raise DeadlineError(what, seconds, sent) from None

    async def _say(
        self,
        make: Callable[[int | None], Said],
        timeout: float | None,  # noqa: ASYNC109 - as above
    ) -> None:
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                session = await self._upkeep.current.get()
                await session.send(make(None))
        except TimeoutError:
            raise DeadlineError("a connection that takes more", seconds) from None


def _check_group(name: str) -> None:
    if not is_group_name(name):
        raise ValueError("a group's name has 1 to 1024 characters, not all blank")


def _check_metadata(metadata: Mapping[str, str] | None) -> None:
    fault = metadata_fault((metadata or {}).items())
    if fault is not None:
        raise ValueError(fault)
