"""Which installments the real policy protects, when that is decided, and how it changes as more becomes known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

import numpy as np

from throughline.continuity.policy import Facts, Outcome, Verdict, judge
from throughline.contracts.outage import OutagePolicy
from throughline.lab.outage import episodes as known
from throughline.lab.outage.beliefs import Believed
from throughline.lab.outage.episodes import CARRIER, CLAIM, LINE, OURS, Episode, Word
from throughline.lab.outage.money import Window, merged
from throughline.lab.outage.population.chance import Floats, Indices
from throughline.lab.outage.population.habits import DAY, START
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.population.people import HONEST, due_date

AHEAD = 3 * DAY  # installments are judged so long before they fall due
_PAUSES = frozenset({"delinquency_pause", "penalty_pause"})


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person who looks at what is in doubt. Shares of errors, and how long it takes."""

    refuses_honest: float = 0.05
    believes_dishonest: float = 0.10
    takes_s: float = 2 * DAY


@dataclass(frozen=True, slots=True)
class Step:
    """What holds for an installment from an instant on, by one episode. `window` None: nothing is paused."""

    at_s: float
    cause: str
    outcome: Outcome
    window: Window | None
    interest: bool
    due: int  # the due date that counts from then on


@dataclass(slots=True)
class Case:
    """One episode and one installment: its steps in order. `reviewed`: a person had to look."""

    cause: str
    kind: str
    steps: list[Step]
    reviewed: bool = False


@dataclass(slots=True)
class Decided:
    """All cases of a cell by row of `Dues`, and how many a person had to look at, by borrower."""

    cases: dict[int, list[Case]] = field(default_factory=dict)
    reviews: dict[int, int] = field(default_factory=dict)

    def add(self, row: int, who: int, case: Case) -> None:
        """Keep a case that decided something."""
        self.cases.setdefault(row, []).append(case)
        if case.reviewed:
            self.reviews[who] = self.reviews.get(who, 0) + 1


@dataclass(frozen=True, slots=True)
class Known:
    """What ours knows of outages in a cell, before anybody is reached."""

    lines: dict[int, list[Episode]]
    carriers: dict[int, list[Episode]]
    own: list[Episode]
    words: list[Word]

    @classmethod
    def of(cls, lives: Lives, believed: Believed, words: list[Word], policy: OutagePolicy) -> Known:
        """By one policy: it says when an outage is one."""
        return cls(
            known.of_lines(lives, believed, policy),
            known.of_carriers(lives, believed),
            known.of_ours(lives),
            words,
        )

    def notices(self, lives: Lives, policy: OutagePolicy) -> tuple[Floats, Floats]:
        """For each installment, when a line's outage near it becomes known to us, and when its end does."""
        dues = lives.dues
        notice, back = np.full(len(dues), np.inf), np.full(len(dues), np.inf)
        for who, some in self.lines.items():
            for row in _rows(dues.who, who):
                due = float(dues.due[row])
                for one in some:
                    rule = policy.row_for(LINE, one.kind, due_date(one.began))
                    at = one.known_s(rule.min_probability_percent if rule else 90)
                    if np.isinf(at) or one.began > due + 40 or (one.ended_s or np.inf) < (due - 5) * DAY:
                        continue
                    notice[row] = min(notice[row], max(at, (due - 5) * DAY))
                    if one.end_known_s is not None:
                        back[row] = min(back[row], max(one.end_known_s, (due - 3) * DAY))
        return notice, back


def decide(
    lives: Lives, knowing: Known, policy: OutagePolicy, knows: Floats, paid_s: Floats,
    contradicted: dict[tuple[int, float], float], reviewer: Reviewer,
) -> Decided:  # fmt: skip
    """Judge every installment near an outage that we know of, if it is unpaid by then. `knows`: when messages reached people,
    by row."""
    decided = Decided()
    judging = _Judge(lives, policy, knows, paid_s, reviewer)
    for who in sorted(knowing.lines):
        judging.line(decided, who, knowing.lines[who])
    judging.carriers(decided, knowing.carriers)
    judging.own(decided, knowing.own)
    judging.words(decided, knowing.words, contradicted)
    return decided


