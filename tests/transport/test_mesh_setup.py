"""A gateway's way into its mesh: before clients come, and when it leaves."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hubbub.actors.messages.mesh import (
    Inspect,
    LinkState,
    MeshView,
    PeerView,
    Seeds,
    Settle,
    ToMesh,
)
from hubbub.transport.configuration import Flags, load
from hubbub.transport.discovery import Discovery
from hubbub.transport.mesh_entry import MeshEntry, mesh_entry
from hubbub.transport.mesh_plan import Worker, plan
from support.gateway import GatewayProcess
from support.raw import EVERYTHING, RawClient, target
from support.tcp_proxy import free_port
from support.wire import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from hubbub.transport.settings import Settings

SECONDS = 10.0
NOBODY = "tcp://127.0.0.1:1"


def settings_of(**flags: object) -> Settings:
    return load(Flags(**flags), {})  # type: ignore[arg-type]


def figures(view: MeshView) -> bytes:
    return f"{view.gateway} counts".encode()


class Gateway:
    """Takes what the entry says, and answers as the test wants."""

    def __init__(self, *, settled: bool = True, peers: Sequence[PeerView] = ()) -> None:
        self.said: asyncio.Queue[ToMesh] = asyncio.Queue()
        self._settled = settled
        self._peers = tuple(peers)

    def post(self, message: ToMesh, /) -> None:
        match message:
            case Settle(answer=answer):
                answer.post(self._settled)
            case Inspect(answer=answer):
                answer.post(MeshView("a", "hubbub", "", "", self._peers))
            case _:
                self.said.put_nowait(message)


class Names:
    """A name server that answers whenever the test lets it."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.turn = asyncio.Semaphore(0)

    async def resolve(self, name: str, port: int) -> tuple[str, ...]:
        del name, port
        return self.answers.pop(0)

    async def sleep(self, seconds: float) -> None:
        del seconds
        await self.turn.acquire()


def entry_with(names: Names, **flags: object) -> MeshEntry:
    settings = settings_of(discover="dns://localhost:7000", **flags)
    own = plan(settings)
    assert own is not None
    assert settings.discover is not None
    discovery = Discovery(settings.discover, names.resolve, None, names.sleep)
    return MeshEntry(settings, own, None, discovery)


# Without processes.


async def test_what_a_mesh_is_started_with_is_what_the_settings_say() -> None:
    settings = settings_of(peers=(NOBODY,), cluster="shop", workers="2")
    entry = mesh_entry(settings, Worker(1, 2, "/tmp"))
    assert entry is not None
    setup = await entry.open(figures)
    try:
        assert setup.cluster == "shop"
        assert (setup.site, setup.worker) == ("/tmp", "1")
        assert setup.seeds == ("ipc:///tmp/0.sock", NOBODY)
        assert setup.figures(MeshView("a")) == b"a counts"
        assert re.fullmatch(r"tcp://127\.0\.0\.1:[1-9]\d+", setup.wire.endpoint)
    finally:
        await entry.close()
    await entry.close()  # a second time does no harm


async def test_a_gateway_without_others_has_no_way_into_a_mesh() -> None:
    assert mesh_entry(settings_of()) is None


async def test_names_are_looked_up_before_the_start_and_ever_after() -> None:
    names = Names(("10.0.0.1",), ("10.0.0.1",), ("10.0.0.1", "10.0.0.2"))
    entry, gateway = entry_with(names, peers=(NOBODY,)), Gateway()
    setup = await entry.open(figures)
    try:
        assert setup.seeds == (NOBODY, "tcp://10.0.0.1:7000")
        await entry.settle(gateway)
        for _ in range(3):
            names.turn.release()
        async with asyncio.timeout(SECONDS):
            seeds = await gateway.said.get()
        assert seeds == Seeds((NOBODY, "tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000"))
    finally:
        await entry.close()


