"""What serve says, to people and to scripts, and what it keeps to itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from hubbub.transport.cli import app
from hubbub.transport.configuration import DEVELOPMENT_KEY
from support.gateway import KEY, SECONDARY_KEY, GatewayProcess

HUBBUB = Path(sys.executable).with_name("hubbub")


def test_serve_refuses_bad_settings_with_exit_code_2_before_it_listens() -> None:
    result = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "set an access key of your own" in result.stderr
    assert not result.stdout


def test_serve_without_settings_says_how_to_use_it_and_where_it_is() -> None:
    with GatewayProcess(keys=()) as gateway:
        said = gateway.log
        place = f"Endpoint={gateway.endpoint};AccessKey={DEVELOPMENT_KEY};Version=1.0;"
        assert place in said
        assert f"ws://{gateway.host}:{gateway.port}/client/hubs/chat?" in said
        assert f"{gateway.endpoint}/#url=" in said
        for text in ("listen lobby", "publish hello", "Ctrl+C"):
            assert text in said
        assert gateway.stop() == 0
        assert gateway.process.stdout is not None
        assert not gateway.process.stdout.read()


def test_serve_prints_a_key_of_ones_own_only_when_asked_to() -> None:
    with GatewayProcess() as gateway:
        assert f"Endpoint={gateway.endpoint};AccessKey=***;Version=1.0;" in gateway.log
        for secret in (KEY, SECONDARY_KEY, "access_token"):
            assert secret not in gateway.log
    with GatewayProcess("--show-key") as gateway:
        assert gateway.connection_string in gateway.log


def test_serve_with_json_logs_writes_nothing_else_to_stderr() -> None:
    with GatewayProcess("--log-format", "json", "--log-level", "debug") as gateway:
        gateway.stop()
        for line in gateway.log.splitlines():
            assert {"time", "level", "logger", "message"} <= json.loads(line).keys()


def test_serve_fails_with_exit_code_1_when_the_port_is_taken() -> None:
    with GatewayProcess() as gateway:
        command = [str(HUBBUB), "serve", "--port", str(gateway.port)]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"port {gateway.port}" in second.stderr
    assert not second.stdout


def test_serve_keeps_the_primary_key_to_itself_beside_a_secondary_everybody_knows() -> (
    None
):
    with GatewayProcess(keys=(KEY, DEVELOPMENT_KEY)) as gateway:
        assert KEY not in gateway.log


def test_the_commands_that_serve_suggests_are_safe_to_paste() -> None:
    with GatewayProcess("--hub", "a`b[c]") as gateway:
        assert "listen lobby --hub 'a`b[c]'" in gateway.log
