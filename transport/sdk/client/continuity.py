"""What a client needs to come back to its session, and to hear nothing twice.

The reconnection token lets anyone in: it is in no log record and no repr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from hubbub.actors.messages import pushes


class Continuity:
    """The session of a client at the service, which may outlive its sockets."""

    def __init__(self) -> None:
        self.url = ""
        """The address that the session began with."""
        self.connection_id = ""
        self.user_id: str | None = None
        self.last = 0
        """The highest sequence id that has been heard."""
        self._token: str | None = None

    @property
    def recoverable(self) -> bool:
        """Whether there is a session that can be asked for."""
        return self._token is not None

    def greeted(self, connected: pushes.Connected) -> None:
        """Take what the service says we are: at the beginning, and with a new token."""
        if connected.connection_id != self.connection_id:
            self.connection_id, self.user_id = (
                connected.connection_id,
                connected.user_id,
            )
            self.last, self._token = 0, None
        if connected.reconnection_token is not None:
            self._token = connected.reconnection_token

    def is_new(self, sequence_id: int) -> bool:
        """Tell whether a message has not been heard before, and note that it has."""
        if sequence_id <= self.last:
            return False
        self.last = sequence_id
        return True

    def way_back(self) -> str:
        """Give the address to recover the session at (client protocols, 5.4)."""
        parts = urlsplit(self.url)
        proof = {
            "awps_connection_id": self.connection_id,
            "awps_reconnection_token": self._token or "",
        }
        query = "&".join(filter(None, (parts.query, urlencode(proof))))
        return urlunsplit(parts._replace(query=query))

    def forget(self) -> None:
        """Ask for this session no more."""
        self._token = None
