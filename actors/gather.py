"""Answers of several gateways put together; references, like a reply.

Knows what partial answers add up to; knows no hub and no link.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hubbub.actors.messages import commands, peers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hubbub.actors.runtime.address import Ref


class Done(msgspec.Struct, frozen=True, gc=False):
    """A command is carried out, here; what a receipt pays into a gathering."""

    found: bool = True

    def refused(self, reason: str) -> peers.Declined:
        """Give what a group's refusal comes to."""
        return peers.Declined(reason)

    def failed(self, reason: str) -> commands.Unavailable:
        """Give what it comes to when it could not be done everywhere."""
        return commands.Unavailable(reason)


_DONE: Final = Done()
_MISSED: Final = Done(found=False)


def receipt_into(taker: Ref[Any]) -> commands.Receipt:
    """Make a receipt that pays ``Done`` (or ``Declined``) to a taker."""
    return commands.Receipt(taker, _DONE, _MISSED)


class Gather:
    """Takes so many answers, then hands them on together.

    Args:
        parts: How many answers there will be, each within its own time.
        then: Takes them, in the order in which they came.
    """

    __slots__ = ("_left", "_then", "_values")

    def __init__(self, parts: int, then: Callable[[Sequence[Any]], None]) -> None:
        self._left = parts
        self._then = then
        self._values: list[Any] = []

    def post(self, value: Any, /) -> None:
        """Take an answer."""
        self._values.append(value.found if type(value) is Done else value)
        self._left -= 1
        if self._left == 0:
            self._then(self._values)


def paying(
    receipt: commands.Receipt, *, lenient: bool = False, every: bool = False
) -> Callable[[Sequence[Any]], None]:
    """Pay a receipt by what the parts came to.

    Args:
        receipt: What to pay.
        lenient: Whether a gateway that does not answer is passed over.
        every: Whether all parts must have been found, not only one.
    """

    def pay(values: Sequence[Any]) -> None:
        said = []
        for value in values:
            match value:
                case commands.Unavailable(reason=reason):
                    if not lenient:
                        receipt.fail(reason)
                        return
                case peers.Declined(reason=reason):
                    receipt.refuse(reason)
                    return
                case _:
                    said.append(bool(value))
        receipt.pay(found=all(said) if every else any(said))

    return pay


def telling_any(
    answer: Ref[bool | commands.Unavailable],
) -> Callable[[Sequence[Any]], None]:
    """Tell whether any part said yes; a part that is missing leaves only that open."""

    def tell(values: Sequence[Any]) -> None:
        missing = [v for v in values if isinstance(v, commands.Unavailable)]
        if any(value is True for value in values) or not missing:
            answer.post(any(value is True for value in values))
        else:
            answer.post(missing[0])

    return tell


def merging(
    answer: Ref[commands.MemberPage | commands.Unavailable], limit: int
) -> Callable[[Sequence[Any]], None]:
    """Put pages together in order of connection id; without one of them there is none.

    Each part gave as many as the whole may have, so the first of all are among them.
    """

    def tell(values: Sequence[Any]) -> None:
        pages = []
        for value in values:
            if isinstance(value, commands.Unavailable):
                answer.post(value)
                return
            if isinstance(value, commands.MemberPage):
                pages.append(value)
        found = [member for page in pages for member in page.members]
        chosen = heapq.nsmallest(limit, found, key=lambda member: member[0])
        more = len(found) > limit or any(page.more for page in pages)
        answer.post(commands.MemberPage(tuple(chosen), more=more))

    return tell


class Both:
    """Takes what a group says, and that the peers know; then pays a receipt."""

    __slots__ = ("_left", "_receipt")

    def __init__(self, receipt: commands.Receipt) -> None:
        self._receipt = receipt
        self._left = 2

    def post(self, value: Done | peers.Declined | commands.Unavailable, /) -> None:
        """Hear one of the two; a refusal is passed on at once."""
        match value:
            case Done():
                self._left -= 1
                if self._left == 0:
                    self._receipt.pay()
            case peers.Declined(reason=reason):
                self._receipt.refuse(reason)
            case commands.Unavailable(reason=reason):
                self._receipt.fail(reason)
