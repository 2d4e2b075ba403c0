"""What tests with official packages share: clients of bare frames, stories in Node."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

NODE = Path(__file__).parent.parent / "node"
SECONDS = 10.0


class Bystander:
    """A client of bare frames, to see what the official packages cause.

    With a subprotocol it speaks JSON, without one it is a simple client.
    """

    def __init__(
        self,
        url: str,
        subprotocol: str | None = "json.webpubsub.azure.v1",
        *,
        offers: tuple[str, ...] = (),
    ) -> None:
        self._json = subprotocol is not None
        names = offers or ((subprotocol,) if subprotocol is not None else ())
        self._connecting = connect(
            url,
            subprotocols=[Subprotocol(name) for name in names] or None,
            compression=None,
            proxy=None,
        )
        self._ack_id = 0
        self._early: list[dict[str, Any]] = []
        self.socket: ClientConnection
        self.connected: dict[str, Any] = {}

    @property
    def id(self) -> str:
        connection_id: str = self.connected["connectionId"]
        return connection_id

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(SECONDS):
            self.socket = await self._connecting
        if self._json:
            self.connected = await self.push()
            assert self.connected["event"] == "connected"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with asyncio.timeout(SECONDS):
            await self.socket.close()

    async def frame(self) -> str | bytes:
        """Receive the next frame as it came."""
        async with asyncio.timeout(SECONDS):
            return await self.socket.recv()

    async def push(self) -> dict[str, Any]:
        """Receive the next push."""
        if self._early:
            return self._early.pop(0)
        push: dict[str, Any] = json.loads(await self.frame())
        return push

    async def data(self) -> Any:
        """Receive the next message and give its data: text, JSON or bytes."""
        push = await self.push()
        assert push["type"] == "message", push
        if push["dataType"] in {"binary", "protobuf"}:
            return base64.b64decode(push["data"], validate=True)
        return push["data"]

    async def datas(self, count: int) -> list[Any]:
        return [await self.data() for _ in range(count)]

    async def request(self, **content: object) -> dict[str, Any]:
        """Send a request and give its ack; pushes before it are kept."""
        self._ack_id += 1
        await self.socket.send(json.dumps({**content, "ackId": self._ack_id}))
        early = []
        while (push := await self.push())["type"] != "ack":
            early.append(push)
        self._early = early
        assert push["ackId"] == self._ack_id
        return push

    async def closed(self) -> tuple[int, str]:
        """Wait for the close; nothing else may come before it."""
        try:
            frame = await self.frame()
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise AssertionError("cut without a close frame") from closed
            return closed.rcvd.code, closed.rcvd.reason
        raise AssertionError(f"not closed but received: {frame!r}")


class Story:
    """What the scenes of a Node script gave; see ``tests/node/lib.mjs``."""

    def __init__(self, scenes: Mapping[str, Any], remarks: str) -> None:
        self._scenes = scenes
        self._remarks = remarks

    def __getitem__(self, name: str) -> Any:
        scene = self._scenes[name]
        assert "result" in scene, f"{scene['error']}\n{self._remarks}"
        return scene["result"]


def tell(script: str, **environment: str) -> Story:
    """Run a script of ``tests/node`` to its end and give its story."""
    done = subprocess.run(
        ["node", script],
        cwd=NODE,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, f"{script} told nothing, status {done.returncode}: {done.stderr}"
    return Story(json.loads(lines[-1]), done.stderr)
