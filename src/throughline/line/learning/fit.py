"""Parameters that a history makes likelier, held close to those that they begin with. Pure.

Three things are learned, one after another, each from all lines but a fifth, which judges it: how the day of
heartbeats goes, the rates of transition with the prior, and how far each grade of evidence can be trusted.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughline.line.backtest.reading import Observations, Roster, Shapes, Truth
from throughline.line.fold import Indices
from throughline.line.learning.expect import Expected, expect, likelihood
from throughline.line.learning.sequences import Past, past
from throughline.line.parameters import Floats, Params, Step, document_prior, rates_of, read_params, steps_of
from throughline.line.state import Meaning

PSEUDO_COUNT = 20.0
LEAST_LINES = 100
LEAST_DAYS = 1_000.0
LEAST_CHANGES = 10.0  # of subscriptions, expected
LEAST_BEATS = 1_000
LEAST_SAID = 30.0  # observations of a meaning where it fits, and by whom it was not said where it does not
HELD_OUT = 5  # one line of so many
ROUNDS = 40
FARTHEST = 20.0  # a learned number is at most so many times its start, and at least that part of it
_SETTLED = 0.01  # change of the logarithm of the likelihood at which it is good enough
# Sources that say how a line stands whenever they speak; a push speaks because something changed.
_ANSWERING = ("camara.", "vendor.", "sms.", "voice.")


class FitRefused(Exception):
    """Nothing is written; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Change:
    """A learned number beside its start. `seen`: on how many observations or expected changes it rests."""

    name: str
    was: float
    now: float
    seen: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The new document, what changed, and the logarithms of the likelihood of the lines held out."""

    document: dict[str, Any]
    changes: tuple[Change, ...]
    kept: tuple[str, ...]  # what stays as it was, and why
    lines: int
    held_out: int
    days: float
    rounds: int
    before: float
    after: float


def fit(
    document: Mapping[str, Any],
    roster: Roster,
    seen: Observations,
    shapes: Shapes,
    until_s: float,
    truths: Sequence[Truth] = (),
    pseudo_count: float = PSEUDO_COUNT,
) -> Fitted:
    """Learn from a history. `document` is that of a file of parameters. Raises `FitRefused`."""
    start = read_params(document)
    new = copy.deepcopy(dict(document))
    present = np.unique(seen.line)
    judging = np.array([_held_out(roster.names[one]) for one in present.tolist()], dtype=bool)
    learning, judges = present[~judging], present[judging]
    if len(present) < LEAST_LINES:
        raise FitRefused(f"{len(present)} lines have evidence; expected at least {LEAST_LINES}")
    changes: list[Change] = []
    kept = ["rates of phones going off and on: a silence does not tell when"]
    _day(new, start, seen, shapes, learning, judges, pseudo_count, changes, kept)
    by = read_params(new)
    mine = past(seen, shapes, learning, until_s, by, truths)
    others = past(seen, shapes, judges, until_s, by, truths)
    if mine.days + others.days < LEAST_DAYS:
        raise FitRefused(
            f"the history has {mine.days + others.days:.0f} days of all lines together; "
            f"expected at least {LEAST_DAYS:.0f}"
        )
    shipped = rates_of(document)
    # What is usual is judged by the start, so that likelihoods can be compared.
    first = expect(mine, shipped, start.prior, start.prior)
    usual = _smooth(first.time_h, start.prior)
    before = likelihood(others, shipped, start.prior, usual)
    groups = _groups(document)
    rates, scales, prior, expected, rounds = _learn(mine, shipped, start.prior, usual, groups, pseudo_count)
    moved = sum(_passages(expected, group) for group in groups.values())
    if moved < LEAST_CHANGES:
        raise FitRefused(
            f"the history holds about {moved:.0f} changes of subscriptions; expected at least "
            f"{LEAST_CHANGES:.0f}. A longer history, more lines or a source that tells suspensions helps"
        )
    after = likelihood(others, rates, prior, usual)
    if not after > before:
        raise FitRefused(
            f"on the {others.lines} lines held out the fitted rates are worse than the ones to begin with "
            f"(log-likelihood {after:.1f} against {before:.1f}); nothing is written"
        )
    changes.extend(_write_rates(new, groups, scales, expected))
    new["prior"] = {
        state: float(f"{chance:.4g}")
        for state, chance in document_prior(prior).items()
        if state in document["prior"]
    }
    after = _grades(new, mine, others, expected, rates, prior, usual, after, (seen, shapes, until_s, truths),
                    judges, pseudo_count, changes, kept)  # fmt: skip
    new["version"] = _version(str(document["version"]), new)
    read_params(new)  # what is written can be read
    return Fitted(
        new, tuple(changes), tuple(kept), mine.lines, others.lines, mine.days + others.days, rounds, before, after
    )  # fmt: skip


def _held_out(name: str) -> bool:
    """The same lines each time, whatever else is in the history."""
    return hashlib.sha256(name.encode()).digest()[0] % HELD_OUT == 0


def _version(base: str, document: Mapping[str, Any]) -> str:
    """A name of its own for each content, so that a belief can name what it was made with."""
    content = repr(sorted((name, repr(value)) for name, value in document.items() if name != "version"))
    return f"{base.split('+')[0]}+fit.{hashlib.sha256(content.encode()).hexdigest()[:8]}"


# --- rates and prior -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Passages whose rates are one. `rows`: their places in the document; `rate`: that of the first."""

    rate: float
    rows: tuple[int, ...]
    steps: tuple[Step, ...]


