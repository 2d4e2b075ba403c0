"""What one client may do with groups, turned into commands for its hub.

A part of the connection: it runs in the connection's turns. Knows permissions and
acks; knows no events, and nothing of who else is in a group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import commands, pushes, requests
from hubbub.actors.messages.internal import End
from hubbub.actors.policy.permissions import SEND_TO_ALL, Permission

if TYPE_CHECKING:
    from hubbub.actors.acks import Acks
    from hubbub.actors.messages.internal import Permissive
    from hubbub.actors.policy.permissions import Permissions
    from hubbub.actors.policy.waiting import Wish
    from hubbub.actors.runtime.address import Ref

_REASON = "no permission to publish to the group of this connection"
FORBIDDEN = End(1008, _REASON, _REASON, _REASON)
"""The end of a simple client that may not publish to its group."""

_SEND, _JOIN = Permission.SEND_TO_GROUP, Permission.JOIN_LEAVE_GROUP


class GroupRequests:
    """Carries out what a client asks about groups, as far as it is permitted.

    Args:
        connection_id: The client's connection.
        user_id: Its user, whom others see as the sender.
        permissions: What it may do.
        hub: Takes the commands.
        acks: Acknowledges refusals; what is done, the hub acknowledges.
    """

    __slots__ = ("_connection_id", "_hub", "_permissions", "_user_id", "acks")

    def __init__(
        self,
        connection_id: str,
        user_id: str | None,
        permissions: Permissions,
        hub: Ref[commands.Command],
        acks: Acks,
    ) -> None:
        self._connection_id = connection_id
        self._user_id = user_id
        self._permissions = permissions
        self._hub = hub
        self.acks = acks

    def may(self, wish: Wish) -> bool:
        """Check duplicate, then permission; acknowledge a refusal where asked to."""
        match wish:
            case requests.SendToGroup(group=group, ack_id=ack_id):
                return self._may(_SEND, group, ack_id, "publish to")
            case requests.JoinGroup(group=group, ack_id=ack_id):
                return self._may(_JOIN, group, ack_id, "join")
            case requests.PublishFrame(group=group):
                return self._permissions.allows(_SEND, group)

    def carry_out(self, wish: Wish) -> None:
        """Do what a client may do."""
        match wish:
            case requests.SendToGroup():
                self._publish(wish)
            case requests.JoinGroup(group=group, ack_id=ack_id):
                self._change(commands.AddToGroup, group, ack_id)
            case requests.PublishFrame(group=group, payload=payload, no_echo=no_echo):
                self._publish(requests.SendToGroup(group, payload, no_echo))

    def send(self, request: requests.SendToGroup) -> None:
        """Publish to a group."""
        if self._may(_SEND, request.group, request.ack_id, "publish to"):
            self._publish(request)

    def send_to_all(self, request: requests.SendToAll) -> None:
        """Publish to all clients of the hub; without the role it has no effect.

        Nothing in the draft subprotocols says so to the client.
        """
        if self._permissions.allows_role(SEND_TO_ALL):
            self._hub.post(
                commands.Publish(commands.Everyone(), request.payload, self._user_id)
            )

    def may_send(self, group: str) -> bool:
        """Tell whether the client may publish to a group now."""
        return self._permissions.allows(_SEND, group)

    def leave(self, request: requests.LeaveGroup) -> None:
        """End a membership."""
        if self._may(_JOIN, request.group, request.ack_id, "leave"):
            self._change(commands.RemoveFromGroup, request.group, request.ack_id)

    def judge(self, order: Permissive) -> bool:
        """Grant, revoke or look up a permission; says whether it is done, or given."""
        permission, group = order.permission, order.group
        match order:
            case commands.Grant():
                return self._permissions.grant(permission, group)
            case commands.Revoke():
                return self._permissions.revoke(permission, group)
            case commands.HasPermission():
                return self._permissions.allows(permission, group)

    def _publish(self, request: requests.SendToGroup) -> None:
        ack_id = request.ack_id
        self._hub.post(
            commands.Publish(
                commands.ToGroup(request.group),
                request.payload,
                self._user_id,
                request.metadata,
                request.ttl,
                (self._connection_id,) if request.no_echo else (),
                None,
                None if ack_id is None else self.acks.receipt(ack_id),
                request.stream,
            )
        )

    def _change(
        self,
        command: type[commands.AddToGroup | commands.RemoveFromGroup],
        group: str,
        ack_id: int | None,
    ) -> None:
        target = commands.ToConnection(self._connection_id)
        receipt = None if ack_id is None else self.acks.receipt(ack_id)
        self._hub.post(command(target, group, receipt))

    def _may(
        self, permission: Permission, group: str, ack_id: int | None, verb: str
    ) -> bool:
        if ack_id is not None and self.acks.is_duplicate(ack_id):
            return False
        if self._permissions.allows(permission, group):
            return True
        text = f"No permission to {verb} {group}."
        self.acks.refuse(ack_id, pushes.AckName.FORBIDDEN, text)
        return False
