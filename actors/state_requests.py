"""What one client may say of itself in groups, and hear of others, as asked of its hub.

A part of the connection: it runs in the connection's turns. The states themselves are
the hub's (``group_states``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import pushes, requests, states
from hubbub.actors.policy.permissions import GET_GROUP_STATE, SET_GROUP_STATE

if TYPE_CHECKING:
    from hubbub.actors.acks import Acks
    from hubbub.actors.messages import commands, events, internal
    from hubbub.actors.policy.permissions import Permissions
    from hubbub.actors.runtime.address import Ref


class StateRequests:
    """Carries out what a client asks about group states, as far as it is permitted.

    Args:
        client: Who asks.
        permissions: What it may do.
        hub: Takes the wishes.
        acks: Acknowledges refusals; what is done, the hub acknowledges.
        outlet: Takes snapshots and updates.
    """

    __slots__ = ("_acks", "_client", "_hub", "_outlet", "_permissions")

    def __init__(
        self,
        client: events.Client,
        permissions: Permissions,
        hub: Ref[internal.ToHubActor],
        acks: Acks,
        outlet: Ref[pushes.Push],
    ) -> None:
        self._client = client
        self._permissions = permissions
        self._hub = hub
        self._acks = acks
        self._outlet = outlet

    def take(self, request: requests.StateRequest) -> None:
        """Pass on a wish that is permitted; acknowledge a refusal where asked to."""
        if self._acks.is_duplicate(request.ack_id):
            return
        sets = isinstance(request, requests.SetGroupState)
        role = SET_GROUP_STATE if sets else GET_GROUP_STATE
        group = request.group
        if not self._permissions.allows_role(role, group):
            verb = "set" if sets else "read"
            text = f"No permission to {verb} the state of {group}."
            self._acks.refuse(request.ack_id, pushes.AckName.FORBIDDEN, text)
            return
        name, user_id = self._client.connection_id, self._client.user_id
        receipt = self._receipt(request.ack_id)
        match request:
            case requests.SetGroupState(state=state):
                self._hub.post(states.SetState(name, user_id, group, state, receipt))
            case requests.SubscribeGroupState():
                self._hub.post(states.WatchState(name, self._outlet, group, receipt))
            case requests.UnsubscribeGroupState():
                self._hub.post(states.UnwatchState(name, group, receipt))

    def _receipt(self, ack_id: int | None) -> commands.Receipt | None:
        return None if ack_id is None else self._acks.receipt(ack_id)
