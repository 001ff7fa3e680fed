"""Common causes: many lines of one carrier and region failing together are one incident. Pure and causal:
what is said of an instant depends on nothing that was received later.

Two things are counted for a group, by 15 minutes: lines that freshly fail (absent, off, no response), and
heartbeats that should have come. Each is compared with the group's own past at that hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughline.line.parameters import Floats

Indices = npt.NDArray[np.int64]
BIN_S = 900.0
DAY_BINS = 96
FRESH_S = 1_800.0  # a failure that is reported later than this says nothing about now


@dataclass(frozen=True, slots=True)
class Limits:
    """When an incident is raised and cleared."""

    least_lines: int = 20
    tail: float = 1e-6  # chance of so many by accident
    failures_a_line_day: float = 0.05  # assumed before the group has a past
    past_days: int = 14
    least_past_days: int = 3
    least_beats: float = 30.0  # expected in half an hour, for their absence to mean something
    beats_share: float = 0.35
    calm_bins: int = 4
    longest_days: int = 7


@dataclass(frozen=True, slots=True)
class Incident:
    """`onset_s`: from when evidence is explained by it; `cleared_s`: None while it goes on."""

    group: int
    raised_s: float
    onset_s: float
    cleared_s: float | None
    lines: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one group, by time of receipt: fresh failures with their lines, and heartbeats."""

    failed_s: Floats
    failed_line: Indices
    beat_s: Floats
    beat_line: Indices
    lines: int  # in the group


class Series:
    """A group's counts by bin, and what is usual in each: distinct lines that freshly fail, and heartbeats."""

    def __init__(self, failing: Floats, beats: Floats, lines: int, limits: Limits) -> None:
        self._failing = failing
        self._limits = limits
        self._usual = _usual_failures(failing, lines, limits)
        self._half_hour = beats + np.concatenate([[0.0], beats[:-1]])
        self._expected = _expected(self._half_hour, limits)
        self._many = (failing >= limits.least_lines) & (failing > self._usual)
        self._missing = (self._expected >= limits.least_beats) & (
            self._half_hour <= limits.beats_share * self._expected
        )

    def raised(self, number: int) -> int | None:
        """The first bin from `number` on in which an incident shows."""
        return _raised(
            number,
            self._many,
            self._missing,
            self._failing,
            self._usual,
            self._half_hour,
            self._expected,
            self._limits,
        )

    def cleared(self, raised: int) -> int:
        """The bin after which it was calm for a while; the number of bins if it goes on."""
        return _cleared(raised, self._failing, self._usual, self._half_hour, self._expected, self._limits)


