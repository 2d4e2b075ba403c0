"""What a new connection must do before anybody may use it: be where the old one was."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from hubbub.actors.messages import requests
from hubbub.sdk.client.states import NotRejoined
from hubbub.sdk.errors import AckError, DeadlineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hubbub.sdk.client.group_states import GroupStates, KnownGroup
    from hubbub.sdk.client.session import AckIds, Session
    from hubbub.sdk.client.states import States

T = TypeVar("T")

logger = logging.getLogger(__name__)

_AT_A_TIME = 100
"""Groups that are joined again together."""


class Rejoining:
    """The groups of a client, which a new connection joins and watches again.

    Args:
        ids: Numbers for requests.
        watched: The groups whose states are watched.
        states: Told of groups that are closed to the new connection.
    """

    def __init__(self, ids: AckIds, watched: GroupStates, states: States) -> None:
        self.groups: dict[str, None] = {}
        self._ids = ids
        self._watched = watched
        self._states = states

    async def rejoin(self, session: Session, seconds: float) -> None:
        """Join and watch everything again.

        Args:
            session: The new connection.
            seconds: How long so many groups as go together may take.

        Raises:
            ConnectionLost: It has ended.
            DeadlineError: It took too long.
        """
        await _together(
            tuple(self.groups), lambda group: self._enter(session, group), seconds
        )
        await _together(
            tuple(self._watched.subscribed()),
            lambda known: self._watch(session, known),
            seconds,
        )

    async def _enter(self, session: Session, group: str) -> None:
        number = self._ids.new()
        try:
            await session.ask(requests.JoinGroup(group, number), number)
        except AckError as error:
            self.groups.pop(group, None)
            logger.warning("not joined again: %s", error.name)
            self._states.tell(NotRejoined(group, error.name, error.message))

    async def _watch(self, session: Session, known: KnownGroup) -> None:
        known.reset()
        number = self._ids.new()
        try:
            await session.ask(requests.SubscribeGroupState(known.group, number), number)
        except AckError as error:
            logger.warning("group states not watched again: %s", error.name)
            self._watched.drop(known.group, error)


async def _together(
    things: Sequence[T], work: Callable[[T], Awaitable[None]], seconds: float
) -> None:
    for start in range(0, len(things), _AT_A_TIME):
        some = things[start : start + _AT_A_TIME]
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*map(work, some))
        except TimeoutError:
            raise DeadlineError("the way back into groups", seconds) from None
