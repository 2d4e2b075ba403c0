"""What can go wrong, as exceptions; no text of theirs holds a token or a key.

::

    HubbubError
    ├── ConnectError        there is no connection
    │   └── RefusedError    an HTTP status said no
    ├── ConnectionLost      it ended before the answer came: nobody knows what happened
    ├── ClosedError         its owner closed it, or it has ended for good
    ├── AckError            the answer came, and it is no
    ├── InvocationError     likewise, to an invocation
    ├── StreamError         a stream ended before all was said, or did not begin
    ├── DeadlineError       nothing came in time (a TimeoutError too)
    ├── MessagesLost        a reader was too slow, or went away for too long
    └── ProtocolError       what came, or is to be said, is not what was agreed to speak
"""

from __future__ import annotations


class HubbubError(Exception):
    """The root of everything that the SDK raises on its own account."""


class ConnectError(HubbubError):
    """There is no connection, and this one attempt made none."""


class RefusedError(ConnectError):
    """The gateway answered the handshake with an HTTP status instead of a socket.

    Args:
        status: The HTTP status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"the gateway refused the connection with status {self.status}"

    @property
    def final(self) -> bool:
        """Whether another attempt with the same token or address is pointless."""
        return self.status in {401, 403, 404}


class ConnectionLost(HubbubError):  # noqa: N818 - what happened, not what is wrong
    """The connection ended while a request waited for its answer.

    The gateway may have carried it out or not. A request that may happen twice can
    be sent again once the connection is back.

    Args:
        reason: Why the connection ended, as far as anybody said.
        ack_id: The number of the request, None where it had none.
    """

    def __init__(self, reason: str, ack_id: int | None = None) -> None:
        super().__init__(reason, ack_id)
        self.reason = reason
        self.ack_id = ack_id

    def __str__(self) -> str:
        return f"the connection was lost: {self.reason}"


class ClosedError(HubbubError):
    """Its owner closed it, or it has ended for good; ``__cause__`` says why."""


class AckError(HubbubError):
    """The answer came, and it is no.

    Args:
        name: ``Forbidden``, ``InternalServerError``, ``BadRequest`` or another word
            of the gateway's.
        message: What it says about it.
        ack_id: The number of the request, None where it had none.
    """

    def __init__(self, name: str, message: str, ack_id: int | None = None) -> None:
        super().__init__(name, message, ack_id)
        self.name = name
        self.message = message
        self.ack_id = ack_id

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


class InvocationError(HubbubError):
    """An invocation was answered, and the answer is that it failed.

    Args:
        name: ``InternalServerError``, ``Forbidden``, ``BadRequest`` or another word of
            the gateway's.
        message: What it says about it.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


class StreamError(HubbubError):
    """A stream ended before all was said, or it was not let begin.

    Args:
        name: ``UserError`` where its publisher says so, else ``IdleTimeout``,
            ``Cancelled``, ``Forbidden`` or another word of the gateway's.
        message: What is said about it.
        code: What the publisher calls it; None where it says nothing.
    """

    def __init__(self, name: str, message: str = "", code: str | None = None) -> None:
        super().__init__(name, message, code)
        self.name = name
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


class DeadlineError(HubbubError, TimeoutError):
    """Nothing came in time.

    Args:
        what: What was waited for.
        seconds: For how long.
        ack_id: The number of a request that was sent and not answered, else None.
    """

    def __init__(self, what: str, seconds: float, ack_id: int | None = None) -> None:
        super().__init__(what, seconds, ack_id)
        self.what = what
        self.seconds = seconds
        self.ack_id = ack_id

    def __str__(self) -> str:
        return f"{self.what} did not come within {self.seconds:g} seconds"


class MessagesLost(HubbubError):  # noqa: N818 - what happened, not what is wrong
    """A reader fell so far behind that the oldest messages were dropped for it.

    The next read goes on with what is there.

    Args:
        count: How many it missed.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"{self.count} messages were dropped: nobody read them in time"


class ProtocolError(HubbubError):
    """What came is not what was agreed to speak, or what is asked for cannot be said.

    Each subprotocol has its words; ``protobuf.webpubsub.azure.v1`` has none for
    invocations and group states, for example.
    """