def detect(group: int, evidence: Evidence, until_s: float, limits: Limits | None = None) -> list[Incident]:
    """The incidents of a group up to an instant."""
    limits = limits or Limits()
    if evidence.lines < limits.least_lines or not len(evidence.failed_s) + len(evidence.beat_s):
        return []
    start = float(min([*evidence.failed_s[:1], *evidence.beat_s[:1]]) // BIN_S * BIN_S)
    bins = int((until_s - start) // BIN_S)
    if bins < 1:
        return []
    beats = np.bincount(_bin(evidence.beat_s, start, bins), minlength=bins + 1)[:bins].astype(float)
    failing = _distinct(evidence.failed_s, evidence.failed_line, start, bins)
    series = Series(failing, beats, evidence.lines, limits)
    found: list[Incident] = []
    number = 0
    while number < bins:
        raised = series.raised(number)
        if raised is None:
            break
        cleared = series.cleared(raised)
        # Failures that came first belong to it: the bin before is taken in.
        onset = start + max(raised - 1, 0) * BIN_S
        end = start + (min(cleared, bins) + 1) * BIN_S
        found.append(
            Incident(
                group,
                start + (raised + 1) * BIN_S,
                onset,
                None if cleared >= bins else end,
                _touched(evidence, onset, min(end, until_s)),
            )
        )
        number = cleared + 1
    return found


def _bin(at: Floats, start: float, bins: int) -> Indices:
    return np.clip((at - start) // BIN_S, 0, bins).astype(np.int64)


def _distinct(at: Floats, line: Indices, start: float, bins: int) -> Floats:
    """Distinct lines by bin."""
    if not len(at):
        return np.zeros(bins)
    pairs = np.unique(np.stack([_bin(at, start, bins), line]), axis=1)
    return np.bincount(pairs[0], minlength=bins + 1)[:bins].astype(float)


def _usual_failures(failing: Floats, lines: int, limits: Limits) -> Floats:
    """Expected failures in each bin from the group's past at that hour, an assumption mixed in for the start.

    The last hour does not count as past: an incident must not explain itself."""
    assumed = lines * limits.failures_a_line_day / DAY_BINS
    sums = np.concatenate([[0.0], np.cumsum(failing)])
    number = np.arange(len(failing))
    last = np.maximum(number - 4, 0)
    first = np.maximum(last - limits.past_days * DAY_BINS, 0)
    mean = (sums[last] - sums[first] + assumed * DAY_BINS) / (last - first + DAY_BINS)
    same_hour = _expected(failing, limits, around=2)
    usual: Floats = np.maximum(mean, same_hour)
    return usual


def _expected(counts: Floats, limits: Limits, around: int = 0) -> Floats:
    """Mean of the same bin of earlier days (nothing of the last day's neighbours); 0 without enough past."""
    expected = np.zeros(len(counts))
    days = np.zeros(len(counts))
    for day in range(1, limits.past_days + 1):
        for shift in range(-around, around + 1):
            back = day * DAY_BINS + shift
            if back >= len(counts):
                continue
            expected[back:] += counts[: len(counts) - back]
            days[back:] += 1
    enough = days >= limits.least_past_days * (2 * around + 1)
    return np.where(enough, expected / np.maximum(days, 1), 0.0)


def _raised(
    number: int,
    many: npt.NDArray[np.bool_],
    missing: npt.NDArray[np.bool_],
    failing: Floats,
    usual: Floats,
    beats: Floats,
    expected: Floats,
    limits: Limits,
) -> int | None:
    for at in np.nonzero((many | missing)[number:])[0] + number:
        if many[at] and _at_least(int(failing[at]), float(usual[at])) < limits.tail:
            return int(at)
        if missing[at] and _at_most(int(beats[at]), float(expected[at])) < limits.tail:
            return int(at)
    return None


def _cleared(
    raised: int, failing: Floats, usual: Floats, beats: Floats, expected: Floats, limits: Limits
) -> int:
    """The bin after which it was calm for a while; the number of bins if it goes on."""
    calm = 0
    normal = usual[raised]
    for at in range(raised + 1, len(failing)):
        quiet = failing[at] <= max(5.0, 3 * normal)
        beating = expected[at] < limits.least_beats or beats[at] >= 0.6 * expected[at]
        calm = calm + 1 if quiet and beating else 0
        if calm >= limits.calm_bins or at - raised > limits.longest_days * DAY_BINS:
            return at
    return len(failing)


def _touched(evidence: Evidence, onset: float, end: float) -> int:
    """Lines that failed in it, and lines that had beaten in the hours before and fell silent."""
    failed = evidence.failed_line[(evidence.failed_s >= onset) & (evidence.failed_s <= end)]
    before = evidence.beat_line[(evidence.beat_s >= onset - 6 * 3600) & (evidence.beat_s < onset)]
    during = evidence.beat_line[(evidence.beat_s >= onset + BIN_S) & (evidence.beat_s <= end)]
    silent = np.setdiff1d(before, during) if end - onset >= 2 * BIN_S else before[:0]
    return len(np.union1d(failed, silent))


def _at_least(count: int, mean: float) -> float:
    """Poisson chance of that many or more."""
    return sum(_chances(range(count, count + 400), mean))


def _at_most(count: int, mean: float) -> float:
    """Poisson chance of that many or fewer."""
    return sum(_chances(range(max(0, count - 400), count + 1), mean))


def _chances(counts: Sequence[int], mean: float) -> list[float]:
    mean = max(mean, 1e-9)
    return [math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) for count in counts]
