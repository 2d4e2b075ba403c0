"""Reads a filter's text into a tree, and prints parts of a tree for error messages.

Knows the grammar of the service's REST reference (filter language): what is written.
Whether it makes sense, and what it means, is told by `filter_types`.

The parser is LALR and keeps its own stack, so no text can exhaust Python's; chains of
``and`` and ``or`` become one flat node, and whatever nests is counted while it is
built.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final, cast

import msgspec
from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken
from lark.lark import PostLex

NESTING: Final = 64
CLAUSES: Final = 1000
LENGTH: Final = 32 * 1024

_QUOTED: Final = 512  # characters of a filter, in an error message
_INTEGERS: Final = range(-(2**31), 2**31)
_DIGITS: Final = len(str(_INTEGERS.stop))
_WORDS: Final = {"true": True, "false": False, "null": None}

# Tight to loose: calls, `in`, `not`, comparisons, `and`, `or`. What follows `in` in
# parentheses is always a list, so a collection there stands bare.
_GRAMMAR: Final = r"""
    ?start: either
    ?either: both | both ("or" both)+ -> disjunction
    ?both: comparison | comparison ("and" comparison)+ -> conjunction
    ?comparison: negation | comparison COMPARE negation -> compare
    ?negation: membership | "not" negation -> negate
    ?membership: atom
        | membership "in" "(" (either ("," either)*)? ")" -> among
        | membership "in" operand -> within
    ?atom: operand | "(" either ")" -> nested
    ?operand: NAME -> identifier
        | NAME "(" (either ("," either)*)? ")" -> call
        | STRING -> string
        | INTEGER -> integer
        | WORD -> word

    COMPARE.2: /(?:eq|ne|gt|ge|lt|le)(?![A-Za-z0-9_])/
    WORD.2: /(?:true|false|null)(?![A-Za-z0-9_])/
    NAME: /[A-Za-z_][A-Za-z0-9_]*/
    STRING: /'(?:[^']|'')*'/
    INTEGER: /[+-]?[0-9]+(?![A-Za-z0-9_.])/
    %ignore /[ \t\r\n]+/
"""


class FilterError(ValueError):
    """Says what is wrong with a filter, in the words of the service."""

    def __init__(self, part: str, detail: str) -> None:
        super().__init__(
            f"Invalid syntax for '{_clipped(part)}': {detail} (Parameter 'filter')",
        )


class Literal(msgspec.Struct, frozen=True):
    """A string, integer, Boolean or null, and how it was written."""

    text: str
    value: str | int | bool | None
    depth: int = 1


class Identifier(msgspec.Struct, frozen=True):
    """A property of the connection."""

    name: str
    depth: int = 1


class Call(msgspec.Struct, frozen=True):
    """A function and what it is given."""

    name: str
    arguments: tuple["Node", ...]
    depth: int


class Not(msgspec.Struct, frozen=True):
    """The opposite of its operand."""

    operand: "Node"
    depth: int


class Compare(msgspec.Struct, frozen=True):
    """Two values and one of the six comparisons."""

    operator: str
    left: "Node"
    right: "Node"
    depth: int


class Among(msgspec.Struct, frozen=True):
    """A value looked for in a list that is written out."""

    left: "Node"
    items: tuple["Node", ...]
    depth: int


class Within(msgspec.Struct, frozen=True):
    """A value looked for in a collection."""

    left: "Node"
    right: "Node"
    depth: int


class Junction(msgspec.Struct, frozen=True):
    """A whole chain of ``and``, or of ``or``."""

    word: str
    operands: tuple["Node", ...]
    depth: int


Node = Literal | Identifier | Call | Not | Compare | Among | Within | Junction


def unsupported(token: str, part: str) -> FilterError:
    """Return the error for a word or number the language does not have."""
    return FilterError(part, f"Token '{_clipped(token)}' is not supported.")


def parse(text: str) -> Node:
    """Read a filter.

    Raises:
        FilterError: It is not well formed, or too long, wide or deep.
    """
    if len(text) > LENGTH:
        raise FilterError(text, f"More than {LENGTH} characters.")
    try:
        return _parser()(text)
    except UnexpectedToken as error:
        end = len(text) if error.token.type == "$END" else error.token.end_pos
        raise _syntax_error(text, end) from None
    except UnexpectedCharacters as error:
        raise _syntax_error(text, error.pos_in_stream) from None


def names_in(node: Node) -> Iterator[str]:
    """Give the identifiers of a tree, from left to right."""
    match node:
        case Identifier(name=name):
            yield name
        case Literal():
            return
        case Call(arguments=parts) | Junction(operands=parts):
            yield from _names_in_all(parts)
        case Not(operand=operand):
            yield from names_in(operand)
        case Compare(left=left, right=right) | Within(left=left, right=right):
            yield from _names_in_all((left, right))
        case Among(left=left, items=items):
            yield from _names_in_all((left, *items))


def _names_in_all(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        yield from names_in(node)


def printed(node: Node) -> str:
    """Write a part of a tree as messages show it: operators inside are in brackets."""
    match node:
        case Literal(text=text):
            return text
        case Identifier(name=name):
            return name
        case Call(name=name, arguments=arguments):
            return f"{name}({_listed(arguments)})"
        case Not(operand=operand):
            return f"not {_bracketed(operand)}"
        case Compare(operator=operator, left=left, right=right):
            return f"{_bracketed(left)} {operator} {_bracketed(right)}"
        case Among(left=left, items=items):
            return f"{_bracketed(left)} in ({_listed(items)})"
        case Within(left=left, right=right):
            return f"{_bracketed(left)} in {_bracketed(right)}"
        case Junction(word=word, operands=operands):
            return f" {word} ".join(map(_bracketed, operands))


def _bracketed(node: Node) -> str:
    text = printed(node)
    return text if isinstance(node, Literal | Identifier | Call) else f"({text})"


def _listed(nodes: Iterable[Node]) -> str:
    return ", ".join(map(printed, nodes))


def _syntax_error(text: str, position: int | None) -> FilterError:
    detail = f"Syntax error at position {position} in '{_clipped(text)}'."
    return FilterError(text, detail)


def _clipped(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


class _ClauseLimit(PostLex):
    """Refuses a text with too many clauses while its tokens pass."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        clauses = 1
        for token in stream:
            clauses += token.type in {"AND", "OR"}
            if clauses > CLAUSES:
                raise FilterError(str(token), f"More than {CLAUSES} clauses.")
            yield token


