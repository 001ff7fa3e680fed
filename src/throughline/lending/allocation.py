"""How a payment is spread over debts: twelve buckets, {past due, due, in advance} x four components.

Pure: debts in, lines out (lending.md section 6). A line never exceeds the debt that it pays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from functools import lru_cache

from throughline.lending.terms import (
    AllocationPreset,
    AllocationRule,
    Direction,
    FutureInstallments,
    TermsError,
)


class Component(IntEnum):
    """The parts of a debt; the number is the place in lists of four amounts."""

    PRINCIPAL = 0
    INTEREST = 1
    FEE = 2
    PENALTY = 3


class DueType(StrEnum):
    """How an installment's due date lies to the value date of the payment."""

    PAST_DUE = "past_due"
    DUE = "due"
    IN_ADVANCE = "in_advance"


P, I, F, N = Component.PRINCIPAL, Component.INTEREST, Component.FEE, Component.PENALTY  # noqa: E741
Bucket = tuple[DueType, Component]

_DUE_ORDER = {
    AllocationPreset.STANDARD: (N, F, I, P),
    AllocationPreset.DUE_FIRST_IN_ADVANCE_PRINCIPAL: (N, F, I, P),
    AllocationPreset.DUE_FIRST_INTEREST_PRINCIPAL: (N, I, P, F),
    # Civil Code art. 561: costs of enforcement, interest (penalty interest with it), principal.
    AllocationPreset.CN_STATUTORY: (F, I, N, P),
}
_IN_ADVANCE_ORDER = _DUE_ORDER | {AllocationPreset.DUE_FIRST_IN_ADVANCE_PRINCIPAL: (P, N, F, I)}
_DUE_FIRST = frozenset(
    {AllocationPreset.DUE_FIRST_IN_ADVANCE_PRINCIPAL, AllocationPreset.DUE_FIRST_INTEREST_PRINCIPAL}
)
_ONE_ORDER = frozenset({AllocationPreset.STANDARD, AllocationPreset.CN_STATUTORY})


@dataclass(slots=True)
class Debt:
    """What is outstanding on one installment, by component.

    `due_now` is the part of fees and penalties whose own due date has come, although the installment
    may still lie in the future. Up to the day `in_time` (without one: the due date) it is due, not past due.
    """

    nr: int
    due_date: date
    outstanding: list[int]
    due_now: list[int]
    in_time: date | None = None


@dataclass(frozen=True, slots=True)
class AllocationLine:
    """An amount paid on one component of one installment."""

    installment: int
    component: Component
    amount_minor: int


@lru_cache(maxsize=256)
def buckets(rule: AllocationRule) -> tuple[Bucket, ...]:
    """The twelve buckets of a rule in order. TermsError when a custom order is not exactly those twelve."""
    if rule.preset is AllocationPreset.CUSTOM:
        try:
            custom = tuple(_bucket(text) for text in rule.order)
        except (KeyError, ValueError):
            raise TermsError("allocation_order", 'entries look like "past_due.penalty"') from None
        if len(custom) != 12 or len(set(custom)) != 12:
            raise TermsError("allocation_order", "must name each of the 12 buckets once")
        return custom
    return tuple(
        (due_type, component)
        for due_type in DueType
        for component in (_IN_ADVANCE_ORDER if due_type is DueType.IN_ADVANCE else _DUE_ORDER)[rule.preset]
    )


def _bucket(text: str) -> Bucket:
    due_type, _, component = text.partition(".")
    return DueType(due_type), Component[component.upper()]


