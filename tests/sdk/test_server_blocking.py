"""A server for scripts: the same verbs, waiting, and no loop in sight."""

from __future__ import annotations

import inspect
import queue
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from hubbub.sdk import (
    Accept,
    AckError,
    BlockingWebPubSubServer,
    ServerRefusedError,
    WebPubSubServer,
)
from hubbub.sdk.blocking.manager import BlockingManager
from hubbub.sdk.blocking.targets import (
    BlockingClientHandle,
    BlockingGroupHandle,
    BlockingUserHandle,
)
from hubbub.sdk.server.manager import Manager
from hubbub.sdk.server.targets import ClientHandle, GroupHandle, UserHandle

if TYPE_CHECKING:
    from hubbub.actors.messages import events
    from support.gateway import GatewayProcess

SECONDS = 5.0
JSON = "json.webpubsub.azure.v1"


def verbs(kind: type) -> dict[str, Any]:
    return {
        name: value
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_") and inspect.isfunction(value)
    }


@pytest.mark.parametrize(
    ("blocking", "original"),
    [
        (BlockingWebPubSubServer, WebPubSubServer),
        (BlockingManager, Manager),
        (BlockingClientHandle, ClientHandle),
        (BlockingUserHandle, UserHandle),
        (BlockingGroupHandle, GroupHandle),
    ],
)
def test_the_verbs_are_those_of_the_asynchronous_twin(
    blocking: type, original: type
) -> None:
    ours, theirs = verbs(blocking), verbs(original)
    assert ours.keys() == theirs.keys()
    for name, verb in theirs.items():
        if name != "wait":  # which has a timeout here
            parameters = inspect.signature(ours[name]).parameters
            expected = inspect.signature(verb).parameters
            assert list(parameters) == list(expected), name
            for one, other in zip(parameters.values(), expected.values(), strict=True):
                assert (one.kind, one.default) == (other.kind, other.default), name


def test_everything_is_done_when_a_verb_returns(gateway: GatewayProcess) -> None:
    heard: queue.Queue[object] = queue.Queue()
    server = BlockingWebPubSubServer(gateway.connection_string, "blocking")

    @server.handle_event("ask")
    def ask(event: events.UserEvent) -> str:
        server.publish("g", f"asked {event.event}")  # a handler may use all verbs
        server.group("others").add(event.client.connection_id)
        return "answer"

    with server:
        server.subscribe("g", lambda message: heard.put(message.data))
        server.subscribe_all(lambda message: heard.put(message.to_connection))
        server.watch(lambda presence: heard.put(presence.kind), groups=())
        server.handle_event("connect", lambda _: Accept(user_id="ann"))
        assert server.attached
        with connect(server.client_url(groups=["g"]), subprotocols=[JSON]) as ws:  # type: ignore[list-item]
            ws.recv()
            assert heard.get(timeout=SECONDS) == "connected"
            ws.send('{"type":"event","event":"ask","dataType":"text","data":"?"}')
            assert "asked ask" in str(ws.recv())
            assert "answer" in str(ws.recv())
            assert heard.get(timeout=SECONDS) in {"asked ask", None}
            assert heard.get(timeout=SECONDS) in {"asked ask", None}
            (member,) = server.group("others").connections()
            assert member.user_id == "ann"
            assert server.manager.list_connections(group="g") == [member]
            assert server.user("ann").exists()
            server.client(member.connection_id).send("x")
            assert '"x"' in str(ws.recv())
            assert heard.get(timeout=SECONDS) == member.connection_id
            server.unsubscribe("g")
            server.unsubscribe_all()
            server.unwatch()
            server.manager.close_connection(member.connection_id)
            assert "disconnected" in str(ws.recv())
        server.drain()
    assert server.wait(0)
    assert heard.empty()
    with pytest.raises(RuntimeError, match="closed"):
        server.publish("g", "x")
    server.close()


def test_errors_are_those_of_the_asynchronous_twin(gateway: GatewayProcess) -> None:
    wrong = f"Endpoint={gateway.endpoint};AccessKey=wrong-wrong-wrong-wrong-wrong-wr;"
    refused = BlockingWebPubSubServer(wrong, "blocking")
    with pytest.raises(ServerRefusedError, match="access key"):
        refused.start()
    assert refused.wait(0)
    with BlockingWebPubSubServer(
        gateway.connection_string, "blocking", "subscriber"
    ) as server:
        with pytest.raises(AckError, match="Forbidden"):
            server.publish("g", "x")
        with pytest.raises(ValueError, match="group"):
            server.publish("", "x")
        with pytest.raises(RuntimeError, match="once"):
            server.start()
        assert not server.wait(0.01)


def test_a_verb_before_the_start_says_so(gateway: GatewayProcess) -> None:
    server = BlockingWebPubSubServer(gateway.connection_string, "blocking")
    with pytest.raises(RuntimeError, match="not started"):
        server.publish("g", "x")
    server.close()
    assert server.wait(0)


def test_an_async_function_must_not_wait_for_it(gateway: GatewayProcess) -> None:
    raised: queue.Queue[BaseException] = queue.Queue()
    server = BlockingWebPubSubServer(gateway.connection_string, "blocking_async")

    async def hear(_: object) -> None:
        try:
            server.publish("g", "again")
        except RuntimeError as error:
            raised.put(error)

    with server:
        server.subscribe("g", hear)
        server.publish("g", "x")
        assert "async function" in str(raised.get(timeout=SECONDS))


def test_closing_ends_its_threads(gateway: GatewayProcess) -> None:
    before = set(threading.enumerate())
    server = BlockingWebPubSubServer(gateway.connection_string, "blocking_threads")
    done = threading.Event()
    with server:
        server.subscribe("g", lambda _: done.set())
        server.publish("g", "x")
        assert done.wait(SECONDS)
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
    assert set(threading.enumerate()) <= before


PROGRAM = """
import sys
from hubbub.sdk import BlockingWebPubSubServer
with BlockingWebPubSubServer(sys.argv[1], "interrupted") as server:
    print("attached", flush=True)
    server.wait()
"""


def test_an_interrupt_ends_a_program_that_waits(gateway: GatewayProcess) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, gateway.connection_string],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(20, program.kill)
    watchdog.start()
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "attached\n"
        program.send_signal(signal.SIGINT)
        _, said = program.communicate()
    finally:
        watchdog.cancel()
        program.kill()
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert program.returncode in {-signal.SIGINT, 1, 130}
