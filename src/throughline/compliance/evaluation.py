"""What a condition says about facts: three-valued (Kleene), with a trace of every comparison made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

from throughline.compliance.expressions import (
    Arithmetic,
    Chain,
    Choice,
    Constant,
    Expression,
    ExpressionError,
    Fact,
    Junction,
    Listing,
    Name,
    Negative,
    Node,
    Not,
    Sign,
    Value,
)

# Wide enough that no sum or product of plain numbers is ever rounded: caps are compared unrounded.
_EXACT = Context(prec=200)
_MAX_DIGITS = 40


class _Unknown:
    """The third truth value: a fact is missing."""

    def __repr__(self) -> str:
        return "unknown"


_UNKNOWN = _Unknown()
_Outcome = Value | _Unknown


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison as it was made; `value` is None when a side was unknown."""

    left_text: str
    sign: Sign
    right_text: str
    left: str | None
    right: str | None
    value: bool | None

    @property
    def text(self) -> str:
        """The comparison as it was written."""
        return f"{self.left_text} {self.sign} {self.right_text}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The truth of a condition (None: unknown), the facts that were missing, and every comparison made."""

    value: bool | None
    missing: tuple[str, ...]
    trace: tuple[Comparison, ...]


def evaluate(expression: Expression, facts: Mapping[str, Fact]) -> Evaluation:
    """Whether the condition holds for these facts. Raises ExpressionError for a fact of the wrong type."""
    walk = _Walk(expression, facts)
    with localcontext(_EXACT):
        try:
            value = walk.value(expression.tree)
        except ArithmeticError as error:
            raise ExpressionError(f"{expression.source!r} can't be computed") from error
    if not isinstance(value, _Unknown | bool):
        raise ExpressionError(f"{expression.source!r} is no truth value")
    return Evaluation(None if isinstance(value, _Unknown) else value, tuple(walk.missing), tuple(walk.trace))


@dataclass(slots=True)
class _Walk:
    """One walk over one condition. All parts are visited, so that the trace and the missing facts are whole."""

    expression: Expression
    facts: Mapping[str, Fact]
    missing: dict[str, None] = field(default_factory=dict)  # ordered, without doubles
    trace: list[Comparison] = field(default_factory=list)

    def value(self, node: Node) -> _Outcome:
        match node:
            case Constant(value):
                return value
            case Name(name):
                return self._fact(name)
            case Negative(operand):
                number = self.value(operand)
                return number if isinstance(number, _Unknown) else -self._number(number)
            case Not(operand):
                truth = self.value(operand)
                return truth if isinstance(truth, _Unknown) else not self._truth(truth)
            case Arithmetic():
                return self._arithmetic(node)
            case Choice(test, then, otherwise):
                chosen = self.value(test)
                if isinstance(chosen, _Unknown):
                    return _UNKNOWN
                return self.value(then if self._truth(chosen) else otherwise)
            case Junction(decisive, parts):
                return self._junction(decisive, [self.value(part) for part in parts])
            case Chain():
                return self._chain(node)
            case Listing():
                raise ExpressionError("a list stands only to the right of in")

    def _fact(self, name: str) -> _Outcome:
        if name not in self.facts:
            self.missing[name] = None
            return _UNKNOWN
        value = self.facts[name]
        if isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            value = Decimal(value)
        if not isinstance(value, Decimal):
            raise ExpressionError(f"the fact {name} is a {type(value).__name__}")
        if (
            not value.is_finite()
            or len(value.as_tuple().digits) > _MAX_DIGITS
            or abs(value.adjusted()) > _MAX_DIGITS
        ):
            raise ExpressionError(f"the fact {name} is no number that could be meant")
        return value

    def _arithmetic(self, node: Arithmetic) -> _Outcome:
        one, other = self.value(node.left), self.value(node.right)
        if isinstance(one, _Unknown) or isinstance(other, _Unknown):
            return _UNKNOWN
        a, b = self._number(one), self._number(other)
        return a + b if node.sign == "+" else a - b if node.sign == "-" else a * b

    def _junction(self, decisive: bool, values: list[_Outcome]) -> _Outcome:
        """False and unknown is False; True or unknown is True; else unknown wins."""
        unknown = False
        decided = False
        for value in values:
            if isinstance(value, _Unknown):
                unknown = True
            elif self._truth(value) is decisive:
                decided = True
        if decided:
            return decisive
        return _UNKNOWN if unknown else not decisive

    def _chain(self, node: Chain) -> _Outcome:
        left = self.value(node.left)
        results: list[_Outcome] = []
        for link in node.links:
            if isinstance(link.right, Listing):
                right: _Outcome | Listing = link.right
            else:
                right = self.value(link.right)
            holds: _Outcome = _UNKNOWN
            if not isinstance(left, _Unknown) and not isinstance(right, _Unknown):
                holds = self._holds(link.sign, left, right)
            self.trace.append(
                Comparison(
                    link.left_text,
                    link.sign,
                    link.right_text,
                    _shown(left),
                    _shown(right),
                    None if isinstance(holds, _Unknown) else holds is True,
                )
            )
            results.append(holds)
            if isinstance(right, Listing):
                if link is not node.links[-1]:
                    raise ExpressionError("in ends a chain")
                break
            left = right
        return self._junction(False, results)

    def _holds(self, sign: Sign, left: Value, right: Value | Listing) -> bool:
        if isinstance(right, Listing):
            found = False
            for value in right.values:
                self._same_kind(left, value)
                found = found or left == value
            return found is (sign == "in")
        self._same_kind(left, right)
        if sign in {"==", "!="}:
            return (left == right) is (sign == "==")
        a, b = self._number(left), self._number(right)
        return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]

    def _same_kind(self, one: Value, other: Value) -> None:
        if type(one) is not type(other):
            raise ExpressionError(f"{self.expression.source!r}: {one!r} and {other!r} are of different kinds")

    def _number(self, value: Value) -> Decimal:
        if isinstance(value, Decimal):
            return value
        raise ExpressionError(f"{self.expression.source!r}: {value!r} is no number")

    def _truth(self, value: Value) -> bool:
        if isinstance(value, bool):
            return value
        raise ExpressionError(f"{self.expression.source!r}: {value!r} is no truth value")


def _shown(value: _Outcome | Listing) -> str | None:
    match value:
        case _Unknown():
            return None
        case Listing(values):
            return ", ".join(_plain(item) for item in values)
        case _:
            return _plain(value)


def _plain(value: Value) -> str:
    """A number without an exponent; a truth value as it is written in a condition."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)
