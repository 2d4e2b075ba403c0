"""Coroutine tests run on the loop that production uses."""

from __future__ import annotations

import inspect
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

NODE_PACKAGES = Path(__file__).parent / "node" / "node_modules"


@pytest.fixture(scope="session")
def gateway() -> Iterator[GatewayProcess]:
    """A gateway without event handlers, shared: use hubs of your own in each test."""
    with GatewayProcess("--log-level", "info") as process:
        yield process


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say in one line what is missing; in CI a missing program is a failure."""
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
    uvloop.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