def _groups(document: Mapping[str, Any]) -> dict[str, Group]:
    """Rates that are one: what happens to a subscription does not depend on whether its phone is on."""
    groups: dict[str, Group] = {}
    for number, row in enumerate(document["rates"]):
        origin, target, rate = str(row["from"]), str(row["to"]), float(row["rate"])
        stems = [state.removesuffix("_on").removesuffix("_off") for state in (origin, target)]
        if stems[0] == stems[1]:
            continue  # a phone goes off and on: seen by silence, which is weighed at the ends of gaps only
        name = f"{stems[0]} to {stems[1]}"
        if name in groups and not math.isclose(groups[name].rate, rate, rel_tol=0.01):
            name = f"{origin} to {target}"
        old = groups.get(name, Group(rate, (), ()))
        groups[name] = Group(old.rate, (*old.rows, number), (*old.steps, *steps_of(origin, target)))
    return groups


def _learn(
    mine: Past, shipped: Floats, prior: Floats, usual: Floats, groups: dict[str, Group], pseudo_count: float
) -> tuple[Floats, dict[str, float], Floats, Expected, int]:
    """Expectation and maximisation in turn. Of each rate the start is believed as if it had been
    learned from `pseudo_count` changes, of the prior from so many lines."""
    rates, now = shipped, prior
    scales: dict[str, float] = {}
    expected = expect(mine, rates, now, usual)
    rounds, gained = 0, math.inf
    while rounds < ROUNDS and gained > _SETTLED:
        rounds += 1
        scales = {name: _scale(shipped, group, expected, pseudo_count) for name, group in groups.items()}
        rates = shipped.copy()
        for name, group in groups.items():
            for step in group.steps:
                rates[step.origin, step.target] = scales[name] * shipped[step.origin, step.target]
        now = (expected.begun + pseudo_count * prior) / (expected.begun.sum() + pseudo_count)
        better = expect(mine, rates, now, usual)
        gained = better.log_likelihood - expected.log_likelihood
        expected = better
    return rates, scales, now, expected, rounds


def _scale(shipped: Floats, group: Group, expected: Expected, pseudo_count: float) -> float:
    """How many times the start the rates of a group are. Stages of a passage move together; so do rates that
    differ by a thousandth, so that the matrix comes apart."""
    steps = {(one.origin, one.target) for one in group.steps}
    changes = sum(expected.changes[one] for one in steps)
    usual = sum(expected.time_h[one[0]] * shipped[one] for one in steps)
    return float(np.clip(_likeliest(float(changes), float(usual), 1.0, pseudo_count), 1 / FARTHEST, FARTHEST))


def _passages(expected: Expected, group: Group) -> float:
    return float(sum(expected.changes[one.origin, one.target] / one.of for one in group.steps))


def _likeliest(changes: float, time_h: float, was: float, pseudo_count: float) -> float:
    """The rate that makes so many changes in a time likeliest, if its logarithm is known beforehand as well as
    after `pseudo_count` changes: with a standard deviation of 1 / sqrt(pseudo_count) around the old rate."""
    start = log = math.log(was)
    for _ in range(50):
        slope = changes - math.exp(log) * time_h - pseudo_count * (log - start)
        step = slope / (math.exp(log) * time_h + pseudo_count)
        log += min(max(step, -1.0), 1.0)
    return math.exp(log)


def _smooth(time_h: Floats, prior: Floats) -> Floats:
    """Shares of time, no state left out."""
    shares: Floats = (time_h + prior) / (time_h.sum() + 1)
    return shares


def _write_rates(
    new: dict[str, Any], groups: dict[str, Group], scales: dict[str, float], expected: Expected
) -> list[Change]:
    changes = []
    for name, group in groups.items():
        changes.append(
            Change(f"rate {name}", group.rate, group.rate * scales[name], _passages(expected, group))
        )
        for number in group.rows:
            row = new["rates"][number]
            row["rate"] = float(f"{float(row['rate']) * scales[name]:.6g}")
    return changes


# --- grades ----------------------------------------------------------------------------------------


