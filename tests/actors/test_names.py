"""The names table and metadata rules of the service's client protocol reference."""

import pytest

from hubbub.actors.policy.names import (
    hub_name,
    is_event_name,
    is_group_name,
    metadata_fault,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("chat", "chat"),
        ("Chat", "chat"),
        ("a", "a"),
        ("a`,.[]_9", "a`,.[]_9"),
        ("a" * 128, "a" * 128),
        ("a" * 129, None),
        ("", None),
        ("1bad", None),
        ("bad hub", None),
        ("bad-hub", None),
        ("bad/hub", None),
        ("chat\n", None),
        ("_chat", None),
        ("chät", None),
        ("chat\u0660", None),
    ],
)
def test_a_hub_name_is_a_letter_and_up_to_127_more_in_lower_case(
    text: str, name: str | None
) -> None:
    assert hub_name(text) == name


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("g", True),
        ("a/b c+é%?#&'x", True),
        ("😀", True),
        (" g ", True),
        ("0~ns~room", True),
        ("*", True),
        ("g" * 1024, True),
        ("g" * 1025, False),
        ("", False),
        (" ", False),
        ("\t\n\u3000", False),
    ],
)
def test_a_group_name_is_anything_up_to_1024_characters_but_blank(
    text: str, valid: bool
) -> None:
    assert is_group_name(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("message", True),
        ("order.new-2_b", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        (".a", False),
        ("9a", False),
        ("a b", False),
        ("a,b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_an_event_name_is_a_letter_and_up_to_127_more(text: str, valid: bool) -> None:
    assert is_event_name(text) is valid


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("trace", "t-1")],
        [("!#$%&'*+-.^_`|~aZ9", "")],
        [("k" * 256, "v" * 1024)],
        [("a", "x\ty ~")],
        [("a", "1"), ("A", "2")],
        [(f"{n:02}" + "k" * 22, "v" * 1000) for n in range(8)],
    ],
)
def test_metadata_within_the_rules_has_no_fault(pairs: list[tuple[str, str]]) -> None:
    assert metadata_fault(pairs) is None


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("", "v")], "HTTP token"),
        ([("a b", "v")], "HTTP token"),
        ([("a:b", "v")], "HTTP token"),
        ([("é", "v")], "HTTP token"),
        ([("a\n", "v")], "HTTP token"),
        ([("k" * 257, "v")], "256"),
        ([("a", "v" * 1025)], "1024"),
        ([("a", "é")], "printable ASCII"),
        ([("a", "b\r\nX-Injected: 1")], "printable ASCII"),
        ([("a", "1"), ("b", "2"), ("a", "3")], "twice"),
        ([(f"{n:02}" + "k" * 23, "v" * 1000) for n in range(8)], "8192"),
    ],
)
def test_metadata_against_a_rule_is_told_which(
    pairs: list[tuple[str, str]], words: str
) -> None:
    fault = metadata_fault(pairs)
    assert fault is not None
    assert words in fault
    assert fault.endswith(".")
