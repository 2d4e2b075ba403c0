"""How the hub's answers to an attached server's commands become results and refusals.

A part of the server. Knows what each command's answer means, and no command's effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.messages import commands, servers
from hubbub.actors.messages.servers import ErrorName

if TYPE_CHECKING:
    from hubbub.actors.runtime.ports import Outlet


class Answers:
    """Takes the answer to a question, and tells the server; a reference, like a reply.

    Args:
        outlet: Takes the result.
        request_id: The request; None when nobody wants to know.
        question: What was asked.
    """

    __slots__ = ("_outlet", "_question", "_request_id")

    def __init__(
        self, outlet: Outlet, request_id: int | None, question: commands.Command
    ) -> None:
        self._outlet = outlet
        self._request_id = request_id
        self._question = question

    def post(
        self,
        answer: (bool | commands.MemberPage | commands.Verdict | commands.Unavailable),
        /,
    ) -> None:
        """Tell the server."""
        number = self._request_id
        if number is None:
            return
        match answer:
            case commands.Verdict():
                self._outlet.post(_judged(number, self._question, answer))
            case commands.Unavailable(reason=reason):
                self._outlet.post(servers.Result(number).failed(reason))
            case _:
                self._outlet.post(servers.Result(number, answer))


def addressed(
    command: commands.Command, outlet: Outlet, request_id: int | None
) -> commands.Command:
    """Tell a command where its receipt or answer goes."""
    match command:
        case (
            commands.Exists()
            | commands.Members()
            | commands.Grant()
            | commands.Revoke()
            | commands.HasPermission()
        ):
            answer = Answers(outlet, request_id, command)
            return msgspec.structs.replace(command, answer=answer)
        case _ if request_id is None:
            return command
        case commands.AddToGroup(target=target):
            missing = _nobody(request_id, target)
            receipt = commands.Receipt(outlet, servers.Result(request_id), missing)
            return msgspec.structs.replace(command, receipt=receipt)
        case _:
            receipt = commands.Receipt(outlet, servers.Result(request_id))
            return msgspec.structs.replace(command, receipt=receipt)


def _judged(
    request_id: int, question: commands.Command, verdict: commands.Verdict
) -> servers.Result | servers.Refused:
    if isinstance(question, commands.HasPermission):
        return servers.Result(request_id, verdict.found and verdict.done)
    if not verdict.found:
        text = "There is no such connection."
        return servers.Refused(request_id, ErrorName.NOT_FOUND, text)
    if not verdict.done:
        text = "The connection has too many permission rules."
        return servers.Refused(request_id, ErrorName.CONFLICT, text)
    return servers.Result(request_id)


def _nobody(
    request_id: int, target: commands.ToConnection | commands.ToUser
) -> servers.Refused:
    who = "connection" if isinstance(target, commands.ToConnection) else "user"
    text = f"There is no such {who}."
    return servers.Refused(request_id, ErrorName.NOT_FOUND, text)
