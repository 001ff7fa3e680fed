"""What is reported, made of the rows of `tally`: totals, shares and differences, each with a 95 % interval.

Borrowers are the clusters: installments of one person are not independent. A total's interval is normal, from the
spread of the borrowers' own sums; a share is a ratio of sums, by linearisation; a paired difference is of the same
borrower in two arms. Where the spread is nothing (no event, or nothing else), the exact bound of a count or
Wilson's of a share stands. Failures of the lender and of carriers hit many at once: they are those of the seed, and
the intervals are for given failures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from throughline.kernel.i18n import N_
from throughline.lab.outage.population.chance import Floats
from throughline.lab.outage.tally import PLACE, QUICK_H, SHARES

Z = 1.959964
NO_EVENT = 3.688879  # upper end of the exact interval of a count of 0
QUERY_MINOR = 10  # list price of an answered question (docs/line.md)


@dataclass(frozen=True, slots=True)
class Value:
    """An estimate with its 95 % interval; `of` is the denominator of a share. None: nothing was to be judged."""

    value: float | None
    low: float | None
    high: float | None
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `kind`: count, money (minor units), share, each (mean of a borrower)."""

    key: str
    label: str
    kind: str
    top: str
    below: str | None = None


FIGURES: Sequence[Figure] = (
    Figure("missed", N_("Payments missed"), "count", "missed"),
    Figure("missed_caused", N_("Payments missed because of an outage (honest people)"), "count", "missed_caused"),
    Figure("wrong_fee_ever", N_("Wrong fees: ever charged"), "count", "wrong_fee_ever"),
    Figure("wrong_fee", N_("Wrong fees: still charged when all evidence is in"), "count", "wrong_fee"),
    Figure("wrong_fee_line", N_("… of these after a line's outage"), "count", "wrong_fee_line"),
    Figure("wrong_fee_phone", N_("… after a broken or lost phone alone"), "count", "wrong_fee_phone"),
    Figure("wrong_fee_failure", N_("… after a failure of ours or of a carrier alone"), "count", "wrong_fee_failure"),
    Figure("wrong_fee_after", N_("Wrong fees: still charged after complaints"), "count", "wrong_fee_after"),
    Figure("wrong_fee_minor", N_("Wrong fees still charged, amount"), "money", "wrong_fee_minor"),
    Figure("wrong_report_ever", N_("Wrong negative reports: ever sent"), "count", "wrong_report_ever"),
    Figure("wrong_report", N_("Wrong negative reports: standing at the end"), "count", "wrong_report"),
    Figure("strange_messages", N_("Messages with content sent to strangers"), "count", "strange_messages"),
    Figure("messages", N_("Messages sent to a borrower"), "each", "messages"),
    Figure("other_routes", N_("… of them by another route than SMS"), "each", "other_routes"),
    Figure("calls", N_("Calls to a borrower"), "each", "calls"),
    Figure("line_unpaid", N_("Line outages over an unpaid due date: protected without a form"), "share", "late_full_line", "late_line"),
    Figure("any_unpaid", N_("All interruptions over an unpaid due date: protected without a form"), "share", "late_full_any", "late_any"),
    Figure("missed_protected", N_("Payments missed because of an outage: protected without a form"), "share", "full_missed", "touched_missed"),
    *(
        Figure(f"within_{hours}h", text, "share", f"full_within_{hours}h", "full_line")
        for hours, text in zip(
            QUICK_H,
            (
                N_("Protected line outages: decided within 1 hour"),
                N_("Protected line outages: decided within 6 hours"),
                N_("Protected line outages: decided within 24 hours"),
                N_("Protected line outages: decided within 72 hours"),
            ),
            strict=True,
        )
    ),
    Figure("fakes_full", N_("Invented outages: protected in full"), "share", "fakes_full", "fakes"),
    Figure("fakes_graced", N_("Invented outages: days of grace on a bare word"), "share", "fakes_graced", "fakes"),
    Figure("purpose_full", N_("Lines stopped on purpose over a due date: protected"), "share", "purpose_full", "purpose"),
    Figure("forgone_fees_minor", N_("Fees and penalty interest forgone"), "money", "forgone_fees_minor"),
    Figure("forgone_interest_minor", N_("Interest forgone"), "money", "forgone_interest_minor"),
    Figure("abuse_minor", N_("… of both paid out to abuse"), "money", "abuse_minor"),
    Figure("accident_minor", N_("… fees forgone to people who were late for another reason"), "money", "accident_minor"),
    Figure("credit_loss_minor", N_("Principal never repaid"), "money", "credit_loss_minor"),
    Figure("fees_charged_minor", N_("Fees and penalty interest charged in the end"), "money", "fees_charged_minor"),
    Figure("cases", N_("Protection cases"), "count", "cases"),
    Figure("reviews", N_("Cases for a person"), "count", "reviews"),
    Figure("queries_minor", N_("Questions to carriers and vendors, at 0.10 each"), "money", "queries"),
    Figure("queries", N_("Questions to carriers and vendors, a borrower and month"), "each", "queries"),
)  # fmt: skip

