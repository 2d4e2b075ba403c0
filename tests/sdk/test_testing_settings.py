"""The settings of a test's gateway: where they come from, and how they are checked."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.sdk.testing.settings import _toml, settings_from
from hubbub.transport.configuration import ConfigurationError

pytest_plugins = ["pytester"]

SECONDS = 20.0
STRICT = ("--strict-markers", "-p", "no:cacheprovider", "-W", "error")
QUICK = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""Plugins of our own tests, which take seconds to load."""


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    """Run tests in a process of their own: the plugin keeps nothing in this one."""
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess(*STRICT, *QUICK, *options, timeout=60)


def test_the_marker_is_explained(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--markers", *QUICK, timeout=60)
    result.stdout.fnmatch_lines(["*hubbub(process*"])


def test_settings_come_from_fixture_and_markers_the_nearest_wins(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.hubbub(access_key="module-" + "k" * 32)

        @pytest.fixture
        def hubbub_settings():
            return {"access_key": "fixture-" + "k" * 32, "hubs": {"Chat": {}}}

        @pytest.mark.hubbub(access_key="class-" + "k" * 32)
        class TestOne:
            def test_class(self, hubbub_gateway):
                assert "AccessKey=class-" in hubbub_gateway.connection_string

            @pytest.mark.hubbub(access_key="test-" + "k" * 32, open_hubs=False)
            def test_test(self, hubbub_gateway):
                assert "AccessKey=test-" in hubbub_gateway.connection_string

        def test_module(hubbub_gateway):
            assert "AccessKey=module-" in hubbub_gateway.connection_string
        """,
    )
    result.assert_outcomes(passed=3)


def test_wrong_settings_are_errors_that_say_what_is_wrong(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.hubbub(keep_alive=-1, colour="blue")
        def test_it(hubbub_gateway):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*keep_alive: expected*", "*colour: unknown key*"])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"hubs": {"chat": {"handlers": [{"url": "x"}]}}}, "url"),
        ({"hubs": {"chat": {"handlers": [{"user_events": "*"}]}}}, "url"),
        ({"hubs": {"9": {}}}, "hubs.9"),
        ({"limits": {"connections": "many"}}, "connections"),
        ({"tls_cert": "no-such-file.pem"}, "no-such-file.pem"),
        ({"access_key": "short\nkey"}, "access_key"),
    ],
)
def test_settings_are_checked_as_those_of_a_file(
    settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        settings_from(settings)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_through_as_it_is(text: str) -> None:
    settings = settings_from({"hubs": {"chat": {"handlers": [{"url": "http://h/"}]}}})
    assert settings.hubs["chat"].handlers[0].user_events == "*"
    written = _toml({"key": [text, {text: 1}]})
    assert tomllib.loads(f"a = {written}")["a"] == {"key": [text, {text: 1}]}
