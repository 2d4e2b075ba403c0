"""Gives every part of a filter its type, and makes a function of it.

Follows the service's REST reference (filter evaluation), with the static typing it
recommends: whatever could be ill-typed for some connection is refused once, here, so
evaluating never raises and nothing fails in the middle of a fan-out. Therefore the
order in which operands are evaluated does not show, and chains may stop early.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from hubbub.actors.messages.commands import Subject
from hubbub.actors.policy.filter_functions import FUNCTIONS, Function, Kind
from hubbub.actors.policy.filter_tree import (
    Among,
    Call,
    Compare,
    FilterError,
    Identifier,
    Junction,
    Literal,
    Node,
    Not,
    Within,
    printed,
    unsupported,
)

__all__ = ["EVENT_ONLY", "Subject", "predicate"]

_Evaluate = Callable[[Subject], Any]


class _Nobody(msgspec.Struct, frozen=True):
    """The connection the service tries a filter on to find errors."""

    connection_id: str = ""
    user_id: str | None = None
    groups: frozenset[str] = frozenset()
    protocol: str | None = None
    event: str | None = None
    group: str | None = None


class _Term(msgspec.Struct, frozen=True):
    """A part with its type; a literal keeps its value at hand."""

    kind: Kind
    evaluate: _Evaluate
    literal: bool = False

    def value(self) -> Any:
        """Return what it is for the connection tried, so for any if a literal."""
        return self.evaluate(_NOBODY)


_NOBODY: Final = _Nobody()

_IDENTIFIERS: Final = {
    "userid": _Term(Kind.STRING, operator.attrgetter("user_id")),
    "connectionid": _Term(Kind.STRING, operator.attrgetter("connection_id")),
    "groups": _Term(Kind.COLLECTION, operator.attrgetter("groups")),
    "protocol": _Term(Kind.STRING, operator.attrgetter("protocol")),
    "event": _Term(Kind.STRING, operator.attrgetter("event")),
    "group": _Term(Kind.STRING, operator.attrgetter("group")),
}

EVENT_ONLY: Final = frozenset({"event", "group"})
"""Identifiers of what happens to a connection, which a connection does not have."""

_KINDS: Final[dict[type, Kind]] = {
    str: Kind.STRING,
    int: Kind.INT,
    bool: Kind.BOOL,
    type(None): Kind.NULL,
}

_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def predicate(node: Node) -> Callable[[Subject], bool]:
    """Make the function a filter is.

    Raises:
        FilterError: A part has the wrong type, or is not known.
    """
    term = _term(node)
    _expect(term, node, Kind.BOOL, node)
    return term.evaluate


def _term(node: Node) -> _Term:
    match node:
        case Literal(value=value):
            return _literal(value)
        case Identifier(name=name):
            return _identifier(name)
        case Call():
            return _call(node)
        case Not(operand=operand):
            return _not(node, operand)
        case Compare(operator="eq" | "ne"):
            return _equality(node)
        case Compare():
            return _ordering(node)
        case Among():
            return _among(node)
        case Within():
            return _within(node)
        case Junction():
            return _junction(node)


def _expect(term: _Term, node: Node, kind: Kind, whole: Node) -> None:
    """Refuse an operand of another type, naming it as the service would.

    Where a Boolean is expected, the service names what a function gives for an
    anonymous connection: the type of ``length(userId)`` is called null.
    """
    if term.kind is kind:
        return
    found = term.kind
    if kind is Kind.BOOL and isinstance(node, Call) and term.value() is None:
        found = Kind.NULL
    raise FilterError(printed(whole), f"Type '{found}', expect '{kind}'.")


def _literal(value: str | int | bool | None) -> _Term:
    kind = _KINDS[type(value)]
    return _Term(kind, lambda _: value, literal=True)


def _identifier(name: str) -> _Term:
    if term := _IDENTIFIERS.get(name.lower()):
        return term
    raise unsupported(name, name)


def _call(node: Call) -> _Term:
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise unsupported(node.name, printed(node))
    count, most = len(node.arguments), len(function.takes)
    if not most - function.optional <= count <= most:
        raise FilterError(
            printed(node),
            f"Function '{node.name}' does not take {count} arguments.",
        )
    arguments = [_argument(node, function, place) for place in range(count)]
    return _Term(function.gives, _applied(function.apply, arguments))


def _argument(node: Call, function: Function, place: int) -> _Evaluate:
    argument = node.arguments[place]
    term = _term(argument)
    takes = function.takes[place]
    if term.kind not in takes and term.kind is not Kind.NULL:
        expected = Kind.INT if Kind.INT in takes else Kind.STRING
        _expect(term, argument, expected, node)
    return term.evaluate


def _applied(apply: Callable[..., Any], arguments: Sequence[_Evaluate]) -> _Evaluate:
    match arguments:
        case (first,):
            return lambda subject: apply(first(subject))
        case (first, second):
            return lambda subject: apply(first(subject), second(subject))
    return lambda subject: apply(*(argument(subject) for argument in arguments))


def _not(node: Not, operand: Node) -> _Term:
    term = _term(operand)
    _expect(term, operand, Kind.BOOL, node)
    evaluate = term.evaluate
    return _Term(Kind.BOOL, lambda subject: not evaluate(subject))


def _equality(node: Compare) -> _Term:
    equal = _equal(_term(node.left), _term(node.right))
    if node.operator == "eq":
        return _Term(Kind.BOOL, equal)
    return _Term(Kind.BOOL, lambda subject: not equal(subject))


def _equal(left: _Term, right: _Term) -> _Evaluate:
    """Compare values of any two types: different types are equal only as nulls."""
    one, other = left.evaluate, right.evaluate
    if left.kind is not right.kind and Kind.NULL not in {left.kind, right.kind}:
        return lambda subject: one(subject) is None and other(subject) is None
    if right.literal:
        value = right.value()
        return lambda subject: bool(one(subject) == value)
    return lambda subject: bool(one(subject) == other(subject))


def _ordering(node: Compare) -> _Term:
    """Compare integers; with a null on either side the answer is no."""
    left, right = _term(node.left), _term(node.right)
    for term, side in ((left, node.left), (right, node.right)):
        if term.kind is not Kind.NULL:
            _expect(term, side, Kind.INT, node)
    one, other, order = left.evaluate, right.evaluate, _ORDER[node.operator]

    def evaluate(subject: Subject) -> bool:
        first, second = one(subject), other(subject)
        return first is not None and second is not None and order(first, second)

    return _Term(Kind.BOOL, evaluate)


def _among(node: Among) -> _Term:
    """Compare with each item; all literals of the right type at once."""
    left = _term(node.left)
    items = [_term(item) for item in node.items]
    alike = {left.kind, Kind.NULL}
    values = {t.value() for t in items if t.literal and t.kind in alike}
    tests = [_equal(left, item) for item in items if not item.literal]
    if values and left.kind is not Kind.COLLECTION:
        known, one = frozenset(values), left.evaluate
        tests.insert(0, lambda subject: one(subject) in known)
    return _Term(Kind.BOOL, _either(tests))


def _within(node: Within) -> _Term:
    left, right = _term(node.left), _term(node.right)
    _expect(right, node.right, Kind.COLLECTION, node)
    one, collection = left.evaluate, right.evaluate
    if left.kind is not Kind.STRING:
        return _Term(Kind.BOOL, lambda _: False)
    if left.literal:
        value = left.value()
        return _Term(Kind.BOOL, lambda subject: value in collection(subject))
    return _Term(Kind.BOOL, lambda subject: one(subject) in collection(subject))


def _junction(node: Junction) -> _Term:
    terms = [_term(operand) for operand in node.operands]
    for place, (term, operand) in enumerate(zip(terms, node.operands, strict=True)):
        upto = msgspec.structs.replace(node, operands=node.operands[: place + 1])
        _expect(term, operand, Kind.BOOL, upto if place else node)
    tests = [term.evaluate for term in terms]
    return _Term(Kind.BOOL, _every(tests) if node.word == "and" else _either(tests))


def _every(tests: Sequence[_Evaluate]) -> _Evaluate:
    match tests:
        case (first, second):
            return lambda subject: first(subject) and second(subject)

    def evaluate(subject: Subject) -> bool:
        for test in tests:  # noqa: SIM110 (a generator for any() is slower)
            if not test(subject):
                return False
        return True

    return evaluate


def _either(tests: Sequence[_Evaluate]) -> _Evaluate:
    match tests:
        case (only,):
            return only
        case (first, second):
            return lambda subject: first(subject) or second(subject)

    def evaluate(subject: Subject) -> bool:
        for test in tests:  # noqa: SIM110 (a generator for any() is slower)
            if test(subject):
                return True
        return False

    return evaluate
