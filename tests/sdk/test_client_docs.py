"""The page about reliable clients: its programs, run as a reader runs them."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.sdk_clients import SECONDS, by_way_of
from support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from hubbub.sdk.testing import HubbubGateway, NewClient

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "reliable-clients.md"
FILES = dict(
    re.findall(
        r'^```python title="([^"]+)"\n(.*?)^```$',
        PAGE.read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
OURS = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
"""Plugins that our own tests bring, and no reader has."""


async def test_the_program_tells_what_became_of_a_cut(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient, tmp_path: Path
) -> None:
    program = tmp_path / "watch.py"
    program.write_text(FILES["watch.py"])
    bob = await hubbub_client()
    with TcpProxy(hubbub_gateway.port) as way:
        url = by_way_of(way, hubbub_gateway.client_url(user="alice"))
        running = await asyncio.create_subprocess_exec(
            sys.executable, str(program), url, stdout=asyncio.subprocess.PIPE
        )

        async def said() -> str:
            assert running.stdout is not None
            async with asyncio.timeout(3 * SECONDS):
                return (await running.stdout.readline()).decode()

        try:
            await hubbub_gateway.event("joined", 3 * SECONDS, user_id="alice")
            await bob.send_to_group("lobby", "one")
            # Told and heard come from two tasks of the program.
            assert {await said(), await said()} == {"a session begins\n", "one\n"}
            way.cut()
            assert (await said()).startswith("away: ")
            await bob.send_to_group("lobby", "two")
            way.heal()
            back = {await said(), await said()}
            assert back == {"back, and nothing was missed\n", "two\n"}
        finally:
            running.kill()
            await running.wait()


def test_the_test_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "test_cut.py").write_text(FILES["test_cut.py"])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", *OURS, "."],
        check=False,
        cwd=tmp_path,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
