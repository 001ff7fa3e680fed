"""What is believed of one line from all that was observed of it. Pure; the arithmetic is in `fold.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from throughline.line import fold
from throughline.line.emissions import read
from throughline.line.fold import PUBLIC, Codebook
from throughline.line.parameters import Floats, Params, params
from throughline.line.signals import Reading, Signal
from throughline.line.state import ALARM_AT, CLEAR_AT, SHOWN_FROM, PublicState

CONFIRM_WAIT = timedelta(minutes=10)
_PUSH = "carrier.push"
_MOVED = 5  # pieces of evidence that are named


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one line at an instant. `since` is when its public state began by the evidence."""

    at: datetime
    p: tuple[float, ...]
    state: PublicState
    probability: float
    since: datetime
    alarm: bool
    evidence: tuple[str, ...]


def believe(signals: Sequence[Signal], *, at: datetime, start: datetime, by: Params | None = None) -> Belief:
    """The belief at `at` from all signals observed up to then, whatever their order and repeats.

    A carrier's push shows its state at once; an alarm waits `CONFIRM_WAIT` for the answer to the question
    that the push leads to. Evidence ids are the keys of the signals that moved the state last.
    """
    used = by or params()
    heard = _in_order(signals, at)
    book = Codebook.of([(signal.source, reading) for signal, reading in heard], used)
    rows = fold.fresh(1, min(start, at).timestamp(), used)
    state, since, alarm = PublicState.UNKNOWN, start, False
    moved: tuple[str, ...] = ()
    pushed: datetime | None = None
    for number, (signal, reading) in enumerate(heard):
        instant = max(signal.observed_at.timestamp(), float(rows[0, fold.AT]))
        rows = fold.step(rows, np.array([instant]), np.array([number]), book, used)
        shown, _ = _shown(rows[0, fold.P])
        if shown is not state:
            state, since, moved = shown, signal.observed_at, (signal.key(),)
        elif reading.authoritative:
            moved = (*moved[1 - _MOVED :], signal.key())
        pushed = signal.observed_at if signal.source == _PUSH else None
        alarm = _alarm(alarm, cannot_receive(rows[0, fold.P]), waits=_waits(pushed, at))
    p = fold.look(rows, np.array([max(at.timestamp(), float(rows[0, fold.AT]))]), used)[0]
    shown, _ = _shown(p)
    if shown is not state and moved:
        # The evidence has aged until another state is likelier; nothing was observed at this instant.
        state, since = shown, at
    alarm = _alarm(alarm, cannot_receive(p), waits=_waits(pushed, at))
    return Belief(at, tuple(float(one) for one in p), state, public(p).get(state, 0.0), since, alarm, moved)


def public(p: Floats) -> dict[PublicState, float]:
    """Probability of each public state; they sum to 1."""
    return dict(zip(PUBLIC, fold.public(p).tolist(), strict=True))


def cannot_receive(p: Floats) -> float:
    """Probability that neither a message nor a call can reach the number's owner."""
    return float(fold.cannot_receive(p))


def predict(p: Floats, elapsed_s: float, by: Params) -> Floats:
    """One line's probabilities some seconds later, if nothing is heard of it and its app is not expected to
    be. Negative time is a fault of the caller."""
    rows = fold.fresh(1, 0.0, by)
    rows[0, fold.P] = p
    later: Floats = fold.look(rows, np.array([float(elapsed_s)]), by)[0]
    return later


def _in_order(signals: Sequence[Signal], at: datetime) -> list[tuple[Signal, Reading]]:
    """The signals that say something, each once, in the order of evidence."""
    unique = {signal.key(): signal for signal in signals if signal.observed_at <= at}
    ordered = sorted(unique.values(), key=Signal.sort_key)
    return [(signal, reading) for signal in ordered if (reading := read(signal)) is not None]


def _shown(p: Floats) -> tuple[PublicState, float]:
    chances = fold.public(p)
    best = int(chances.argmax())
    chance = float(chances[best])
    return (PUBLIC[best] if chance >= SHOWN_FROM else PublicState.UNKNOWN), chance


def _waits(pushed: datetime | None, at: datetime) -> bool:
    """Whether a push that came last may still be confirmed or denied."""
    return pushed is not None and at - pushed < CONFIRM_WAIT


def _alarm(alarm: bool, chance: float, *, waits: bool) -> bool:
    """Hysteresis: up at 0.9, down at 0.5."""
    return chance >= CLEAR_AT if alarm else chance >= ALARM_AT and not waits


__all__ = ["CONFIRM_WAIT", "Belief", "believe", "cannot_receive", "params", "predict", "public"]
