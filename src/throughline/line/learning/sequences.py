"""A history as sequences: for each observation of a line, how likely it is in each state of the filter.

The likelihoods hold all that the filter makes of evidence but the rates: the grade of a meaning, how little a
repeat counts, and what silence has taken since the observation before. So they are computed once, however
often the rates are changed. What incidents explain is not known here; their evidence is of the weak grades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from throughline.line import fold
from throughline.line.backtest.reading import Observations, Shapes, Truth
from throughline.line.fold import Codebook, Indices
from throughline.line.parameters import Floats, Params
from throughline.line.signals import Reading
from throughline.line.state import PUBLIC_OF, STATES

BLOCK = 2_048
TRUTH_RATIO = 1e6  # a truth that somebody looked up may be wrong by a few minutes, hardly more
TRUTH_EVERY_S = 12 * 3600.0
_EVEN = 1 / len(STATES)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Evidence of some lines, rows by line and instant. Rows of the `n`-th line are `first[n]` to
    `first[n + 1]`; its last is the end of the history."""

    first: Indices
    at_s: Floats
    evidence: Floats  # (rows, states), natural logarithms, each row only up to a constant
    reading: Indices  # place in `readings`, -1 where there is none


@dataclass(frozen=True, slots=True)
class Past:
    """The whole history, in blocks of lines."""

    blocks: tuple[Sequences, ...]
    readings: tuple[tuple[str, Reading], ...]  # (source, what it said)

    @property
    def lines(self) -> int:
        """Lines with evidence."""
        return sum(len(one.first) - 1 for one in self.blocks)

    @property
    def days(self) -> float:
        """Days of all lines together."""
        spans = [one.at_s[one.first[1:] - 1] - one.at_s[one.first[:-1]] for one in self.blocks]
        return float(sum(span.sum() for span in spans)) / 86_400


def past(
    seen: Observations,
    shapes: Shapes,
    lines: Indices,
    until_s: float,
    by: Params,
    truths: Sequence[Truth] = (),
) -> Past:
    """The history of some lines of the roster until an instant."""
    says = [number for number, one in enumerate(shapes.all) if one.reading is not None]
    readings = tuple((one.source, one.reading) for one in shapes.all if one.reading is not None)
    place = np.full(len(shapes.all), -1)
    place[says] = np.arange(len(says))
    ranks = shapes.ranks()
    chosen = np.isin(seen.line, lines) & (seen.observed_s <= until_s)
    if len(place):
        chosen &= place[seen.shape] >= 0
    line, at, shape = seen.line[chosen], seen.observed_s[chosen], seen.shape[chosen]
    order = np.lexsort((ranks[shape], at, line)) if len(shape) else np.zeros(0, dtype=np.int64)
    line, at, reading = line[order], at[order], place[shape[order]]
    book = Codebook.of(readings, by)
    still = replace(
        by,
        right=np.eye(len(STATES)),
        left=np.eye(len(STATES)),
        roots=np.zeros(len(STATES)),
        jump=np.zeros(len(STATES)),
    )
    present = np.unique(line)
    by_line: dict[int, list[Truth]] = {}
    for one in truths:
        by_line.setdefault(one.line, []).append(one)
    blocks = []
    for begin in range(0, len(present), BLOCK):
        some = present[begin : begin + BLOCK]
        low, high = np.searchsorted(line, [some[0], some[-1] + 1])
        made = _weighed(line[low:high], at[low:high], reading[low:high], until_s, book, still)
        known = [one for number in some.tolist() for one in by_line.get(number, ())]
        blocks.append(_with_truths(made, some, known, until_s))
    return Past(tuple(blocks), readings)


def _weighed(
    line: Indices, at: Floats, reading: Indices, until_s: float, book: Codebook, still: Params
) -> Sequences:
    """With rates of nothing and an even belief, what a step of the filter leaves is the likelihood."""
    edges = np.concatenate([[0], np.nonzero(np.diff(line))[0] + 1, [len(line)]])
    counts = np.diff(edges)
    first = edges + np.arange(len(edges))  # one row more for each line: the end
    evidence = np.zeros((len(line) + len(counts), len(STATES)))
    instants, said = np.empty(len(evidence)), np.full(len(evidence), -1)
    rows = fold.fresh(len(counts), at[edges[:-1]], still)
    longest_first = np.argsort(-counts, kind="stable")
    going = len(counts)
    ordered = counts[longest_first]
    for number in range(int(ordered[0])):
        going = int(np.searchsorted(-ordered, -number, side="left"))
        lines = longest_first[:going]
        source, target = edges[lines] + number, first[lines] + number
        after = fold.step(_even(rows[lines]), at[source], reading[source], book, still)
        evidence[target] = np.log(after[:, fold.P])
        instants[target], said[target] = at[source], reading[source]
        rows[lines] = after
    end = np.maximum(until_s, rows[:, fold.AT])
    evidence[first[1:] - 1] = np.log(fold.look(_even(rows), end, still))
    instants[first[1:] - 1] = end
    return Sequences(first, instants, evidence, said)


def _even(rows: Floats) -> Floats:
    even = rows.copy()
    even[:, fold.P] = _EVEN
    return even


def _with_truths(made: Sequences, lines: Indices, truths: Sequence[Truth], until_s: float) -> Sequences:
    """What is known to be true is told again and again from the beginning of its time to the end."""
    if not truths:
        return made
    line = np.repeat(np.arange(len(lines)), np.diff(made.first))
    starts = made.at_s[made.first[:-1]]
    told: list[tuple[int, float, Floats]] = []
    for one in truths:
        number = int(np.searchsorted(lines, one.line))
        fits = np.array([state == one.state for state in PUBLIC_OF], dtype=float)
        # Told so often that nothing else can have been in between, and not at the end, where the next begins.
        for at in (*np.arange(one.from_s, one.to_s - 1, TRUTH_EVERY_S).tolist(), min(one.to_s, until_s) - 1):
            if starts[number] <= at <= until_s:
                told.append((number, at, fits * np.log(TRUTH_RATIO)))
    if not told:
        return made
    line = np.concatenate([line, [number for number, _, _ in told]])
    at_s = np.concatenate([made.at_s, [at for _, at, _ in told]])
    reading = np.concatenate([made.reading, np.full(len(told), -1)])
    evidence = np.concatenate([made.evidence, [row for _, _, row in told]])
    # The end of a line stays its last row.
    is_end = np.zeros(len(line))
    is_end[made.first[1:] - 1] = 1
    order = np.lexsort((is_end, at_s, line))
    first = np.searchsorted(line[order], np.arange(len(lines) + 1))
    return Sequences(first, at_s[order], evidence[order], reading[order])
