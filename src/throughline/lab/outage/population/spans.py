"""Times of many borrowers in which something holds, as sorted arrays; questions about them are vectorised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.population.chance import Floats, Indices, Mask

WIDE = float(2**26)  # seconds kept for each borrower: a good two years
_LAST = WIDE - 1.0


@dataclass(frozen=True, slots=True)
class Spans:
    """Disjoint spans [begin, end), sorted by borrower and begin. `_low` and `_high` are keys in one row of numbers."""

    who: Indices
    begin: Floats
    end: Floats
    _low: Floats
    _high: Floats

    @classmethod
    def of(cls, who: Indices, begin: Floats, end: Floats) -> Spans:
        """Spans from any, which may overlap; empty ones go."""
        keep = end > begin
        who, begin, end = who[keep].astype(np.int64), begin[keep], np.minimum(end[keep], _LAST)
        low = who * WIDE + np.maximum(begin, 0.0)
        order = np.argsort(low, kind="stable")
        low, high, who = low[order], (who * WIDE + end)[order], who[order]
        if not len(low):
            return cls(who, low, high, low, high)
        most = np.maximum.accumulate(high)
        first = np.ones(len(low), dtype=bool)
        first[1:] = low[1:] > most[:-1]
        last = np.append(np.nonzero(first)[0][1:] - 1, len(low) - 1)
        who, low, high = who[first], low[first], most[last]
        return cls(who, low - who * WIDE, high - who * WIDE, low, high)

    @classmethod
    def union(cls, some: Iterable[Spans]) -> Spans:
        """Where any of them holds."""
        all_ = list(some)
        return cls.of(
            np.concatenate([one.who for one in all_]),
            np.concatenate([one.begin for one in all_]),
            np.concatenate([one.end for one in all_]),
        )

    @classmethod
    def none(cls) -> Spans:
        """No spans."""
        nothing = np.zeros(0)
        return cls.of(nothing.astype(np.int64), nothing, nothing)

    def only(self, keep: Mask) -> Spans:
        """The spans of some borrowers; `keep` is by borrower."""
        some = keep[self.who] if len(self.who) else np.zeros(0, dtype=bool)
        return Spans(self.who[some], self.begin[some], self.end[some], self._low[some], self._high[some])

    def inside(self, who: Indices, at: Floats) -> Mask:
        """Whether each borrower is in a span at an instant."""
        inside: Mask = self._end_of(who, at) > at
        return inside

    def clear_from(self, who: Indices, at: Floats) -> Floats:
        """The first instant from each on that lies in no span."""
        return np.maximum(self._end_of(who, at), at)

    def touch(self, who: Indices, begin: Floats, end: Floats) -> Mask:
        """Whether a span of the borrower meets [begin, end)."""
        if not len(self._low):
            return np.zeros(len(who), dtype=bool)
        key = who * WIDE
        before = np.searchsorted(self._low, key + end) - 1
        met: Mask = (before >= 0) & (self._high[np.maximum(before, 0)] > key + np.maximum(begin, 0.0))
        return met

    def _end_of(self, who: Indices, at: Floats) -> Floats:
        """The end of the span that began last; -inf where none did, or for an instant that never comes."""
        ends = np.full(len(at), -np.inf)
        some = np.isfinite(at) & (at < _LAST)
        if not len(self._low) or not some.any():
            return ends
        key = who[some] * WIDE + np.maximum(at[some], 0.0)
        place = np.searchsorted(self._low, key, side="right") - 1
        found = np.where(place >= 0, self._high[np.maximum(place, 0)], -np.inf) - who[some] * WIDE
        ends[some] = np.where(found >= _LAST - 0.5, np.inf, found)
        return ends


def next_of(keys: Floats, who: Indices, at: Floats) -> Floats:
    """The first instant of a borrower's sorted instants from `at` on; `keys` are who * WIDE + instant. inf: none."""
    out = np.full(len(at), np.inf)
    some = np.isfinite(at) & (at < _LAST)
    if len(keys) and some.any():
        base = who[some] * WIDE
        place = np.searchsorted(keys, base + np.maximum(at[some], 0.0))
        found = np.where(place < len(keys), keys[np.minimum(place, len(keys) - 1)] - base, np.inf)
        out[some] = np.where(found < WIDE, found, np.inf)
    return out
