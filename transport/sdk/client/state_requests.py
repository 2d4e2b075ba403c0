"""What a client says of itself in groups, and hears of others there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import requests
from hubbub.sdk.client.asking import Asking, check_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.sdk.client.group_states import GroupStateWatch

_MOST_BYTES = 8192


class ClientStates(Asking):
    """The group states of a client."""

    async def set_group_state(
        self,
        group: str,
        state: Mapping[str, str] | None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
        ack_id: int | None = None,
    ) -> None:
        """Say something of oneself to those who watch a group.

        It replaces what was said before, survives a recovery, and is gone with the
        session: say it again when ``states`` gives an Online that is not recovered.

        Args:
            group: The group.
            state: Names and values; None to say nothing any more.
            timeout: Seconds to wait; None for the client's.
            ack_id: The number of an earlier request that this one repeats.

        Raises:
            AckError: The gateway does not let us.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
            ProtocolError: The subprotocol has no group states.
            ValueError: There can be no such group, or the state is too long.
        """
        check_group(group)
        pairs = (state or {}).items()
        if sum(len(name.encode()) + len(text.encode()) for name, text in pairs) > (
            _MOST_BYTES
        ):
            raise ValueError(f"a state has at most {_MOST_BYTES} bytes")
        await self._ask(
            lambda n: requests.SetGroupState(group, state, n), timeout, ack_id
        )

    async def subscribe_group_state(
        self,
        group: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> GroupStateWatch:
        """Watch what the members of a group say of themselves.

        The subscription outlives the connection: a new one subscribes again, and the
        watch begins anew with a snapshot.

        Args:
            group: The group.
            timeout: Seconds to wait; None for the client's.

        Returns:
            An iterator over what is said and what changes of it.

        Raises:
            AckError: The gateway does not let us.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
            ProtocolError: The subprotocol has no group states.
            ValueError: There can be no such group.
        """
        check_group(group)
        states = self._upkeep.delivery.states
        known = states.open(group)  # the snapshot may come before the answer is read
        try:
            await self._ask(
                lambda n: requests.SubscribeGroupState(group, n), timeout, None
            )
        except BaseException:
            if not known.subscribed:
                states.drop(group)
            raise
        known.subscribed = True
        return states.watch(group)

    async def unsubscribe_group_state(
        self,
        group: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> None:
        """Watch a group no more; all who read it come to their end.

        Args:
            group: The group.
            timeout: Seconds to wait; None for the client's.

        Raises:
            AckError: The gateway says no.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: The answer did not come in time.
            ClosedError: The client is closed.
            ProtocolError: The subprotocol has no group states.
            ValueError: There can be no such group.
        """
        check_group(group)
        self._upkeep.delivery.states.drop(group)
        await self._ask(
            lambda n: requests.UnsubscribeGroupState(group, n), timeout, None
        )
