"""Signals to a real process: SIGTERM drains, SIGHUP reloads and keeps clients."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.gateway import KEY, SECONDARY_KEY, GatewayProcess
from support.raw import EVERYTHING, JSON, SECONDS, RawClient, Witness, target
from support.wire import client_frame, close, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

THIRD_KEY = "tests-third-key-0123456789abcdef0123456789abcd"


def start(
    tmp_path: Path, config: str, *arguments: str, keys: Sequence[str] = (KEY,)
) -> GatewayProcess:
    path = tmp_path / "hubbub.toml"
    path.write_text(config)
    return GatewayProcess(
        "--config", str(path), "--log-level", "info", *arguments, keys=keys
    )


def ended(gateway: GatewayProcess, seconds: float = 15.0) -> int:
    """Wait for the exit status, longer than any bound of these tests."""
    try:
        return gateway.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still running:\n{gateway.log}")


# SIGTERM.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clients_are_told_and_closed_and_the_process_exits_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with start(tmp_path, "") as gateway:
        clients = [
            RawClient(gateway).open(target(gateway, f"hub{n % 3}")) for n in range(9)
        ]
        simple = RawClient(gateway).open(target(gateway), protocol=None)
        gateway.signal(number)
        for client in clients:
            messages, (code, reason) = client.messages_to_close()
            assert [message["event"] for message in messages] == ["disconnected"]
            assert len(messages[0]["message"]) > 5
            assert code == 1001
            assert "shutting down" in reason
            client.send(close(1001))
            assert client.frames_to_end() == []
        code, reason = simple.frame().close
        assert code == 1001
        assert "shutting down" in reason
        simple.send(close(1001))
        assert ended(gateway) == 0
        assert "Traceback" not in gateway.log
        for client in (*clients, simple):
            client.socket.close()


def test_an_empty_gateway_exits_with_0(tmp_path: Path) -> None:
    with start(tmp_path, "") as gateway:
        gateway.signal(signal.SIGTERM)
        assert ended(gateway) == 0


def test_newcomers_are_refused_while_a_client_takes_its_time(tmp_path: Path) -> None:
    config = "drain_seconds = 10\n[limits]\nclose_seconds = 10"
    with start(tmp_path, config) as gateway:
        with RawClient(gateway) as slow:
            slow.open(target(gateway))
            gateway.signal(signal.SIGTERM)
            assert slow.messages_to_close()[1][0] == 1001
            with pytest.raises(OSError, match="refused"), RawClient(gateway):
                pass
            assert gateway.process.poll() is None
            slow.send(close(1001))
            assert slow.frames_to_end() == []
        assert ended(gateway) == 0


def test_a_client_that_never_completes_the_close_is_cut_at_the_bound(
    tmp_path: Path,
) -> None:
    config = "drain_seconds = 0.5\n[limits]\nclose_seconds = 600"
    with start(tmp_path, config) as gateway, RawClient(gateway) as stubborn:
        stubborn.open(target(gateway))
        gateway.signal(signal.SIGTERM)
        assert stubborn.messages_to_close()[1][0] == 1001
        assert ended(gateway) == 0
        assert stubborn.frames_to_end() == []


def test_connections_of_http_do_not_hold_up_a_drain(tmp_path: Path) -> None:
    config = "drain_seconds = 1"
    path = "/api/hubs/chat/:send"
    with (
        start(tmp_path, config) as gateway,
        RawClient(gateway) as silent,
        RawClient(gateway) as idle,
        RawClient(gateway) as dripping,
    ):
        idle.request("GET", "/")
        assert idle.answer().status == 200
        dripping.request(
            "POST",
            f"{path}?api-version=2024-12-01",
            f"Authorization: Bearer {gateway.token(path)}",
            "Content-Type: text/plain",
            "Content-Length: 100",
        )
        gateway.signal(signal.SIGTERM)
        assert ended(gateway) == 0
        silent.read_to_end()
        idle.read_to_end()
        dripping.read_to_end()


def test_what_was_published_before_a_drain_is_delivered_first(tmp_path: Path) -> None:
    count = 500
    with start(tmp_path, "") as gateway:
        wanted = target(gateway, groups=["g"], role=EVERYTHING)
        with RawClient(gateway) as client:
            client.open(wanted)
            client.send(
                *(
                    text(f'{{"type":"sendToGroup","group":"g","data":{number}}}')
                    for number in range(count)
                ),
                text('{"type":"ping"}'),
            )
            while client.message() != {"type": "pong"}:
                pass
            gateway.signal(signal.SIGTERM)
            messages, (code, _) = client.messages_to_close()
            assert messages[-1]["event"] == "disconnected"
            assert code == 1001
            client.send(close(1001))
        assert ended(gateway) == 0


def test_a_second_signal_does_not_spoil_the_drain(tmp_path: Path) -> None:
    with start(tmp_path, "drain_seconds = 10") as gateway:
        with RawClient(gateway) as client:
            client.open(target(gateway))
            gateway.signal(signal.SIGTERM)
            assert client.messages_to_close()[1][0] == 1001
            gateway.signal(signal.SIGTERM)
            client.send(close(1001))
            assert client.frames_to_end() == []
        assert ended(gateway) == 0


# SIGHUP.


def status(gateway: GatewayProcess, key: str, hub: str = "chat") -> int:
    token = gateway.token(f"/client/hubs/{hub}", key=key)
    with RawClient(gateway) as client:
        return client.upgrade(f"/client/hubs/{hub}?access_token={token}").status


def reload(gateway: GatewayProcess, tmp_path: Path, config: str, told: str) -> None:
    """Rewrite the file, signal, and wait until the log tells of it."""
    (tmp_path / "hubbub.toml").write_text(config)
    seen = gateway.log.count(told)
    gateway.signal(signal.SIGHUP)
    deadline = time.monotonic() + SECONDS
    while gateway.log.count(told) == seen:
        assert time.monotonic() < deadline, gateway.log
        time.sleep(0.01)


def keys(primary: str, secondary: str) -> str:
    return f'access_key = "{primary}"\nsecondary_key = "{secondary}"\n'


def test_keys_are_rotated_without_losing_a_client(tmp_path: Path) -> None:
    with (
        start(tmp_path, keys(KEY, SECONDARY_KEY), keys=()) as gateway,
        Witness(gateway, "chat") as witness,
    ):
        assert [status(gateway, key) for key in (KEY, SECONDARY_KEY, THIRD_KEY)] == [
            101,
            101,
            401,
        ]
        reload(gateway, tmp_path, keys(SECONDARY_KEY, THIRD_KEY), "reloaded")
        assert [status(gateway, key) for key in (KEY, SECONDARY_KEY, THIRD_KEY)] == [
            401,
            101,
            101,
        ]
        path = "/api/hubs/nearby/:send"
        for key, expected in ((KEY, 401), (THIRD_KEY, 202)):
            with RawClient(gateway) as server:
                server.request(
                    "POST",
                    f"{path}?api-version=2024-12-01",
                    f"Authorization: Bearer {gateway.token(path, key=key)}",
                    "Content-Type: text/plain",
                    "Content-Length: 0",
                )
                assert server.answer().status == expected
        witness.check()


def test_a_bad_file_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    with (
        start(tmp_path, keys(KEY, SECONDARY_KEY), keys=()) as gateway,
        Witness(gateway, "chat") as witness,
    ):
        for bad, named in (
            ("access_key = [", "hubbub.toml"),
            (keys(THIRD_KEY, KEY) + "colour = 1", "colour"),
            (keys(THIRD_KEY, KEY) + "[limits]\nstash = -1", "stash"),
        ):
            reload(gateway, tmp_path, bad, "not reloaded")
            assert named in gateway.log.rpartition("not reloaded")[2]
            assert status(gateway, KEY) == 101
            assert status(gateway, THIRD_KEY) == 401
            witness.check()
        reload(gateway, tmp_path, keys(THIRD_KEY, KEY), "settings reloaded")
        assert status(gateway, THIRD_KEY) == 101
        witness.check()


def test_hubs_and_limits_change_for_newcomers(tmp_path: Path) -> None:
    with (
        start(tmp_path, "[hubs.chat]\nanonymous = true") as gateway,
        Witness(gateway, "chat") as witness,
    ):
        with RawClient(gateway) as early, RawClient(gateway) as late:
            assert early.upgrade("/client/hubs/chat").status == 101
            assert early.message()["event"] == "connected"
            reload(
                gateway,
                tmp_path,
                "[limits]\nmessage_size = 1000\n[hubs.chat]\nanonymous = false",
                "reloaded",
            )
            assert late.upgrade("/client/hubs/chat").status == 401
            early.send(text('{"type":"ping"}'))
            assert early.message() == {"type": "pong"}
        with RawClient(gateway) as late:
            late.open(target(gateway))
            late.send(client_frame(1, b" " * 1001))
            assert late.messages_to_close()[1][0] == 1009
        witness.check()


def test_without_a_file_a_reload_changes_nothing() -> None:
    with (
        GatewayProcess("--log-level", "info") as gateway,
        Witness(gateway, "chat") as witness,
    ):
        gateway.signal(signal.SIGHUP)
        witness.check()
        assert status(gateway, KEY) == 101
        assert gateway.stop() == 0


def test_a_simple_client_survives_a_reload(tmp_path: Path) -> None:
    with start(tmp_path, "") as gateway:
        wanted = target(gateway, groups=["g"], role=EVERYTHING)
        mode = "&webpubsub_mode=sendToGroup&group=g"
        with RawClient(gateway) as client, RawClient(gateway) as other:
            client.open(f"{wanted}{mode}", protocol=None)
            other.open(wanted, protocol=JSON)
            reload(gateway, tmp_path, "", "reloaded")
            client.send(text("still here"))
            assert client.frame().data == b"still here"
            assert other.message()["data"] == "still here"
