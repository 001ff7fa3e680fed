"""The evidence of a block of lines in the order of the filter, with the rows before each step.

The newest steps are kept so that what comes late can be put in its place: the row before it is taken up
again and all that follows is stepped anew. What is older than that is folded from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from throughline.line import fold
from throughline.line.fold import Codebook, Indices, Mask
from throughline.line.parameters import Floats, Params

KEPT = 64  # steps of a line; when they are full the older half goes


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What incidents do to evidence: which of some steps count for nothing, and how long silence is explained."""

    muted: Callable[[Indices, Floats, Indices], Mask | None]
    explained: Callable[[Indices, Floats, Floats], Floats | None]


class Evidence:
    """`rows` are the beliefs of the lines after all evidence so far; numbers of lines are places in it."""

    def __init__(self, rows: Floats, book: Codebook, by: Params, around: Circumstances) -> None:
        count = len(rows)
        self.rows = rows
        self._first = rows.copy()
        self._book = book
        self._by = by
        self._around = around
        self._at = np.full((count, KEPT), np.inf)
        self._rank = np.zeros((count, KEPT))
        self._reading = np.zeros((count, KEPT), dtype=np.int64)
        self.tag = np.zeros((count, KEPT), dtype=np.int64)
        self._before = np.zeros((count, KEPT, fold.WIDTH))
        self.length = np.zeros(count, dtype=np.int64)
        self._cut: dict[int, list[tuple[float, float, int, int]]] = {}  # what has gone from the kept steps

    def add(self, lines: Indices, at: Floats, rank: Floats, reading: Indices, tag: Indices) -> None:
        """One more observation of each of these lines, wherever it belongs. `tag` is handed back by `newest`."""
        full = lines[self.length[lines] == KEPT]
        for line in full:
            self._drop(int(line))
        last = np.maximum(self.length[lines] - 1, 0)
        newest, newest_rank = self._at[lines, last], self._rank[lines, last]
        late = (self.length[lines] > 0) & ((at < newest) | ((at == newest) & (rank < newest_rank)))
        now = ~late
        if now.any():
            self._append(lines[now], at[now], rank[now], reading[now], tag[now])
        if late.any():
            begin = np.zeros(len(lines), dtype=np.int64)
            for one in np.nonzero(late)[0]:
                begin[one] = self._insert(
                    int(lines[one]), float(at[one]), float(rank[one]), int(reading[one]), int(tag[one])
                )
            self._again(lines[late], begin[late])

    def again_from(self, lines: Indices, at: float) -> None:
        """Step these lines anew from an instant, because what is known of it has changed."""
        begin = (self._at[lines] < at).sum(axis=1)
        some = begin < self.length[lines]
        self._again(lines[some], begin[some])

    def newest(self, line: int, count: int) -> list[tuple[float, int, int]]:
        """(instant, reading, tag) of the newest observations, newest first."""
        end = int(self.length[line])
        begin = max(0, end - count)
        return [
            (float(self._at[line, one]), int(self._reading[line, one]), int(self.tag[line, one]))
            for one in range(end - 1, begin - 1, -1)
        ]

    def _append(self, lines: Indices, at: Floats, rank: Floats, reading: Indices, tag: Indices) -> None:
        place = self.length[lines]
        self._at[lines, place] = at
        self._rank[lines, place] = rank
        self._reading[lines, place] = reading
        self.tag[lines, place] = tag
        self.length[lines] += 1
        self._step(lines, place)

    def _insert(self, line: int, at: float, rank: float, reading: int, tag: int) -> int:
        end = int(self.length[line])
        ats, ranks = self._at[line, :end], self._rank[line, :end]
        place = int(((ats < at) | ((ats == at) & (ranks < rank))).sum())
        if place == 0 and line in self._cut:
            return self._older(line, (at, rank, reading, tag))
        for column, value in ((self._at, at), (self._rank, rank), (self._reading, reading), (self.tag, tag)):
            column[line, place + 1 : end + 1] = column[line, place:end].copy()
            column[line, place] = value
        if place < end:  # the row before it is the row that stood before its follower
            self._before[line, place + 1 : end + 1] = self._before[line, place:end].copy()
        self.length[line] = end + 1
        return place

    def _older(self, line: int, one: tuple[float, float, int, int]) -> int:
        """Older than what is kept: fold all that went before anew, up to the kept steps."""
        gone = self._cut[line]
        gone.append(one)
        gone.sort()
        row = self._first[line : line + 1].copy()
        here = np.array([line])
        for at, _, reading, _ in gone:
            row = self._stepped(row, here, np.array([at]), np.array([reading]))
        self._before[line, 0] = row[0]
        return 0

    def _drop(self, line: int) -> None:
        half = KEPT // 2
        self._cut.setdefault(line, []).extend(
            zip(
                self._at[line, :half].tolist(),
                self._rank[line, :half].tolist(),
                self._reading[line, :half].tolist(),
                self.tag[line, :half].tolist(),
                strict=True,
            )
        )
        for column in (self._at, self._rank, self._reading, self.tag, self._before):
            column[line, :half] = column[line, half:].copy()
        self._at[line, half:] = np.inf
        self.length[line] = half

    def _again(self, lines: Indices, begin: Indices) -> None:
        place = begin.copy()
        self.rows[lines] = self._before[lines, place]
        while (going := place < self.length[lines]).any():
            self._step(lines[going], place[going])
            place[going] += 1

    def _step(self, lines: Indices, place: Indices) -> None:
        before = self.rows[lines]
        self._before[lines, place] = before
        self.rows[lines] = self._stepped(before, lines, self._at[lines, place], self._reading[lines, place])

    def _stepped(self, rows: Floats, lines: Indices, at: Floats, reading: Indices) -> Floats:
        return fold.step(
            rows,
            at,
            reading,
            self._book,
            self._by,
            self._around.muted(lines, at, reading),
            self._around.explained(lines, rows[:, fold.AT], at),
        )
