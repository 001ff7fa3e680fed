"""What is believed of one line from all that was observed of it. Pure; the arithmetic is in `fold.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from throughline.line import fold
from throughline.line.emissions import read
from throughline.line.fold import PUBLIC, Codebook
from throughline.line.parameters import Floats, Params, params
from throughline.line.signals import Reading, Signal
from throughline.line.state import PublicState
from throughline.line.track import CONFIRM_WAIT, STATES_SHOWN, Tracks, instant, run


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
    tracks = Tracks[str].fresh(np.array([min(start, at).timestamp()]), used)
    run(
        tracks,
        np.zeros(len(heard), dtype=np.int64),
        np.array([signal.observed_at.timestamp() for signal, _ in heard]),
        np.arange(len(heard)),
        [signal.key() for signal, _ in heard],
        Codebook.of([(signal.source, reading) for signal, reading in heard], used),
        used,
    )
    shown = tracks.shown(np.array([at.timestamp()]), used)
    return Belief(
        at,
        tuple(float(one) for one in shown.p[0]),
        STATES_SHOWN[shown.state[0]],
        float(shown.probability[0]),
        instant(float(shown.since_s[0])),
        bool(shown.alarm[0]),
        tracks.moved[0],
    )


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


__all__ = ["CONFIRM_WAIT", "Belief", "believe", "cannot_receive", "params", "predict", "public"]
