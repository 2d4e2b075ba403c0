"""Links of a scene: a way from clients to a gateway that can be cut and mended.

A relay on a port of its own, one actor each: to the client a broken link looks like a
broken network, because it is one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, TypeAlias, assert_never
from urllib.parse import urlsplit, urlunsplit

import msgspec

from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.stage import Done, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubbub.actors.runtime.address import Address
    from hubbub.scenarios.topology.gateways import Gateway
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller

_CHUNK = 65_536


class Lay(msgspec.Struct, frozen=True):
    """Begin to relay; answered with the port."""

    answer: Reply[int]


class Cut(msgspec.Struct, frozen=True):
    """Break every connection, and refuse new ones until it is mended."""

    answer: Reply[None]


class Mend(msgspec.Struct, frozen=True):
    """Let connections through again."""

    answer: Reply[None]


class Lead(msgspec.Struct, frozen=True):
    """Lead to another address from now on; connections that are open stay."""

    host: str
    port: int
    answer: Reply[None]


class Remove(msgspec.Struct, frozen=True):
    """End it for good."""

    answer: Reply[None]


ToLink: TypeAlias = Lay | Cut | Mend | Lead | Remove | Done


class LinkActor(Part):
    """Relays bytes to one address of this machine."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: dict[asyncio.StreamWriter, None] = {}
        self._whole = True

    def on_receive(self, message: ToLink) -> None:
        """Change what comes through."""
        match message:
            case Lay(answer=answer):
                self.work(self._lay(), answer)
            case Cut(answer=answer):
                self._whole = False
                self._break()
                answer.post(None)
            case Mend(answer=answer):
                self._whole = True
                answer.post(None)
            case Lead(host=host, port=port, answer=answer):
                self._target = (host, port)
                answer.post(None)
            case Remove(answer=answer):
                self._break()
                if self._server is not None:
                    self._server.close()
                answer.post(None)
            case Done():
                self.done(message)
            case _:
                assert_never(message)

    async def _lay(self) -> int:
        self._server = await asyncio.start_server(self._relay, self._target[0])
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = (writer, far_writer)
        self._writers.update(dict.fromkeys(ends))
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            for end in ends:
                self._writers.pop(end, None)
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until that end closes, or the link breaks."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()


class Link:
    """A link as a story sees it: somewhere to connect to, and something to break.

    Args:
        gateways: Those of the service that it leads to, its own first.
        port: Where clients connect.
        address: The actor that relays.
        stage: Where that is.
        teller: Tells what happens to it.
    """

    def __init__(
        self,
        gateways: Sequence[Gateway],
        port: int,
        address: Address,
        stage: Stage,
        teller: Teller,
    ) -> None:
        self.name = f"a link to {gateways[0].name}"
        self._gateways = deque(gateways)
        self._port = port
        self._address = address
        self._stage = stage
        self._teller = teller

    def client_url(
        self, user: str, roles: Sequence[str] | None = None, groups: Iterable[str] = ()
    ) -> str:
        """Sign a client's way in; the token names the gateway at the other end."""
        url = urlsplit(self._gateways[0].client_url(user, roles, groups))
        return urlunsplit(url._replace(netloc=f"{url.hostname}:{self._port}"))

    def breaks(self) -> None:
        """Break, for all who come this way."""
        self._tell("breaks")
        self._stage.ask(self._address, Cut)

    def heals(self) -> None:
        """Be whole again."""
        self._tell("is whole again")
        self._stage.ask(self._address, Mend)

    def heals_elsewhere(self) -> None:
        """Be whole again, and lead to the next gateway of the service from now on.

        So does a network that sends who comes back another way; with one gateway it
        leads where it did.
        """
        self._gateways.rotate(-1)
        host, port = address_of(self._gateways[0])
        self._stage.ask(self._address, lambda answer: Lead(host, port, answer))
        self.heals()

    def ends(self) -> None:
        """End for good, without a word."""
        self._stage.ask(self._address, Remove)

    def _tell(self, what: str) -> None:
        self._teller.does("the link", f"to {self._gateways[0].name} {what}")


def address_of(gateway: Gateway) -> tuple[str, int]:
    """Give host and port that a gateway listens at."""
    host, _, port = gateway.endpoint.partition("://")[2].rpartition(":")
    return host, int(port)
