"""Conditions of rules: a small grammar over facts, with three-valued logic and a trace.

Parsed by `ast` and walked by our own code, never evaluated by Python. Allowed: and, or, not, comparisons
(chains too), + - *, if-else, tuples of constants, constants, names of facts. Numbers are read from
their source text into Decimal, so 0.36 is 0.36 and not the nearest binary fraction.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

MAX_CHARS = 500
MAX_NODES = 100
MAX_DEPTH = 20

Value = Decimal | bool | str
Fact = Decimal | int | bool | str


class ExpressionError(ValueError):
    """The condition uses something outside the grammar, or compares what can't be compared."""


class _Unknown:
    """The third truth value: a fact is missing."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = _Unknown()
Outcome = Value | _Unknown | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison as it was made; `value` is None when a side was unknown."""

    text: str
    left: str | None
    right: str | None
    value: bool | None


@dataclass(slots=True)
class Evaluation:
    """The truth of a condition (None: unknown), the facts that were missing, and every comparison made."""

    value: bool | None = None
    missing: list[str] = field(default_factory=list)
    trace: list[Comparison] = field(default_factory=list)


_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed condition. `names` are the facts that it reads."""

    source: str
    tree: ast.expr
    names: frozenset[str]


def parse(source: str, known: frozenset[str]) -> Expression:
    """Parse a condition over the known facts. Raises ExpressionError with what is wrong."""
    if len(source) > MAX_CHARS:
        raise ExpressionError(f"a condition has at most {MAX_CHARS} characters")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"not a condition: {source[:80]!r}") from error
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise ExpressionError(f"a condition has at most {MAX_NODES} nodes")
    names: set[str] = set()
    _check(tree, known, names, 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool | str):
            _decimal(source, node)
    return Expression(source, tree, frozenset(names))


def _decimal(source: str, node: ast.Constant) -> Decimal:
    """A number as it was written; hexadecimal and the like are refused."""
    written = ast.get_source_segment(source, node) or ""
    try:
        return Decimal(written)
    except ArithmeticError as error:
        raise ExpressionError(f"{written!r} is no decimal number") from error


def _check(node: ast.expr, known: frozenset[str], names: set[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ExpressionError(f"a condition is at most {MAX_DEPTH} levels deep")
    children: list[ast.expr] = []
    match node:
        case ast.BoolOp(op=ast.And() | ast.Or(), values=values):
            children = values
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            children = [operand]
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            if any(type(op) not in _COMPARE for op in ops):
                raise ExpressionError("only == != < <= > >= in, not in")
            children = [left, *comparators]
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            children = [left, right]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            children = [test, body, orelse]
        case ast.Tuple(elts=elements):
            if not all(isinstance(element, ast.Constant) for element in elements):
                raise ExpressionError("a list holds constants only")
            children = elements
        case ast.Constant(value=value):
            if not isinstance(value, bool | int | float | str):
                raise ExpressionError(f"{value!r} is no number, text or truth value")
        case ast.Name(id=name):
            if name not in known:
                raise ExpressionError(f"{name!r} is no known fact")
            names.add(name)
        case _:
            raise ExpressionError(f"{type(node).__name__} is not allowed in a condition")
    for child in children:
        _check(child, known, names, depth + 1)


def evaluate(expression: Expression, facts: Mapping[str, Fact]) -> Evaluation:
    """Whether the condition holds for these facts. Raises ExpressionError for a fact of the wrong type."""
    result = Evaluation()
    value = _walk(expression.tree, expression, facts, result)
    if isinstance(value, _Unknown):
        result.value = None
    elif isinstance(value, bool):
        result.value = value
    else:
        raise ExpressionError(f"{expression.source!r} is no truth value")
    return result


def _walk(node: ast.expr, of: Expression, facts: Mapping[str, Fact], result: Evaluation) -> Outcome:
    match node:
        case ast.Constant(value=constant):
            return constant if isinstance(constant, bool | str) else _decimal(of.source, node)
        case ast.Tuple(elts=elements):
            return tuple(_plain(_walk(element, of, facts, result)) for element in elements)
        case ast.Name(id=name):
            return _fact(name, facts, result)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _walk(operand, of, facts, result)
            return value if isinstance(value, _Unknown) else -_number(value, of)
        case ast.UnaryOp(operand=operand):
            value = _walk(operand, of, facts, result)
            return value if isinstance(value, _Unknown) else not _truth(value, of)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _walk(left, of, facts, result), _walk(right, of, facts, result)
            if isinstance(one, _Unknown) or isinstance(other, _Unknown):
                return UNKNOWN
            a, b = _number(one, of), _number(other, of)
            return a + b if isinstance(op, ast.Add) else a - b if isinstance(op, ast.Sub) else a * b
        case ast.IfExp(test=test, body=body, orelse=orelse):
            chosen = _walk(test, of, facts, result)
            if isinstance(chosen, _Unknown):
                return UNKNOWN
            return _walk(body if _truth(chosen, of) else orelse, of, facts, result)
        case ast.BoolOp(op=op, values=values):
            return _kleene(op, [_walk(value, of, facts, result) for value in values], of)
        case ast.Compare():
            return _compare(node, of, facts, result)
    raise ExpressionError(f"{type(node).__name__} is not allowed in a condition")


def _kleene(op: ast.boolop, values: list[Outcome], of: Expression) -> Outcome:
    """False and unknown is False; True or unknown is True; else unknown wins."""
    decisive = isinstance(op, ast.Or)
    unknown = False
    for value in values:
        if isinstance(value, _Unknown):
            unknown = True
        elif _truth(value, of) is decisive:
            return decisive
    return UNKNOWN if unknown else not decisive


def _compare(node: ast.Compare, of: Expression, facts: Mapping[str, Fact], result: Evaluation) -> Outcome:
    sides = [_walk(side, of, facts, result) for side in (node.left, *node.comparators)]
    nodes = [node.left, *node.comparators]
    outcome: Outcome = True
    for k, op in enumerate(node.ops):
        left, right = sides[k], sides[k + 1]
        sign = _COMPARE[type(op)]
        source = f"{ast.unparse(nodes[k])} {sign} {ast.unparse(nodes[k + 1])}"
        if isinstance(left, _Unknown) or isinstance(right, _Unknown):
            result.trace.append(Comparison(source, _text(left), _text(right), None))
            outcome = outcome if outcome is False else UNKNOWN
            continue
        holds = _holds(sign, left, right, of)
        result.trace.append(Comparison(source, _text(left), _text(right), holds))
        if not holds:
            outcome = False
    return outcome


def _holds(sign: str, left: Outcome, right: Outcome, of: Expression) -> bool:
    if sign in {"in", "not in"}:
        if not isinstance(right, tuple):
            raise ExpressionError(f"{of.source!r}: the right side of in is a list")
        return (left in right) is (sign == "in")
    one, other = _plain(left), _plain(right)
    if isinstance(one, bool) is not isinstance(other, bool) or isinstance(one, str) is not isinstance(
        other, str
    ):
        raise ExpressionError(f"{of.source!r}: {one!r} and {other!r} are of different kinds")
    if sign == "==":
        return one == other
    if sign == "!=":
        return one != other
    a, b = _number(one, of), _number(other, of)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]


def _fact(name: str, facts: Mapping[str, Fact], result: Evaluation) -> Outcome:
    if name not in facts:
        if name not in result.missing:
            result.missing.append(name)
        return UNKNOWN
    value = facts[name]
    if isinstance(value, bool | str | Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    raise ExpressionError(f"the fact {name} must be Decimal, int, bool or str, not {type(value).__name__}")


def _plain(value: Outcome) -> Value:
    if isinstance(value, bool | str | Decimal):
        return value
    raise ExpressionError("a plain value was expected")


def _number(value: Outcome, of: Expression) -> Decimal:
    if isinstance(value, Decimal):
        return value
    raise ExpressionError(f"{of.source!r}: {value!r} is no number")


def _truth(value: Outcome, of: Expression) -> bool:
    if isinstance(value, bool):
        return value
    raise ExpressionError(f"{of.source!r}: {value!r} is no truth value")


def _text(value: Outcome) -> str | None:
    if isinstance(value, _Unknown):
        return None
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return str(value)
