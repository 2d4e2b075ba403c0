"""A publisher that is cut again and again, and sends again what nobody acknowledged."""

from __future__ import annotations

import json
from typing import Any

from websockets.exceptions import WebSocketException

from support.returning import Returning

WINDOW = 32
"""Publications that are not acknowledged yet."""


class Resending:
    """Publishes numbers to a group, each under an ack id of its own.

    After each return it repeats what was not acknowledged, in order and under the old
    ack ids (client protocols, publisher side).
    """

    def __init__(self, url: str, group: str) -> None:
        self._url = url
        self._group = group
        self._client: Returning | None = None
        self._id = ""
        self._open: dict[int, str] = {}
        self._next = 0
        self.duplicates = 0
        """Publications that had been carried out when they were sent again."""
        self.returns = 0

    async def publish(self, count: int) -> None:
        """Publish so many more, and wait until all are acknowledged."""
        until = self._next + count
        while self._next < until or self._open:
            try:
                client = self._client or await self._connect()
                while self._next < until and len(self._open) < WINDOW:
                    await client.socket.send(self._frame())
                self._take(await client.push())
            except (WebSocketException, OSError):
                self._went()

    async def _connect(self) -> Returning:
        client = self._client = await Returning(self._url).__aenter__()
        assert self._id in {"", client.id}, "it is another session"
        self._id = client.id
        self._url = client.way_back()
        for frame in self._open.values():
            await client.socket.send(frame)
        return client

    def _went(self) -> None:
        if self._client is not None:
            self._client = None
            self.returns += 1

    def _frame(self) -> str:
        number = self._next
        self._next += 1
        frame = {
            "type": "sendToGroup",
            "group": self._group,
            "data": {"n": number, "x": "carol"},
            "ackId": number,
        }
        self._open[number] = json.dumps(frame)
        return self._open[number]

    def _take(self, push: dict[str, Any]) -> None:
        assert push["type"] == "ack", push
        if not push["success"]:
            assert push["error"]["name"] == "Duplicate", push
            self.duplicates += 1
        # What was on its way when the socket broke may be acknowledged as well.
        self._open.pop(push["ackId"], None)
