"""The pytest plugin from without: whole runs of pytest that use it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

SECONDS = 20.0
STRICT = ("--strict-markers", "-p", "no:cacheprovider", "-W", "error")
QUICK = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""Plugins of our own tests, slow to load."""


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    """Run tests in a process of their own: the plugin keeps nothing in this one."""
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess(*STRICT, *QUICK, *options, timeout=60)


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, waiting a while for it."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            status = open(f"/proc/{pid}/stat").read()  # noqa: PTH123, SIM115 - no file
            if status.rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


def test_each_test_has_a_gateway_of_its_own(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        seen = []

        @pytest.mark.parametrize("number", range(3))
        def test_it(hubbub_gateway, number):
            from azure.messaging.webpubsubservice import WebPubSubServiceClient

            assert hubbub_gateway.events == []
            assert hubbub_gateway.connection_string not in seen
            seen.append(hubbub_gateway.connection_string)
            key = hubbub_gateway.connection_string.split(";")[1]
            assert len(key) > 40 and all(key not in text for text in seen[:-1])
            service = WebPubSubServiceClient.from_connection_string(seen[-1], "chat")
            with service:
                service.send_to_all({"number": number})
            hubbub_gateway.wait_for_event("published", data={"number": number})
        """,
    )
    result.assert_outcomes(passed=3)


def test_clients_are_closed_whatever_became_of_their_loop(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import asyncio, pytest

        @pytest.fixture
        def spy(hubbub_gateway):
            yield hubbub_gateway
            hubbub_gateway.wait_for_event("disconnected")
            hubbub_gateway.wait_for_event("disconnected")

        @pytest.fixture(scope="session")
        def loops():
            loops = []
            yield loops
            for loop in loops:
                loop.close()

        async def talk(hubbub_client):
            ann = await hubbub_client("chat", user="ann", groups=["lobby"])
            bob = await hubbub_client("chat", user="bob")
            await bob.send_to_group("lobby", "hello")
            assert (await ann.next(5)).data == "hello"

        def test_closed(spy, hubbub_client):
            asyncio.run(talk(hubbub_client))

        def test_left_open(spy, loops, hubbub_client):
            loops.append(asyncio.new_event_loop())
            loops[-1].run_until_complete(talk(hubbub_client))

        def test_closed_and_frozen(spy, hubbub_client):
            asyncio.run(talk(hubbub_client))
            spy.freeze()

        def test_left_open_and_frozen(spy, loops, hubbub_client):
            loops.append(asyncio.new_event_loop())
            loops[-1].run_until_complete(talk(hubbub_client))
            spy.freeze()
        """,
    )
    result.assert_outcomes(passed=4)


def test_clients_are_cut_whose_loop_was_closed_under_their_feet(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import asyncio, pytest

        def test_it(hubbub_gateway, hubbub_client):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(hubbub_client("chat", user="ann"))
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False
            loop.close()
            assert hubbub_gateway.events[-1].name == "connected"
            hubbub_client.close_all()
            hubbub_gateway.wait_for_event("disconnected")
        """,
        *("-W", "ignore:unclosed transport"),  # what the loop has left, asyncio says
    )
    result.assert_outcomes(passed=1)


def test_clients_work_with_another_plugin_for_coroutines(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.fixture
        async def ann(hubbub_client):
            return await hubbub_client("chat", user="ann", groups=["lobby"])

        async def test_it(ann, hubbub_gateway, hubbub_client):
            bob = await hubbub_client("chat", user="bob")
            await bob.send_to_group("lobby", "hello")
            assert (await ann.next(5)).data == "hello"
            seen = await hubbub_gateway.event("published")
            assert seen.user_id == "bob"
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_webhook_of_the_application_gets_its_events_and_the_log_sees_them(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import asyncio, threading, pytest
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class App(BaseHTTPRequestHandler):
            got = []

            def do_OPTIONS(self):
                self.send_response(200)
                self.send_header("WebHook-Allowed-Origin", "*")
                self.end_headers()

            def do_POST(self):
                self.got.append(self.headers["ce-type"])
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200 if body else 204)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        @pytest.fixture
        def hubbub_settings():
            with ThreadingHTTPServer(("127.0.0.1", 0), App) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                url = f"http://127.0.0.1:{server.server_port}/hooks/{{event}}"
                handler = {"url": url, "user_events": "order.*"}
                yield {"hubs": {"chat": {"handlers": [handler]}}}
                server.shutdown()

        def test_it(hubbub_gateway, hubbub_client):
            async def order():
                ann = await hubbub_client(user="ann")
                await ann.send_event("order.new", "tea")
                assert (await ann.next(5)).data == "tea"
            asyncio.run(order())
            assert "hubbub-gateway" in {t.name for t in threading.enumerate()}
            seen = hubbub_gateway.wait_for_event("order.new", user_id="ann")
            assert seen.data == "tea"
            assert App.got == ["azure.webpubsub.user.order.new"]
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_handler_class_works_in_a_process_of_its_own_which_ends(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import asyncio, os, pytest
        from hubbub.actors import EventHandler, Respond

        class Pids(EventHandler):
            def on_event(self, event):
                print("what a handler prints disturbs nobody")
                return Respond(__import__("hubbub.sdk").sdk.Text(str(os.getpid())))

        @pytest.mark.hubbub(
            process=True, hubs={"chat": {"handlers": [{"handler": Pids}]}}
        )
        def test_it(hubbub_gateway, hubbub_client):
            async def ask():
                ann = await hubbub_client()
                await ann.send_event("pid", 1)
                pid = int((await ann.next(5)).data)
                assert pid == hubbub_gateway.pid != os.getpid()
                assert os.getpgid(pid) != os.getpgid(0)  # Ctrl+C is not for it
                print("pid:", pid)
            asyncio.run(ask())
        """,
        "-s",
    )
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if "pid: " in line]
    assert has_ended(int(line.split()[-1]))


def test_a_gateway_process_does_not_outlive_a_run_that_is_killed(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import os, signal, pytest

        @pytest.mark.hubbub(process=True)
        def test_it(hubbub_gateway):
            with open("pid", "w") as file:
                file.write(str(hubbub_gateway.pid))
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    result = pytester.runpytest_subprocess(*STRICT, *QUICK, timeout=60)
    assert result.ret == -signal.SIGKILL
    pid = int((pytester.path / "pid").read_text())
    assert pid != os.getpid()
    assert has_ended(pid)


def test_a_gateway_leaves_no_thread_no_actor_and_no_switch_interval_behind(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import asyncio, sys, threading, pykka, pytest
        from hubbub.actors import EventHandler

        interval, handlers = sys.getswitchinterval(), []

        class Threaded(EventHandler):
            pass

        @pytest.mark.hubbub(hubs={"chat": {"handlers": [{"handler": Threaded}]}})
        def test_one(hubbub_gateway, hubbub_client):
            async def connect():
                await hubbub_client()
            asyncio.run(connect())
            assert sys.getswitchinterval() != interval
            handlers.extend(t for t in threading.enumerate() if "Threaded" in t.name)

        def test_two():
            assert sys.getswitchinterval() == interval
            (handler,) = handlers
            handler.join(10)
            assert not handler.is_alive()
            assert pykka.ActorRegistry.get_all() == []
        """,
    )
    result.assert_outcomes(passed=2)
