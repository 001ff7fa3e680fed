"""Due dates and shares of a year of many loans at once; days are proleptic ordinals, as in `date.toordinal`.

The same rules as `periods.Grid` and `rates.period_factor`. Arrays have a row for each period and a column
for each loan, so that going from one period to the next touches memory in order.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt

from throughline.lending.bulk.plain import Structure
from throughline.lending.rates import ACTUAL_YEARS
from throughline.lending.terms import MonthBasis, PeriodUnit, YearBasis

Ints = npt.NDArray[np.int64]

FIRST_YEAR, LAST_YEAR = 1900, 2500
# A loan is plain when it starts between these days and runs for at most MAX_DAYS: then every day that
# its schedule can touch lies in the tables below, one period (at most 366 months) before it included.
FIRST_DAY = date(FIRST_YEAR + 50, 1, 1).toordinal()
LAST_DAY = date(2199, 12, 31).toordinal()
MAX_DAYS = 290 * 365
_EPOCH = date(1970, 1, 1).toordinal()
_DAYS_AT_MOST = {PeriodUnit.MONTHS: 31, PeriodUnit.WEEKS: 7, PeriodUnit.DAYS: 1}


def fits(structure: Structure) -> bool:
    """Whether schedules of this structure are short enough for the tables."""
    days = structure.every.count * _DAYS_AT_MOST[structure.every.unit]
    return (structure.installments + 1) * days <= MAX_DAYS


@cache
def _month_starts() -> Ints:
    """The first day of each month from January of FIRST_YEAR on."""
    months = np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-01", dtype="datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) + _EPOCH


@cache
def _year_weights() -> Ints:
    """For each day from FIRST_YEAR on: the sum of 1/365 or 1/366 of all days before, in 1/ACTUAL_YEARS."""
    days = np.arange(f"{FIRST_YEAR}-01-01", f"{LAST_YEAR + 1}-01-01", dtype="datetime64[D]")
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    return np.concatenate([[0], np.cumsum(np.where(leap, 365, 366))]).astype(np.int64)


def due_dates(structure: Structure, payout: Ints, first_due: Ints) -> Ints:
    """Row 0 is the payout, row k the k-th due date. `first_due` is 0 where none is given."""
    count = structure.installments
    given = first_due > 0
    anchor = np.where(given, first_due, payout)
    made = np.empty((count + 1, len(payout)), np.int64)
    made[0] = payout
    for nr in range(1, count + 1):
        made[nr] = _after(structure, anchor, nr - given.astype(np.int64))
    if structure.month_end:
        made[1:] = _month_ends(made[1:])
    return made


def shares(structure: Structure, payout: Ints, due: Ints) -> tuple[Ints, Ints]:
    """Each period as a share of a year, (numerators, denominators): rate times share is its factor."""
    before, days = due[:-1], due[1:] - due[:-1]
    month = 0
    if structure.every.unit is PeriodUnit.MONTHS and structure.day_count.month is MonthBasis.D30:
        month = 30 * structure.every.count
    if structure.day_count.year is YearBasis.ACTUAL:
        weights = _year_weights()
        base = date(FIRST_YEAR, 1, 1).toordinal() - 1
        share = weights[due - base]
        share = share[1:] - share[:-1]
        year = np.full_like(share, ACTUAL_YEARS)
        if month:
            whole = _whole(structure, payout, due[1], before)
            share = np.where(whole, share * month, share)
            year = np.where(whole, year * days, year)
        return share, year
    if month:
        days = np.where(_whole(structure, payout, due[1], before), month, days)
    return days, np.full_like(days, int(structure.day_count.year.value))


def _whole(structure: Structure, payout: Ints, first: Ints, before: Ints) -> npt.NDArray[np.bool_]:
    """Which periods are whole ones; only the first, due on `first`, may be shorter or longer."""
    made = np.ones(before.shape, np.bool_)
    one_on = _after(structure, payout, 1)
    if structure.month_end:
        made[0] = (payout == _month_ends(payout)) & (first == _month_ends(one_on))
    else:
        made[0] = (one_on == first) | (_after(structure, first, -1) == payout)
    return made


def _after(structure: Structure, anchor: Ints, periods: Ints | int) -> Ints:
    """The anchor plus that many periods; months keep the day of the anchor or end with the month."""
    steps = structure.every.count * periods
    if structure.every.unit is not PeriodUnit.MONTHS:
        return anchor + steps * _DAYS_AT_MOST[structure.every.unit]
    starts = _month_starts()
    month = _month_of(anchor)
    day = anchor - starts[month]
    month = month + steps
    return np.minimum(starts[month] + day, starts[month + 1] - 1)


def _month_ends(days: Ints) -> Ints:
    return _month_starts()[_month_of(days) + 1] - 1


def _month_of(days: Ints) -> Ints:
    """Months since January of FIRST_YEAR."""
    months = (days - _EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months + (1970 - FIRST_YEAR) * 12
