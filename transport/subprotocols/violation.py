"""The one exception of byte code."""


class ProtocolViolation(Exception):  # noqa: N818 - what it is, not an error of ours
    """A client broke its subprotocol.

    Raised by pure byte code, caught by the session that read the bytes.

    Args:
        code: WebSocket close code.
        reason: What was wrong, for the client and the log; at most 123 bytes of it
            reach the close frame.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
