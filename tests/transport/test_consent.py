"""When a webhook is asked for its consent, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from hubbub.transport.consent import Consent, allows
from hubbub.transport.wire.webhook_answers import Answer
from support.handlers import ORIGIN, within

if TYPE_CHECKING:
    from hubbub.transport.wire.webhook_answers import Headers

YES = Answer(200, (("WebHook-Allowed-Origin", "*"),))
NO = Answer(200)


class Site:
    """A webhook that is asked, and the clock."""

    def __init__(self, *answers: Answer | Exception, deadline: float = 10.0) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.headers: list[Headers] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._answers = list(answers)
        self.consent = Consent(
            "site", ORIGIN, self._ask, lambda: self.now, deadline=deadline
        )

    async def _ask(self, method: str, headers: Headers) -> Answer:
        self.asked.append(method)
        self.headers.append(headers)
        answers = self._answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def given(self) -> bool:
        return await within(self.consent.given())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_question_names_origin_and_version() -> None:
    site = Site(YES)
    assert await site.given()
    assert site.asked == ["OPTIONS"]
    assert site.headers == [
        (("WebHook-Request-Origin", "svc.example"), ("ce-awpsversion", "1.0"))
    ]


async def test_the_first_callers_share_one_question() -> None:
    site = Site(YES)
    site.gate.clear()
    callers = [asyncio.create_task(site.given()) for _ in range(3)]
    await settle()
    site.gate.set()
    assert await asyncio.gather(*callers) == [True, True, True]
    assert len(site.asked) == 1


async def test_a_caller_that_gives_up_does_not_end_the_question() -> None:
    site = Site(YES)
    site.gate.clear()
    hasty, patient = (asyncio.create_task(site.given()) for _ in range(2))
    await settle()
    hasty.cancel()
    await settle()
    site.gate.set()
    assert await patient


async def test_a_consent_counts_for_a_minute() -> None:
    site = Site(YES)
    await site.given()
    site.now += 59.9
    assert await site.given()
    await settle()
    assert len(site.asked) == 1


async def test_an_old_consent_counts_while_it_is_renewed() -> None:
    site = Site(YES, NO)
    await site.given()
    site.now += 60.0
    site.gate.clear()
    assert await site.given()
    await settle()
    assert len(site.asked) == 2
    assert await site.given()
    site.gate.set()
    await settle()
    assert not await site.given()
    assert len(site.asked) == 2


async def test_after_refusals_the_pauses_double_up_to_a_minute() -> None:
    site = Site(NO)
    assert not await site.given()
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        before = len(site.asked)
        site.now += pause - 0.1
        assert not await site.given()
        assert len(site.asked) == before
        site.now += 0.1
        assert not await site.given()
        assert len(site.asked) == before + 1


async def test_a_consent_after_refusals_starts_the_pauses_anew() -> None:
    site = Site(NO, NO, YES, NO, NO)
    for pause in (0.0, 1.0, 2.0):
        site.now += pause
        await site.given()
    site.now += 60.0
    await site.given()
    await settle()
    site.now += 1.0
    assert not await site.given()
    assert len(site.asked) == 5


async def test_nothing_found_is_asked_again_by_get() -> None:
    site = Site(Answer(404), YES)
    assert await site.given()
    assert site.asked == ["OPTIONS", "GET"]
    assert site.headers[0] == site.headers[1]


@pytest.mark.parametrize("status", [400, 401, 405, 500, 302])
async def test_another_status_is_a_refusal(status: int) -> None:
    site = Site(Answer(status, YES.headers), YES)
    assert not await site.given()
    assert site.asked == ["OPTIONS"]


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(), aiohttp.ServerDisconnectedError()]
)
async def test_silence_is_a_refusal(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await Site(error).given()
    assert "site did not consent: AbuseProtectionResponseFailed" in caplog.text


async def test_the_question_has_a_deadline() -> None:
    site = Site(YES, deadline=0.01)
    site.gate.clear()
    assert not await site.given()


async def test_a_question_under_way_can_be_called_off() -> None:
    site = Site(YES)
    site.gate.clear()
    caller = asyncio.create_task(site.given())
    await settle()
    site.consent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


@pytest.mark.parametrize(
    "lines",
    [
        ("*",),
        ("svc.example",),
        ("SVC.example",),
        ("svc.example:8443",),
        ("other.example", "svc.example"),
        ("other.example, svc.example",),
        ("other.example,*",),
    ],
)
def test_an_origin_that_is_named_is_allowed(lines: tuple[str, ...]) -> None:
    headers = tuple(("webhook-allowed-origin", line) for line in lines)
    assert allows(Answer(200, headers), ORIGIN)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "other.example",
        "xsvc.example",
        "svc.example.evil",
        "svcxexample",
        "svc.example:",
        "svc.example:x",
        "https://svc.example",
    ],
)
def test_an_origin_that_is_not_named_is_not_allowed(line: str) -> None:
    assert not allows(Answer(200, (("WebHook-Allowed-Origin", line),)), ORIGIN)
    assert not allows(Answer(200), ORIGIN)
