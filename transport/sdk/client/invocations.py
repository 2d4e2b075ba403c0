"""What a client asks of servers, and gets back as a result."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

from hubbub.actors.messages import requests
from hubbub.sdk.client.asking import Asking, check_event, check_metadata
from hubbub.sdk.errors import DeadlineError, InvocationError
from hubbub.sdk.messages import InvokeResult, payload_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.sdk.client.session import AckIds
    from hubbub.sdk.client.upkeep import Upkeep


class ClientInvocations(Asking):
    """The invocations of a client."""

    def __init__(self, upkeep: Upkeep, ids: AckIds, timeout: float) -> None:
        super().__init__(upkeep, ids, timeout)
        self._numbers = count(1)

    async def invoke(
        self,
        event: str,
        data: object,
        *,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
    ) -> InvokeResult:
        """Call whoever answers this event, and give what it returns.

        When the caller is cancelled, or out of time, the gateway is told that nobody
        waits any more; the server may go on all the same.

        Args:
            event: The event's name.
            data: str is sent as text, bytes as binary, a payload as it is, anything
                else as JSON.
            metadata: Names and values that travel with it.
            timeout: Seconds to wait; None for the client's.

        Returns:
            What the server returned; its ``data`` is the value.

        Raises:
            InvocationError: The server failed, refused, or there is none.
            ConnectionLost: The connection ended before the result came, and it comes
                no more, even if the session is recovered.
            DeadlineError: The result did not come in time.
            ClosedError: The client is closed.
            ProtocolError: The subprotocol has no invocations.
            TypeError: JSON cannot say the data.
            ValueError: There can be no such event, data or metadata.
        """
        check_event(event)
        check_metadata(metadata)
        number = str(next(self._numbers))
        request = requests.Invoke(number, event, payload_of(data), metadata)
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                session = await self._upkeep.current.get()
                outcome = await session.invoke(request)
        except TimeoutError:
            raise DeadlineError("the result", seconds) from None
        if outcome.name is not None:
            raise InvocationError(outcome.name, outcome.message)
        return InvokeResult(outcome.payload)
