"""What the report draws: counts by day, month and bin, summed over cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.arms import Arm
from throughline.lab.outage.population.chance import Floats, Indices
from throughline.lab.outage.population.habits import HOUR
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.tally import waited
from throughline.lab.outage.truth import Touched, caused

LATE_EDGES = (0, 1, 2, 3, 4, 7, 10, 15, 30, 60, 10**5)  # days of delay, from … to before the next
WAIT_EDGES_H = (0, 1, 3, 6, 12, 24, 48, 72, 120, 240, 10**6)


@dataclass(frozen=True, slots=True)
class Curves:
    """`late`: installments of honest people hit by an interruption, by days of delay; `fees_ever` and `fees`: wrong
    fees by month of the due date; `waits`: protected line outages by hours waited."""

    late: Indices
    fees_ever: Indices
    fees: Indices
    waits: Indices

    @classmethod
    def summed(cls, some: Sequence[Curves]) -> Curves:
        """Over cells."""
        names = ("late", "fees_ever", "fees", "waits")
        return cls(*(np.sum([getattr(one, name) for one in some], axis=0) for name in names))


def curves_of(lives: Lives, arm: Arm, truth: Touched) -> Curves:
    """Of one arm on one cell."""
    dues, out = lives.dues, arm.out
    until = lives.months * 30
    seen = np.minimum(out.paid, until)
    hit = truth.honest & caused(out, dues.due)
    month = dues.due // 30
    ever = truth.honest & (out.ever > out.fair)
    stands = truth.honest & (out.cost > out.fair)
    waits = waited(truth, out.full_s) / HOUR
    return Curves(
        _binned((seen - dues.due)[hit & (seen > dues.due)].astype(float), LATE_EDGES),
        np.bincount(month[ever], minlength=lives.months)[: lives.months],
        np.bincount(month[stands], minlength=lives.months)[: lives.months],
        _binned(waits[np.isfinite(waits) & truth.honest], WAIT_EDGES_H),
    )


def _binned(values: Floats, edges: Sequence[int]) -> Indices:
    counts: Indices = np.histogram(values, bins=np.array(edges, dtype=float))[0].astype(np.int64)
    return counts