def allocate(
    amount_minor: int, on: date, debts: Iterable[Debt], rule: AllocationRule
) -> tuple[AllocationLine, ...]:
    """Spread an amount paid on a day over debts (in the order of their due dates); they are not changed.

    What the lines do not use is an overpayment.
    """
    if _one_after_another(rule):
        return _in_order(amount_minor, debts, _DUE_ORDER[rule.preset])
    debts = list(debts)
    spread = _Spread(amount_minor, {debt.nr: debt.outstanding for debt in debts})
    by_type: dict[DueType, list[Debt]] = {due_type: [] for due_type in DueType}
    for debt in debts:
        by_type[_due_type(debt, on)].append(debt)
    future = by_type[DueType.IN_ADVANCE]
    if rule.future is FutureInstallments.LAST:
        future.reverse()

    order = buckets(rule)
    if rule.direction is Direction.VERTICAL:
        for due_type, component in order:
            if due_type is DueType.IN_ADVANCE and rule.future is FutureInstallments.REAMORTIZE:
                _pay_in_shares(spread, future, (component,))
            else:
                spread.over(by_type[due_type], (component,))
            if due_type is DueType.DUE and rule.preset in _DUE_FIRST:
                _pay_due_charges(spread, future, (component,))
        return spread.lines()
    for due_type, components in _grouped(order):
        if due_type is DueType.IN_ADVANCE and rule.preset in _DUE_FIRST:
            _pay_due_charges(spread, future, (N, F))
        if due_type is DueType.IN_ADVANCE and rule.future is FutureInstallments.REAMORTIZE:
            _pay_in_shares(spread, future, components)
        else:
            for debt in by_type[due_type]:
                if not spread.left:
                    break
                spread.over((debt,), components)
    return spread.lines()


def _one_after_another(rule: AllocationRule) -> bool:
    """Whether the rule takes installment after installment, in one order of components whatever is due when."""
    return (
        rule.direction is Direction.HORIZONTAL
        and rule.future is FutureInstallments.NEXT
        and rule.preset in _ONE_ORDER
    )


def _in_order(
    left: int, debts: Iterable[Debt], components: Sequence[Component]
) -> tuple[AllocationLine, ...]:
    """The usual rule, which asks for no more debts than the money reaches."""
    lines = []
    for debt in debts:
        for component in components:
            amount = min(left, debt.outstanding[component])
            if amount > 0:
                left -= amount
                lines.append(AllocationLine(debt.nr, component, amount))
        if not left:
            break
    return tuple(lines)


def _due_type(debt: Debt, on: date) -> DueType:
    if (debt.in_time or debt.due_date) < on:
        return DueType.PAST_DUE
    return DueType.DUE if debt.due_date <= on else DueType.IN_ADVANCE


@lru_cache(maxsize=256)
def _grouped(order: tuple[Bucket, ...]) -> list[tuple[DueType, list[Component]]]:
    groups: dict[DueType, list[Component]] = {}
    for due_type, component in order:
        groups.setdefault(due_type, []).append(component)
    return list(groups.items())


def _pay_due_charges(spread: _Spread, future: Sequence[Debt], components: Sequence[Component]) -> None:
    """A charge whose own due date has come counts as due, whatever its installment."""
    for debt in sorted(future, key=lambda one: one.due_date):
        for component in components:
            spread.pay(debt.nr, component, debt.due_now[component])


def _pay_in_shares(spread: _Spread, future: Sequence[Debt], components: Sequence[Component]) -> None:
    """Equal shares over all future installments, the remainder on the last; again while money and debt remain."""
    open_debts = [debt for debt in future if spread.open(debt.nr, components)]
    while spread.left and open_debts:
        share, extra = divmod(spread.left, len(open_debts))
        for debt in open_debts:
            budget = share + (extra if debt is open_debts[-1] else 0)
            for component in components:
                budget -= spread.pay(debt.nr, component, budget)
        open_debts = [debt for debt in open_debts if spread.open(debt.nr, components)]


class _Spread:
    """Money being spread: what is left of it, and what is still open."""

    def __init__(self, amount_minor: int, outstanding: dict[int, list[int]]) -> None:
        self.left = amount_minor
        self._outstanding = outstanding
        self._paid: dict[tuple[int, Component], int] = {}

    def open(self, nr: int, components: Iterable[Component]) -> bool:
        return any(
            self._outstanding[nr][component] != self._paid.get((nr, component), 0) for component in components
        )

    def pay(self, nr: int, component: Component, limit: int) -> int:
        paid = self._paid.get((nr, component), 0)
        amount = min(self.left, limit, self._outstanding[nr][component] - paid)
        if amount > 0:
            self.left -= amount
            self._paid[nr, component] = paid + amount
        return amount

    def over(self, debts: Iterable[Debt], components: Iterable[Component]) -> None:
        for debt in debts:
            for component in components:
                self.pay(debt.nr, component, self.left)

    def lines(self) -> tuple[AllocationLine, ...]:
        return tuple(AllocationLine(nr, component, amount) for (nr, component), amount in self._paid.items())
