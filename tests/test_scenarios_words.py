"""The words for links and invocations fail when what they expect is not so."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from hubbub.actors import Respond, Text, events
from hubbub.scenarios.topology import Scene, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.scenarios.topology import Client


def playing(story: Callable[[Scene], None], gateways: int = 1) -> tuple[int, str]:
    """Play a story; gives the exit code and what was told."""
    told = StringIO()
    console = Console(file=told, width=200, highlight=False)
    return run(story, gateways=gateways, console=console), told.getvalue()


def asking(scene: Scene) -> Client:
    """Connect ann, whose events are answered with their names."""
    gateway = scene.gateway()
    server = scene.server("server", gateway)

    def answer(event: events.UserEvent) -> Respond:
        return Respond(Text(event.event))

    server.answers("*", answer)
    return scene.client("ann", gateway)


def got_something_else(scene: Scene) -> None:
    asking(scene).invokes("tea", "please", returns="coffee")


def was_answered_after_all(scene: Scene) -> None:
    asking(scene).invokes("tea", "please", refused="InternalServerError")


def was_not_answered(scene: Scene) -> None:
    scene.client("ann", scene.gateway()).invokes("tea", "please", returns="tea")


def was_answered_before(scene: Scene) -> None:
    ann = asking(scene)
    ann.gives_up("tea", "please", once=lambda: ann.invokes("more", "tea"))


def found_its_session(scene: Scene) -> None:
    link = scene.link(scene.gateway())
    ann = scene.client("ann", link)
    link.breaks()
    link.heals()
    ann.comes_back(recovered=False)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (got_something_else, "✗ ann         invokes tea: 'please': got 'tea'"),
        (was_answered_after_all, "invokes tea: 'please': this was not refused"),
        (was_not_answered, "invokes tea: 'please': InternalServerError: No event"),
        (was_answered_before, "✗ ann         gives up on tea: got 'tea'"),
        (found_its_session, "it comes back by itself, into its session instead"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_story_that_does_not_hold_says_why(
    wrong: Callable[[Scene], None], told: str
) -> None:
    status, said = playing(wrong)
    assert status == 1
    assert told in said


def test_a_link_heals_at_each_gateway_of_a_service_in_turn() -> None:
    def story(scene: Scene) -> None:
        gateway = scene.gateway()
        ann = scene.client("ann", gateway)
        link = scene.link(gateway)
        bob = scene.client("bob", link)
        bob.joins("lobby")
        for number in range(3):
            link.breaks()
            ann.publishes("lobby", number)
            link.heals_elsewhere()
            bob.comes_back(recovered=True)
            bob.hears(number, group="lobby", sender="ann")

    status, told = playing(story, gateways=2)
    assert status == 0, told
    healed = [line.split()[4] for line in told.splitlines() if "whole again" in line]
    assert healed == ["1", "2", "1"]
