"""What a report says of a loan, and when that is something negative. Pure.

The delay that is said is the protected one: days of a pause never count, and a delay that does not count is not
told by its amount either. The contractual figures stay with us.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from throughline.lending.delinquency import delinquency
from throughline.lending.state import LoanState, LoanStatus


class Rating(StrEnum):
    """How the borrower pays, as the bureau hears it. `not_stated`: nothing is said, neither good nor bad."""

    CURRENT = "current"
    CLOSED = "closed"
    LATE = "late"
    CHARGED_OFF = "charged_off"
    WRITTEN_OFF = "written_off"
    NOT_STATED = "not_stated"


class HoldCode(StrEnum):
    """Why nothing is stated. What it comes from stays with us: an outage or a missing notice is nobody's business."""

    DISPUTED = "D"
    HELD = "H"


NEGATIVE = frozenset({Rating.LATE, Rating.CHARGED_OFF, Rating.WRITTEN_OFF})
_SEVERITY = {Rating.LATE: 1, Rating.CHARGED_OFF: 2, Rating.WRITTEN_OFF: 3}


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a loan for a period: the words that reach the bureau. Amounts in minor units."""

    rating: Rating
    days_late: int
    late_minor: int
    balance_minor: int
    hold_code: HoldCode | None = None

    @property
    def negative(self) -> bool:
        """Whether this is something that harms the borrower."""
        return self.rating in NEGATIVE

    def worse_than(self, other: Said) -> bool:
        """Whether this harms more than the other. A balance alone harms nobody."""
        return self._weight() > other._weight()

    def _weight(self) -> tuple[int, int, int]:
        return _SEVERITY.get(self.rating, 0), self.days_late, self.late_minor

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rating": self.rating.value,
            "days_late": self.days_late,
            "late_minor": self.late_minor,
            "balance_minor": self.balance_minor,
            "hold_code": self.hold_code.value if self.hold_code else None,
        }


def said_of(document: dict[str, Any]) -> Said:
    """What `Said.document` wrote."""
    code = document["hold_code"]
    return Said(
        Rating(document["rating"]),
        document["days_late"],
        document["late_minor"],
        document["balance_minor"],
        HoldCode(code) if code else None,
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """A loan on a reporting day, before anybody has asked whether it may be said.

    `past_due_days` is contractual, `delinquent_days` protected. `late_since` is the last day on which the oldest
    debt that is still open could have been paid in time; None unless this would be negative.
    """

    as_of: date
    said: Said
    past_due_days: int
    delinquent_days: int
    late_since: date | None

    @property
    def negative(self) -> bool:
        """Whether this would be a negative report."""
        return self.said.negative


def figures_of(state: LoanState, as_of: date, *, negative_from_days: int) -> Figures:
    """What could be said of a loan replayed to a day: late from so many protected days on."""
    late = delinquency(state, as_of)
    balance_minor = sum(state.outstanding)
    since = _late_since(state, as_of)
    lost_on = state.written_off_on or state.charged_off_on
    if lost_on is not None:
        rating = Rating.WRITTEN_OFF if state.written_off_on else Rating.CHARGED_OFF
        said = Said(rating, late.delinquent_days, late.amount_minor, balance_minor)
        since = min(since, lost_on) if since else lost_on
    elif state.status is not LoanStatus.ACTIVE:
        said = Said(Rating.CLOSED, 0, 0, 0)
    elif late.delinquent_days >= negative_from_days:
        said = Said(Rating.LATE, late.delinquent_days, late.amount_minor, balance_minor)
    else:
        said = Said(Rating.CURRENT, 0, 0, balance_minor)
    return Figures(as_of, said, late.past_due_days, late.delinquent_days, since if said.negative else None)


def held(said: Said, code: HoldCode) -> Said:
    """The same with nothing stated about how the borrower pays."""
    return replace(said, rating=Rating.NOT_STATED, days_late=0, late_minor=0, hold_code=code)


def _late_since(state: LoanState, as_of: date) -> date | None:
    """The last day in time of the oldest installment that is open or was given up."""
    return min(
        (
            in_time
            for row in state.installments
            if row.outstanding_minor > 0 or sum(row.written_off) > 0
            if (in_time := state.terms.in_time_through(row.due_date)) < as_of
        ),
        default=None,
    )
