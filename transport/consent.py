"""Abuse protection: a webhook is asked whether it wants our events, before and after.

Source: the service's event handler reference, abuse protection. Knows when to ask and
how long an answer counts; does not know how the question travels.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubbub.transport.wire.webhook_answers import Answer, Headers

    Ask: TypeAlias = Callable[[str, Headers], Awaitable[Answer]]
    """Puts the question by an HTTP method, with these headers."""

DEADLINE: Final = 10.0
"""Seconds for the question, retries included; a GET after a 404 has its own."""
VALIDITY: Final = 60.0
"""Seconds a consent counts before it is renewed in the background."""
LONGEST_PAUSE: Final = 60.0
"""Seconds at most between questions to a webhook that refuses."""

_NOT_FOUND: Final = 404

logger = logging.getLogger(__name__)


class Consent:
    """What one URL has answered, and when to ask again.

    Args:
        label: Names the webhook in log lines; holds no secret.
        origin: The lower-case host name of this service.
        ask: Puts the question; raises OSError or ClientError when nobody answers.
        now: Seconds on a clock that never goes back.
        deadline: Seconds for one question.
    """

    def __init__(
        self,
        label: str,
        origin: str,
        ask: Ask,
        now: Callable[[], float],
        deadline: float = DEADLINE,
    ) -> None:
        self._label = label
        self._origin = origin
        self._ask = ask
        self._now = now
        self._deadline = deadline
        self._given = False
        self._failures = 0
        self._next = now()
        self._asking: asyncio.Task[None] | None = None

    async def given(self) -> bool:
        """Tell whether events may be sent, asking first if need be.

        The first callers share one question. A consent that is old is renewed while
        it still counts; after a refusal nobody asks for a while.
        """
        due = self._now() >= self._next
        if self._asking is None and due:
            self._asking = asyncio.get_running_loop().create_task(self._renew())
        if not self._given and self._asking is not None:
            # One caller's impatience must not end what others wait for.
            await asyncio.shield(self._asking)
        return self._given

    def cancel(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()

    async def _renew(self) -> None:
        try:
            refusal = await self._refusal()
        finally:
            self._asking = None
        if refusal is None:
            if not self._given:
                logger.info("webhook %s consented", self._label)
            self._given, self._failures, pause = True, 0, VALIDITY
        else:
            logger.warning("webhook %s did not consent: %s", self._label, refusal)
            pause = min(LONGEST_PAUSE, 2.0 ** min(self._failures, 30))
            self._given, self._failures = False, self._failures + 1
        self._next = self._now() + pause

    async def _refusal(self) -> str | None:
        """Ask; gives None for a consent, else the reason in the service's words."""
        headers = preflight(self._origin)
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._ask("OPTIONS", headers)
            if answer.status == _NOT_FOUND:
                async with asyncio.timeout(self._deadline):
                    answer = await self._ask("GET", headers)
        except (OSError, aiohttp.ClientError) as error:
            return f"AbuseProtectionResponseFailed ({type(error).__name__})"
        if not answer.succeeded:
            return f"AbuseProtectionResponseInvalidStatusCode ({answer.status})"
        if not allows(answer, self._origin):
            return "AbuseProtectionResponseMissingAllowedOrigin"
        return None


def preflight(origin: str) -> Headers:
    """Give the headers of the question (abuse protection, request)."""
    return (("WebHook-Request-Origin", origin), ("ce-awpsversion", "1.0"))


def allows(answer: Answer, origin: str) -> bool:
    """Tell whether an answer names this origin, or any (what counts as consent).

    Several lines and comma lists count; a port after the host does not matter.
    """
    named = re.compile(rf"\*|{re.escape(origin)}(:\d+)?", re.IGNORECASE)
    return any(
        named.fullmatch(entry.strip())
        for line in answer.values("webhook-allowed-origin")
        for entry in line.split(",")
    )
