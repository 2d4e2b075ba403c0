"""What answers of a webhook mean, from the tables of the event handler reference."""

from __future__ import annotations

import pytest

from hubbub.actors import Accept, Binary, Json, Protobuf, Reject, Respond, Text
from hubbub.transport.wire import webhook_answers
from hubbub.transport.wire.webhook_answers import Answer

# Answers to connect.


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(204), Accept()),
        (Answer(200), Accept()),
        (Answer(200, (("Content-Type", "text/html"),), b" \r\n"), Accept()),
        (Answer(200, (), b"null"), Accept()),
        (Answer(200, (), b"{}"), Accept()),
        (
            Answer(200, (), b'{"userId":null,"groups":null,"roles":null}'),
            Accept(),
        ),
        (Answer(200, (), b'{"userId":"","roles":[]}'), Accept("", roles=())),
        (Answer(200, (), b'{"groups":[],"subprotocol":""}'), Accept()),
        (
            Answer(
                201,
                (("CE-ConnectionState", "s"),),
                b'{"USERID":"a","Groups":["g"],"roles":["r"],"subProtocol":"p","x":1}',
            ),
            Accept("a", ("g",), ("r",), "p", "s"),
        ),
        (
            Answer(200, (("ce-connectionState", "a"), ("ce-connectionState", ""))),
            Accept(state=""),
        ),
        (Answer(200, (("X-WebPubSub-Metadata-a b", "\u00e9"),)), Accept()),
    ],
)
def test_a_success_admits_the_client(answer: Answer, outcome: Accept) -> None:
    assert webhook_answers.connect_outcome(answer) == outcome


@pytest.mark.parametrize(
    ("status", "told"), [(401, 401), (429, 429), (503, 503), (302, 500), (100, 500)]
)
def test_a_refusal_gives_its_status_and_nothing_else(status: int, told: int) -> None:
    answer = Answer(status, (("ce-connectionState", "s"),), b"internal detail")
    outcome = webhook_answers.connect_outcome(answer)
    assert isinstance(outcome, Reject)
    assert outcome.status == told
    assert "detail" not in outcome.reason


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, (), b"{"),
        Answer(200, (), b"\xff"),
        Answer(200, (), b"[]"),
        Answer(200, (), b"false"),
        Answer(200, (), b'{"roles":[null]}'),
        Answer(200, (), b'{"groups":"lobby"}'),
        Answer(200, (), b'{"groups":[""]}'),
        Answer(200, (), b'{"userId":7}'),
        Answer(200, (), b"[" * 100_000),
        Answer(200, (("ce-connectionState", "\u00e9"),)),
        Answer(200, (("ce-connectionState", "x" * 8193),)),
    ],
)
def test_a_success_without_sense_is_an_error(answer: Answer) -> None:
    with pytest.raises(ValueError, match=r"."):
        webhook_answers.connect_outcome(answer)


# Answers to user events.


def typed(content_type: str, body: bytes, *more: tuple[str, str]) -> Answer:
    return Answer(200, (("Content-Type", content_type), *more), body)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(204), Respond()),
        (typed("application/octet-stream", b""), Respond()),
        (typed("text/plain; charset=utf-8", b"h\xc3\xa9"), Respond(Text("h\u00e9"))),
        (typed("Text/Plain", b"x"), Respond(Text("x"))),
        (typed("application/json", b' {"n": 1.0}'), Respond(Json(b' {"n": 1.0}'))),
        (typed("application/json; charset=utf-8", b"null"), Respond()),
        (typed("application/octet-stream", b"\xff"), Respond(Binary(b"\xff"))),
        (Answer(200, (), b"\xff"), Respond(Binary(b"\xff"))),
        (typed("application/x-protobuf", b"\n"), Respond(Protobuf(b"\n"))),
        (Answer(202, (("ce-connectionState", ""),)), Respond(state="")),
        (Answer(200, (("ce-connectionState", "x" * 8192),)), Respond(state="x" * 8192)),
        (
            Answer(200, (("x-webpubsub-metadata-Trace", "t1, t2 "),)),
            Respond(Text(""), metadata={"trace": "t2"}),
        ),
        (
            typed(
                "text/plain",
                b"x",
                ("X-WebPubSub-Metadata-A", "1"),
                ("x-webpubsub-metadata-a", "2"),
            ),
            Respond(Text("x"), metadata={"a": "2"}),
        ),
    ],
)
def test_a_success_answers_the_client(answer: Answer, outcome: Respond) -> None:
    assert webhook_answers.event_outcome(answer) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, (), b"x"),
        Answer(302),
        Answer(500),
        typed("text/html", b"x"),
        typed("text/plain", b"\xff"),
        typed("application/json", b"{"),
        typed("application/json", b'"\xff"'),
        Answer(200, (("X-WebPubSub-Metadata-a", "\u00e9"),)),
        Answer(200, (("X-WebPubSub-Metadata-a", "x" * 1025),)),
        Answer(200, (("ce-connectionState", "\t"),)),
    ],
)
def test_any_other_answer_is_an_error(answer: Answer) -> None:
    with pytest.raises(ValueError, match=r"."):
        webhook_answers.event_outcome(answer)
