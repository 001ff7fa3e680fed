"""Conditions of rules: a small grammar over facts, read once into a tree of our own.

Python's `ast` only reads the text; nothing is ever executed. Allowed: and, or, not, comparisons (chains
too), + - *, if-else, tuples of constants, constants, names of facts. Numbers are read from their source
text into Decimal, so 0.36 is 0.36 and not the nearest binary fraction.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

MAX_CHARS = 500
MAX_NODES = 100
MAX_DEPTH = 20

Value = Decimal | bool | str
Fact = Decimal | int | bool | str
Sign = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]

# A plain decimal number. Exponents would let eight characters ask for a million digits.
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")


class ExpressionError(ValueError):
    """The condition uses something outside the grammar, or compares what can't be compared."""


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Listing:
    """The right side of `in`."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Node


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    sign: Literal["+", "-", "*"]
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Choice:
    """`then if test else otherwise`."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` (decided by a False) or `or` (decided by a True)."""

    decisive: bool
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One comparison of a chain, with both sides as they were written."""

    left_text: str
    sign: Sign
    right_text: str
    right: Node


@dataclass(frozen=True, slots=True)
class Chain:
    """`left sign right`, or a longer one such as `8 <= hour < 22`."""

    left: Node
    links: tuple[Link, ...]


Node = Constant | Listing | Name | Negative | Not | Arithmetic | Choice | Junction | Chain


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed condition. `names` are the facts that it reads."""

    source: str
    tree: Node
    names: frozenset[str]


_SIGNS: dict[type[ast.cmpop], Sign] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_ARITHMETIC: dict[type[ast.operator], Literal["+", "-", "*"]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def parse(source: str, known: Set[str]) -> Expression:
    """Parse a condition over the known facts. Raises ExpressionError with what is wrong."""
    if len(source) > MAX_CHARS:
        raise ExpressionError(f"a condition has at most {MAX_CHARS} characters")
    if "\\" in source:
        # Escapes have no use here, and Python would warn about odd ones on standard error.
        raise ExpressionError("a condition has no backslashes")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"not a condition: {source[:80]!r}") from error
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise ExpressionError(f"a condition has at most {MAX_NODES} nodes")
    reader = _Reader(source, known)
    return Expression(source, reader.read(tree, 1), frozenset(reader.names))


class _Reader:
    """Turns Python's tree into ours; what has no place in ours is refused."""

    def __init__(self, source: str, known: Set[str]) -> None:
        self._source = source
        self._known = known
        self.names: set[str] = set()

    def read(self, node: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"a condition is at most {MAX_DEPTH} levels deep")
        below = depth + 1
        match node:
            case ast.BoolOp(op=op, values=values):
                return Junction(isinstance(op, ast.Or), tuple(self.read(value, below) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.read(operand, below))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Negative(self.read(operand, below))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return Arithmetic(_ARITHMETIC[type(op)], self.read(left, below), self.read(right, below))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return Choice(self.read(test, below), self.read(body, below), self.read(orelse, below))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self._chain([left, *comparators], ops, below)
            case ast.Constant():
                return Constant(self._constant(node))
            case ast.Name(id=name):
                if name not in self._known:
                    raise ExpressionError(f"{name!r} is no known fact")
                self.names.add(name)
                return Name(name)
        raise ExpressionError(f"{type(node).__name__} is not allowed here in a condition")

    def _chain(self, sides: list[ast.expr], ops: list[ast.cmpop], depth: int) -> Chain:
        links: list[Link] = []
        for op, left, right in zip(ops, sides, sides[1:], strict=False):
            sign = _SIGNS.get(type(op))
            if sign is None:
                raise ExpressionError("only == != < <= > >= in, not in")
            read = self._listing(right) if sign in {"in", "not in"} else self.read(right, depth)
            links.append(Link(self._text(left), sign, self._text(right), read))
        return Chain(self.read(sides[0], depth), tuple(links))

    def _listing(self, node: ast.expr) -> Listing:
        if not isinstance(node, ast.Tuple):
            raise ExpressionError("the right side of in is a list of constants")
        return Listing(tuple(self._constant(element) for element in node.elts))

    def _constant(self, node: ast.expr) -> Value:
        if not isinstance(node, ast.Constant):
            raise ExpressionError("a list holds constants only")
        if isinstance(node.value, bool | str):
            return node.value
        written = self._text(node)
        if not isinstance(node.value, int | float) or not _NUMBER.fullmatch(written):
            raise ExpressionError(f"{written[:40]!r} is no plain number, text or truth value")
        return Decimal(written)

    def _text(self, node: ast.expr) -> str:
        return " ".join((ast.get_source_segment(self._source, node) or "").split())