class _Builder(Transformer[Token, Node]):
    """Makes a node of each rule, while the parser reduces it."""

    def string(self, children: list[Token]) -> Node:
        text = str(children[0])
        return Literal(text, text[1:-1].replace("''", "'"))

    def integer(self, children: list[Token]) -> Node:
        text = str(children[0])
        # int() refuses texts of thousands of digits: look at the length first.
        short = len(text.lstrip("+-0")) <= _DIGITS
        if not short or int(text) not in _INTEGERS:
            raise unsupported(text, text)
        return Literal(text, int(text))

    def word(self, children: list[Token]) -> Node:
        text = str(children[0])
        return Literal(text, _WORDS[text])

    def identifier(self, children: list[Token]) -> Node:
        return Identifier(str(children[0]))

    def call(self, children: list[Token | Node]) -> Node:
        arguments = cast("list[Node]", children[1:])
        return Call(str(children[0]), tuple(arguments), _above(arguments))

    def nested(self, children: list[Node]) -> Node:
        return msgspec.structs.replace(children[0], depth=_above(children))

    def negate(self, children: list[Node]) -> Node:
        return Not(children[0], _above(children))

    def compare(self, children: list[Token | Node]) -> Node:
        left, right = cast("list[Node]", children[::2])
        return Compare(str(children[1]), left, right, _above((left, right)))

    def among(self, children: list[Node]) -> Node:
        return Among(children[0], tuple(children[1:]), _above(children))

    def within(self, children: list[Node]) -> Node:
        return Within(children[0], children[1], _above(children))

    def conjunction(self, children: list[Node]) -> Node:
        return Junction("and", tuple(children), _above(children))

    def disjunction(self, children: list[Node]) -> Node:
        return Junction("or", tuple(children), _above(children))


def _above(nodes: Iterable[Node]) -> int:
    depth = 1 + max((node.depth for node in nodes), default=0)
    if depth > NESTING:
        raise FilterError("...", f"More than {NESTING} levels of nesting.")
    return depth


@cache
def _parser() -> Callable[[str], Node]:
    """Make the parser when the first filter comes: it takes some 20 ms."""
    lark = Lark(
        _GRAMMAR,
        parser="lalr",
        lexer="basic",  # so that keywords are reserved everywhere
        maybe_placeholders=False,
        postlex=_ClauseLimit(),
        transformer=_Builder(),
    )
    return cast("Callable[[str], Node]", lark.parse)
