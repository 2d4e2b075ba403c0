"""How a client asks: on the session there is, or the next, and not for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.actors.policy.names import is_event_name, is_group_name, metadata_fault
from hubbub.sdk.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hubbub.sdk.client.protocols import Said
    from hubbub.sdk.client.session import AckIds
    from hubbub.sdk.client.upkeep import Upkeep


class Asking:
    """What all the requests of a client are made with.

    Args:
        upkeep: What keeps it connected.
        ids: Numbers for requests.
        timeout: Seconds a request waits, unless it says otherwise.
    """

    def __init__(self, upkeep: Upkeep, ids: AckIds, timeout: float) -> None:
        self._upkeep = upkeep
        self._ids = ids
        self._timeout = timeout

    async def _ask(
        self,
        make: Callable[[int | None], Said],
        timeout: float | None,  # noqa: ASYNC109 - part of the message to us
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


def check_group(name: str) -> None:
    """Refuse what is no name of a group.

    Raises:
        ValueError: There can be no such group.
    """
    if not is_group_name(name):
        raise ValueError("a group's name has 1 to 1024 characters, not all blank")


def check_event(name: str) -> None:
    """Refuse what is no name of an event.

    Raises:
        ValueError: There can be no such event.
    """
    if not is_event_name(name):
        raise ValueError("an event's name is a letter, then letters, digits or _.-")


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Refuse metadata that cannot travel.

    Raises:
        ValueError: It breaks a rule.
    """
    fault = metadata_fault((metadata or {}).items())
    if fault is not None:
        raise ValueError(fault)
