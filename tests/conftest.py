"""Coroutine tests run on the loop that production uses."""

from __future__ import annotations

import gc
import inspect
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = "HUBBUB_TEST_WORKERS"
NODE_PACKAGES = Path(__file__).parent / "node" / "node_modules"


@pytest.fixture(scope="session")
def gateway() -> Iterator[GatewayProcess]:
    """A gateway without event handlers, shared: use hubs of your own in each test."""
    with GatewayProcess("--log-level", "info") as process:
        yield process


@pytest.fixture(autouse=True)
def end_of_logs() -> Iterator[None]:
    """Take away what a command that ran inside a test has set up to write logs to."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler and handler not in before:
            root.removeHandler(handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--workers",
        type=int,
        default=os.environ.get(WORKERS, "1"),
        help=f"Worker processes of each gateway that tests start (1); also {WORKERS}.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "one_process(reason): looks at the one process that a gateway is"
    )
    # A gateway does not know the variable, and would say so.
    os.environ.pop(WORKERS, None)
    GatewayProcess.workers = config.getoption("--workers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot be; in CI a missing program is a failure."""
    if GatewayProcess.workers > 1:
        for item in items:
            if alone := item.get_closest_marker("one_process"):
                why = f"needs one process: {alone.args[0]}"
                item.add_marker(pytest.mark.skip(reason=why))
    if os.environ.get("CI"):
        return
    missing = {
        "node": None
        if shutil.which("node") and NODE_PACKAGES.is_dir()
        else "Node.js 20 or its packages are missing: apt install nodejs npm; make dev",
        "browser": None
        if shutil.which("chromium")
        else "Chromium is missing: apt install chromium",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason is not None and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    try:
        uvloop.run(pyfuncitem.obj(**arguments))
    except BaseException:
        # Tasks left over complain when they are collected. In the middle of a report
        # that ends the run: parsing source is not reentrant in Python 3.11.
        gc.collect()
        raise
    return True
