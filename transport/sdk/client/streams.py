"""What a client does with streams: it publishes them, and reads those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from hubbub.actors.messages import requests
from hubbub.sdk.client.asking import Asking, check_group
from hubbub.sdk.client.incoming import IDLE
from hubbub.sdk.client.outgoing import OutgoingStream

if TYPE_CHECKING:
    from hubbub.sdk.client.incoming import IncomingStreamReader


class ClientStreams(Asking):
    """The streams of a client."""

    def stream(
        self,
        group: str,
        *,
        no_echo: bool = False,
        idle: float = IDLE,
        buffer: int = 128,
        timeout: float | None = None,
    ) -> OutgoingStream:
        """Make a stream to a group: ``async with client.stream("news") as stream:``.

        Its parts arrive in order and each once, also when the connection is lost and
        the session recovered meanwhile. When the session is gone, so is the stream.

        Args:
            group: The group; one need not be in it.
            no_echo: Whether not to receive it oneself.
            idle: Seconds of silence after which the gateway ends it.
            buffer: Parts that may wait for their acknowledgement before ``send`` waits.
                The gateway acknowledges 16 at once, fewer after a tenth of a second.
            timeout: Seconds that its beginning, a part or its end may wait for the
                gateway; None for the client's.

        Raises:
            ValueError: There can be no such group, or a number makes no sense.
        """
        check_group(group)
        if idle < _LEAST_IDLE or buffer < 1:
            raise ValueError("idle must be at least 0.001 seconds, buffer at least 1")
        return OutgoingStream(
            requests.StartStream(group, str(uuid4()), no_echo, idle),
            self._upkeep.delivery.outgoing,
            self._upkeep.current,
            self._timeout if timeout is None else timeout,
            buffer,
        )

    def on_stream(
        self, group: str | None = None, *, whole: bool = True, idle: float = IDLE
    ) -> IncomingStreamReader:
        """Give an iterator over the streams that others begin from now on.

        Each is an iterator over its parts, and raises an error when it ends early. The
        parts are messages as well: ``messages`` and ``next`` have them, too.

        Args:
            group: The group; None for all that this client is in.
            whole: Whether to leave out streams whose beginning was not heard.
            idle: Seconds to wait for a part before a stream counts as ended.

        Raises:
            ValueError: There can be no such group.
        """
        if group is not None:
            check_group(group)
        return self._upkeep.delivery.incoming.new(group, whole, idle)


_LEAST_IDLE = 0.001
