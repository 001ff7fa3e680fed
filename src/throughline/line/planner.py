"""Which lines to ask about, and when to look again. Pure; arrays are by line.

A question is worth most where the answer is open, where money falls due soon, and where nothing
authoritative was heard for long. What a line may be asked in 30 days is fixed, so a part is kept back for
what only its own evidence can call for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughline.line.parameters import Floats
from throughline.line.state import ALARM_AT

Mask = npt.NDArray[np.bool_]
HOUR = 3600.0
WINDOW_S = 30 * 24 * HOUR  # every sliding window of 30 days has its budget
CONFIRM_AFTER_S = 1.0
_STRANGE_FROM, _STRANGE_TO = 0.05, 0.9  # of P(reassigned): where it is worth a question of its own
_FIRST = 1e9


@dataclass(frozen=True, slots=True)
class Policy:
    """How questions are spent. `budget`: most of them for one line in 30 days."""

    budget: int
    band: tuple[float, float] = (0.15, 0.9)  # of P(cannot receive)
    hint: float = (
        0.02  # of P(stopped or gone), where answers do not split stops: a first word, not time alone
    )
    ripe: float = ALARM_AT + 0.02  # share of two-way stops at which "still stopped" would raise the alarm
    suspicion: float = 0.02  # with silence counted in full; more when little is left to ask with
    settle_h: float = 3.0  # between two questions about the same doubt, doubled by each
    repeat_h: float = 6.0  # the same where an answer does not split stops: sooner it would hardly be news
    alive_h: float = 12.0  # after a heartbeat a line is asked by routine so many times more rarely
    alive_pace: float = 2.0
    return_h: float = 20.0  # between two questions whether a dark line is back
    due_days: float = 5.0  # ahead of a due date suspicion weighs double

    def reserve(self, splits: Mask) -> Floats:
        """Questions that routine leaves for evidence, by line: the fewer there are, the more of them. Where
        answers do not split stops, following one stop takes a quarter, up to five."""
        few = min(3.0, max(1.0, round(33 / max(1, self.budget))))
        return np.where(splits, few, np.clip(round(self.budget / 4), few, 5.0))

    def routine_s(self, splits: Mask) -> Floats:
        """Seconds between two routine questions, by line."""
        return WINDOW_S / np.maximum(0.5, self.budget - self.reserve(splits) + 0.5)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the planner knows of some lines at their instants. Times are seconds since the epoch."""

    at: Floats
    dark: Floats  # P(cannot receive)
    out: Floats  # P(stopped one way)
    splits: Mask  # an answer tells a one-way stop from a two-way one
    suspicion: Floats
    alarm: Mask
    settled: Mask  # the public state is active
    asked_at: Floats  # last question, -inf if none
    asked: Floats  # questions in the last 30 days
    asked_lately: Floats  # in the last 24 hours
    free_at: Floats  # when the oldest of the window falls out of it, if the window is full
    told_at: Floats  # last word of a source that can be asked
    due_at: Floats  # next due date, inf if none
    gap_h: Floats  # between heartbeats; inf where silence says nothing
    beat_at: Floats


def choose(standing: Standing, policy: Policy) -> Mask:
    """Which of these lines to ask about now."""
    left = policy.budget - standing.asked
    since = standing.at - standing.asked_at
    rested = since >= _rest_s(standing, policy)
    routine_s = policy.routine_s(standing.splits)
    doubtful = _doubtful(standing, policy) & rested
    soon = standing.due_at - standing.at <= policy.due_days * 24 * HOUR
    scarce = np.clip((0.6 * policy.budget / np.maximum(left, 0.5)) ** 2, 0.3, 8.0)
    threshold = policy.suspicion * scarce * np.where(soon, 0.5, 1.0)
    suspicious = ~standing.alarm & (standing.suspicion >= threshold) & rested
    # Silence leads to the question whether a line is stopped, and then to no more of them.
    suspicious &= standing.splits | (standing.dark + standing.out < policy.band[1])
    back = standing.alarm & (since >= _return_s(standing, policy)) & (standing.at - standing.told_at >= HOUR)
    heard = standing.at - np.maximum(standing.told_at, standing.asked_at)
    # A line whose app is heard over mobile data can receive: what it might be asked is better kept.
    alive = np.isfinite(standing.gap_h) & (standing.at - standing.beat_at < policy.alive_h * HOUR)
    due = heard >= routine_s * np.where(alive, policy.alive_pace, 1.0)
    routine = ~standing.alarm & (left > policy.reserve(standing.splits)) & due
    return (left >= 1) & (doubtful | suspicious | back | routine)


def _rest_s(standing: Standing, policy: Policy) -> Floats:
    """How long a doubt rests after a question about it."""
    settle = policy.settle_h * HOUR * 2.0 ** np.maximum(standing.asked_lately - 1, 0)
    settle = np.where(standing.asked_lately > 0, settle, 0)
    return np.where(standing.splits, settle, policy.repeat_h * HOUR)


