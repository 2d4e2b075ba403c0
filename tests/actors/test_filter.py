"""The filter language of the service's REST reference."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.policy.filter import Filter, FilterError, Subject, compile_filter


class Someone(msgspec.Struct, frozen=True):
    connection_id: str
    user_id: str | None
    groups: frozenset[str]
    protocol: str | None = None


ALICE = Someone("c1", "alice", frozenset({"g1"}), "json.webpubsub.azure.v1")
OBRIEN = Someone("c2", "O'Brien", frozenset({"g1", "g2"}))
NOBODY = Someone("c3", None, frozenset())


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        # The worked examples of the reference.
        ("userId eq 'alice'", "TFF"),
        ("USERID eq 'alice'", "TFF"),
        ("userId eq 'Alice'", "FFF"),
        ("userId ne 'alice'", "FTT"),
        ("userId eq null", "FFT"),
        ("userId ne null", "TTF"),
        ("userId eq 'O''Brien'", "FTF"),
        ("userId eq 1", "FFF"),
        ("'g1' in groups", "TTF"),
        ("'G1' in groups", "FFF"),
        ("not ('g2' in groups)", "TFT"),
        ("'g1' in groups and not ('g2' in groups)", "TFF"),
        ("'g1' in groups or 'g2' in groups", "TTF"),
        ("true or false and false", "TTT"),
        ("length(userId) gt 5", "FTF"),
        ("length(userId) le 5", "TFF"),
        ("not (length(userId) gt 5)", "TFT"),
        ("length(groups) ge 1", "TTF"),
        ("tolower(userId) eq 'alice'", "TFF"),
        ("substring(userId,0,2) eq 'al'", "TFF"),
        ("substring(userId,6) eq 'n'", "FTF"),
        ("indexof(userId,'x') eq -1", "TTT"),
        ("contains(userId,'li') eq false", "FTT"),
        ("concat(userId,'!') eq '!'", "FFT"),
        ("startswith(userId,'al') or connectionId eq 'c3'", "TFT"),
        ("userId in ('alice','bob')", "TFF"),
        ("userId in (null,'alice')", "TFT"),
        ("length(userId) gt null", "FFF"),
        # Precedence.
        ("not 'g1' in groups", "FFT"),
        ("not false and false", "FFF"),
        ("not (false and false)", "TTT"),
        ("true or true and false", "TTT"),
        ("(true or true) and false", "FFF"),
        ("1 eq 1 eq true", "TTT"),
        ("1 eq (1 eq true)", "FFF"),
        ("3 gt 2 eq true", "TTT"),
        ("true eq not false", "TTT"),
        ("not not true", "TTT"),
        ("'a' in ('a') in (true)", "TTT"),
        ("'g1' in groups or 'x' in groups and not ('g2' in groups)", "TTF"),
        # Types that differ, and null.
        ("true eq 1", "FFF"),
        ("true ne 1", "TTT"),
        ("1 in (true)", "FFF"),
        ("true in (1,'true',true)", "TTT"),
        ("null eq null", "TTT"),
        ("length(userId) eq userId", "FFT"),
        ("userId eq length(userId)", "FFT"),
        ("groups eq null", "FFF"),
        ("groups in (null,'g1')", "FFF"),
        ("groups eq groups", "TTT"),
        ("userId in groups", "FFF"),
        ("null in groups", "FFF"),
        ("1 in groups", "FFF"),
        ("groups in groups", "FFF"),
        ("'g1' in (groups)", "FFF"),
        ("null in ()", "FFF"),
        ("null in (null)", "TTT"),
        ("userId in (connectionId, userId)", "TTT"),
        ("userId in (1, 2)", "FFF"),
        ("null gt 1", "FFF"),
        ("null le null", "FFF"),
        ("not (length(userId) le 5) and not (length(userId) gt 5)", "FFT"),
        # Functions on null and at the edges.
        ("length(null) eq null", "TTT"),
        ("toupper(userId) eq 'ALICE'", "TFF"),
        ("tolower(userId) eq null", "FFT"),
        ("trim('  a ') eq 'a'", "TTT"),
        ("contains(userId,null)", "FFF"),
        ("endswith(userId,'n')", "FTF"),
        ("indexof('abc','c') eq 2", "TTT"),
        ("indexof(userId,null) eq -1", "TTT"),
        ("concat(null,null) eq null", "TTT"),
        ("concat('a','b') eq 'ab'", "TTT"),
        ("substring('abc',3) eq ''", "TTT"),
        ("substring('abc',4) eq null", "TTT"),
        ("substring('abc',-1) eq null", "TTT"),
        ("substring('abc',1,3) eq null", "TTT"),
        ("substring('abc',1,-1) eq null", "TTT"),
        ("substring('abc',1,2) eq 'bc'", "TTT"),
        ("substring(userId,length(userId)) eq ''", "TTF"),
        ("substring('abc',0,null) eq null", "TTT"),
        # Writing.
        ("protocol eq 'json.webpubsub.azure.v1'", "TFF"),
        ("PROTOCOL eq null", "FTT"),
        ("'' eq ''''", "FFF"),
        ("+5 eq 5", "TTT"),
        ("-2147483648 lt 2147483647", "TTT"),
        ("00000000000000000007 eq 7", "TTT"),
        ("\tnot(true)\r\nor\ntrue ", "TTT"),
        ("userId in('alice')", "TFF"),
    ],
)
def test_a_filter_answers_as_the_reference_says(text: str, answers: str) -> None:
    wanted = compile_filter(text)
    given_answers = [wanted(subject) for subject in (ALICE, OBRIEN, NOBODY)]
    assert given_answers == [answer == "T" for answer in answers]


@pytest.mark.parametrize(
    ("text", "part", "detail"),
    [
        ("userId", "userId", "Type 'string', expect 'bool'."),
        ("groups", "groups", "Type 'collection', expect 'bool'."),
        ("null", "null", "Type 'null', expect 'bool'."),
        ("true or userId", "true or userId", "Type 'string', expect 'bool'."),
        ("1 and true", "1 and true", "Type 'int', expect 'bool'."),
        ("not 'a'", "not 'a'", "Type 'string', expect 'bool'."),
        ("not null", "not null", "Type 'null', expect 'bool'."),
        ("userId lt 1", "userId lt 1", "Type 'string', expect 'int'."),
        ("userId gt 'a'", "userId gt 'a'", "Type 'string', expect 'int'."),
        ("null gt 'a'", "null gt 'a'", "Type 'string', expect 'int'."),
        ("true gt 1", "true gt 1", "Type 'bool', expect 'int'."),
        (
            "not length(userId) gt 5",
            "not length(userId)",
            "Type 'null', expect 'bool'.",
        ),
        ("not length('a')", "not length('a')", "Type 'int', expect 'bool'."),
        (
            "tolower(userId) gt 5",
            "tolower(userId) gt 5",
            "Type 'string', expect 'int'.",
        ),
        ("length(1) eq 1", "length(1)", "Type 'int', expect 'string'."),
        ("trim(groups) eq 'a'", "trim(groups)", "Type 'collection', expect 'string'."),
        (
            "substring('a','b') eq 'a'",
            "substring('a', 'b')",
            "Type 'string', expect 'int'.",
        ),
        ("'a' in userId", "'a' in userId", "Type 'string', expect 'collection'."),
        ("'a' in null", "'a' in null", "Type 'null', expect 'collection'."),
        (
            "true and (1 eq 2) eq 5 and 3",
            "true and ((1 eq 2) eq 5) and 3",
            "Type 'int', expect 'bool'.",
        ),
        ("ab eq 1", "ab", "Token 'ab' is not supported."),
        ("userId eq alice", "alice", "Token 'alice' is not supported."),
        ("True", "True", "Token 'True' is not supported."),
        ("f(userId)", "f(userId)", "Token 'f' is not supported."),
        ("Length(userId) eq 1", "Length(userId)", "Token 'Length' is not supported."),
        ("length eq 1", "length", "Token 'length' is not supported."),
        ("2147483648 eq 1", "2147483648", "Token '2147483648' is not supported."),
        ("length() eq 1", "length()", "Function 'length' does not take 0 arguments."),
        (
            "trim('a','b') eq 'a'",
            "trim('a', 'b')",
            "Function 'trim' does not take 2 arguments.",
        ),
        (
            "invalid filter",
            "invalid filter",
            "Syntax error at position 14 in 'invalid filter'.",
        ),
        ("", "", "Syntax error at position 0 in ''."),
        ("'x", "'x", "Syntax error at position 0 in ''x'."),
        ("1 eq", "1 eq", "Syntax error at position 4 in '1 eq'."),
    ],
)
def test_a_wrong_filter_is_refused_in_the_words_of_the_service(
    text: str, part: str, detail: str
) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    message = f"Invalid syntax for '{part}': {detail} (Parameter 'filter')"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "groups/any(g: g eq 'x')",
        "$it eq 1",
        "1 add 1 eq 2",
        "userId has 'a'",
        "1.5 eq 1",
        "1L eq 1",
        "1eq 1",
        "- 1 eq 1",
        "userId EQ 'a'",
        "true AND true",
        "NOT true",
        "'a' IN groups",
        'userId eq "a"',
        "(true",
        "true)",
        "true true",
        "userId in ('a',)",
        "userId in (,'a')",
        "length(userId,) eq 1",
        "and",
        "eq eq eq",
        "'a' in",
        "in groups",
        "not",
        "true or",
        "2014-01-01 eq 1",
        "userId eq 'a'; true",
        "\x00",
        "usеrId eq 'a'",  # noqa: RUF001 (a Cyrillic letter)
        "\ud800",
    ],
)
def test_what_the_language_lacks_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        compile_filter(text)


def test_socket_io_room_clauses_are_one_flat_chain() -> None:
    rooms = [f"'0~bnM~cm9vbQ{number}' in groups" for number in range(200)]
    wanted = compile_filter(" or ".join([*rooms, "'g2' in groups"]))
    assert [wanted(subject) for subject in (ALICE, OBRIEN)] == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 32 + "true" + ")" * 32,
        "not " * 32 + "true",
        "not (" * 31 + "true" + ")" * 31 + " or true",
        "concat(" * 31 + "'a'" + ",'b')" * 31 + " ne 'x'",
        " or ".join(["true"] * 1000),
        " and ".join(["userId ne 'a'"] * 1000),
        "userId ne '" + "x" * (32 * 1024 - 12) + "'",
    ],
)
def test_a_filter_may_be_deep_wide_and_long(text: str) -> None:
    assert compile_filter(text)(ALICE)


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(["true"] * 1001),
        " and ".join(["(true or true)"] * 600),
        "userId ne '" + "x" * (32 * 1024) + "'",
        "not " * 8000 + "true",
        "(" * 16000 + "true" + ")" * 16000,
        "(" * 32000,
        "(" * 200 + "true" + ")" * 200,
        "true" + " eq true" * 4000,
        "'a'" + " in ('a')" * 3000,
        "concat(" * 2500 + "'a'" + ",'b')" * 2500 + " eq 'x'",
        "trim(" * 5000 + "'a'" + ")" * 5000 + " eq 'a'",
        "true in (" * 3000 + "true" + ")" * 3000,
        "true or (" * 900 + "true" + ")" * 900,
        "9" * 32000 + " eq 1",
        "'" * 32001,
        "not (" * 5000,
    ],
)
def test_a_hostile_filter_is_refused_quickly(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    assert time.perf_counter() - began < 3
    assert len(str(caught.value)) < 2000


def test_a_filter_is_read_once() -> None:
    assert compile_filter("userId eq 'once'") is compile_filter("userId eq 'once'")
    assert repr(compile_filter("true")) == "Filter('true')"
    assert isinstance(compile_filter("true"), Filter)


def test_filters_kept_are_bounded() -> None:
    for number in range(300):
        compile_filter(f"length(userId) eq {number}")
    assert compile_filter.cache_info().currsize <= 256


# Random trees against a naive interpreter. A tree is (word, parts...); its types are
# only used to make it, the interpreter looks at the values as they come.

Tree = tuple[Any, ...]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


texts = st.sampled_from(["alice", "O'Brien", "g1", "g2", "c1", "", "al", "'", " É "])
integers = st.integers(-2, 9)
operators = st.sampled_from(["gt", "ge", "lt", "le"])


def constants(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.just("constant"), values)


names = st.sampled_from(["userId", "CONNECTIONID", "protocol", "userid"])
strings: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.one_of(
        st.tuples(st.just("name"), names),
        constants(texts),
        st.tuples(st.sampled_from(["tolower", "toupper", "trim"]), stringlike),
        st.tuples(st.just("concat"), stringlike, stringlike),
        st.tuples(st.just("substring"), stringlike, numberlike),
        st.tuples(st.just("substring"), stringlike, numberlike, numberlike),
    )
)
numbers: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.one_of(
        constants(integers),
        st.tuples(st.just("length"), stringlike | groups),
        st.tuples(st.just("indexof"), stringlike, stringlike),
    )
)
groups: st.SearchStrategy[Tree] = st.just(("name", "groups"))
nulls = constants(st.none())
stringlike: st.SearchStrategy[Tree] = strings | nulls
numberlike: st.SearchStrategy[Tree] = numbers | nulls
predicates = st.sampled_from(["contains", "startswith", "endswith"])
booleans: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.one_of(
        constants(st.booleans()),
        st.tuples(predicates, stringlike, stringlike),
        st.tuples(st.just("not"), booleans),
        st.tuples(st.sampled_from(["and", "or"]), booleans, booleans),
        st.tuples(st.sampled_from(["eq", "ne"]), anything, anything),
        st.tuples(operators, numberlike, numberlike),
        st.tuples(st.just("in"), anything, st.lists(anything, max_size=4).map(tuple)),
        st.tuples(st.just("in"), anything, groups),
    )
)
anything: st.SearchStrategy[Tree] = st.one_of(strings, numbers, booleans, nulls, groups)

LEVELS = {
    "or": 0,
    "and": 1,
    **dict.fromkeys(["eq", "ne", "gt", "ge", "lt", "le"], 2),
    "not": 3,
    "in": 4,
}


def write(tree: Tree, level: int = 0) -> str:
    """Write with as few parentheses as the precedence allows."""
    text = write_bare(tree)
    return f"({text})" if LEVELS.get(tree[0], 5) < level else text


def write_bare(tree: Tree) -> str:
    match tree:
        case ("constant", str(value)):
            return quoted(value)
        case ("constant", None):
            return "null"
        case ("constant", value):
            return str(value).lower()
        case ("name", name):
            return str(name)
        case ("not", operand):
            return f"not {write(operand, 3)}"
        case ("in", left, ("name", name)):
            return f"{write(left, 4)} in {name}"
        case ("in", left, items):
            return f"{write(left, 4)} in ({', '.join(map(write, items))})"
        case (word, left, right) if word in LEVELS:
            level = LEVELS[word]
            return f"{write(left, level)} {word} {write(right, level + 1)}"
    return f"{tree[0]}({','.join(map(write, tree[1:]))})"


def equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def slice_of(text: Any, start: Any, *count: Any) -> Any:
    if None in (text, start, *count):
        return None
    end = start + count[0] if count else len(text)
    return text[start:end] if 0 <= start <= end <= len(text) else None


MEANINGS: dict[str, Callable[..., Any]] = {
    "tolower": lambda a: a if a is None else a.lower(),
    "toupper": lambda a: a if a is None else a.upper(),
    "trim": lambda a: a if a is None else a.strip(),
    "concat": lambda a, b: None if a is b is None else (a or "") + (b or ""),
    "substring": slice_of,
    "length": lambda a: a if a is None else len(a),
    "indexof": lambda a, b: -1 if None in (a, b) else a.find(b),
    "contains": lambda a, b: None not in (a, b) and b in a,
    "startswith": lambda a, b: None not in (a, b) and a.startswith(b),
    "endswith": lambda a, b: None not in (a, b) and a.endswith(b),
    "not": lambda a: not a,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "eq": equal,
    "ne": lambda a, b: not equal(a, b),
    "gt": lambda a, b: None not in (a, b) and a > b,
    "ge": lambda a, b: None not in (a, b) and a >= b,
    "lt": lambda a, b: None not in (a, b) and a < b,
    "le": lambda a, b: None not in (a, b) and a <= b,
}


def naive(tree: Tree, subject: Subject) -> Any:
    match tree:
        case ("constant", value):
            return value
        case ("name", name):
            return {
                "userid": subject.user_id,
                "connectionid": subject.connection_id,
                "protocol": subject.protocol,
                "groups": subject.groups,
            }[name.lower()]
        case ("in", left, ("name", _)):
            value = naive(left, subject)
            return any(equal(value, name) for name in subject.groups)
        case ("in", left, items):
            value = naive(left, subject)
            return any(equal(value, naive(item, subject)) for item in items)
    return MEANINGS[tree[0]](*(naive(part, subject) for part in tree[1:]))


subjects = st.builds(
    Someone,
    connection_id=st.sampled_from(["c1", "c2"]),
    user_id=st.none() | texts,
    groups=st.frozensets(texts, max_size=3),
    protocol=st.none() | st.just("json.webpubsub.azure.v1"),
)


@given(booleans, subjects)
def test_a_filter_means_what_its_tree_means(tree: Tree, subject: Someone) -> None:
    try:
        wanted = compile_filter(write(tree))
    except FilterError as error:
        assert "nesting" in str(error)  # noqa: PT017 (the only reason there may be)
        return
    answer = wanted(subject)
    assert isinstance(answer, bool)
    assert answer is naive(tree, subject), write(tree)


SCRAPS = """
( ) , ' '' 'a' 'g1' 1 -1 +2 true false null and or not in eq ne gt le userId groups
protocol length( tolower( concat( substring( contains( indexof( x . / $it 99999999999
"""
WORDS = st.sampled_from(SCRAPS.split())


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(), subjects)
def test_any_text_is_a_filter_that_never_raises_or_a_filter_error(
    text: str, subject: Someone
) -> None:
    try:
        wanted = compile_filter(text)
    except FilterError:
        return
    assert wanted(subject) in {True, False}
