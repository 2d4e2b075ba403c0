"""The pytest plugin of hubbub: a gateway of its own for each test that asks for one.

Every run of pytest loads this module where hubbub is installed, so it imports nothing
but pytest and what pytest has loaded; the rest is imported by the fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk.testing.clients import NewClient, NewServer
from hubbub.sdk.testing.gateway import EVERY_ROLE, GatewayEvent, HubbubGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.sdk.testing.inside import LoopThread

__all__ = ["EVERY_ROLE", "GatewayEvent", "HubbubGateway", "NewClient", "NewServer"]

_MARKER = (
    "hubbub(process=False, **settings): how the hubbub_gateway of this test is set, by "
    "the keys of hubbub.toml; with process=True it is a process of its own"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the gateway for a run that needs one; its first test need not wait."""
    if any(
        "hubbub_gateway" in getattr(one, "fixturenames", ()) for one in session.items
    ):
        import hubbub.sdk.testing.inside  # noqa: F401, PLC0415 - see the top


@pytest.fixture(scope="session")
def _hubbub_loop() -> Iterator[LoopThread]:
    """The thread that the gateways of a session run in, one after another."""
    from hubbub.sdk.testing.inside import LoopThread  # noqa: PLC0415 - see the top

    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture
def hubbub_settings() -> dict[str, Any]:
    """Settings of the gateway, by the keys of ``hubbub.toml``; override it at will."""
    return {}


@pytest.fixture
def hubbub_gateway(
    request: pytest.FixtureRequest, hubbub_settings: dict[str, Any]
) -> Iterator[HubbubGateway]:
    """A gateway for this test alone: free port, keys of its own, nobody in it."""
    from hubbub.sdk.testing.settings import settings_from  # noqa: PLC0415 - see the top

    wishes = dict(hubbub_settings)
    for marker in reversed(list(request.node.iter_markers("hubbub"))):
        wishes.update(marker.kwargs)
    process = wishes.pop("process", False)
    settings = settings_from(wishes)
    gateway: HubbubGateway
    if process:
        from hubbub.sdk.testing.process import ProcessGateway  # noqa: PLC0415 - as above

        gateway = ProcessGateway(settings)
    else:
        from hubbub.sdk.testing.inside import InsideGateway  # noqa: PLC0415 - as above

        thread = request.getfixturevalue("_hubbub_loop")
        gateway = InsideGateway(settings, thread)
    yield gateway
    gateway.stop()


@pytest.fixture
def hubbub_client(hubbub_gateway: HubbubGateway) -> Iterator[NewClient]:
    """What connects clients: a coroutine function that gives one.

    ``client = await hubbub_client("chat", user="ann", groups=["lobby"])``
    """
    make = NewClient(hubbub_gateway)
    yield make
    make.close_all()


@pytest.fixture
def hubbub_server(hubbub_gateway: HubbubGateway) -> Iterator[NewServer]:
    """What attaches servers: a coroutine function that gives one.

    ``server = await hubbub_server("chat")``
    """
    make = NewServer(hubbub_gateway)
    yield make
    make.close_all()
