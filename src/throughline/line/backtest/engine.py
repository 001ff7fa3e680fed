"""The replay: lines side by side, each by its own clock of receipts, questions and looks.

Lines meet only in incidents, which are found first from receipts alone (`incident.py`); what is known of
them at an instant is an input of the filter then. So blocks of lines can be computed one after another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from throughline.line import fold, planner
from throughline.line.backtest.evidence import Circumstances, Evidence
from throughline.line.backtest.reading import Observations, Oracle, Roster, Shapes
from throughline.line.contradiction import Claim, Sign, against
from throughline.line.fold import DARK, PUBLIC, Codebook, Indices, Mask
from throughline.line.incident import Incident
from throughline.line.parameters import Floats, Params
from throughline.line.planner import Policy, Standing
from throughline.line.state import ALARM_AT, CLEAR_AT, SHOWN_FROM, PublicState

MAX_ROUNDS = 50_000_000
_UNKNOWN = len(PUBLIC)
_OUT = PUBLIC.index(PublicState.OUT_SUSPENDED)
_SURE = 0.95
_EVIDENCE = 3  # named in an answer
_PREFERRED = ("camara.subscription-status", "vendor.aliyun", "vendor.baidu", "camara.device-reachability")
_RECYCLING = "camara.number-recycling"


@dataclass(slots=True)
class Said:
    """What the replay says of a block of lines. `line` is the line's number in the roster."""

    states: list[tuple[float, int, PublicState, float | None, list[str]]] = field(default_factory=list)
    alarms: list[tuple[float, int, float | None, str]] = field(default_factory=list)
    contradictions: list[tuple[float, int, float, tuple[str, ...]]] = field(default_factory=list)
    queries: list[tuple[float, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Question:
    """How the replay is run."""

    until_s: float
    policy: Policy
    every_s: float | None
    by: Params


Beliefs = Callable[[Floats, Indices, Floats], None]  # instants, lines, public probabilities


class Block:
    """Some lines of the roster, `first` to `last`, and their evidence."""

    def __init__(
        self,
        first: int,
        last: int,
        roster: Roster,
        seen: Observations,
        shapes: Shapes,
        oracle: Oracle,
        incidents: dict[int, list[Incident]],
        groups: Indices,
        question: Question,
    ) -> None:
        self._first = first
        self._count = count = last - first
        self._roster = roster
        self._shapes = shapes
        self._oracle = oracle
        self._question = question
        self._by = question.by
        low, high = np.searchsorted(seen.line, [first, last])
        keep = np.array([one.reading is not None for one in shapes.all], dtype=bool)[seen.shape[low:high]]
        self._line = seen.line[low:high][keep] - first
        self._observed = seen.observed_s[low:high][keep]
        self._received = seen.received_s[low:high][keep]
        self._shape = seen.shape[low:high][keep]
        self._claims = seen.claims
        ranks = shapes.ranks()
        self._rank_of = ranks.astype(float)
        self._reading_of, self._book = _codebook(shapes, question.by)
        self._incidents = _of_lines(first, last, groups, incidents)
        # Before this instant nothing is known of any line.
        start = float(seen.observed_s.min()) if len(seen.observed_s) else question.until_s
        self.evidence = Evidence(
            fold.fresh(count, start, question.by),
            self._book,
            question.by,
            Circumstances(self._muted, self._explained),
        )
        self._weak = self._book.weak
        self._start = start
        self._now = np.full(count, -np.inf)  # each line's clock, for what is known of incidents
        self._shown = np.full(count, _UNKNOWN)
        self._alarm = np.zeros(count, dtype=bool)
        self._alarm_row = np.full(count, -1)
        self._asks = np.full((count, max(1, question.policy.budget)), -np.inf)
        self._confirm = np.zeros(count, dtype=bool)
        self._wake = np.full(count, np.inf)
        self._routine = np.full(count, np.inf)
        self._due = [roster.due_s[first + one] for one in range(count)]
        self._sources = [one for one in _PREFERRED if one in oracle] + sorted(
            one for one in oracle if one not in (*_PREFERRED, _RECYCLING)
        )
        # One code of a vendor's stands for one-way and two-way stops.
        self._splits = not (self._sources and self._sources[0].startswith("vendor."))
        self._answers: dict[int, list[Sign]] = {}
        self.said = Said()

    # --- the rounds --------------------------------------------------------------------------------

    def run(self, begin_s: float, beliefs: Beliefs) -> Said:
        """Replay to the end. `begin_s`: first receipt of all, from which beliefs are told."""
        until, every = self._question.until_s, self._question.every_s or np.inf
        place = np.searchsorted(self._line, np.arange(self._count))
        end = np.searchsorted(self._line, np.arange(self._count), side="right")
        tick = np.full(self._count, np.inf)
        if every < np.inf:
            tick[:] = -(-begin_s // every) * every
        self._wake[:] = begin_s if self._question.policy.budget else np.inf
        known = self._known_times()
        told = np.array([times[0] if times else np.inf for times in known])
        received = np.append(self._received, np.inf)
        for _ in range(MAX_ROUNDS):
            heard = np.where(place < end, received[np.minimum(place, len(received) - 1)], np.inf)
            heard[place >= end] = np.inf
            now = np.minimum(np.minimum(heard, self._wake), np.minimum(tick, told))
            going = now <= until
            if not going.any():
                break
            learned = going & (told == now)
            if np.any(learned):
                self._learn_of_incidents(np.nonzero(learned)[0], known, told)
                going &= ~learned
            lines = np.nonzero(going & (heard == now))[0]
            if len(lines):
                self._hear(lines, place[lines], end)
                place[lines] += 1
            waking = np.nonzero(going & (heard != now) & (self._wake == now))[0]
            if len(waking):
                at = self._wake[waking]
                self._now[waking] = at
                self._decide(waking, at, np.ones(len(waking), dtype=bool))
            ticking = np.nonzero(going & (heard != now) & (self._wake != now) & (tick == now))[0]
            if len(ticking):
                self._tell(ticking, tick[ticking], beliefs)
                tick[ticking] += every
        self._contradict(until)
        return self.said

    def _hear(self, lines: Indices, place: Indices, end: Indices) -> None:
        at = self._received[place]
        self._now[lines] = at
        shape = self._shape[place]
        self.evidence.add(lines, self._observed[place], self._rank_of[shape], self._reading_of[shape], shape)
        # What was received at one instant is judged together.
        following = np.minimum(place + 1, len(self._received) - 1)
        more = (place + 1 < end[lines]) & (self._received[following] == at)
        self._confirm[lines] |= self._book.authoritative[self._reading_of[shape]]
        told = ~more & ~self._as_ever(lines, at, self._observed[place], self._reading_of[shape])
        if told.any():
            self._decide(lines[told], at[told], np.zeros(int(told.sum()), dtype=bool))

    def _as_ever(self, lines: Indices, at: Floats, observed: Floats, reading: Indices) -> Mask:
        """Which lines are heard of as ever: nothing to say or ask, only the next look moves. Most are."""
        rows = self.evidence.rows[lines]
        usual = (
            (self._shown[lines] == 0)
            & ~self._alarm[lines]
            & ~self._confirm[lines]
            & (at - observed < 3600)
            & (rows[:, 0] >= _SURE)
        )
        beating = usual & self._book.beat[reading]
        alive = rows[:, fold.BEATS] >= fold.ENOUGH_BEATS
        gap = np.where(alive, rows[:, fold.GAP], np.inf)
        again = np.minimum(
            planner.silent_at(at, rows[:, fold.BEAT_AT], gap), np.maximum(self._routine[lines], at + 3600)
        )
        self._wake[lines] = np.where(beating, again, self._wake[lines])
        as_ever: Mask = beating | (usual & self._book.alive[reading])
        return as_ever

    # --- deciding ----------------------------------------------------------------------------------

    def _decide(self, lines: Indices, at: Floats, due: Mask, *, asking: bool = True) -> None:
        """Say what changed, then ask what is worth it. `due`: lines that woke to ask or look."""
        rows = self.evidence.rows[lines]
        quiet = self._explained(lines, rows[:, fold.AT], at)
        p = fold.look(rows, at, self._by, quiet)
        shown = fold.public(p)
        dark = shown[:, DARK].sum(axis=1)
        policy = self._question.policy
        standing = self._standing(lines, rows, at, p, dark, shown, quiet) if asking else None
        confirming = np.zeros(len(lines), dtype=bool)
        if standing is not None and policy.budget and self._sources:
            can = standing.asked < policy.budget
            confirming = self._confirm[lines] & can & (at - standing.asked_at > 60)
        # What a question is about to confirm or deny raises no alarm before it is answered.
        self._say(lines, at, shown, dark, waits=confirming)
        if standing is None:
            return
        if not (policy.budget and self._sources):
            self._confirm[lines] = False
            self._wake[lines] = planner.look_again(standing, policy)
            self._routine[lines] = at + 24 * 3600
            return
        calm = ~self._in_incident(lines, at)
        # A question is asked when the line wakes, so that it never stands at the instant of what led to it.
        ask = np.zeros(len(lines), dtype=bool)
        wants = calm & planner.choose(standing, policy)
        ask[due] = (wants | confirming)[due]
        later = (wants | confirming) & ~due
        again = np.where(later, at + planner.CONFIRM_AFTER_S, planner.look_again(standing, policy))
        self._wake[lines] = again
        self._routine[lines] = planner.routine_at(standing, policy)
        self._confirm[lines] &= later
        if ask.any():
            self._ask(lines[ask], at[ask], shown[ask])

    def _standing(
        self,
        lines: Indices,
        rows: Floats,
        at: Floats,
        p: Floats,
        dark: Floats,
        shown: Floats,
        quiet: Floats | None,
    ) -> Standing:
        asks = self._asks[lines]
        # A second more, so that rounding never makes a window too full.
        inside = asks > (at - planner.WINDOW_S - 1)[:, np.newaxis]
        asked = inside.sum(axis=1).astype(float)
        oldest = np.where(inside, asks, np.inf).min(axis=1)
        told = fold.told_at(rows)
        alive = rows[:, fold.BEATS] >= fold.ENOUGH_BEATS
        return Standing(
            at=at,
            dark=dark,
            out=shown[:, _OUT],
            splits=np.full(len(lines), self._splits),
            suspicion=fold.suspicion(rows, at, p, self._by, quiet),
            alarm=self._alarm[lines],
            settled=shown[:, 0] >= 1 - 0.15,
            asked_at=asks.max(axis=1),
            asked=asked,
            asked_lately=(asks > (at - 24 * 3600)[:, np.newaxis]).sum(axis=1).astype(float),
            free_at=np.where(np.isfinite(oldest), oldest + planner.WINDOW_S + 1, at),
            told_at=np.where(np.isfinite(told), told, self._start),
            due_at=np.array(
                [
                    _next(self._due[one], instant)
                    for one, instant in zip(lines.tolist(), at.tolist(), strict=True)
                ]
            ),
            gap_h=np.where(alive, rows[:, fold.GAP], np.inf),
            beat_at=np.where(alive, rows[:, fold.BEAT_AT], at),
        )

    def _say(self, lines: Indices, at: Floats, shown: Floats, dark: Floats, waits: Mask) -> None:
        best = shown.argmax(axis=1)
        chance = shown[np.arange(len(lines)), best]
        best = np.where(chance >= SHOWN_FROM, best, _UNKNOWN)
        for one in np.nonzero(best != self._shown[lines])[0].tolist():
            line = int(lines[one])
            state = PublicState.UNKNOWN if best[one] == _UNKNOWN else PUBLIC[best[one]]
            probability = None if state is PublicState.UNKNOWN else float(chance[one])
            self.said.states.append(
                (float(at[one]), self._first + line, state, probability, self._because(line))
            )
        self._shown[lines] = best
        alarm = self._alarm[lines]
        explained = self._in_incident(lines, at) & ~self._told_in_incident(lines)
        up = ~alarm & (dark >= ALARM_AT) & ~waits & ~explained
        down = alarm & (dark < CLEAR_AT)
        for one in np.nonzero(up)[0].tolist():
            line = int(lines[one])
            cause = max(
                (number for number in range(len(PUBLIC)) if DARK[number]),
                key=lambda number: float(shown[one, number]),
            )
            self._alarm_row[line] = len(self.said.alarms)
            self.said.alarms.append((float(at[one]), self._first + line, None, PUBLIC[cause].value))
        for one in np.nonzero(down)[0].tolist():
            row = int(self._alarm_row[lines[one]])
            raised, line, _, cause_ = self.said.alarms[row]
            self.said.alarms[row] = (raised, line, float(at[one]), cause_)
        self._alarm[lines] = (alarm | up) & ~down

    def _because(self, line: int) -> list[str]:
        """The newest evidence, heartbeats left out where there is other."""
        newest = [(at, reading, shape) for at, reading, shape in self.evidence.newest(line, 12)]
        told = [one for one in newest if not self._book.beat[one[1]]] or newest
        return [self._shapes.all[shape].name(at) for at, _, shape in told[:_EVIDENCE]]

    def _tell(self, lines: Indices, at: Floats, beliefs: Beliefs) -> None:
        rows = self.evidence.rows[lines]
        self._now[lines] = at
        p = fold.look(rows, at, self._by, self._explained(lines, rows[:, fold.AT], at))
        beliefs(at, lines + self._first, fold.public(p))

    # --- asking ------------------------------------------------------------------------------------

    def _ask(self, lines: Indices, at: Floats, shown: Floats) -> None:
        """Ask about these lines; an answer is evidence of the instant of the question."""
        answered: list[tuple[int, float, int]] = []
        for one, (line, instant) in enumerate(zip(lines.tolist(), at.tolist(), strict=True)):
            source = self._source(shown[one])
            self.said.queries.append((instant, self._first + line, source))
            oldest = int(self._asks[line].argmin())
            self._asks[line, oldest] = instant
            spans = self._oracle[source].get(self._first + line, [])
            place = bisect_right(spans, instant, key=lambda span: span.from_s) - 1
            if place < 0 or spans[place].to_s <= instant:
                continue
            shape = spans[place].shape
            reading = self._shapes.all[shape].reading
            if reading is None:
                continue
            answered.append((line, instant, shape))
            self._answers.setdefault(line, []).append(
                Sign(instant, instant, reading.meaning, self._shapes.all[shape].name(instant))
            )
        if answered:
            heard = np.array([line for line, _, _ in answered])
            instants = np.array([instant for _, instant, _ in answered])
            shapes = np.array([shape for _, _, shape in answered])
            self.evidence.add(heard, instants, self._rank_of[shapes], self._reading_of[shapes], shapes)
        self._decide(lines, at, np.zeros(len(lines), dtype=bool), asking=False)
        rows = self.evidence.rows[lines]
        quiet = self._explained(lines, rows[:, fold.AT], at)
        p = fold.look(rows, at, self._by, quiet)
        shown = fold.public(p)
        standing = self._standing(lines, rows, at, p, shown[:, DARK].sum(axis=1), shown, quiet)
        self._wake[lines] = planner.look_again(standing, self._question.policy)
        self._routine[lines] = planner.routine_at(standing, self._question.policy)

    def _source(self, shown: Floats) -> str:
        """Whether the number has a new owner is asked of who knows that; all else of the best source."""
        reassigned = float(shown[PUBLIC.index(PublicState.REASSIGNED)])
        if _RECYCLING in self._oracle and 0.05 <= reassigned < 0.9:
            return _RECYCLING
        return self._sources[0] if self._sources else _RECYCLING

    # --- incidents ---------------------------------------------------------------------------------

    def _known_times(self) -> list[list[float]]:
        """When each line's incidents become known, in order."""
        return [sorted(one.raised_s for one in self._incidents.get(line, ())) for line in range(self._count)]

    def _learn_of_incidents(self, lines: Indices, known: list[list[float]], told: Floats) -> None:
        for line in lines.tolist():
            raised = known[line].pop(0)
            told[line] = known[line][0] if known[line] else np.inf
            self._now[line] = raised
            onset = min(one.onset_s for one in self._incidents[line] if one.raised_s == raised)
            self.evidence.again_from(np.array([line]), onset)
            if self._wake[line] < raised + 1:
                self._wake[line] = raised + 900

    def _muted(self, lines: Indices, at: Floats, reading: Indices) -> Mask | None:
        if not self._incidents:
            return None
        muted = np.zeros(len(lines), dtype=bool)
        for one in np.nonzero(self._weak[reading])[0].tolist():
            muted[one] = any(
                incident.onset_s <= at[one] <= (incident.cleared_s or np.inf)
                for incident in self._known(int(lines[one]))
            )
        return muted

    def _explained(self, lines: Indices, since: Floats, at: Floats) -> Floats | None:
        if not self._incidents:
            return None
        explained = np.zeros(len(lines))
        for one, line in enumerate(lines.tolist()):
            if line not in self._incidents:
                continue
            for incident in self._known(line):
                ends = min(incident.cleared_s or np.inf, float(at[one]))
                explained[one] += max(0.0, ends - max(incident.onset_s, float(since[one])))
        return explained

    def _known(self, line: int) -> list[Incident]:
        return [one for one in self._incidents.get(line, ()) if one.raised_s <= self._now[line]]

    def _in_incident(self, lines: Indices, at: Floats) -> Mask:
        inside = np.zeros(len(lines), dtype=bool)
        if self._incidents:
            for one, line in enumerate(lines.tolist()):
                inside[one] = any(
                    incident.raised_s <= at[one] < (incident.cleared_s or np.inf)
                    for incident in self._incidents.get(line, ())
                )
        return inside

    def _told_in_incident(self, lines: Indices) -> Mask:
        """Whether an authoritative word has been heard since the incident began."""
        told = np.zeros(len(lines), dtype=bool)
        if self._incidents:
            for one, line in enumerate(lines.tolist()):
                onset = min((incident.onset_s for incident in self._known(line)), default=np.inf)
                told[one] = float(fold.told_at(self.evidence.rows[line : line + 1])[0]) >= onset
        return told

    # --- claims ------------------------------------------------------------------------------------

    def _contradict(self, until: float) -> None:
        for number in range(self._first, self._first + self._count):
            for claim in self._claims.get(number, ()):
                if claim.received_s <= until:
                    self._weigh(number, claim)

    def _weigh(self, number: int, claim: Claim) -> None:
        line = number - self._first
        low, high = np.searchsorted(self._line, [line, line + 1])
        signs: list[Sign] = list(self._answers.get(line, ()))
        for place in range(low, high):
            shape = self._shapes.all[self._shape[place]]
            if shape.reading is not None:
                observed = float(self._observed[place])
                signs.append(
                    Sign(observed, float(self._received[place]), shape.reading.meaning, shape.name(observed))
                )
        verdict = against(claim, signs)
        if verdict is not None:
            at, named = verdict
            self.said.contradictions.append((at, number, claim.made_s, named))


def _codebook(shapes: Shapes, by: Params) -> tuple[Indices, Codebook]:
    """The number of each shape's reading, and the book of the readings."""
    readings = [(one.source, one.reading) for one in shapes.all if one.reading is not None]
    numbers = np.zeros(len(shapes.all), dtype=np.int64)
    numbers[[number for number, one in enumerate(shapes.all) if one.reading is not None]] = np.arange(
        len(readings)
    )
    return numbers, Codebook.of(readings, by)


def _of_lines(
    first: int, last: int, groups: Indices, incidents: dict[int, list[Incident]]
) -> dict[int, list[Incident]]:
    return {
        line: incidents[int(group)]
        for line, group in enumerate(groups[first:last].tolist())
        if group in incidents
    }


def _next(times: Sequence[float], at: float) -> float:
    place = bisect_right(times, at)
    return times[place] if place < len(times) else np.inf
