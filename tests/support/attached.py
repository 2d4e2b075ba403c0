"""An attached server at the end of a wire of bytes, without a socket.

It reads and writes frames with json and cbor2 alone, as a server in another language
would: nothing of the gateway's own codecs is used on this side.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import cbor2

from hubbub.actors.messages import events, internal, requests
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.messages.servers import ServerRole
from hubbub.actors.runtime.supervision import spawn
from hubbub.actors.server import Server
from hubbub.actors.upstream_mail import Declare, Leave, Retire
from hubbub.transport.subprotocols import codec
from hubbub.transport.subprotocols.server_v1 import JSON_NAME, SERVER_SPOKEN
from support.handlers import Stage, within
from support.wire import ServerFrames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Codec

KINDS = (
    "connect", "connected", "disconnected", "joined", "left", "event", "publish",
    "subscribe",
)  # fmt: skip


class WireServer:
    """Door, socket, outlet and application of one attached server."""

    subprotocol: str | None

    def __init__(
        self,
        stage: Stage,
        subprotocol: str,
        serve: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
    ) -> None:
        self._stage = stage
        self._serve = serve
        self._spoken = SERVER_SPOKEN[subprotocol]
        self._text = subprotocol == JSON_NAME
        self._server: Ref[Any] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self.outlet = self
        self.codec: Codec = codec(self._spoken, None)
        self.subprotocol = subprotocol

    async def open(self) -> None:
        admit = internal.AdmitServer("chat", tuple(ServerRole), self)
        stage = self._stage
        spawn(stage.dispatcher, lambda: Server("s1", admit, self))
        await within(self._ready.wait())

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.post(requests.SocketClosed(1000, ""))
            self._stage.upstream.post(Leave(self._server))
        await asyncio.sleep(0)

    # Door and socket.

    def attach(self, connection: Ref[Any], _label: str) -> None:
        self._server = connection

    def accept(self, subprotocol: str | None) -> WireServer:
        assert subprotocol is None
        return self

    def reject(self, status: int, reason: str) -> None:
        raise AssertionError(f"refused: {status} {reason}")

    def lose(self, reason: str) -> None:
        raise AssertionError(f"servers have no sessions to recover: {reason}")

    @property
    def gone(self) -> bool:
        return False

    def token(self, connection_id: str) -> str:
        raise AssertionError(f"servers need no token: {connection_id}")

    def displace(self) -> None:
        raise AssertionError("servers are not displaced")

    def close(self, _code: int, _reason: str) -> None:
        self._ready.set()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    # The hub: it passes declarations on.

    def post(self, message: Any, /) -> None:
        if isinstance(message, Declare | Retire):
            self._stage.upstream.post(message)
            return
        self.append(self.codec.encode(message), 1)

    # The outlet and what is at its other end.

    def append(self, block: bytes, _count: int) -> None:
        frames = ServerFrames()
        frames.feed(block)
        while (frame := frames.next()) is not None:
            self._hear(self._load(frame.data))

    def _hear(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "welcome":
                rules = [{"kind": kind} for kind in KINDS]
                self._say({"type": "handle", "id": 1, "rules": rules})
                asyncio.get_running_loop().call_soon(self._ready.set)
            case "event":
                task = asyncio.get_running_loop().create_task(self._answer(frame))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(self, frame: dict[str, Any]) -> None:
        answer = await self._serve(self._readable(frame))
        self._say({**answer, "eventId": frame["eventId"]})

    def _say(self, frame: dict[str, Any]) -> None:
        assert self._server is not None
        data = self._dump(frame)
        self._server.post(self._spoken.decode(data, self._text))

    def _load(self, data: bytes) -> dict[str, Any]:
        if not self._text:
            return dict(cbor2.loads(data))
        frame: dict[str, Any] = json.loads(data)
        if frame.get("dataType") == "json":
            # The bytes as they stand there, not what Python makes of them.
            rest = data.decode().partition('"data":')[2].removesuffix("}")
            frame["data"] = rest.partition(',"metadata":')[0]
        return frame

    def _dump(self, frame: dict[str, Any]) -> bytes:
        """Write a frame whose data is a text, or bytes, or JSON as its text."""
        kind, data = frame.get("dataType"), frame.get("data")
        if not self._text:
            return cbor2.dumps(frame)
        if kind == "json":
            shell = json.dumps({**frame, "data": "@"})
            return shell.replace('"@"', str(data)).encode()
        if isinstance(data, bytes):
            frame = {**frame, "data": base64.b64encode(data).decode()}
        return json.dumps(frame).encode()

    def _readable(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Give data as ``_dump`` takes it, whatever the encoding."""
        kind = frame.get("dataType")
        if self._text and kind in {"binary", "protobuf"}:
            return {**frame, "data": base64.b64decode(frame["data"])}
        return frame


