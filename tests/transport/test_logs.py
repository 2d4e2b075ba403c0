"""Log lines: shape, times and what they must not show."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from hubbub.transport import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER = logging.getLogger("hubbub.transport.tests")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


def logged(log_format: str, level: str = "debug") -> io.StringIO:
    stream = io.StringIO()
    logs.set_up(log_format, level, stream)
    return stream


def test_a_text_record_is_one_line_with_utc_time_level_and_logger() -> None:
    stream = logged("text")
    LOGGER.handle(record_at(0.25, "joined %s", "lobby"))
    expected = "1970-01-01T00:00:00.250Z info hubbub.transport.tests: joined lobby\n"
    assert stream.getvalue() == expected


def test_a_json_record_is_one_object_a_line() -> None:
    stream = logged("json")
    LOGGER.handle(record_at(0.25, 'two\nlines and "quotes"'))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "info",
        "logger": "hubbub.transport.tests",
        "message": 'two\nlines and "quotes"',
    }


@pytest.mark.parametrize("mischief", ["a\nb", "a\r\nb", "a\u2028b", "a\x85b", "a\x1bb"])
def test_a_message_cannot_forge_a_second_line(mischief: str) -> None:
    stream = logged("text")
    LOGGER.info("%s", mischief)
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_a_traceback_is_indented_in_text_and_a_member_in_json() -> None:
    for log_format in ("text", "json"):
        stream = logged(log_format)
        try:
            int("access_token=s3cret")
        except ValueError:
            LOGGER.exception("it broke")
        first, *rest = stream.getvalue().splitlines()
        assert "it broke" in first
        said = "ValueError: invalid literal for int() with base 10: 'access_token=***'"
        assert "s3cret" not in stream.getvalue()
        if log_format == "json":
            assert not rest
            assert said in json.loads(first)["exception"]
        else:
            assert all(line.startswith("    ") for line in rest)
            assert rest[-1] == f"    {said}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /client/hubs/a?access_token=ey.J.x&b=1", "access_token=***&b=1"),
        ("Authorization: Bearer ey.J.x", "Bearer ***"),
        ("authorization: bearer ey.J.x, next", "bearer ***, next"),
        ("POST https://a/hook?code=s3cret&x=1", "?code=***&x=1"),
        ("Endpoint=http://a;AccessKey=s3cret;Version=1.0;", "AccessKey=***;Version"),
        ("closed with code=1009", "code=1009"),
        ("a bearer", "a bearer"),
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_masked(text: str, masked: str, log_format: str) -> None:
    stream = logged(log_format)
    LOGGER.info("said %s", text)
    assert masked in stream.getvalue()
    assert "ey.J.x" not in stream.getvalue()
    assert "s3cret" not in stream.getvalue()


def test_records_below_the_level_and_the_chatter_of_libraries_are_left_out() -> None:
    stream = logged("text", "info")
    LOGGER.debug("quiet")
    logging.getLogger("uvicorn.access").info("GET /")
    assert not stream.getvalue()


def test_setting_up_again_replaces_what_was_there() -> None:
    first, second = logged("text"), logged("json")
    LOGGER.info("once")
    assert not first.getvalue()
    assert len(second.getvalue().splitlines()) == 1


def record_at(moment: float, message: str, *args: object) -> logging.LogRecord:
    record = LOGGER.makeRecord(
        LOGGER.name, logging.INFO, "file.py", 1, message, args, None
    )
    record.created = moment
    return record
