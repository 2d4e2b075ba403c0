"""The pattern language of roles and of handlers' event lists."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubbub.actors.policy.patterns import (
    EventPattern,
    PatternError,
    compile_pattern,
    role_pattern,
)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("room", ["room"], ["Room", "room2", "", "a.room"]),
        ("room.*", ["room.", "room.7"], ["room", "room.7.b", "Room.7"]),
        ("room.**", ["room.", "room.7.b"], ["room"]),
        ("room?", ["room7"], ["room", "room.", "room77"]),
        ("*", ["", "abc", "a b\n"], ["a.b", "."]),
        ("**", ["", "a.b\n.c"], []),
        ("***", ["a.b"], []),
        ("*.*", ["a.b", "."], ["a.b.c", "ab"]),
        ("**.b*", ["a.b", "x.y.bc", ".b"], ["b", "a.b.c"]),
        ("*a**z", ["az", "xa.b.z"], ["x.az", "a"]),
        (r"a\*b", ["a*b"], ["axb", r"a\*b"]),
        (r"a\?\\", ["a?\\"], ["ax\\"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[a-z]+", ["[a-z]+"], ["b"]),
        ("?*?*?", ["abc", "abcdef"], ["ab", "a.bc"]),
    ],
)
def test_a_pattern_matches_whole_names_as_documented(
    pattern: str, yes: list[str], no: list[str]
) -> None:
    matches = compile_pattern(pattern).matches
    assert [name for name in yes if not matches(name)] == []
    assert [name for name in no if matches(name)] == []


@pytest.mark.parametrize("text", ["", "a\\", r"a\b", "\\\\\\"])
def test_an_empty_pattern_or_an_invalid_escape_is_an_error(text: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(text)


def test_a_role_has_at_most_five_stars_of_which_escaped_ones_do_not_count() -> None:
    assert role_pattern(r"*a*b*c**\*").matches("1a2b3c4.5*")
    with pytest.raises(PatternError, match="5 stars"):
        role_pattern("*a*b*c***")
    assert compile_pattern("*a*b*c***").matches("abc")


def test_a_role_pattern_has_at_most_1024_characters() -> None:
    assert role_pattern("?" * 1024).matches("x" * 1024)
    with pytest.raises(PatternError, match="1024"):
        role_pattern("x" * 1025)


@pytest.mark.parametrize("pattern", ["*a*a*a*a*b", "**a*a**b", "*" + "a" * 1000 + "b"])
def test_no_pattern_takes_long_over_a_hostile_name(pattern: str) -> None:
    matches = role_pattern(pattern).matches
    began = time.perf_counter()
    assert not matches("a" * 1024)
    assert time.perf_counter() - began < 0.5


def naive(pattern: str, name: str) -> bool:
    """The definition, by trying everything."""
    if not pattern:
        return not name
    if pattern.startswith("*"):
        rest = pattern.lstrip("*")
        anything = len(pattern) - len(rest) > 1
        if naive(rest, name):
            return True
        return bool(name) and (anything or name[0] != ".") and naive(pattern, name[1:])
    if pattern[0] == "?":
        return bool(name) and name[0] != "." and naive(pattern[1:], name[1:])
    literal, rest = pattern[0], pattern[1:]
    if literal == "\\":
        literal, rest = rest[0], rest[1:]
    return name[:1] == literal and naive(rest, name[1:])


PIECES = st.sampled_from(["a", "b", ".", "?", "*", "**", r"\*", r"\?", r"\\"])


@given(st.lists(PIECES, min_size=1, max_size=7), st.text("ab.*?\\", max_size=8))
@example(["**", "a", "*", "b"], "a.ab")
def test_patterns_agree_with_their_definition(pieces: list[str], name: str) -> None:
    pattern = "".join(pieces)
    assert compile_pattern(pattern).matches(name) is naive(pattern, name)


@given(st.text(), st.text())
def test_any_text_is_a_pattern_or_a_pattern_error(text: str, name: str) -> None:
    try:
        pattern = role_pattern(text)
    except PatternError:
        return
    assert pattern.matches(name) in {True, False}


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("*", ["message", "a.b"], []),
        ("message", ["message", "MESSAGE"], ["messages"]),
        ("Order.*, message", ["order.new", "message"], ["order.new.x", "order"]),
        ("order.**", ["Order.new.x"], ["order"]),
        ("a?", ["ab", "A1"], ["a", "a.", "abc"]),
        ("a, *", ["x.y"], []),
        (r"*, a\x*", ["x.y"], []),
        ("", [], ["", "message"]),
        (" , ,", [], ["", "message"]),
        (r"a\b", ["a\\b"], ["ab"]),
        (r"a\*", ["a*"], ["ab"]),
    ],
)
def test_an_event_list_takes_what_any_entry_takes(
    text: str, yes: list[str], no: list[str]
) -> None:
    pattern = EventPattern(text)
    assert [name for name in yes if not pattern.matches(name)] == []
    assert [name for name in no if pattern.matches(name)] == []


def test_an_invalid_escape_before_a_lone_star_makes_the_list_invalid() -> None:
    with pytest.raises(PatternError):
        EventPattern(r"a\x*, *")


def test_an_event_list_has_no_limit_of_stars_or_length() -> None:
    text = "*a" * 1000
    assert EventPattern(text).matches("a" * 1000)
