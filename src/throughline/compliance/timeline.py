"""When the flows of a loan happen: as dates, as years, or as counted unit periods.

Time 0 is the first advance. Each convention asks for the same flows in its own measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from throughline.compliance import unit_periods
from throughline.compliance.calendar_time import Series
from throughline.compliance.equations import Term
from throughline.compliance.eu_time import eu_times
from throughline.compliance.unit_periods import Time, UnitPeriod

_DAYS_OF_A_YEAR = 365


class NoRate(ValueError):
    """No rate makes these flows equal. `field` is "advances" or "payments", whichever is the matter."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Periods:
    """So many unit periods after the first advance, odd days, and a fraction of a unit period."""

    whole: int
    odd_days: int = 0
    fraction: Fraction = Fraction(0)


When = date | Fraction | Periods  # a Fraction is years after the first advance


@dataclass(frozen=True, slots=True)
class Flow:
    """An amount in minor units, always positive; whether it is an advance or a payment says the list."""

    on: When
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The flows of a loan and what their times are measured by."""

    advances: Sequence[Flow]
    payments: Sequence[Flow]
    start: date | None
    series: Series
    unit_period: UnitPeriod | None
    first_period: Periods | None

    @staticmethod
    def of(
        advances: Sequence[Flow],
        payments: Sequence[Flow],
        unit_period: UnitPeriod | None,
        first_period: Periods | None,
    ) -> Timeline:
        """Raises NoRate if no payment comes after the first advance, or one before it."""
        if all(isinstance(flow.on, Fraction) for flow in (*advances, *payments)):
            origin = min(_fractions(advances))
            advances, payments = _later(advances, -origin), _later(payments, -origin)
        start = min(_dates(advances), default=None)
        line = Timeline(advances, payments, start, Series.of(_dates(payments)), unit_period, first_period)
        first = min(line._years(flow.on) for flow in advances)
        paid = [line._years(flow.on) for flow in payments]
        if min(paid) < first:
            raise NoRate("a payment lies before the first advance", "payments")
        if max(paid) == first:
            raise NoRate(
                "every payment stands at the time of the first advance, so no rate can be told", "payments"
            )
        return line

    @property
    def unit(self) -> UnitPeriod:
        """The unit period that was given, else the one that follows from the flows."""
        if self.unit_period is not None:
            return self.unit_period
        if self.start is not None:
            return unit_periods.of_dates(_dates(self.advances), _dates(self.payments), self.series)
        return unit_periods.of_years(_fractions(self.advances), _fractions(self.payments))

    def in_unit_periods(self, unit: UnitPeriod) -> list[Term]:
        """Whole unit periods and the fraction of one that remains, as the US methods count."""
        first_paid = min(_dates(self.payments), default=None)

        def advanced(when: When) -> Time:
            if isinstance(when, Periods):
                return when.whole, when.fraction + Fraction(when.odd_days, unit.days)
            if isinstance(when, Fraction):
                return unit.in_years(when)
            return unit.between(self._start, when, self.series)

        def paid(when: When) -> Time:
            if not isinstance(when, date) or self.first_period is None or first_paid is None:
                return advanced(when)
            # The length of the first period was given: the dates tell the rest.
            whole, part = advanced(self.first_period)
            further, rest = unit.between(first_paid, when, self.series)
            carried = int(part + rest) if part + rest > 1 else 0
            return whole + further + carried, part + rest - carried

        return _terms(self.advances, self.payments, advanced, paid)

    def in_months(self) -> list[Term]:
        """Equal months; odd days are thirtieths of a month."""

        def months(when: When) -> Time:
            if isinstance(when, Fraction):
                return 0, when * 12
            if isinstance(when, Periods):
                unit = self.unit
                count = when.whole + when.fraction + Fraction(when.odd_days, unit.days)
                return 0, count * 12 / unit.per_year
            whole, days = self.series.months(self._start, when)
            return 0, whole + Fraction(days, 30)

        return _compounded(_terms(self.advances, self.payments, months, months))

    def in_years(self, *, eu: bool) -> list[Term]:
        """Years of 365 days, or as the EU directives count them; counted periods are equal parts of a year."""
        if not eu or self.start is None:
            return _compounded(_terms(self.advances, self.payments, self._years_of, self._years_of))
        counted = eu_times(self.start, _dates((*self.advances, *self.payments)), self.series)

        def years(when: When) -> Time:
            return (0, counted[when]) if isinstance(when, date) else self._years_of(when)

        return _compounded(_terms(self.advances, self.payments, years, years))

    def _years_of(self, when: When) -> Time:
        return 0, self._years(when)

    def _years(self, when: When) -> Fraction:
        if isinstance(when, Fraction):
            return when
        if isinstance(when, Periods):
            counted = (when.whole + when.fraction) / self.unit.per_year
            return counted + Fraction(when.odd_days, _DAYS_OF_A_YEAR)
        return Fraction((when - self._start).days, _DAYS_OF_A_YEAR)

    @property
    def _start(self) -> date:
        if self.start is None:
            raise ValueError("dated flows need a dated advance")
        return self.start


def _terms(
    advances: Sequence[Flow],
    payments: Sequence[Flow],
    advanced: Callable[[When], Time],
    paid: Callable[[When], Time],
) -> list[Term]:
    """Flows as terms of an equation; what stands at the same time is one term."""
    net: dict[Time, int] = {}
    for flows, time_of, sign in ((advances, advanced, -1), (payments, paid, 1)):
        for flow in flows:
            at = time_of(flow.on)
            net[at] = net.get(at, 0) + sign * flow.amount_minor
    return [(float(whole), float(part), amount) for (whole, part), amount in net.items()]


def _compounded(terms: Sequence[Term]) -> list[Term]:
    """Terms whose fraction is compounded too, not simple interest."""
    return [(whole + part, 0.0, amount) for whole, part, amount in terms]


def _later(flows: Sequence[Flow], years: Fraction) -> list[Flow]:
    return [Flow(on + years, flow.amount_minor) for flow, on in zip(flows, _fractions(flows), strict=True)]


def _dates(flows: Sequence[Flow]) -> list[date]:
    return [flow.on for flow in flows if isinstance(flow.on, date)]


def _fractions(flows: Sequence[Flow]) -> list[Fraction]:
    return [flow.on for flow in flows if isinstance(flow.on, Fraction)]
