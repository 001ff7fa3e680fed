"""A whole experiment: cells of borrowers on at most two processes, in order, the same whatever their number."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from throughline.contracts.outage import OutagePolicy
from throughline.lab.outage import arms
from throughline.lab.outage.arms import Arm
from throughline.lab.outage.beliefs import believe
from throughline.lab.outage.cases import Reviewer
from throughline.lab.outage.curves import Curves, curves_of
from throughline.lab.outage.episodes import words_of
from throughline.lab.outage.population.chance import Floats, Indices
from throughline.lab.outage.population.habits import DAY, World
from throughline.lab.outage.population.lives import CELL, lives_of
from throughline.lab.outage.tally import tally

MAX_PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked. `policies`: by name, at least one; the first is the one that is judged."""

    borrowers: int
    months: int
    seed: int
    policies: tuple[tuple[str, OutagePolicy], ...]
    world: World = field(default_factory=World)
    reviewer: Reviewer = field(default_factory=Reviewer)

    def cells(self) -> list[tuple[int, int]]:
        """(cell, borrowers in it)."""
        return [(cell, min(CELL, self.borrowers - cell * CELL)) for cell in range(-(-self.borrowers // CELL))]


@dataclass(slots=True)
class Result:
    """Rows by borrower of each arm, curves, and questions asked of carriers and vendors by borrower."""

    rows: dict[str, Floats]
    curves: dict[str, Curves]
    queries: Indices
    events: int


def run(plan: Plan, processes: int = MAX_PROCESSES) -> Result:
    """Play all cells."""
    parts = list(_parts(plan, processes))
    names = list(parts[0].rows)
    return Result(
        {name: np.concatenate([one.rows[name] for one in parts]) for name in names},
        {name: Curves.summed([one.curves[name] for one in parts]) for name in names},
        np.concatenate([one.queries for one in parts]),
        sum(one.events for one in parts),
    )


def _parts(plan: Plan, processes: int) -> Iterator[Result]:
    cells = plan.cells()
    workers = min(processes, MAX_PROCESSES, len(cells))
    if workers < 2:
        for cell in cells:
            yield play(plan, *cell)
        return
    with multiprocessing.get_context("fork").Pool(workers, _take, (plan,)) as pool:
        yield from pool.imap(_play, cells)


_plan: Plan | None = None  # of a process that was forked to play cells of it


def _take(plan: Plan) -> None:
    global _plan
    _plan = plan


def _play(cell: tuple[int, int]) -> Result:
    if _plan is None:
        raise RuntimeError("a worker plays cells only after it was given the plan")
    return play(_plan, *cell)


def play(plan: Plan, cell: int, count: int) -> Result:
    """One cell: its lives once, then every arm on them."""
    lives = lives_of(plan.seed, cell, count, plan.months, plan.world)
    words = words_of(lives)
    claims = [(one.who, one.made_s, one.since_s) for one in words if one.kind == "line_out"]
    until = plan.months * 30 * DAY
    believed = believe(lives.people, lives.dues, lives.heard, lives.answers, claims, until, plan.world)
    played: Sequence[Arm] = [
        arms.ordinary(lives),
        *(arms.ours(lives, believed, words, policy, name, plan.reviewer) for name, policy in plan.policies),
    ]
    rows, curves = {}, {}
    for arm in played:
        rows[arm.name], truth = tally(lives, arm)
        curves[arm.name] = curves_of(lives, arm, truth)
    return Result(rows, curves, believed.queries, len(lives.heard.who))