CAUSE_LABELS = {
    "arrears": N_("Stopped for arrears"),
    "requested": N_("Stopped at the owner's request"),
    "lost": N_("Phone lost or stolen, line blocked"),
    "forced": N_("Stopped by the authorities or the carrier"),
    "given_up": N_("Number given up"),
    "on_purpose": N_("Stopped on purpose over the due date"),
    "carrier": N_("Carrier's regional failure"),
    "message_route": N_("Our message routes failed"),
    "payment_or_platform": N_("Our payment channel or platform failed"),
    "phone": N_("Phone broken or lost (no evidence from any line)"),
    "line": N_("All outages of a line"),
    "any": N_("All interruptions that somebody could see"),
    "missed": N_("Payments missed because of an outage"),
}
if set(CAUSE_LABELS) != set(SHARES):
    raise RuntimeError("each cause needs its label")


def total(each: Floats, *, events: bool = False) -> Value:
    """A sum over borrowers; of `events`, none seen does not mean that none can be."""
    count = len(each)
    sum_ = float(each.sum())
    spread = float(each.var()) * count
    if sum_ == 0 and not each.any():
        return Value(0.0, 0.0, NO_EVENT if events else 0.0)
    half = Z * math.sqrt(spread)
    low = sum_ - half
    return Value(sum_, max(0.0, low) if each.min() >= 0 else low, sum_ + half)


def mean(each: Floats) -> Value:
    """A mean of borrowers."""
    whole, count = total(each), len(each)
    return Value((whole.value or 0.0) / count, (whole.low or 0.0) / count, (whole.high or 0.0) / count)


def share(top: Floats, below: Floats) -> Value:
    """A ratio of two sums over borrowers."""
    of = float(below.sum())
    if of == 0:
        return Value(None, None, None, 0)
    ratio = float(top.sum()) / of
    spread = float(((top - ratio * below) ** 2).sum())
    if spread == 0:
        return Value(ratio, *_wilson(ratio, of), int(of))
    half = Z * math.sqrt(spread) / of
    return Value(ratio, max(0.0, ratio - half), min(1.0, ratio + half), int(of))


def _wilson(ratio: float, of: float) -> tuple[float, float]:
    square = Z * Z / of
    middle = (ratio + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(ratio * (1 - ratio) / of + square / of / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def value_of(figure: Figure, rows: Floats, asked: Floats, months: int) -> Value:
    """A figure of one arm. `asked`: questions by borrower in the whole time."""
    if figure.top == "queries":
        return mean(asked / months) if figure.kind == "each" else total(asked * QUERY_MINOR)
    top = rows[:, PLACE[figure.top]]
    if figure.kind == "share":
        return share(top, rows[:, PLACE[figure.below or figure.top]])
    return mean(top) if figure.kind == "each" else total(top, events=figure.kind == "count")


def difference(figure: Figure, ours: Floats, other: Floats) -> Value | None:
    """The paired difference of two arms; shares have none, since their denominators differ."""
    if figure.kind == "share" or figure.top == "queries":
        return None
    each = ours[:, PLACE[figure.top]] - other[:, PLACE[figure.top]]
    return mean(each) if figure.kind == "each" else total(each)


@dataclass(frozen=True, slots=True)
class Target:
    """What must hold for ours: `most` or `least`."""

    key: str
    figure: str
    least: float | None = None
    most: float | None = None

    def met(self, value: Value) -> bool | None:
        """Whether the estimate keeps it; None: nothing to judge."""
        if value.value is None:
            return None
        return (self.least is None or value.value >= self.least) and (
            self.most is None or value.value <= self.most
        )


TARGETS = (
    Target("honest_wrong_fees", "wrong_fee", most=0),
    Target("honest_wrong_reports", "wrong_report", most=0),
    Target("outages_protected", "line_unpaid", least=0.95),
    Target("fakes_protected", "fakes_full", most=0.02),
)
TARGET_LABELS = {
    "honest_wrong_fees": N_("Wrong fees of honest people, when all evidence is in: 0"),
    "honest_wrong_reports": N_("Wrong negative reports of honest people, at the end: 0"),
    "outages_protected": N_(
        "Outages of a line over an unpaid due date protected without a form: at least 95 %"
    ),
    "fakes_protected": N_("Invented outages protected in full: at most 2 %"),
}