def _doubtful(standing: Standing, policy: Policy) -> Mask:
    """Where an answer may change what is said. One that does not split stops tells whether a line is stopped;
    of a line that surely is, it is worth nothing until time has made nearly all such stops two-way."""
    low, high = policy.band
    split = (standing.dark >= low) & (standing.dark < high)
    down = standing.dark + standing.out
    ripe = (standing.dark >= policy.ripe * down) & (standing.dark < ALARM_AT)
    doubtful: Mask = np.where(standing.splits, split, (down >= policy.hint) & ((down < high) | ripe))
    return doubtful


def routine_at(standing: Standing, policy: Policy) -> Floats:
    """When routine may ask each line next."""
    heard = np.maximum(standing.told_at, standing.asked_at)
    routine_s = policy.routine_s(standing.splits)
    usual = heard + routine_s
    # As long as the app is heard routine waits, up to its slower pace.
    quiet = np.where(np.isfinite(standing.gap_h), standing.beat_at + policy.alive_h * HOUR, -np.inf)
    asked = np.minimum(np.maximum(usual, quiet), heard + routine_s * policy.alive_pace)
    allowed = np.where(
        policy.budget - standing.asked > policy.reserve(standing.splits), asked, standing.free_at
    )
    return np.maximum(allowed, standing.at + HOUR)


def silent_at(at: Floats, beat_at: Floats, gap_h: Floats) -> Floats:
    """When silence is worth a look; never where it says nothing (a gap that is infinite)."""
    silent = np.maximum(at - beat_at, 0)
    look = at + np.maximum(np.maximum(2.5 * gap_h * HOUR - silent, 0.4 * silent), HOUR)
    return np.where(np.isfinite(gap_h), look, np.inf)


def look_again(standing: Standing, policy: Policy) -> Floats:
    """When each line is worth another look if nothing is heard of it until then."""
    routine = routine_at(standing, policy)
    silence = silent_at(standing.at, standing.beat_at, standing.gap_h)
    back = np.maximum(standing.asked_at + _return_s(standing, policy), standing.at + HOUR)
    open_ = np.where(standing.alarm, back, standing.at + policy.settle_h * HOUR)
    calm = standing.settled & (standing.dark < policy.band[0])
    again = np.where(calm, np.minimum(routine, silence), np.minimum(routine, open_))
    if policy.budget == 0:
        again = np.where(calm, standing.at + 24 * HOUR, standing.at + policy.settle_h * HOUR)
    return again


@dataclass(frozen=True, slots=True)
class Offer:
    """A source that can be asked, as far as its choice goes."""

    name: str
    splits_stops: bool  # tells a one-way stop from a two-way one
    recycling: bool  # tells whether the number has a new owner, and nothing else
    price_minor: int  # of an answered question


def pick(public: Floats, order: tuple[str, ...], offers: Sequence[Offer]) -> npt.NDArray[np.int64]:
    """Which offer to ask about each line: the most doubt taken away for its price; -1 without any.

    `public`: probabilities of the public states (lines, states), `order` their names. The doubt is the variance of
    "can receive nothing": an answer that splits stops takes all of it away; one that does not leaves, of a line
    that is stopped, open whether it still receives. Whether the number has a new owner is asked where that is
    open itself, of who knows.
    """
    if not offers:
        return np.full(len(public), -1, dtype=np.int64)
    of = {name: public[:, number] for number, name in enumerate(order)}
    both = of["suspended"] + of["pre_cancelled"]
    stopped = both + of["out_suspended"]
    dark = both + of["cancelled"] + of["reassigned"]
    doubt = dark * (1 - dark)
    share = both / np.maximum(stopped, 1e-12)
    left = np.minimum(stopped * share * (1 - share), doubt)
    strange = of["reassigned"]
    open_ = (strange >= _STRANGE_FROM) & (strange < _STRANGE_TO)
    worth = np.zeros((len(offers), len(public)))
    for number, offer in enumerate(offers):
        if offer.recycling:
            worth[number] = np.where(open_, _FIRST, 0.0)
        else:
            told = doubt if offer.splits_stops else doubt - left
            worth[number] = np.maximum(told, 1e-12) / max(offer.price_minor, 1)
    best: npt.NDArray[np.int64] = worth.argmax(axis=0)
    return np.where(worth.max(axis=0) > 0, best, -1)


def _return_s(standing: Standing, policy: Policy) -> Floats:
    """Between two questions about a dark line: what is left is stretched over the rest of the window."""
    left = np.maximum(policy.budget - standing.asked, 0.5)
    rest = np.clip(standing.free_at - standing.at, 0, WINDOW_S)
    return np.maximum(policy.return_h * HOUR, np.where(left <= 2, rest / (left + 1), 0))
