"""A session that moves: what it takes along from one gateway to another.

A part of the connection, at either end: it runs in the connection's turns. When it may
leave and who takes what is published meanwhile, the hubs settle (``moves``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.messages import internal, returning, sessions
from hubbub.actors.reliable_outlet import ReliableOutlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.conversation import Conversation
    from hubbub.actors.line import Line
    from hubbub.actors.messages import events
    from hubbub.actors.policy.retention import Bounds
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import NumberingCodec


def emigrate(
    talk: Conversation, way: Line, groups: tuple[str, ...]
) -> returning.Exported:
    """Pack a session.

    Args:
        talk: What is said in it; nothing is under way.
        way: The way to its client.
        groups: The groups it is in, as the hub knows them.
    """
    mail = way.mail
    if mail is None:
        raise AssertionError("a session that cannot be recovered was to move")
    session = sessions.Session(
        talk.client,
        talk.events,
        talk.permissions.export(),
        talk.acks.export(),
        mail.export(),
        groups,
        talk.streams.export(),
    )
    return returning.Exported(talk.client.connection_id, session)


class Immigrant:
    """A session that moves in, until all of it is here.

    Args:
        client: Who its client is.
        codec: The codec of its subprotocol.
        groups: The groups it is in, by what is known so far.
    """

    __slots__ = ("_client", "_codec", "_groups", "early")

    def __init__(
        self, client: events.Client, codec: NumberingCodec, groups: tuple[str, ...]
    ) -> None:
        self._client = client
        self._codec = codec
        self._groups = groups
        self.early: list[Any] = []
        """What came for it before it was here."""

    def outlet(
        self,
        bounds: Bounds,
        now: Callable[[], float],
        overflow: Callable[[str], None],
    ) -> ReliableOutlet:
        """Make the outlet that groups may fill meanwhile."""
        outlet = ReliableOutlet(
            self._codec, self._client.subprotocol, bounds, now, overflow
        )
        outlet.await_mail()
        return outlet

    def enter(
        self, outlet: ReliableOutlet, connection: Ref[internal.ToConnectionActor]
    ) -> internal.Enter:
        """Take a place in the roster and in the groups."""
        client = self._client
        return internal.Enter(
            client.connection_id,
            client.user_id,
            outlet,
            connection,
            self._groups,
            moved=True,
        )

    def settle_in(
        self, session: sessions.Session, talk: Conversation, outlet: ReliableOutlet
    ) -> None:
        """Unpack the session."""
        talk.events = session.event_id
        talk.permissions.restore(session.rights)
        talk.acks.restore(session.ack_ids)
        talk.streams.restore(session.streams)
        outlet.restore(session.mail)
