"""Evidence of many lines folded into beliefs, one observation of each line at a time. Pure; rows are lines.

predict   p <- p · exp(Q·Δt)                 evidence ages by itself
silence   p <- p ∘ exp(-λ·activity)          where the app's heartbeats would come through; capped
update    p <- p ∘ L(meaning | state)        then scaled to sum 1

A row holds all that the next step needs, so that a checkpoint is a copy of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughline.line.parameters import Floats, Params
from throughline.line.signals import Reading
from throughline.line.state import CANNOT_RECEIVE, PUBLIC_OF, STATES, Meaning, PublicState

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# The columns of a row.
P = slice(0, len(STATES))
AT = len(STATES)  # the instant of p, seconds since the epoch
GAP = AT + 1  # mean hours of activity between two heartbeats
BEATS = AT + 2  # how many were heard; 0: silence says nothing
BEAT_AT = AT + 3
QUIET = AT + 4  # log odds that silence has taken from the states with data since the last heartbeat, <= 0
SILENCE = AT + 5  # the same without the cap
ALIVE_AT = AT + 6  # when the app was heard over Wi-Fi
ACTIVITY = AT + 7  # hours of usual activity since the epoch at AT, and at BEAT_AT
BEAT_ACTIVITY = AT + 8
SAID = AT + 9  # by kind of source: when it spoke last, and what it said
KINDS = 7
PUSHED = 5  # the kind that is a carrier's push
TOLD = (
    0,
    1,
    PUSHED,
)  # the kinds that say how the line stands: carrier's answer, vendor's answer, carrier's push
WIDTH = SAID + 2 * KINDS
_SAID = np.arange(SAID + 1, WIDTH, 2)
_NOTHING = -1.0  # no meaning has this number

PUBLIC = tuple(state for state in PublicState if state is not PublicState.UNKNOWN)
_TO_PUBLIC = np.array([[float(shown is of) for shown in PUBLIC] for of in PUBLIC_OF])
DARK = np.array([state in CANNOT_RECEIVE for state in PUBLIC])
_DARK_STATES = np.array([state in CANNOT_RECEIVE for state in PUBLIC_OF])
ENOUGH_BEATS = 4
_FLOOR = 1e-12  # no state is ever ruled out: the next evidence may say otherwise
_KIND_OF = {"camara": 0, "vendor": 1, "sms": 2, "voice": 3, "app": 4, "carrier": PUSHED}
_OTHER_KIND = 6
# Of a carrier, and no word on how the line stands.
_BESIDE = frozenset({"camara.kyc-tenure", "camara.device-data-volume"})


@dataclass(frozen=True, slots=True)
class Codebook:
    """Readings by number, as arrays: what the steps look up."""

    likelihood: Floats  # (readings, states), natural logarithms
    authoritative: Mask
    beat: Mask
    alive: Mask
    gone: Mask
    proved: Mask
    weak: Mask  # grades C and D: worth nothing in an incident
    kind: Indices
    said: Floats  # a number for what is said, for repeats

    @classmethod
    def of(cls, readings: Sequence[tuple[str, Reading]], by: Params) -> Codebook:
        """The book of (source, reading) pairs in their order."""
        meanings = list(Meaning)
        return cls(
            np.log(
                [by.likelihood[(one.meaning.value, one.grade)] for _, one in readings]
                or np.zeros((0, len(STATES)))
            ),
            # A heartbeat is sure, but no carrier's word.
            np.array(
                [one.authoritative and one.meaning is not Meaning.DATA_OK for _, one in readings], dtype=bool
            ),
            np.array([one.meaning is Meaning.DATA_OK for _, one in readings], dtype=bool),
            np.array([one.meaning is Meaning.APP_ALIVE for _, one in readings], dtype=bool),
            np.array([one.meaning is Meaning.APP_GONE for _, one in readings], dtype=bool),
            np.array([one.meaning is Meaning.PROVED for _, one in readings], dtype=bool),
            np.array([one.grade in {"C", "D"} for _, one in readings], dtype=bool),
            np.array([_kind_of(source) for source, _ in readings], dtype=np.int64),
            np.array([float(meanings.index(one.meaning)) for _, one in readings]),
        )


def _kind_of(source: str) -> int:
    return _OTHER_KIND if source in _BESIDE else _KIND_OF.get(source.split(".")[0], _OTHER_KIND)


def fresh(count: int, at_s: float | Floats, by: Params) -> Floats:
    """Rows of lines of which nothing is known yet."""
    rows = np.zeros((count, WIDTH))
    rows[:, P] = by.prior
    rows[:, AT] = at_s
    rows[:, ACTIVITY] = by.heartbeats.activity(rows[:, AT])
    rows[:, GAP] = by.heartbeats.first_gap_h
    rows[:, ALIVE_AT] = -np.inf
    rows[:, SAID::2] = -np.inf
    return rows


def look(rows: Floats, at_s: Floats, by: Params, quiet_s: Floats | None = None) -> Floats:
    """The probabilities (rows, states) at an instant not before the rows' own; `quiet_s` are seconds of it
    in which silence says nothing, because of an incident."""
    return _aged(rows, at_s, by.heartbeats.activity(at_s), by, quiet_s)[0]


def step(
    rows: Floats,
    at_s: Floats,
    reading: Indices,
    book: Codebook,
    by: Params,
    muted: Mask | None = None,
    quiet_s: Floats | None = None,
) -> Floats:
    """The rows after one observation each, at instants not before their own. `muted`: it counts for nothing."""
    activity = by.heartbeats.activity(at_s)
    p, quiet, silence = _aged(rows, at_s, activity, by, quiet_s)
    after = rows.copy()
    number = np.arange(len(rows))
    kind_at = SAID + 2 * book.kind[reading]
    hours = (at_s - rows[number, kind_at]) / 3600
    again = rows[number, kind_at + 1] == book.said[reading]
    weight = np.where(again, -np.expm1(-hours / by.memory_h), 1.0)
    if muted is not None:
        weight = np.where(muted, 0.0, weight)
    authoritative = book.authoritative[reading] & (weight > 0)
    beat = book.beat[reading]
    # A heartbeat is news each time, however soon; so is a proof, and what is said again after one.
    proved = book.proved[reading]
    weight = np.where((beat | proved) & (weight > 0), 1.0, weight)
    p = p + authoritative[:, np.newaxis] * by.jump
    after[:, P] = scaled(p * np.exp(weight[:, np.newaxis] * book.likelihood[reading]))
    after[:, AT] = at_s
    after[:, QUIET] = np.where(beat, 0.0, quiet)
    after[:, SILENCE] = np.where(beat, 0.0, silence)
    after[np.ix_(proved, _SAID)] = _NOTHING
    after[number, kind_at] = at_s
    after[number, kind_at + 1] = book.said[reading]
    after[:, ALIVE_AT] = np.where(book.alive[reading], at_s, rows[:, ALIVE_AT])
    after[:, ACTIVITY] = activity
    _learn(after, rows, at_s, beat, by)
    after[:, BEATS] = np.where(book.gone[reading], 0.0, after[:, BEATS])
    return after


def _aged(
    rows: Floats, at_s: Floats, activity: Floats, by: Params, quiet_s: Floats | None
) -> tuple[Floats, Floats, Floats]:
    hours = (at_s - rows[:, AT]) / 3600
    if (hours < 0).any():
        raise ValueError("a belief is predicted into the future only")
    spread = (rows[:, P] @ by.right) * np.exp(by.roots * hours[:, np.newaxis])
    p = np.real(spread @ by.left)
    lost = _lost(rows, activity, quiet_s)
    silence = rows[:, SILENCE] - lost
    quiet = _capped(rows, at_s, lost, by)
    taken = (quiet - rows[:, QUIET])[:, np.newaxis] * by.heartbeats.weight
    return scaled(p * np.exp(taken)), quiet, silence


def _lost(rows: Floats, activity: Floats, quiet_s: Floats | None) -> Floats:
    """Heartbeats that should have come since a row's instant: the log odds of hearing none."""
    since = activity - rows[:, ACTIVITY]
    if quiet_s is not None:
        since = np.maximum(since - quiet_s / 3600, 0.0)
    return np.where(rows[:, BEATS] >= ENOUGH_BEATS, since / rows[:, GAP], 0.0)