class _Judge:
    def __init__(
        self, lives: Lives, policy: OutagePolicy, knows: Floats, paid_s: Floats, reviewer: Reviewer
    ) -> None:
        self._lives = lives
        self._dues = lives.dues
        self._policy = policy
        self._knows = knows
        self._paid_s = paid_s
        self._reviewer = reviewer
        self._until = lives.months * 30 * DAY
        self._lead = max(row.lead_days for row in policy.rows)
        self._cap = max(row.cap_days for row in policy.rows)

    def line(self, decided: Decided, who: int, some: Sequence[Episode]) -> None:
        """The episodes of one line. Earlier protected ones count for the most that is automatic."""
        protected: list[int] = []
        for one in some:
            before = tuple(protected)
            for row in self._near(_rows(self._dues.who, who), one):
                case = self._case(row, one, before)
                if case is not None:
                    decided.add(row, who, case)
                    if case.steps[-1].window is not None and one.began not in protected:
                        protected.append(one.began)

    def carriers(self, decided: Decided, groups: dict[int, list[Episode]]) -> None:
        """Incidents, for everybody in them."""
        for group, some in groups.items():
            for who in np.nonzero(self._lives.groups == group)[0].tolist():
                for one in some:
                    for row in self._near(_rows(self._dues.who, who), one):
                        case = self._case(row, one, ())
                        if case is not None:
                            decided.add(row, who, case)

    def own(self, decided: Decided, some: Sequence[Episode]) -> None:
        """Our own failures, for everybody."""
        for one in some:
            for row in self._near(range(len(self._dues)), one):
                case = self._case(row, one, ())
                if case is not None:
                    decided.add(row, int(self._dues.who[row]), case)

    def words(
        self, decided: Decided, some: Sequence[Word], contradicted: dict[tuple[int, float], float]
    ) -> None:
        """What people say: each word is about one installment."""
        earlier: dict[int, list[int]] = {}
        for word in some:
            one = Episode(
                CLAIM,
                word.kind,
                word.since_s,
                [(word.made_s, 100)],
                word.ended_s,
                word.made_s if word.ended_s is not None else None,
                contradicted_s=contradicted.get((word.who, round(word.made_s, 3)), np.inf),
                honest=word.honest,
            )
            case = self._case(word.row, one, tuple(earlier.get(word.who, ())))
            if case is not None:
                decided.add(word.row, word.who, case)
                if case.steps[-1].window is not None:
                    earlier.setdefault(word.who, []).append(one.began)

    def _near(self, rows: Sequence[int], one: Episode) -> list[int]:
        due = self._dues.due
        last = one.began + self._cap
        if one.ended_s is not None:
            last = min(last, int(one.ended_s // DAY) + 60)
        if isinstance(rows, range):
            return np.nonzero((due >= one.began - self._lead) & (due <= last))[0].tolist()
        return [row for row in rows if one.began - self._lead <= due[row] <= last]

    def _case(self, row: int, one: Episode, earlier: tuple[int, ...]) -> Case | None:
        """The steps of one installment; None where the policy never grants nor doubts anything."""
        due = int(self._dues.due[row])
        rule = self._policy.row_for(one.cause, one.kind, due_date(one.began))
        if rule is None:
            return None
        begins = max(one.known_s(rule.min_probability_percent), due * DAY - AHEAD)
        if begins > min(self._until, self._paid_s[row]):
            return None
        reached = self._reached(row, one)
        turns = sorted(
            {begins}
            | {
                at
                for at in (one.requested_s, reached, one.end_known_s or np.inf, one.contradicted_s)
                if begins < at < self._until
            }
        )
        case = Case(one.cause, one.kind, [])
        self._walk(case, turns, row, one, reached, earlier)
        if all(step.window is None for step in case.steps):
            return None
        return case

    def _walk(
        self, case: Case, turns: list[float], row: int, one: Episode, reached: float, earlier: tuple[int, ...]
    ) -> None:
        due = int(self._dues.due[row])
        asked: float | None = None  # when a person was asked
        for place, at in enumerate(turns):
            verdict = self._verdict(at, due, one, reached, earlier)
            step = self._step(at, one.cause, verdict, due)
            if verdict.outcome is not Outcome.REVIEW:
                case.steps.append(step)
                continue
            asked = at if asked is None else asked
            answer = asked + self._reviewer.takes_s
            held = Step(
                answer, step.cause, step.outcome, step.window if self._grants(row, one) else None, False, due
            )
            following = turns[place + 1] if place + 1 < len(turns) else np.inf
            case.reviewed = True
            if at < answer:
                case.steps.append(step)
            if answer < following:
                case.steps.append(Step(max(at, answer), *_rest(held)))

    def _grants(self, row: int, one: Episode) -> bool:
        """What the reviewer decides: by the truth, with errors."""
        honest = one.honest and self._lives.people.honesty[self._dues.who[row]] == HONEST
        luck = float(self._dues.luck[row])
        return luck >= self._reviewer.refuses_honest if honest else luck < self._reviewer.believes_dishonest

    def _reached(self, row: int, one: Episode) -> float:
        """When the person first read something of ours in the outage."""
        if one.cause not in {LINE, CARRIER}:
            return float(np.inf)
        knows = self._knows[row]
        inside = knows[(knows >= one.began_s) & (knows < (one.ended_s or np.inf))]
        return float(inside.min()) if len(inside) else float(np.inf)

    def _verdict(
        self, at: float, due: int, one: Episode, reached: float, earlier: tuple[int, ...]
    ) -> Verdict:
        over = one.end_known_s is not None and one.end_known_s <= at and one.ended_s is not None
        believed = max(have for when, have in one.steps if when <= at) if one.steps[0][0] <= at else 0
        return _judged(
            self._policy,
            Facts(
                cause=one.cause,
                kind=one.kind,
                began=due_date(one.began),
                ended=due_date(max(one.began, int((one.ended_s or 0.0) // DAY))) if over else None,
                due_date=due_date(due),
                probability_percent=believed,
                stretch=None
                if one.stretch_s is None or one.stretch_s > at
                else due_date(int(one.stretch_s // DAY)),
                requested=one.requested_s <= at,
                reached=due_date(int(reached // DAY)) if reached <= at else None,
                contradicted=one.contradicted_s <= at,
                earlier=tuple(due_date(day) for day in earlier),
            ),
        )

    def _step(self, at: float, cause: str, verdict: Verdict, due: int) -> Step:
        window, counts = None, due
        if verdict.window is not None and verdict.measures >= _PAUSES:
            window = _days(verdict)
            if window[1] < window[0]:
                return Step(at, cause, verdict.outcome, None, False, due)
            row = verdict.row
            if row is not None and row.shift_working_days is not None and window[0] <= due:
                counts = max(due, _working(window[1], row.shift_working_days))
        return Step(at, cause, verdict.outcome, window, "interest_pause" in verdict.measures, counts)


def _rest(step: Step) -> tuple[str, Outcome, Window | None, bool, int]:
    return step.cause, step.outcome, step.window, step.interest, step.due


def _days(verdict: Verdict) -> Window:
    window = verdict.window
    if window is None:
        raise ValueError("a verdict without a window pauses nothing")
    first = START.date()
    return (window.first - first).days, (window.last - first).days


def _working(day: int, count: int) -> int:
    """So many weekdays after a day; holidays are not looked at."""
    while count > 0:
        day += 1
        if (START.date() + timedelta(days=day)).weekday() < 5:
            count -= 1
    return day


@lru_cache(maxsize=200_000)
def _judged(policy: OutagePolicy, facts: Facts) -> Verdict:
    return judge(policy, facts)


def _rows(who: Indices, one: int) -> list[int]:
    low, high = np.searchsorted(who, [one, one + 1]).tolist()
    return list(range(low, high))


def holding(cases: Sequence[Case], at_s: float, *, interest: bool = False) -> tuple[Window, ...]:
    """The pauses that hold by what is known at an instant."""
    windows = []
    for case in cases:
        step = next((one for one in reversed(case.steps) if one.at_s <= at_s), None)
        if step is not None and step.window is not None and (step.interest or not interest):
            windows.append(step.window)
    return merged(windows)


def counted_due(cases: Sequence[Case], due: int, at_s: float) -> int:
    """The due date that counts by what is known at an instant."""
    latest = due
    for case in cases:
        step = next((one for one in reversed(case.steps) if one.at_s <= at_s), None)
        if step is not None and step.window is not None:
            latest = max(latest, step.due)
    return latest


FULL = frozenset({LINE, CARRIER, OURS})


def automatic(cases: Sequence[Case], causes: frozenset[str] = FULL) -> float:
    """When the installment was first protected in full without a form, by some causes; inf: never, or not in the end."""
    return min(
        (
            step.at_s
            for case in cases
            if case.cause in causes and case.steps[-1].window is not None
            for step in case.steps
            if step.outcome is Outcome.GRANTED and step.window is not None
        ),
        default=np.inf,
    )
