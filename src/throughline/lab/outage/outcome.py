"""What an arm (a lender with its policy) means for every installment: delay, charges, reports, contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.cases import Case, Decided, automatic, counted_due, holding
from throughline.lab.outage.episodes import CLAIM, LINE
from throughline.lab.outage.money import (
    NEVER,
    REPORT_DAYS,
    Window,
    charged,
    charged_minor,
    forgone_interest_minor,
    merged,
)
from throughline.lab.outage.population.chance import Floats, Indices, Mask
from throughline.lab.outage.population.habits import DAY
from throughline.lab.outage.population.lives import Lives


@dataclass(slots=True)
class Outcomes:
    """By installment. Amounts in minor units, instants in seconds from START (inf: never), days from START.

    `cost`: what is charged for delay at the end, `ever`: the most that stood charged at some time, `bare`: what would
    be without any protection, `fair`: what the person would owe had nothing failed. `reported_ever`, `reported`: a
    negative report went out; stands at the end.
    """

    paid: Indices
    without: Indices
    bare: Indices
    fair: Indices
    ever: Indices
    cost: Indices
    reported_ever: Mask
    reported: Mask
    reported_fair: Mask
    forgone_interest: Indices
    full_s: Floats  # protected in full, without a form
    line_s: Floats  # the same, because of the line
    graced: Mask  # days on a word alone
    paused_days: Indices


def outcomes(
    lives: Lives, paid_s: Floats, without_s: Floats, decided: Decided | None, proof_s: Floats
) -> Outcomes:
    """What happens with each installment. `decided` None: nobody protects. `proof_s`: see `Reached`."""
    dues = lives.dues
    until = lives.months * 30
    paid, without = _day(paid_s), _day(without_s)
    principal = lives.people.share_minor[dues.who]
    seen = np.minimum(paid, until)
    bare = charged_minor(principal, dues.due, seen)
    fair = charged_minor(principal, dues.due, np.minimum(without, until))
    first = np.maximum(dues.due + REPORT_DAYS, np.where(proof_s == -np.inf, -NEVER, _day(proof_s) + 1))
    reported = first < seen
    out = Outcomes(
        paid=paid,
        without=without,
        bare=bare,
        fair=fair,
        ever=bare.copy(),
        cost=bare.copy(),
        reported_ever=reported.copy(),
        reported=reported.copy(),
        reported_fair=dues.due + REPORT_DAYS < np.minimum(without, until),
        forgone_interest=np.zeros(len(dues), dtype=np.int64),
        full_s=np.full(len(dues), np.inf),
        line_s=np.full(len(dues), np.inf),
        graced=np.zeros(len(dues), dtype=bool),
        paused_days=np.zeros(len(dues), dtype=np.int64),
    )
    if decided is not None:
        for row, cases in decided.cases.items():
            _protect(out, row, cases, int(principal[row]), int(dues.due[row]), int(seen[row]), proof_s[row])
        _forgo(out, lives, decided)
    return out


def _protect(
    out: Outcomes, row: int, cases: Sequence[Case], principal: int, due: int, seen: int, proof_s: float
) -> None:
    """One installment with its cases: charges as they stood, and as they stand."""
    out.full_s[row] = automatic(cases)
    out.line_s[row] = automatic(cases, frozenset({LINE}))
    out.graced[row] = np.isinf(out.full_s[row]) and any(
        case.cause == CLAIM and case.steps[0].window is not None for case in cases
    )
    final = holding(cases, np.inf)
    out.paused_days[row] = sum(high - low + 1 for low, high in final)
    if seen <= due:
        return
    counts = counted_due(cases, due, np.inf)
    out.cost[row] = charged(principal, counts, seen, final).all_minor
    out.reported[row] = _reports(final, counts, seen, proof_s)
    turns = sorted({step.at_s for case in cases for step in case.steps})
    ever, reported = 0, False
    since = -np.inf
    for until in (*turns, np.inf):
        # What is learned on a day is known at its close.
        last = seen if until == np.inf else min(seen, int(until // DAY) - 1)
        pauses, date = holding(cases, since), counted_due(cases, due, since)
        begins = -NEVER if since == -np.inf else int(since // DAY)
        if last > due and last >= begins:
            ever = max(ever, charged(principal, date, last, pauses).all_minor)
            reported = reported or _reports(pauses, date, last, proof_s)
        since = until
    out.ever[row], out.reported_ever[row] = max(ever, int(out.cost[row])), reported or bool(out.reported[row])


def _reports(pauses: Sequence[Window], due: int, last: int, proof_s: float) -> bool:
    """Whether a negative report goes out by the end of `last`: enough days of delay, no hold, proof of a notice."""
    if proof_s == np.inf or last - due <= REPORT_DAYS:
        return False
    late = 0
    for day in range(due + 1, last):
        held = any(low <= day <= high for low, high in pauses)
        late += not held
        if late >= REPORT_DAYS and not held and (proof_s == -np.inf or proof_s < day * DAY):
            return True
    return False


def _forgo(out: Outcomes, lives: Lives, decided: Decided) -> None:
    """Interest that the pauses take, in the periods of all installments that they meet."""
    dues, people = lives.dues, lives.people
    windows: dict[int, list[Window]] = {}
    for row, cases in decided.cases.items():
        some = holding(cases, np.inf, interest=True)
        if some:
            windows.setdefault(int(dues.who[row]), []).extend(some)
    for who, all_ in windows.items():
        pauses = merged(all_)
        low, high = np.searchsorted(dues.who, [who, who + 1]).tolist()
        share, count = int(people.share_minor[who]), int(people.installments[who])
        for row in range(low, high):
            due, days = int(dues.due[row]), int(dues.days[row])
            if any(first <= due and last > due - days for first, last in pauses):
                balance = share * (count - int(dues.number[row]) + 1)
                out.forgone_interest[row] = forgone_interest_minor(balance, due, days, pauses)


def _day(at: Floats) -> Indices:
    days: Indices = np.where(
        np.isfinite(at), np.floor(np.where(np.isfinite(at), at, 0.0) / DAY), NEVER
    ).astype(np.int64)
    return days
