"""What can go wrong for an attached server beyond what ``errors`` has."""

from __future__ import annotations

from typing import Final

from hubbub.sdk.errors import HubbubError, RefusedError

_ADVICE: Final = {
    401: "check the access key and the endpoint of the connection string: "
    "the token's audience is made of the endpoint, which the gateway must know as "
    "its own",
    403: "the gateway does not let this server in: check the roles",
    404: "there is nothing at this address: check the endpoint, its base path and "
    "the name of the hub, and that the gateway takes servers",
}


class ServerRefusedError(RefusedError):
    """The gateway did not let a server attach; the text says what to look at."""

    def __str__(self) -> str:
        text = super().__str__()
        advice = _ADVICE.get(self.status)
        return text if advice is None else f"{text}: {advice}"


class TooManyCallsError(HubbubError):
    """More calls wait than a server may have; this one was not sent.

    Args:
        most: How many may wait.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"{self.most} calls wait for an answer or a connection already"