def _capped(rows: Floats, at_s: Floats, lost: Floats, by: Params) -> Floats:
    """What silence has taken since the last heartbeat, as far as it may: an app that was removed is silent as
    well, so it may take more from one that has just been heard over Wi-Fi."""
    beats = by.heartbeats
    alive = at_s - rows[:, ALIVE_AT] <= beats.alive_h * 3600
    most = np.log(np.where(alive, beats.alive_odds, beats.silence_odds))
    # What was taken once stays taken until the next heartbeat.
    return np.minimum(rows[:, QUIET], np.maximum(rows[:, QUIET] - lost, -most))


def _learn(after: Floats, rows: Floats, at_s: Floats, beat: Mask, by: Params) -> None:
    """The mean gap between heartbeats moves by each of them."""
    beats = by.heartbeats
    known = beat & (rows[:, BEATS] > 0)
    gap = np.where(known, after[:, ACTIVITY] - rows[:, BEAT_ACTIVITY], 0.0)
    gap = np.minimum(gap, beats.longest_gap_h)
    share = np.maximum(beats.learning, 1 / (rows[:, BEATS] + 1))
    mean = rows[:, GAP] + share * (gap - rows[:, GAP])
    after[:, GAP] = np.where(known, np.maximum(mean, 0.05), rows[:, GAP])
    after[:, BEATS] = np.where(beat, np.minimum(rows[:, BEATS] + 1, 1e6), rows[:, BEATS])
    after[:, BEAT_AT] = np.where(beat, at_s, rows[:, BEAT_AT])
    after[:, BEAT_ACTIVITY] = np.where(beat, after[:, ACTIVITY], rows[:, BEAT_ACTIVITY])


