"""Schedules of the rows of a table: sorts out the plain ones, computes both kinds, keeps the order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from throughline.kernel.money import digits_of
from throughline.lending.bulk import arrays, dates, texts
from throughline.lending.bulk.arrays import Bools
from throughline.lending.bulk.columns import document
from throughline.lending.bulk.dates import Ints
from throughline.lending.bulk.plain import BY_ROW, Structure, structure_of
from throughline.lending.periods import ScheduleError
from throughline.lending.reading_json import InputError, Node
from throughline.lending.schedule import Installment, build_schedule
from throughline.lending.terms import MAX_INSTALLMENTS
from throughline.lending.terms_json import read_terms

T = TypeVar("T")

SPAN_ROWS = 300_000  # rows of the answer that are made at once: bounds the memory
FEW = 16  # loans of a structure for which arrays cost more than they save
_CACHED = 100_000  # texts remembered before the memory of them starts anew
_MAX_AMOUNT = 10**18


@dataclass(frozen=True, slots=True)
class Loans:
    """Rows of the table: `numbers` are their places in it, `columns` their texts ("" for none)."""

    numbers: Sequence[int]
    ids: Sequence[str]
    currencies: Sequence[str]
    columns: dict[str, Sequence[str]]

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, first: int, end: int) -> Loans:
        return Loans(
            self.numbers[first:end],
            self.ids[first:end],
            self.currencies[first:end],
            {name: texts[first:end] for name, texts in self.columns.items()},
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """A row without a schedule: its place in the table, the column, what was expected there."""

    number: int
    column: str
    expected: str


@dataclass(frozen=True, slots=True)
class Planned:
    """Installments of many loans, loan by loan in the order of the table.

    `counts` and `digits` (of the currency) belong to the loans `ids`, the other arrays to installments;
    days are ordinals, amounts minor units, `balance` what is left after the installment.
    """

    ids: list[str]
    counts: Ints
    digits: Ints
    nr: Ints
    start: Ints
    due: Ints
    interest_days: Ints
    balance: Ints
    principal: Ints
    interest: Ints


@dataclass(frozen=True, slots=True)
class _Group:
    """Loans of one structure, computed as arrays; `at` are their places among the loans at hand."""

    at: Ints
    structure: Structure
    due: Ints
    rows: arrays.Rows


@dataclass(slots=True)
class Planner:
    """Plans the loans of one run; remembers texts that it has read, since most of them come again."""

    _codes: dict[tuple[str, ...], int] = field(default_factory=dict)
    _structures: list[Structure | None] = field(default_factory=list)
    _rates: dict[str, tuple[int, int]] = field(default_factory=dict)
    _days: dict[str, int] = field(default_factory=dict)

    def plan(self, loans: Loans, refuse: Callable[[Problem], None]) -> Iterator[Planned]:
        """The schedules of some rows, in pieces of bounded size; rows that have none go to `refuse`."""
        codes = self._codes_of(loans)
        sizes = np.cumsum(self._sizes(loans, codes))
        first = done = 0
        while first < len(loans):
            end = max(first + 1, int(np.searchsorted(sizes, done + SPAN_ROWS, "right")))
            yield self._span(loans.part(first, end), codes[first:end], refuse)
            done, first = int(sizes[end - 1]), end

    def _codes_of(self, loans: Loans) -> Ints:
        """For each loan where its structure stands in `_structures`."""
        if len(self._codes) > _CACHED:
            self._codes.clear()
            self._structures.clear()
        names = [name for name in loans.columns if name not in BY_ROW]
        keys = list(zip(loans.currencies, *(loans.columns[name] for name in names), strict=True))
        places = {structure: code for code, structure in enumerate(self._structures)}
        for key in set(keys) - self._codes.keys():
            structure = structure_of(key[0], dict(zip(names, key[1:], strict=True)))
            if structure is not None and not dates.fits(structure):
                structure = None
            if structure not in places:
                places[structure] = len(self._structures)
                self._structures.append(structure)
            self._codes[key] = places[structure]
        return np.array([self._codes[key] for key in keys], np.int64)

    def _sizes(self, loans: Loans, codes: Ints) -> Ints:
        """How many installments each loan has; where nobody knows yet, as many as there may be."""
        known = np.array([one.installments if one else MAX_INSTALLMENTS for one in self._structures])
        sizes: Ints = known[codes]
        return sizes

    def _span(self, loans: Loans, codes: Ints, refuse: Callable[[Problem], None]) -> Planned:
        groups, by_one = self._groups(loans, codes)
        alone: dict[int, Sequence[Installment]] = {}
        for at in np.flatnonzero(by_one).tolist():
            try:
                alone[at] = schedule_of(loans, at)
            except InputError as error:
                refuse(Problem(loans.numbers[at], error.path.removeprefix("$."), error.expected))
        return _put_together(loans, groups, alone)

    def _groups(self, loans: Loans, codes: Ints) -> tuple[list[_Group], Bools]:
        """The plain loans by structure, and which loans are left to be computed one by one."""
        size = len(loans)
        rates = _read(self._rates, loans.columns["annual_rate_percent"], texts.rate)
        numerator, denominator = np.array(rates, np.int64).reshape(size, 2).T
        days = _read(self._days, loans.columns["expected_disbursement_date"], texts.day)
        payout = np.array(days, np.int64)
        first_due = np.zeros(size, np.int64)
        if "first_due_date" in loans.columns:
            first_due[:] = _read(self._days, loans.columns["first_due_date"], texts.day)
        principal = self._principals(loans, codes)
        readable = (denominator > 0) & (payout > 0) & (principal > 0)
        readable &= (first_due == 0) | (first_due > payout)

        by_one = np.ones(size, np.bool_)
        groups = []
        order = np.argsort(codes, kind="stable")
        for alike in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            structure = self._structures[codes[alike[0]]] if size else None
            at = alike[readable[alike]]
            if structure is None or len(at) < FEW:
                continue
            rate = numerator[at], denominator[at]
            group = _group(structure, at, principal[at], rate, payout[at], first_due[at])
            by_one[group.at] = False
            groups.append(group)
        return groups, by_one

    def _principals(self, loans: Loans, codes: Ints) -> Ints:
        """Principals of the loans that have a structure; -1 for the others and what is not plain."""
        digits = [one.digits if one else -1 for one in self._structures]
        return np.array(
            [
                texts.minor(text, digits[code]) if digits[code] >= 0 else -1
                for text, code in zip(loans.columns["principal"], codes.tolist(), strict=True)
            ],
            np.int64,
        )


def _group(
    structure: Structure, at: Ints, principal: Ints, rate: tuple[Ints, Ints], payout: Ints, first_due: Ints
) -> _Group:
    """Those of the loans `at` which the arrays are sure of."""
    due = dates.due_dates(structure, payout, first_due)
    share = dates.shares(structure, payout, due)
    small = arrays.small_enough(principal, rate, share)
    if not small.all():
        at, due, principal = at[small], due[:, small], principal[small]
        rate = rate[0][small], rate[1][small]
        share = share[0][:, small], share[1][:, small]
    rows, sure = arrays.plan(structure, principal, arrays.factors_of(rate, share))
    if not sure.all():
        at, due, rows = at[sure], due[:, sure], rows.of(sure)
    return _Group(at, structure, due, rows)


def _read(known: dict[str, T], cells: Sequence[str], parse: Callable[[str], T]) -> list[T]:
    if len(known) > _CACHED:
        known.clear()
    for text in set(cells) - known.keys():
        known[text] = parse(text)
    return [known[text] for text in cells]


def schedule_of(loans: Loans, at: int) -> Sequence[Installment]:
    """The installments of one loan, without arrays. Raises InputError."""
    cells = ((name, column[at]) for name, column in loans.columns.items())
    node = Node("$", document(cells))
    terms = read_terms(node, loans.currencies[at])
    node.require("expected_disbursement_date")
    try:
        made = build_schedule(terms, ()).installments
    except ScheduleError as error:
        column = "installment_amount" if error.code == "installment_too_small" else "first_due_date"
        raise InputError(column, str(error)) from None
    except (ValueError, ArithmeticError):
        # `date` ends with the year 9999.
        raise InputError("installments", "expected due dates that a calendar has") from None
    for row in made:
        if min(row.principal_minor, row.interest_minor, row.balance_minor) < 0 or (
            max(row.principal_minor + row.interest_minor, row.balance_minor) > _MAX_AMOUNT
        ):
            raise InputError("annual_rate_percent", "expected amounts below 10^18 minor units")
    return made


def _put_together(loans: Loans, groups: Sequence[_Group], alone: dict[int, Sequence[Installment]]) -> Planned:
    counts = np.zeros(len(loans), np.int64)
    digits = np.zeros(len(loans), np.int64)
    for group in groups:
        counts[group.at] = group.structure.installments
        digits[group.at] = group.structure.digits
    for at, rows in alone.items():
        counts[at] = len(rows)
        digits[at] = digits_of(loans.currencies[at])
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    nr, start, due, balance, principal, interest = (np.empty(total, np.int64) for _ in range(6))
    for group in groups:
        place = ends[group.at] - group.structure.installments
        for k in range(group.structure.installments):
            nr[place] = k + 1
            start[place] = group.due[k]
            due[place] = group.due[k + 1]
            balance[place] = group.rows.balance[k]
            principal[place] = group.rows.principal[k]
            interest[place] = group.rows.interest[k]
            place += 1
    days = due - start
    for at, rows in alone.items():
        for k, row in enumerate(rows, start=int(ends[at]) - len(rows)):
            nr[k], start[k], due[k] = row.nr, row.from_date.toordinal(), row.due_date.toordinal()
            days[k] = row.through_date.toordinal() - start[k]
            balance[k], principal[k], interest[k] = row.balance_minor, row.principal_minor, row.interest_minor
    good = counts > 0
    return Planned(
        [name for name, kept in zip(loans.ids, good.tolist(), strict=True) if kept],
        counts[good],
        digits[good],
        nr,
        start,
        due,
        days,
        balance,
        principal,
        interest,
    )