async def test_a_gateway_does_not_look_for_itself() -> None:
    port = free_port()
    names = Names(("127.0.0.1", "127.0.0.2"))
    settings = settings_of(
        discover=f"dns://localhost:{port}", peer_listen=f"tcp://127.0.0.1:{port}"
    )
    own = plan(settings)
    assert own is not None
    found = Discovery(f"dns://localhost:{port}", names.resolve, None, names.sleep)
    entry = MeshEntry(settings, own, None, found)
    setup = await entry.open(figures)
    try:
        assert setup.seeds == (f"tcp://127.0.0.2:{port}",)
    finally:
        await entry.close()


async def test_who_has_not_answered_is_named_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    silent, refused, well = (f"tcp://127.0.0.1:{port}" for port in (1, 2, 3))
    peers = (
        PeerView(refused, "", LinkState.REFUSED, trouble="another secret"),
        PeerView(well, "b", LinkState.UP),
    )
    entry = mesh_entry(settings_of(peers=(silent, refused, well)))
    assert entry is not None
    await entry.open(figures)
    try:
        await entry.settle(Gateway(settled=False, peers=peers))
    finally:
        await entry.close()
    (said,) = (record.message for record in caplog.records if record.levelno > 20)
    assert said == (
        f"starting without {silent}, {refused} (another secret): no answer yet"
    )


# Processes.


def loaded(gateway: GatewayProcess) -> str:
    return Path(f"/proc/{gateway.pid}/maps").read_text()


def own_endpoint(gateway: GatewayProcess) -> str:
    found = re.search(r"peers reach this gateway at (\S+)", gateway.log)
    assert found is not None
    return found[1]


def test_a_gateway_on_its_own_does_not_load_zeromq() -> None:
    with GatewayProcess(workers=1) as gateway:
        assert "zmq" not in loaded(gateway)
    with GatewayProcess("--peer-listen", "tcp://127.0.0.1:0", workers=1) as gateway:
        assert "zmq" in loaded(gateway)


def test_the_real_port_is_told_to_others() -> None:
    with GatewayProcess("--peer-listen", "tcp://127.0.0.1:0", workers=1) as gateway:
        assert re.fullmatch(r"tcp://127\.0\.0\.1:[1-9]\d+", own_endpoint(gateway))


def test_a_seed_that_does_not_answer_delays_the_start_but_does_not_prevent_it() -> None:
    with GatewayProcess("--peers", NOBODY, workers=1) as gateway:
        assert f"starting without {NOBODY}" in gateway.log
        assert gateway.stop() == 0


def test_a_gateway_knows_what_others_want_before_it_has_clients() -> None:
    arguments = ("--peer-listen", "tcp://127.0.0.1:0")
    with GatewayProcess(*arguments, workers=1) as first, RawClient(first) as member:
        member.open(target(first, groups=["g"]))
        with (
            GatewayProcess("--peers", own_endpoint(first), workers=1) as second,
            RawClient(second) as publisher,
        ):
            assert "starting without" not in second.log
            publisher.open(target(second, role=EVERYTHING))
            publisher.send(text('{"type":"sendToGroup","group":"g","data":"hello"}'))
            assert member.message()["data"] == "hello"
            assert second.stop() == 0
        assert first.stop() == 0


def test_a_gateway_is_found_by_name() -> None:
    arguments = ("--peer-listen", "tcp://127.0.0.1:0")
    with GatewayProcess(*arguments, workers=1) as first, RawClient(first) as member:
        member.open(target(first, groups=["g"]))
        place = own_endpoint(first).replace("tcp://127.0.0.1", "dns://localhost")
        with (
            GatewayProcess("--discover", place, workers=1) as second,
            RawClient(second) as publisher,
        ):
            publisher.open(target(second, role=EVERYTHING))
            publisher.send(text('{"type":"sendToGroup","group":"g","data":"hello"}'))
            assert member.message()["data"] == "hello"


def test_a_place_that_is_taken_is_said() -> None:
    with GatewayProcess("--peer-listen", "tcp://127.0.0.1:0", workers=1) as first:
        place = own_endpoint(first)
        options = ["--port", "0", "--peer-listen", place]
        command = [sys.executable, "-m", "hubbub.transport", "serve", *options]
        second = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60
        )
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert f"cannot listen for gateways at {place}" in line
    assert not second.stdout