def suspicion(rows: Floats, at_s: Floats, p: Floats, by: Params, quiet_s: Floats | None = None) -> Floats:
    """Probability that a line can receive nothing if silence counts for more than the belief lets it: reason
    to ask, never to believe. `p` is what `look` gave for the same instant."""
    beats = by.heartbeats
    lost = _lost(rows, beats.activity(at_s), quiet_s)
    quiet = _capped(rows, at_s, lost, by)
    silence = np.maximum(rows[:, SILENCE] - lost, -np.log(beats.suspicion_odds))
    more = np.minimum(silence - quiet, 0.0)
    suspected = scaled(p * np.exp(more[:, np.newaxis] * beats.weight))
    dark: Floats = suspected[:, _DARK_STATES].sum(axis=1)
    return dark


def scaled(p: Floats) -> Floats:
    """Rows that sum to 1, nothing below a floor."""
    floored = np.maximum(p, _FLOOR)
    sums: Floats = floored / floored.sum(axis=-1, keepdims=True)
    return sums


def public(p: Floats) -> Floats:
    """Probabilities of the public states in the order of `PUBLIC`."""
    sums: Floats = p @ _TO_PUBLIC
    return sums


def told_at(rows: Floats) -> Floats:
    """When somebody who knows last said how each line stands; -inf if nobody ever did."""
    latest: Floats = rows[:, [SAID + 2 * kind for kind in TOLD]].max(axis=1)
    return latest


def cannot_receive(p: Floats) -> Floats:
    """Probability that neither a message nor a call can reach the number's owner, for each row."""
    sums: Floats = p[..., _DARK_STATES].sum(axis=-1)
    return sums
