"""The filter: a hidden Markov model over the states of a line. Pure, vectorised over lines.

predict   p <- p · exp(Q·Δt)          evidence ages by itself
update    p <- p ∘ L(meaning | state), then scaled to sum 1

Beliefs are rows of an array with one column for each state of `state.STATES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from throughline.line.signals import Reading, Signal, read
from throughline.line.state import (
    ALARM_AT,
    CANNOT_RECEIVE,
    CLEAR_AT,
    INDEX,
    PUBLIC_OF,
    SHOWN_FROM,
    STATES,
    PublicState,
)

Beliefs = npt.NDArray[np.float64]
PARAMS = "2026-1"
_BITS = 29  # 2^29 s are 17 years
_FLOOR = 1e-12  # no state is ever ruled out: the next evidence may say otherwise


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters by version: rates of transition, prior, likelihoods by meaning and grade."""

    version: str
    powers: tuple[Beliefs, ...]  # exp(Q · 2^k s) for k = 0, 1, …
    prior: Beliefs
    jump: Beliefs  # what is mixed in before a carrier's own word
    likelihood: dict[tuple[str, str], Beliefs]


@lru_cache(maxsize=4)
def params(version: str = PARAMS) -> Params:
    """The parameters of a version, ready for use."""
    text = files("throughline.line").joinpath(f"params/{version}.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    q = np.zeros((len(STATES), len(STATES)))
    for row in document["rates"]:
        q[INDEX[row["from"]], INDEX[row["to"]]] += float(row["rate"])
    np.fill_diagonal(q, -q.sum(axis=1))
    # Q has repeated eigenvalues (the stages of cancellation), so it is not taken apart: one second by its
    # series, then squared again and again. Any whole number of seconds is a product of these.
    step = q / 3600
    powers = [np.eye(len(STATES)) + step + step @ step / 2]
    for _ in range(_BITS - 1):
        powers.append(powers[-1] @ powers[-1])
    jump = np.array([float(document["jump"].get(name, 0.0)) for name in STATES])
    prior = np.array([document["prior"].get(name, 0.0) for name in STATES])
    likelihood = {
        (meaning, grade): np.array([float(ratio) if name in fits else 1.0 for name in STATES])
        for meaning, fits in document["fits"].items()
        for grade, ratio in document["grades"].items()
    }
    return Params(
        document["version"],
        tuple(powers),
        prior / prior.sum(),
        jump,
        likelihood,
    )


def predict(beliefs: Beliefs, elapsed_s: npt.ArrayLike, by: Params) -> Beliefs:
    """Beliefs some seconds later (rounded to whole ones), one number for each row; at most about 17 years.

    Negative time is a fault of the caller.
    """
    seconds = np.rint(np.asarray(elapsed_s, dtype=float)).astype(np.int64)
    if (seconds < 0).any() or (seconds >= 2**_BITS).any():
        raise ValueError("a belief is predicted into the future only, and not further than 17 years")
    later = np.array(beliefs, dtype=float)
    for bit, power in enumerate(by.powers):
        chosen = (seconds >> bit & 1).astype(bool)
        if chosen.any():
            later[chosen] = later[chosen] @ power
    return _scaled(later)


def update(beliefs: Beliefs, reading: Reading, by: Params) -> Beliefs:
    """Beliefs after one observation of known meaning.

    A carrier's own word (grade A) may come minutes after the opposite, faster than any rate of transition
    would allow: a thousandth of what a carrier can do at a stroke is mixed in first, so that one such word
    raises suspicion and two turn the belief.
    """
    before = beliefs + by.jump if reading.authoritative else beliefs
    return _scaled(before * by.likelihood[(reading.meaning.value, reading.grade)])


def _scaled(beliefs: Beliefs) -> Beliefs:
    floored = np.maximum(beliefs, _FLOOR)
    scaled: Beliefs = floored / floored.sum(axis=-1, keepdims=True)
    return scaled


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


def public(p: Beliefs) -> dict[PublicState, float]:
    """Probability of each public state; they sum to 1."""
    sums: dict[PublicState, float] = {}
    for number, state in enumerate(PUBLIC_OF):
        sums[state] = sums.get(state, 0.0) + float(p[number])
    return sums


def cannot_receive(p: Beliefs) -> float:
    """Probability that neither a message nor a call can reach the number's owner."""
    return sum(chance for state, chance in public(p).items() if state in CANNOT_RECEIVE)


def believe(signals: Sequence[Signal], *, at: datetime, start: datetime, by: Params | None = None) -> Belief:
    """The belief at `at` from all signals observed up to then, whatever their order and repeats.

    A grade A answer of the carrier sets the public state provisionally: until other evidence speaks, the
    state is the one that it names. Evidence ids are the keys of the signals that moved the state last.
    """
    used = by or params()
    ordered = sorted(
        {signal.key(): signal for signal in signals if signal.observed_at <= at}.values(), key=Signal.sort_key
    )
    p = used.prior.copy()
    clock = start
    state, since = PublicState.UNKNOWN, start
    alarm = False
    moved: tuple[str, ...] = ()
    for signal in ordered:
        reading = read(signal)
        if reading is None:
            continue
        if signal.observed_at > clock:
            p = _later(p, signal.observed_at - clock, used)
            clock = signal.observed_at
        p = update(p, reading, used)
        best, chance = _best(p)
        shown = best if chance >= SHOWN_FROM else PublicState.UNKNOWN
        if shown is not state:
            state, since, moved = shown, clock, (signal.key(),)
        elif reading.authoritative:
            moved = (*moved[-4:], signal.key())
        alarm = _alarm(alarm, cannot_receive(p))
    if at > clock:
        p = _later(p, at - clock, used)
    best, chance = _best(p)
    if chance < SHOWN_FROM:
        best = PublicState.UNKNOWN
    if best is not state and moved:
        # The evidence has aged until another state is likelier; nothing was observed at this instant.
        state, since = best, at
    alarm = _alarm(alarm, cannot_receive(p))
    return Belief(at, tuple(float(one) for one in p), state, public(p).get(state, 0.0), since, alarm, moved)


def _later(p: Beliefs, elapsed: timedelta, by: Params) -> Beliefs:
    row: Beliefs = predict(p[np.newaxis, :], [elapsed.total_seconds()], by)[0]
    return row


def _best(p: Beliefs) -> tuple[PublicState, float]:
    state, chance = max(public(p).items(), key=lambda item: item[1])
    return state, chance


def _alarm(alarm: bool, chance: float) -> bool:
    """Hysteresis: up at 0.9, down at 0.5."""
    return chance >= CLEAR_AT if alarm else chance >= ALARM_AT
