"""What is counted for each borrower in an arm: rows of numbers, from which all figures are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from throughline.lab.outage.arms import Arm
from throughline.lab.outage.money import NEVER
from throughline.lab.outage.population.chance import Floats, Indices, Mask
from throughline.lab.outage.population.habits import DAY, HOUR
from throughline.lab.outage.population.lines import CAUSES
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.reach import CALL_DAYS
from throughline.lab.outage.truth import BLAMED, Touched, blamed, caused, touched

Column = npt.NDArray[Any]  # by installment
Count = Callable[[str, Column], None]  # adds a column up by borrower, under a name of COLUMNS
LINE_CAUSES = tuple(CAUSES[:5])
OWN_CAUSES = ("message_route", "payment_or_platform")
SHARES = (*CAUSES, "carrier", *OWN_CAUSES, "phone", "line", "any", "missed")
PARTS = ("touched", "paid", "full", "late", "late_full")  # late: unpaid at the end of the due date
QUICK_H = (1, 6, 24, 72)

COLUMNS = (
    "installments",
    "missed",
    "missed_caused",
    "wrong_fee_ever",
    "wrong_fee_ever_minor",
    "wrong_fee",
    "wrong_fee_minor",
    *(f"wrong_fee_{name}" for name in BLAMED),
    "wrong_fee_after",
    "wrong_fee_after_minor",
    "wrong_report_ever",
    "wrong_report",
    "strange_messages",
    "messages",
    "other_routes",
    "calls",
    "cases",
    "reviews",
    "fees_charged_minor",
    "forgone_fees_minor",
    "forgone_interest_minor",
    "credit_loss_minor",
    "abuse_minor",
    "accident_minor",
    "fakes",
    "fakes_full",
    "fakes_graced",
    "purpose",
    "purpose_full",
    "purpose_days",
    *(f"{part}_{name}" for name in SHARES for part in PARTS),
    *(f"full_within_{hours}h" for hours in QUICK_H),
)
PLACE = {name: place for place, name in enumerate(COLUMNS)}


def tally(lives: Lives, arm: Arm) -> tuple[Floats, Touched]:
    """(borrowers, COLUMNS) of an arm, and the truth beside it."""
    dues, people, out = lives.dues, lives.people, arm.out
    truth = touched(lives, arm.paid_s)
    rows = np.zeros((len(people), len(COLUMNS)))
    until = lives.months * 30

    def count(name: str, by_row: Column) -> None:
        rows[:, PLACE[name]] = np.bincount(dues.who, weights=by_row, minlength=len(people))

    seen = np.minimum(out.paid, until)
    honest = truth.honest
    because = honest & caused(out, dues.due)
    count("installments", np.ones(len(dues)))
    count("missed", seen > dues.due)
    count("missed_caused", because & (seen > dues.due))
    complains = dues.complains < lives.world.complains
    after = np.where(complains & arm.accepts, np.minimum(out.cost, out.fair), out.cost)
    for name, cost in (("wrong_fee_ever", out.ever), ("wrong_fee", out.cost), ("wrong_fee_after", after)):
        wrong = np.where(honest, np.maximum(cost - out.fair, 0), 0)
        count(name, wrong > 0)
        count(f"{name}_minor", wrong)
    for name, mask in blamed(lives, arm.paid_s).items():
        count(f"wrong_fee_{name}", honest & (out.cost > out.fair) & mask)
    count("wrong_report_ever", honest & out.reported_ever & ~out.reported_fair)
    count("wrong_report", honest & out.reported & ~out.reported_fair)
    _contacts(lives, arm, count)
    count("fees_charged_minor", after)
    forgone = out.bare - after
    count("forgone_fees_minor", forgone)
    count("forgone_interest_minor", out.forgone_interest)
    count("credit_loss_minor", _losses(lives, out.paid))
    rewarded = truth.fakes | truth.purpose
    count("abuse_minor", np.where(rewarded, forgone + out.forgone_interest, 0))
    harmed = honest & (out.bare > out.fair)
    count("accident_minor", np.where(~rewarded & ~harmed, forgone, 0))
    full = np.isfinite(out.full_s)
    count("fakes", truth.fakes)
    # No line failed near them: what says so is wrong. What else failed at the time is real for them too.
    count("fakes_full", truth.fakes & np.isfinite(out.line_s))
    count("fakes_graced", truth.fakes & out.graced)
    count("purpose", truth.purpose)
    count("purpose_full", truth.purpose & full)
    count("purpose_days", np.where(truth.purpose & full, out.paused_days, 0))
    if arm.decided is not None:
        for row, cases in arm.decided.cases.items():
            rows[dues.who[row], PLACE["cases"]] += len(cases)
        for who, reviews in arm.decided.reviews.items():
            rows[who, PLACE["reviews"]] += reviews
    _shares(truth, out.full_s, because & (seen > dues.due), seen > dues.due, count)
    return rows, truth


def _shares(truth: Touched, full_s: Floats, missed: Mask, late: Mask, count: Count) -> None:
    by = {name: mask & truth.honest for name, mask in truth.by.items()}
    by["line"] = np.logical_or.reduce([by[name] for name in LINE_CAUSES])
    by["any"] = np.logical_or.reduce([by[name] for name in ("line", "carrier", *OWN_CAUSES)])
    by["missed"] = missed
    full = np.isfinite(full_s)
    for name in SHARES:
        mask = truth.by[name] if name == "on_purpose" else by[name]
        count(f"touched_{name}", mask)
        count(f"paid_{name}", mask & ~late & ~full)
        count(f"full_{name}", mask & full)
        count(f"late_{name}", mask & late)
        count(f"late_full_{name}", mask & late & full)
    waits = waited(truth, full_s)
    for hours in QUICK_H:
        count(f"full_within_{hours}h", by["line"] & (waits <= hours * HOUR))


def waited(truth: Touched, full_s: Floats) -> Floats:
    """From when a line's outage mattered to its protection, in seconds; inf: never."""
    since = np.minimum.reduce([np.where(truth.by[name], truth.since[name], np.inf) for name in LINE_CAUSES])
    both = np.isfinite(since) & np.isfinite(full_s)
    return np.where(both, np.maximum(np.where(both, full_s, 0.0) - np.where(both, since, 0.0), 0.0), np.inf)


def _contacts(lives: Lives, arm: Arm, count: Count) -> None:
    """Messages that were sent while the installment was unpaid, by all routes, and calls."""
    sent, until = arm.reached.sent_s, lives.months * 30 * DAY
    before = np.minimum(arm.paid_s, until)[:, np.newaxis]
    goes = np.isfinite(sent) & (sent > 0) & (sent < before)
    spare = arm.reached.spare & goes
    count("messages", goes.sum(axis=1))
    count("other_routes", spare.sum(axis=1))
    count("strange_messages", (arm.reached.strange & goes).sum(axis=1))
    calls = (lives.dues.due[:, np.newaxis] + np.array(CALL_DAYS)) * DAY + 14 * HOUR
    made = (calls < before).sum(axis=1) if arm.decided is None else np.zeros(len(lives.dues))
    count("calls", made)


def _losses(lives: Lives, paid: Indices) -> Floats:
    """Principal that never comes: from the first installment that is never paid on."""
    dues, people = lives.dues, lives.people
    lost = paid >= NEVER
    earlier = np.zeros(len(dues), dtype=bool)
    earlier[1:] = lost[:-1] & (dues.who[1:] == dues.who[:-1])
    first = lost & ~earlier
    left = people.installments[dues.who] - dues.number + 1
    return np.where(first, people.share_minor[dues.who] * left, 0).astype(float)
