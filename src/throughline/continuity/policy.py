"""Whether an installment is protected in an interruption, by which row, in which days and why: pure decisions.

The rows are data of `contracts` (`outage.py`): what the contract promises is what is judged here. Every input is a
fact with its own date, so the verdict depends on what happened and not on the order in which we heard of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from throughline.contracts.outage import KINDS, OutagePolicy, OutageRow
from throughline.kernel.i18n import N_, Text, bilingual

CANNOT_RECEIVE = KINDS["line"]
BACK = frozenset({"active", "out_suspended"})  # 单停 still receives calls and messages
CONTRADICTED = bilingual(
    N_("What was observed of your line differs from what you told us. A person looks at it.")
)


class Outcome(StrEnum):
    """What a verdict says. `open`: not decided yet, more evidence is on its way and the question comes again."""

    GRANTED = "granted"
    REFUSED = "refused"
    REVIEW = "review"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one interruption and one installment; days are local calendar days.

    `began`: the first dark day; `ended`: the day on which it was over, None while it goes on. `stretch`: the first
    dark day of the newest stretch of a re-opened episode (`began` where it was never re-opened).
    `probability_percent`: how strongly the interruption is believed. `requested`: the borrower asked for the stop.
    `reached`: the first day in it on which the person signed in or read a notice of ours. `contradicted`: several
    observations speak against the borrower's word. `earlier`: first days of the borrower's earlier protected
    episodes of this cause. `product_code`: of the loan.
    """

    cause: str
    kind: str
    began: date
    ended: date | None
    due_date: date
    probability_percent: int = 100
    stretch: date | None = None
    requested: bool = False
    reached: date | None = None
    contradicted: bool = False
    earlier: Sequence[date] = ()
    product_code: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Local calendar days, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for an installment: the row, the protected days, what is paused, and why in two languages.

    In a review the measures are provisional: they hold until a person has decided, so the window runs to the cap.
    `needs_percent`: the belief that an open question waits for.
    """

    outcome: Outcome
    row: OutageRow | None
    window: Window | None
    measures: frozenset[str]
    reason: Text
    policy_version: str = ""

    @property
    def granted(self) -> bool:
        """Whether it is protected for good."""
        return self.outcome is Outcome.GRANTED


def judge(policy: OutagePolicy, facts: Facts) -> Verdict:
    """The verdict of one version of the table.

    An installment is protected where its due date lies between `lead_days` before the interruption and the last
    protected day. Missing evidence never leads to a refusal by itself: an interruption exists only on evidence or
    on the borrower's word, and a contradiction of the word goes to a person.
    """
    row = policy.row_for(facts.cause, facts.kind, facts.began)
    if row is None:
        return _refused(policy, None, N_("No protection rule covers this kind of interruption."))
    if facts.probability_percent < row.min_probability_percent:
        reason = bilingual(
            N_("The outage is believed with %(have)s %%; the rule %(rule)s asks for %(need)s %%."),
            have=facts.probability_percent,
            need=row.min_probability_percent,
            rule=row.id,
        )
        return Verdict(Outcome.OPEN, row, None, frozenset(), reason, policy.version)
    window = window_of(row, facts)
    if not facts.began - timedelta(days=row.lead_days) <= facts.due_date <= window.last:
        return _outside(policy, row, facts, window)
    doubt = _doubt(row, facts)
    if doubt is not None and row.review_measures:
        held = Window(window.first, facts.began + timedelta(days=row.cap_days - 1))
        held = Window(held.first, max(held.last, window.last))
        return Verdict(Outcome.REVIEW, row, held, row.review_measures & row.measures, doubt, policy.version)
    if doubt is not None:
        return Verdict(Outcome.REFUSED, row, None, frozenset(), doubt, policy.version)
    return Verdict(
        Outcome.GRANTED,
        row,
        window,
        row.measures_for(facts.product_code),
        _granted(row, facts),
        policy.version,
    )


def window_of(row: OutageRow, facts: Facts) -> Window:
    """The days that a row protects: from the first dark day (of the newest stretch) to the earliest of its limits.

    The limits: the cap, counted from the first day of the whole episode; the catch-up days after the end; the days
    to act after the person was reached; and for a bare word its few days of grace from the due date on. A window
    whose last day lies before its first is empty: nothing is protected.
    """
    first = facts.stretch or facts.began
    cap = row.cap_days
    if facts.requested and row.requested_cap_days is not None:
        cap = min(cap, row.requested_cap_days)
    limits = [facts.began + timedelta(days=cap - 1)]
    if facts.ended is not None:
        limits.append(facts.ended + timedelta(days=row.catch_up_days))
    if facts.reached is not None and row.reached_days is not None:
        limits.append(facts.reached + timedelta(days=row.reached_days))
    if row.grace_days is not None:
        first = max(first, facts.due_date)
        limits = [first + timedelta(days=row.grace_days - 1)]
        if facts.ended is not None and facts.ended < facts.due_date:
            limits.append(facts.ended)  # a word about days before the due date gives nothing after it
    return Window(first, min(limits))


def best(policies: Iterable[OutagePolicy], facts: Facts) -> Verdict:
    """The verdict of the version that a contract pins, or of a later one where that is better for the borrower.

    Better: granted before review before open before refused; then the later last day; then more measures.
    The first policy (the pinned one) wins a tie. ValueError without a policy.
    """
    verdicts = [judge(policy, facts) for policy in policies]
    if not verdicts:
        raise ValueError("a judgement needs a policy")
    return max(verdicts, key=_goodness)


def _goodness(verdict: Verdict) -> tuple[int, int, int]:
    order = (Outcome.REFUSED, Outcome.OPEN, Outcome.REVIEW, Outcome.GRANTED)
    last = verdict.window.last.toordinal() if verdict.window else 0
    return order.index(verdict.outcome), last, len(verdict.measures)


def _doubt(row: OutageRow, facts: Facts) -> Text | None:
    """Why a person should look first; None: nothing is in doubt."""
    if facts.contradicted and row.proof == "word":
        return CONTRADICTED
    if row.most_cases is None or row.most_in_days is None:
        return None
    since = facts.began - timedelta(days=row.most_in_days)
    lately = sum(since < day <= facts.began for day in set(facts.earlier))
    if lately < row.most_cases:
        return None
    return bilingual(
        N_(
            "You were protected %(count)s time(s) in the last %(days)s days, the most that is given automatically. "
            "A person looks at it."
        ),
        count=lately,
        days=row.most_in_days,
    )


def _outside(policy: OutagePolicy, row: OutageRow, facts: Facts, window: Window) -> Verdict:
    cap = facts.began + timedelta(days=row.cap_days - 1)
    if facts.due_date > cap:
        return _refused(
            policy,
            row,
            N_("The outage has lasted longer than the %(days)s days that one case may cover."),
            days=row.cap_days,
        )
    acted = (
        facts.reached + timedelta(days=row.reached_days)
        if facts.reached and row.reached_days is not None
        else None
    )
    if facts.reached is not None and window.last == acted:
        return _refused(
            policy,
            row,
            N_(
                "You were reached on %(day)s by another way, more than %(days)s days before the installment fell "
                "due, and could pay there."
            ),
            day=facts.reached.isoformat(),
            days=row.reached_days,
        )
    return _refused(policy, row, N_("The installment does not fall due in the outage."))


def _refused(policy: OutagePolicy, row: OutageRow | None, msgid: str, /, **params: object) -> Verdict:
    return Verdict(Outcome.REFUSED, row, None, frozenset(), bilingual(msgid, **params), policy.version)


def _granted(row: OutageRow, facts: Facts) -> Text:
    since, due = facts.began.isoformat(), facts.due_date.isoformat()
    if row.cause == "line":
        return bilingual(
            N_(
                "Your phone line could not be reached from %(since)s, and the installment due on %(due)s falls into "
                "that time. While the line is out we do not count days of delay, charge no late fee and report "
                "nothing to a credit bureau."
            ),
            since=since,
            due=due,
        )
    if row.cause == "carrier":
        return bilingual(
            N_(
                "Your carrier's network failed from %(since)s, and the installment due on %(due)s falls into that "
                "time. Until it works again we do not count days of delay, charge no late fee and report nothing to "
                "a credit bureau."
            ),
            since=since,
            due=due,
        )
    if row.cause == "own":
        return bilingual(
            N_(
                "Our service failed from %(since)s, and the installment due on %(due)s falls into that time. "
                "You pay nothing for it: no day of delay, no late fee and no credit report."
            ),
            since=since,
            due=due,
        )
    return bilingual(
        N_(
            "You told us that you could not be reached from %(since)s. For the installment due on %(due)s we give "
            "%(days)s days on your word alone; with evidence, which you may bring later, the full protection holds."
        ),
        since=since,
        due=due,
        days=row.grace_days,
    )
