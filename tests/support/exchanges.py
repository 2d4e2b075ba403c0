"""Plays the exchanges of the page on subprotocols against a gateway, line by line."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hubbub.actors import Fail, Json, Respond, Text, events
from hubbub.sdk import WebPubSubServer
from support.returning import address_of, way_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import GatewayProcess

SECONDS = 20.0
ROLES = [
    "webpubsub.joinLeaveGroup",
    "webpubsub.sendToGroup",
    "webpubsub.setGroupState",
    "webpubsub.getGroupState",
    "webpubsub.sendToAll",
]
NOBODY = "eve"
"""The client without roles."""
HANDLER = "handler"
LAST = 2**53
"""An ack id that stands nowhere."""
PASSES = "a second passes"
CUT = "is cut off"
SIMPLE = "no subprotocol"
_BLOCK = re.compile(r"^```exchange\n(.*?)^```", re.MULTILINE | re.DOTALL)
ID, TOKEN, TIME = "connectionId", "reconnectionToken", "updatedAt"
_VOLATILE = re.compile(rf'"({ID}|{TOKEN}|{TIME})":("[^"]*"|\d+)')
_BACK = re.compile(r", back as (\S+) with (\S+)$")
_GROUP = re.compile(r", in (\S+)$")


class Line(NamedTuple):
    """What one line says: of whom, which sign or word, and the rest."""

    who: str
    sign: str
    rest: str


def exchanges(page: str) -> dict[str, list[Line]]:
    """Give the exchanges of a page by the heading above, numbered where it has many."""
    found: dict[str, list[Line]] = {}
    heading = ""
    for part in re.split(r"(?=^#)", page, flags=re.MULTILINE):
        heading = part.partition("\n")[0].lstrip("# ") or heading
        for number, text in enumerate(_BLOCK.findall(part), 1):
            title = heading if number == 1 else f"{heading} {number}"
            found[title] = [_line(line) for line in text.splitlines()]
    return found


def _line(text: str) -> Line:
    if text == PASSES:
        return Line("", text, "")
    who, _, said = text.partition(" ")
    said = said.lstrip()
    if said == CUT:
        return Line(who, CUT, "")
    sign, _, rest = said.partition(" ")
    assert sign in {"=", "<", ">", "closed", "fails"}, text
    return Line(who, sign, rest)


def subprotocol_of(rest: str) -> str | None:
    """Give the subprotocol of a line that lets a client in."""
    name = rest.partition(",")[0]
    return None if name == SIMPLE else name


class Names:
    """What the gateway made of ids and times that stand in the page."""

    def __init__(self) -> None:
        self._real: dict[str, dict[str, str]] = {ID: {}, TOKEN: {}, TIME: {}}

    def real(self, field: str, shown: str) -> str:
        """Give the id or token that a name of the page stands for, or that name."""
        return self._real[field].get(f'"{shown}"', shown).strip('"')

    def frame(self, shown: str, heard: str) -> str:
        """Give a frame of the page with the ids and times of what was really heard."""
        values = iter(_VOLATILE.findall(heard))

        def put(match: re.Match[str]) -> str:
            _, real = next(values, ("", match[2]))
            return f'"{match[1]}":{self._real[match[1]].setdefault(match[2], real)}'

        return _VOLATILE.sub(put, shown)

    def check(self) -> None:
        """Check that different ids are different clients, and that times grow."""
        ids, times = self._real[ID], self._real[TIME]
        assert len(set(ids.values())) == len(ids)
        real = [int(times[shown]) for shown in sorted(times)]
        assert real == sorted(set(real))


class Handler:
    """An attached server that answers as the page says."""

    def __init__(self, gateway: GatewayProcess, hub: str, names: set[str]) -> None:
        self.server = WebPubSubServer(gateway.connection_string, hub)
        self._given: asyncio.Queue[events.UserEvent] = asyncio.Queue()
        self._answers: asyncio.Queue[Respond | Fail | None] = asyncio.Queue()
        for name in sorted(names):
            self.server.handle_event(name, self._handle)

    async def _handle(self, event: events.UserEvent) -> Respond | Fail | None:
        self._given.put_nowait(event)
        return await self._answers.get()

    async def hears(self, shown: str) -> None:
        event = await self._given.get()
        data = event.payload.raw.decode() if isinstance(event.payload, Json) else ""
        if isinstance(event.payload, Text):
            data = event.payload.text
        assert f"{event.event} {data}".rstrip() == shown

    def answers(self, shown: str) -> None:
        if shown == "nothing":
            self._answers.put_nowait(None)
        elif shown.startswith("{"):
            self._answers.put_nowait(Respond(Json(shown.encode())))
        else:
            self._answers.put_nowait(Respond(Text(shown)))

    def fails(self, reason: str) -> None:
        self._answers.put_nowait(Fail(reason))


class Play(AsyncExitStack):
    """One exchange, in a hub of its own.

    Args:
        gateway: Where it is played.
        hub: The hub.
        lines: The exchange.
    """

    def __init__(self, gateway: GatewayProcess, hub: str, lines: list[Line]) -> None:
        super().__init__()
        self._gateway = gateway
        self._hub = hub
        self._lines = lines
        self._names = Names()
        self._sockets: dict[str, ClientConnection] = {}
        self._handler: Handler | None = None

    async def play(self) -> None:
        """Say and hear everything, and nothing else."""
        names = {
            line.rest.partition(" ")[0]
            for line in self._lines
            if (line.who, line.sign) == (HANDLER, "<")
        }
        if names:
            self._handler = Handler(self._gateway, self._hub, names)
            await self.enter_async_context(self._handler.server)
        for place, line in enumerate(self._lines):
            async with asyncio.timeout(SECONDS):
                await self._carry_out(line, self._lines[place + 1 :])
        await self._nothing_more()
        self._names.check()

    async def _carry_out(self, line: Line, rest: list[Line]) -> None:
        if line.sign == PASSES:
            await asyncio.sleep(1.1)  # by the clock of the gateway alone
        elif line.who == HANDLER:
            await self._handle(line)
        elif line.sign == "=":
            await self._open(line, rest)
        elif line.sign == ">":
            await self._sockets[line.who].send(line.rest)
        elif line.sign == "<":
            await self._hear(line)
        elif line.sign == CUT:
            socket = self._sockets.pop(line.who)
            socket.transport.abort()
            await socket.wait_closed()
            await self._away()
        else:
            await self._closed(line)

    async def _handle(self, line: Line) -> None:
        assert self._handler is not None
        if line.sign == "<":
            await self._handler.hears(line.rest)
        elif line.sign == ">":
            self._handler.answers(line.rest)
        else:
            self._handler.fails(line.rest)

    async def _open(self, line: Line, rest: list[Line]) -> None:
        name = subprotocol_of(line.rest)
        subprotocols = None if name is None else [Subprotocol(name)]
        connecting = connect(
            self._url(line), subprotocols=subprotocols, compression=None, proxy=None
        )
        socket = await self.enter_async_context(connecting)
        assert socket.subprotocol == name
        self._sockets[line.who] = socket
        later = next(one for one in rest if one.who == line.who)
        shown = later.sign == "closed" or '"event":"connected"' in later.rest
        if name is not None and not shown:
            connected = json.loads(await socket.recv())
            assert connected["event"] == "connected"

    def _url(self, line: Line) -> str:
        if back := _BACK.search(line.rest):
            name = self._names.real(ID, back[1])
            token = self._names.real(TOKEN, back[2])
            return way_back(address_of(self._gateway, self._hub), name, token)
        groups = _GROUP.findall(line.rest)
        roles = [] if line.who == NOBODY else ROLES
        return self._gateway.client_url(self._hub, line.who, roles, groups)

    async def _hear(self, line: Line) -> None:
        heard = await self._frame(line)
        if not line.rest.startswith("{"):
            said = f"h'{heard.hex()}'" if isinstance(heard, bytes) else heard
            assert said == line.rest
            return
        assert isinstance(heard, str)
        assert heard == self._names.frame(line.rest, heard)

    async def _frame(self, line: Line) -> str | bytes:
        """Give the next frame, but for an ack of a stream that says less.

        Parts are acknowledged together, unless the machine stops for long between them.
        """
        socket = self._sockets[line.who]
        heard = await socket.recv()
        while "streamAck" in line.rest and heard != line.rest:
            assert isinstance(heard, str)
            before, shown = json.loads(heard), json.loads(line.rest)
            assert before["expectedSequenceId"] < shown["expectedSequenceId"], heard
            heard = await socket.recv()
        return heard

    async def _closed(self, line: Line) -> None:
        socket = self._sockets.pop(line.who)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        close = closed.value.rcvd
        assert close is not None
        assert f"{close.code} {close.reason}" == line.rest

    async def _away(self) -> None:
        """Wait until the gateway has noticed that a client is cut off."""
        await asyncio.to_thread(self._gateway.await_log, f"closed {self._hub}/")

    async def _nothing_more(self) -> None:
        """Check that the next thing everybody hears is the ack of a last request."""
        last = {"type": "leaveGroup", "group": "end", "ackId": LAST}
        for socket in self._sockets.values():
            if socket.subprotocol is not None:
                async with asyncio.timeout(SECONDS):
                    await socket.send(json.dumps(last))
                    assert json.loads(await socket.recv()).get("ackId") == LAST


def frames(lines: list[Line]) -> Iterator[tuple[str | None, str]]:
    """Give what clients say, each with the subprotocol of who says it."""
    spoken: dict[str, str | None] = {}
    for line in lines:
        if line.sign == "=":
            spoken[line.who] = subprotocol_of(line.rest)
        elif line.sign == ">" and line.who != HANDLER:
            yield spoken[line.who], line.rest
