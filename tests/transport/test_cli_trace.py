"""``hubbub trace``: a page of what a gateway recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from hubbub.transport.cli import app
from support.gateway import GatewayProcess
from support.official import Bystander

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_page_shows_what_a_gateway_recorded(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    with GatewayProcess("--trace", str(file), workers=1) as gateway:
        async with Bystander(gateway.client_url("chat", user="ann")):
            pass
    done = CliRunner().invoke(app, ["trace", str(file)])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "trace.jsonl.html").read_text()
    assert "Connection" in page
    assert "ann" in page


def test_what_is_no_trace_is_said_in_a_line(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello\n")
    for file, reason in (
        (other, "is not a trace"),
        (tmp_path / "gone", "No such file"),
    ):
        done = CliRunner().invoke(app, ["trace", str(file), str(tmp_path / "p.html")])
        assert done.exit_code == 1
        assert reason in done.stderr.replace("\n", " ")
    assert not (tmp_path / "p.html").exists()
