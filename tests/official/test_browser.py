"""The demo page in headless Chromium: the story of ``tests/node/browser.mjs``."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.gateway import GatewayProcess
from support.official import Story, tell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.node, pytest.mark.browser]

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def demo() -> Iterator[GatewayProcess]:
    with GatewayProcess("--demo") as process:
        yield process


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def story(demo: GatewayProcess, pictures: Path) -> Story:
    return tell(
        "browser.mjs",
        ENDPOINT=demo.endpoint,
        CONNECTION_STRING=demo.connection_string,
        HUB="demo",
        PICTURES=str(pictures),
        CHROMIUM=shutil.which("chromium") or "",
    )


def test_two_tabs_chat_through_a_group(story: Story) -> None:
    scene = story["chat"]
    assert scene["states"] == ["connected as alice", "connected as bob"]
    assert scene["senders"] == ["alice", "bob"]
    said = ["Hello from the first tab", "Hello back & <b>markup stays text</b>"]
    assert scene["alice"] == said
    assert scene["bob"] == said


def test_markup_in_a_message_stays_text(story: Story) -> None:
    assert story["chat"]["markup"] == 0


def test_messages_of_the_server_are_shown_as_such(story: Story) -> None:
    assert story["otherData"]["sender"] == "server"


def test_the_page_can_be_photographed_in_light_and_dark(
    story: Story, pictures: Path
) -> None:
    assert story["pictures"] is None
    for name in ("light", "dark", "code", "phone", "closed"):
        assert (pictures / f"{name}.png").read_bytes().startswith(PNG)


def test_the_code_shown_is_ready_but_hides_the_token(story: Story) -> None:
    assert "client.join_group" in story["snippet"]["shown"]
    assert story["snippet"]["tokenShown"] is False


def test_joining_another_group_leaves_the_first(story: Story) -> None:
    assert story["changeGroup"]["members"] == ["alice"]


def test_the_page_works_by_keyboard_alone(story: Story) -> None:
    assert story["keyboard"] is None


def test_a_refused_request_is_told(story: Story) -> None:
    assert story["forbidden"]["join"].startswith("Not joined lobby: Forbidden")
    assert story["forbidden"]["send"].startswith("Forbidden")


def test_a_close_by_the_server_shows_code_and_reason(story: Story) -> None:
    scene = story["closedByServer"]
    assert scene["note"].startswith("Closed with code 1000")
    assert "the demo is over" in scene["note"]
    assert scene["state"] == "closed, 1000"
    assert scene["again"] == "connected as alice"


def test_a_refused_handshake_is_told(story: Story) -> None:
    assert story["refused"]["state"] == "not connected"
    assert story["refused"]["note"].startswith("No connection")


def test_the_page_needs_nothing_else_and_keeps_the_token_to_itself(
    story: Story, demo: GatewayProcess
) -> None:
    scene = story["privacy"]
    assert scene["requests"]
    assert set(scene["requests"]) == {f"{demo.endpoint}/"}
    assert scene["problems"] == []
