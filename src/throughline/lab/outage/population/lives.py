"""A cell of borrowers with everything that happens to them: the smallest piece that can be computed by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from throughline.lab.outage.population.answers import Answers
from throughline.lab.outage.population.chance import Indices
from throughline.lab.outage.population.evidence import Beats, Heard, evidence_of
from throughline.lab.outage.population.failures import (
    ROUTE,
    Failures,
    Incidents,
    failures_of,
    groups_of,
    incidents_of,
)
from throughline.lab.outage.population.habits import DAY, World
from throughline.lab.outage.population.lines import ON_PURPOSE, Lines, Phones, lines_of, phones_of
from throughline.lab.outage.population.people import Dues, People, dues_of, people_of
from throughline.lab.outage.population.spans import Spans

CELL = 5_000  # borrowers; regional incidents stay inside one


@dataclass(frozen=True, slots=True)
class Lives:
    """The truth of a cell, and what was heard of it."""

    people: People
    dues: Dues
    lines: Lines
    phones: Phones
    failures: Failures
    incidents: Incidents
    groups: Indices
    beats: Beats
    heard: Heard
    answers: Answers
    months: int
    world: World


def lives_of(seed: int, cell: int, count: int, months: int, world: World) -> Lives:
    """The lives of a cell. The same seed and cell give the same, whatever else is computed."""
    people = people_of(seed, cell, count, world)
    dues = dues_of(seed, cell, people, months, world)
    lines = lines_of(seed, cell, people, dues, months, world)
    dues = _waiting(dues, lines)
    phones = phones_of(seed, cell, people, lines, months, world)
    failures = failures_of(seed, months, world)
    incidents = incidents_of(seed, cell, months, world)
    routes = failures.spans(count, ROUTE, total=True)
    heard, answers, beats = evidence_of(
        seed, cell, people, dues, lines, phones, incidents, routes, months, world
    )
    groups = groups_of(people, world)
    return Lives(
        people, dues, lines, phones, failures, incidents, groups, beats, heard, answers, months, world
    )


def _waiting(dues: Dues, lines: Lines) -> Dues:
    """Whoever had the line stopped over a due date waits for its end before paying."""
    some = lines.out_cause == ON_PURPOSE
    purpose = Spans.of(lines.out_who[some], lines.out_begin[some], lines.out_end[some])
    at = (dues.due + 0.99) * DAY
    ends = np.where(purpose.inside(dues.who, at), purpose.clear_from(dues.who, at), -np.inf)
    return replace(dues, late_s=np.maximum(dues.late_s, ends))
