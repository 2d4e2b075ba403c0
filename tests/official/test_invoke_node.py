"""invokeEvent of @azure/web-pubsub-client, answered by a handler of each form.

The questions are asked in ``tests/node/invoke.mjs``, by clients that speak the reliable
protocol, which they choose themselves; ``support.invoked`` answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from support.invoked import FORMS, HUB
from support.official import Story, tell

if TYPE_CHECKING:
    from pathlib import Path

    from support.gateway import GatewayProcess

pytestmark = pytest.mark.node

FAILED = "InternalServerError"


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def story(form: str, tmp_path_factory: pytest.TempPathFactory, workers: int) -> Story:
    async def told(folder: Path) -> Story:
        async with FORMS[form](folder, workers) as gateway:
            return await asyncio.to_thread(ask, gateway)

    return uvloop.run(told(tmp_path_factory.mktemp(form)))


@pytest.fixture(scope="module", params=[1, 2])
def workers(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


def ask(gateway: GatewayProcess) -> Story:
    return tell("invoke.mjs", CONNECTION_STRING=gateway.connection_string, HUB=HUB)


def result(number: object, kind: str | None, data: Any) -> dict[str, Any]:
    return {"id": str(number), "type": kind, "data": data}


def failure(scene: dict[str, Any]) -> str:
    """Give the error's name of an invocation that the gateway says has failed."""
    assert scene["error"] == "InvocationError"
    assert scene["detail"]["message"]
    name: str = scene["detail"]["name"]
    return name


def test_questions_and_answers_are_of_every_data_type(story: Story) -> None:
    assert story["everyType"] == [
        result(1, "text", "text é ✓"),
        result(2, "json", {"b": 1, "a": [2.5, None, "x"]}),
        result(3, "json", "a JSON string"),
        result(4, "json", 7),
        result(5, "binary", "0001feff"),
        result(6, "protobuf", "0a0f747970652e746573742f5468696e6712020801"),
    ]


def test_an_answer_may_be_nothing(story: Story) -> None:
    assert story["nothing"]["nothing"] == result(1, None, None)


def test_an_answer_that_is_null_does_not_hang(story: Story, form: str) -> None:
    """An attached server says nothing where it has null (server protocol, payloads)."""
    scene = story["nothing"]["null"]
    if form == "attached":
        assert failure(scene) == FAILED
    else:
        assert scene == result(2, None, None)


def test_an_empty_text_is_an_answer_or_none(story: Story, form: str) -> None:
    """An HTTP answer without a body is none (client protocols, invoke)."""
    expected = (None, None) if form == "webhook" else ("text", "")
    assert story["nothing"]["empty"] == result(3, *expected)


def test_a_question_may_have_no_data(story: Story, form: str) -> None:
    expected = (None, None) if form == "webhook" else ("text", "")
    assert story["noData"] == result(1, *expected)


def test_the_invocation_id_may_be_the_callers(story: Story) -> None:
    assert story["ownId"] == result("price of é", "text", "x")


@pytest.mark.parametrize("how", ["refused", "crashed", "unhandled"])
def test_a_failure_is_an_answer_and_the_connection_stays(
    story: Story, how: str
) -> None:
    scene = story["failures"]
    assert failure(scene[how]) == FAILED
    assert scene["then"] == result(4, "text", "still here")


def test_each_of_many_questions_gets_its_own_answer(story: Story) -> None:
    assert story["many"] == list(range(40))


def test_a_cancelled_question_gets_no_answer_and_the_next_its_own(
    story: Story,
) -> None:
    scene = story["cancelled"]
    assert scene["slow"]["message"] == "Invocation cancelled by abortSignal."
    assert scene["then"] == result(2, "text", "next")


def test_a_question_that_waits_can_be_cancelled_too(story: Story) -> None:
    scene = story["cancelledWhileItWaits"]
    assert scene["slow"] == result(1, "text", "slow")
    assert scene["behind"]["message"] == "Invocation cancelled by abortSignal."
    assert scene["third"] == result(3, "text", "third")


def test_pings_are_answered_while_a_question_is_open(story: Story) -> None:
    *pongs, last = story["pingsPass"]
    assert last == "invokeResponse"
    assert set(pongs) == {"pong"}


def test_a_cut_fails_the_question_and_the_session_goes_on(story: Story) -> None:
    scene = story["cutMeanwhile"]
    assert scene["slow"]["message"].startswith("Connection is disconnected")
    assert scene["then"] == result(2, "text", "back")
    assert scene["same"]