def event_of(frame: dict[str, Any]) -> events.Event:
    """Make an event of a frame."""
    who = events.Client(
        "chat",
        frame["connectionId"],
        frame.get("userId"),
        frame.get("subprotocol"),
        frame.get("state"),
    )
    match frame["kind"]:
        case "connect":
            query = {name: tuple(values) for name, values in frame["query"].items()}
            offers = tuple(frame["subprotocols"])
            return events.Connect(who, 0, query, {}, {}, offers)
        case "event":
            payload, metadata = payload_of(frame), frame.get("metadata")
            return events.UserEvent(who, 0, frame["event"], payload, metadata)
        case "connected":
            return events.Connected(who, 0)
        case "disconnected":
            return events.Disconnected(who, 0, frame["reason"])
        case "publish":
            payload, metadata = payload_of(frame), frame.get("metadata")
            return events.Publish(who, 0, frame["group"], payload, metadata)
        case "subscribe":
            return events.Subscribe(who, 0, frame["group"])
        case "joined":
            return events.Joined(who, 0, frame["group"])
        case "left":
            return events.Left(who, 0, frame["group"])
        case kind:
            raise AssertionError(f"unexpected {kind}")


def payload_of(frame: dict[str, Any]) -> Payload:
    data = frame["data"]
    match frame["dataType"]:
        case "text":
            return Text(data)
        case "json":
            return Json(data.encode())
        case "binary":
            return Binary(data)
        case _:
            return Protobuf(data)


def frame_of(outcome: events.Outcome) -> dict[str, Any]:
    """Make the frame of an outcome."""
    frame: dict[str, Any]
    match outcome:
        case events.Accept():
            frame = {
                "type": "accept",
                "userId": outcome.user_id,
                "groups": outcome.groups,
                "roles": outcome.roles,
                "subprotocol": outcome.subprotocol,
                "state": outcome.state,
            }
        case events.Reject(status=status, reason=reason):
            frame = {"type": "reject", "status": status, "reason": reason}
        case events.Allow(group=group, metadata=metadata):
            frame = {"type": "allow", "group": group, "metadata": metadata}
            frame |= _data_of(outcome.payload)
        case events.Deny(reason=reason):
            frame = {"type": "deny", "reason": reason}
        case events.Respond(state=state, metadata=metadata):
            frame = {"type": "respond", "state": state, "metadata": metadata}
            frame |= _data_of(outcome.payload)
        case _:
            raise AssertionError("not in this contract")
    return {name: value for name, value in frame.items() if value is not None}


def _data_of(payload: Payload | None) -> dict[str, Any]:
    match payload:
        case None:
            return {}
        case Text(text=text):
            return {"dataType": "text", "data": text}
        case Json(raw=raw):
            return {"dataType": "json", "data": raw.decode()}
        case Binary(data=data):
            return {"dataType": "binary", "data": data}
        case Protobuf(data=data):
            return {"dataType": "protobuf", "data": data}
