"""A client at the door: what its handler is asked, and who it is once it is let in.

Source: the service's event handler reference (answers, connect). What the handler
leaves open, the token decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hubbub.actors.messages import events

if TYPE_CHECKING:
    from hubbub.actors.messages.internal import Applicant


class Admittance(NamedTuple):
    """Who a client is: the user or None, its roles, and the groups it begins in."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]


def question(
    client: events.Client, event_id: int, applicant: Applicant
) -> events.Connect:
    """Ask whether a client may connect."""
    return events.Connect(
        client,
        event_id,
        applicant.query,
        applicant.headers,
        applicant.claims,
        applicant.subprotocols,
        applicant.certificates,
    )


def admittance(applicant: Applicant, accept: events.Accept) -> Admittance:
    """Put the handler's answer over what the token says."""
    user_id = applicant.user_id if accept.user_id is None else accept.user_id
    return Admittance(
        user_id or None,
        applicant.roles if accept.roles is None else accept.roles,
        accept.groups or applicant.groups,
    )