def _grades(
    new: dict[str, Any],
    mine: Past,
    others: Past,
    expected: Expected,
    rates: Floats,
    prior: Floats,
    usual: Floats,
    reached: float,
    history: tuple[Observations, Shapes, float, Sequence[Truth]],
    judges: Indices,
    pseudo_count: float,
    changes: list[Change],
    kept: list[str],
) -> float:
    """How much likelier what is said of each grade is where it fits, by what all other evidence says of the
    moment: an answer can't vouch for itself."""
    by = read_params(new)
    logs: dict[str, list[tuple[float, float]]] = {}
    sources = np.array([source for source, _ in mine.readings])
    for number, (source, reading) in enumerate(mine.readings):
        if not source.startswith(_ANSWERING):
            continue
        fits = by.likelihood[(reading.meaning.value, reading.grade)] > 1
        if fits.all() or not fits.any():
            continue
        asked = expected.before[sources == source].sum(axis=0)
        said = expected.before[number]
        right, wrong = float(said[fits].sum()), float(said[~fits].sum())
        could, could_not = float(asked[fits].sum()), float(asked[~fits].sum())
        if right + wrong < LEAST_SAID or could < LEAST_SAID or could_not < LEAST_SAID:
            continue
        ratio = math.log((right + 0.5) / (could + 1)) - math.log((wrong + 0.5) / (could_not + 1))
        # The precision of a logarithm of a ratio of counts.
        logs.setdefault(reading.grade, []).append((ratio, 1 / (1 / (right + 0.5) + 1 / (wrong + 0.5))))
    was = {str(grade): float(ratio) for grade, ratio in new["grades"].items()}
    learned: dict[str, tuple[float, float]] = {}
    for grade, found in logs.items():
        weight = sum(precision for _, precision in found)
        mean = sum(ratio * precision for ratio, precision in found) + pseudo_count * math.log(was[grade])
        ratio = math.exp(mean / (weight + pseudo_count))
        learned[grade] = (
            float(np.clip(ratio, max(1.0, was[grade] / FARTHEST), was[grade] * FARTHEST)),
            weight,
        )
    if not learned:
        kept.append("grades: too few answers to compare with other evidence")
        return reached
    trial = copy.deepcopy(new)
    trial["grades"] = {
        grade: float(f"{learned[grade][0]:.4g}") if grade in learned else ratio
        for grade, ratio in was.items()
    }
    seen, shapes, until_s, truths = history
    weighed = past(seen, shapes, judges, until_s, read_params(trial), truths)
    after = likelihood(weighed, rates, prior, usual)
    if not after > reached:
        kept.append(
            f"grades: on the lines held out the learned ones are no better ({after:.1f} against {reached:.1f})"
        )
        return reached
    new["grades"] = trial["grades"]
    changes.extend(
        Change(f"grade {grade}", was[grade], ratio, weight)
        for grade, (ratio, weight) in sorted(learned.items())
    )
    return after


# --- the day of heartbeats -------------------------------------------------------------------------


def _day(
    new: dict[str, Any],
    start: Params,
    seen: Observations,
    shapes: Shapes,
    learning: Indices,
    judges: Indices,
    pseudo_count: float,
    changes: list[Change],
    kept: list[str],
) -> None:
    """How the heartbeats of all lines lie over the hours of a day. The start counts like 24 times the
    pseudo-count of heartbeats."""
    beat = np.array(
        [one.reading is not None and one.reading.meaning is Meaning.DATA_OK for one in shapes.all], dtype=bool
    )
    if not len(beat):
        kept.append("heartbeat.day: no heartbeats")
        return
    beats = beat[seen.shape]
    hour = ((seen.observed_s / 3600 + start.heartbeats.offset_h) % 24).astype(np.int64)
    mine = np.bincount(hour[beats & np.isin(seen.line, learning)], minlength=24).astype(float)
    others = np.bincount(hour[beats & np.isin(seen.line, judges)], minlength=24).astype(float)
    if mine.sum() < LEAST_BEATS or not others.sum():
        kept.append(f"heartbeat.day: {mine.sum():.0f} heartbeats, expected at least {LEAST_BEATS}")
        return
    was = np.diff(start.heartbeats.cumulative)
    now = mine + pseudo_count * was
    now *= 24 / now.sum()
    before, after = (float(others @ np.log(np.maximum(day, 1e-6))) for day in (was, now))
    if not after > before:
        kept.append("heartbeat.day: no better on the lines held out")
        return
    new["heartbeat"]["day"] = [float(f"{one:.3f}") for one in now]
    most = int(np.abs(now / np.maximum(was, 1e-6) - 1).argmax())
    changes.append(
        Change(f"heartbeat.day at {most} o'clock", float(was[most]), float(now[most]), float(mine[most]))
    )
