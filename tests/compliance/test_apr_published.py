"""The worked examples that lawmakers published, to the digits that they published.

Regulation Z, 12 CFR 1026, Appendix J (c)(1) to (c)(5), and Directive 98/7/EC, annex III, whose equation the
later consumer credit directives took over.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from throughline.compliance.apr import Convention, Flow, Periods, UnitPeriod, annual_rate
from throughline.compliance.unit_periods import Unit

CENT = Decimal("0.01")


def _months(first: date, n: int, step: int = 1) -> list[date]:
    index = first.year * 12 + first.month - 1
    return [date(at // 12, at % 12 + 1, first.day) for at in range(index, index + n * step, step)]


def _days(first: date, n: int, step: int) -> list[date]:
    return [first + timedelta(days=k * step) for k in range(n)]


def _half_months(first: date, n: int) -> list[date]:
    return sorted(day for one in _months(first, n // 2) for day in (one, one.replace(day=16)))


def _day(text: str) -> date:
    month, day, year = (int(part) for part in text.split("-"))
    return date(1900 + year, month, day)


# name: lent, amounts as (count, amount), unit period, first period, advance, dates of payments, APR
EXAMPLES = {
    "c1i": (5000, [(24, 230)], (1, "months"), (1, "0"), "1-10-78", _months(_day("2-10-78"), 24), "9.69"),
    "c1ii": (6000, [(36, 200)], (1, "months"), (1, "19/30"), "2-10-78", _months(_day("4-1-78"), 36), "11.82"),
    "c1iii": (
        5000, [(24, 219.17)], (1, "semimonths"), (0, "6/15"), "2-23-78", _half_months(_day("3-1-78"), 24), "10.34"
    ),
    "c1iv": (10000, [(40, 385)], (3, "months"), (1, "39/90"), "5-23-78", _months(_day("10-1-78"), 40, 3), "8.97"),
    "c1v": (500, [(30, 17.60)], (1, "weeks"), (4, "4/7"), "3-20-78", _days(_day("4-21-78"), 30, 7), "14.96"),
    "c2i": (5000, [(1, 250), (23, 230)], (1, "months"), (1, "0"), "1-10-78", _months(_day("2-10-78"), 24), "10.08"),
    "c2ii": (
        400, [(1, 39.50), (11, 38.31)], (4, "weeks"), (1, "5/28"), "3-18-78", _days(_day("4-20-78"), 12, 28), "28.50"
    ),
    "c3i": (5000, [(23, 230), (1, 280)], (1, "months"), (1, "0"), "1-10-78", _months(_day("2-10-78"), 24), "10.50"),
    "c3ii": (
        200, [(19, 9.50), (1, 30)], (2, "weeks"), (0, "8/14"), "4-3-78", _days(_day("4-11-78"), 20, 14), "12.22"
    ),
    "c4i": (
        5000, [(1, 250), (22, 230), (1, 280)], (1, "months"), (1, "0"), "1-10-78", _months(_day("2-10-78"), 24), "10.90"
    ),
    "c4ii": (
        8000, [(1, 449.36), (18, 465), (1, 200)], (2, "months"), (0, "52/60"), "1-10-78",
        _months(_day("3-1-78"), 20, 2), "7.30",
    ),
    "c5i": (1000, [(1, 1080)], (255, "days"), (1, "0"), "1-3-78", [_day("9-15-78")], "11.45"),
    "c5ii": (1000, [(1, 1044)], (6, "months"), (1, "0"), "7-15-78", [_day("1-15-79")], "8.80"),
    "c5iii": (1000, [(1, 1135.19)], (1, "years"), (1, "6/12"), "1-17-78", [_day("7-17-79")], "8.76"),
    "c5iv": (1000, [(1, 1240)], (1, "years"), (2, "0"), "1-3-78", [_day("1-3-80")], "11.36"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_regulation_z_examples(name: str) -> None:
    lent, groups, (count, unit), (whole, fraction), advance, dates, apr = EXAMPLES[name]
    amounts = [round(amount * 100) for times, amount in groups for _ in range(times)]
    period = UnitPeriod(count, Unit(unit))
    counted = annual_rate(
        Convention.US_ACTUARIAL,
        [Flow(Fraction(0), lent * 100)],
        [Flow(Periods(whole + k, 0, Fraction(fraction)), amount) for k, amount in enumerate(amounts)],
        unit_period=period,
    )
    assert counted.percent.quantize(CENT) == Decimal(apr)
    # The same loan by its dates: the unit period and the odd days follow from them.
    dated = annual_rate(
        Convention.US_ACTUARIAL,
        [Flow(_day(advance), lent * 100)],
        [Flow(on, amount) for on, amount in zip(dates, amounts, strict=True)],
    )
    assert dated.periods_per_year == period.per_year
    assert dated.percent.quantize(CENT) == Decimal(apr)
    if name != "c1iii":  # by dates each half-month is measured anew, and months have 28 to 31 days
        assert dated.percent == counted.percent


@pytest.mark.parametrize(
    ("convention", "lent", "payments", "published"),
    [
        # A. On a calendar basis, 365 days: as `effective` counts.
        (Convention.EFFECTIVE, 1000, [(date(1995, 7, 1), 1200)], "12.96"),
        (Convention.EFFECTIVE, 950, [(date(1995, 7, 1), 1200)], "16.9"),
        (Convention.EFFECTIVE, 1000, [(date(1995, 1, 1), 600), (date(1996, 1, 1), 600)], "13.07"),
        # B. In a standard year of twelve equal months.
        (Convention.EU_CCD, 1000, [(Fraction("1.5"), 1200)], "12.9"),
        (Convention.EU_CCD, 950, [(Fraction("1.5"), 1200)], "16.9"),
        (Convention.EU_CCD, 1000, [(Fraction(1), 600), (Fraction(2), 600)], "13.07"),
        (
            Convention.EU_CCD,
            1000,
            [(Fraction("0.25"), 272), (Fraction("0.5"), 272), (Fraction(1), 544)],
            "13.2",
        ),
    ],
)
def test_eu_examples(
    convention: Convention, lent: int, payments: list[tuple[date | Fraction, int]], published: str
) -> None:
    start = Fraction(0) if isinstance(payments[0][0], Fraction) else date(1994, 1, 1)
    found = annual_rate(
        convention, [Flow(start, lent * 100)], [Flow(on, amount * 100) for on, amount in payments]
    )
    assert found.percent.quantize(Decimal(published)) == Decimal(published)
