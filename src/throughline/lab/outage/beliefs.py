"""What the real filter and planner of lines make of a cell's evidence: the engine of `line replay`, in process.

Carriers are replayed one after another, because each has its own budget of questions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from throughline.lab.outage.population.answers import Answers
from throughline.lab.outage.population.chance import Indices
from throughline.lab.outage.population.evidence import Heard
from throughline.lab.outage.population.habits import CARRIERS, DAY, START_S, World
from throughline.lab.outage.population.people import Dues, People
from throughline.line.backtest.engine import Block, Question
from throughline.line.backtest.reading import Observations, Oracle, Roster, Shapes, Span
from throughline.line.contradiction import Claim
from throughline.line.fold import DARK, PUBLIC, Mask
from throughline.line.incident import FRESH_S, Evidence, Incident, detect
from throughline.line.parameters import Floats, params
from throughline.line.planner import Policy
from throughline.line.state import CLEAR_AT, Meaning, PublicState

_FAILING = frozenset({Meaning.ABSENT, Meaning.OFF, Meaning.NO_RESPONSE})
_REASSIGNED = PUBLIC.index(PublicState.REASSIGNED)
_DARK = [one for one in range(len(PUBLIC)) if DARK[one]]
STRANGE = 0.2  # P(reassigned) from which no content goes to a number


@dataclass(frozen=True, slots=True)
class Look:
    """What was believed of one line when that was more than half "nothing can be received", or then no more.

    `since_s`: when the evidence was observed that led to it. `dark`: P(cannot receive).
    """

    at_s: float
    dark: float
    kind: str
    since_s: float
    strange: float  # P(reassigned)


@dataclass(slots=True)
class Believed:
    """Of a cell: looks by borrower in order, incidents known by carrier and region, contradicted claims, questions."""

    looks: dict[int, list[Look]] = field(default_factory=dict)
    incidents: dict[int, list[Incident]] = field(default_factory=dict)  # times from START
    contradicted: dict[tuple[int, float], float] = field(default_factory=dict)  # (who, claim) -> when
    queries: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # by borrower


class Watched(Block):
    """A block that keeps what it believes of lines which may be dark, as it comes to say it."""

    looks: dict[int, list[Look]] | None = None
    _open: Mask  # lines that were last noted as dark
    _most: Floats  # the strongest belief of the stretch
    _kind: dict[int, tuple[int, bool]]

    def _say(self, lines: Indices, at: Floats, shown: Floats, dark: Floats, waits: Mask) -> None:
        super()._say(lines, at, shown, dark, waits)
        if self.looks is None:
            self.looks, self._kind = {}, {}
            self._open, self._most = np.zeros(self._count, dtype=bool), np.zeros(self._count)
        may = dark >= CLEAR_AT
        if may.any():
            may &= ~waits & ~(self._in_incident(lines, at) & ~self._told_in_incident(lines))
        for one in np.nonzero(may | (self._open[lines] & (dark < CLEAR_AT)))[0].tolist():
            self._note(int(lines[one]), float(at[one]), float(dark[one]), shown[one])

    def _note(self, line: int, at: float, dark: float, shown: Floats) -> None:
        """Keep what is news: a belief stronger than any in this stretch, another kind, a likely new owner, the end."""
        kind = max(_DARK, key=lambda one: float(shown[one]))
        strange = float(shown[_REASSIGNED])
        mine = self.looks.setdefault(line, []) if self.looks is not None else []
        fresh = not self._open[line]
        self._open[line] = dark >= CLEAR_AT
        same = (self._kind.get(line), dark < CLEAR_AT) == ((kind, strange > STRANGE), False)
        if not fresh and same and dark < self._most[line] + 0.005:
            return
        self._most[line] = dark if fresh else max(dark, self._most[line])
        self._kind[line] = (kind, strange > STRANGE)
        told = [when for when, reading, _ in self.evidence.newest(line, 12) if not self._book.beat[reading]]
        mine.append(Look(at, dark, PUBLIC[kind].value, min(max(told, default=at), at), strange))


def believe(
    people: People,
    dues: Dues,
    heard: Heard,
    answers: Answers,
    claims: list[tuple[int, float, float]],
    until_s: float,
    world: World,
) -> Believed:
    """Replay a cell. `claims`: (borrower, when it was made, since when the line is said to be stopped)."""
    shapes = Shapes()
    number = np.array(
        [shapes.number(source, provider, code, dict(said)) for source, provider, code, said in heard.words]
        or [0]
    )
    seen = _observations(heard, number, shapes, claims)
    roster = _roster(people, dues)
    groups: Indices = people.carrier * world.regions + people.region
    incidents = _incidents(seen, shapes, groups, until_s + START_S)
    queries = np.zeros(len(people), dtype=np.int64)
    believed = Believed()
    begin = float(seen.received_s.min()) if len(seen.received_s) else START_S
    for place, carrier in enumerate(CARRIERS):
        first, last = np.searchsorted(people.carrier, [place, place + 1]).tolist()
        if first == last:
            continue
        question = Question(until_s + START_S, Policy(carrier.budget), None, params())
        oracle = _oracle(answers, number, first, last)
        block = Watched(first, last, roster, seen, shapes, oracle, incidents, groups, question)
        said = block.run(begin, _nobody_asks)
        for line, looks in (block.looks or {}).items():
            believed.looks[first + line] = [
                Look(one.at_s - START_S, one.dark, one.kind, one.since_s - START_S, one.strange)
                for one in looks
            ]
        for at, line, claimed, _ in said.contradictions:
            believed.contradicted[(line, round(claimed - START_S, 3))] = at - START_S
        np.add.at(queries, np.array([line for _, line, _ in said.queries], dtype=np.int64), 1)
    believed.queries = queries
    believed.incidents = {
        group: [
            Incident(
                one.group,
                one.raised_s - START_S,
                one.onset_s - START_S,
                None if one.cleared_s is None else one.cleared_s - START_S,
                one.lines,
            )
            for one in some
        ]
        for group, some in incidents.items()
    }
    return believed


def _nobody_asks(at: Floats, lines: Indices, shown: Floats) -> None:
    """Beliefs at even intervals are not needed here."""


def _roster(people: People, dues: Dues) -> Roster:
    edges = np.searchsorted(dues.who, np.arange(len(people) + 1))
    at = dues.due * DAY + START_S
    return Roster(
        names=[str(one) for one in range(len(people))],
        carriers=[CARRIERS[one].name for one in people.carrier.tolist()],
        regions=[str(one) for one in people.region.tolist()],
        due_s=[tuple(at[low:high].tolist()) for low, high in pairwise(edges.tolist())],
        app=people.app.tolist(),
    )


def _observations(
    heard: Heard, number: Indices, shapes: Shapes, claims: list[tuple[int, float, float]]
) -> Observations:
    shape = number[heard.said]
    observed = (heard.observed_s + START_S).astype(np.float64)
    received = (heard.received_s + START_S).astype(np.float64)
    order = np.lexsort((shapes.ranks()[shape], observed, received, heard.who))
    told: dict[int, list[Claim]] = defaultdict(list)
    for who, made, since in claims:
        told[who].append(Claim(made + START_S, made + START_S, "suspended", since + START_S, None))
    return Observations(
        heard.who[order].astype(np.int64),
        observed[order],
        received[order],
        shape[order],
        dict(told),
        len(order),
    )


def _oracle(answers: Answers, number: Indices, first: int, last: int) -> Oracle:
    """What can be asked about some lines; a source that knows none of them is not there."""
    oracle: dict[str, dict[int, list[Span]]] = {}
    for source, columns in answers.spans.items():
        mine: dict[int, list[Span]] = {}
        some = (columns[0] >= first) & (columns[0] < last)
        who, begin, end, word = (column[some] for column in columns)
        for of, low, high, shape in zip(
            who.tolist(),
            (begin + START_S).tolist(),
            (end + START_S).tolist(),
            number[word].tolist(),
            strict=True,
        ):
            mine.setdefault(of, []).append(Span(low, high, shape))
        if mine:
            oracle[source] = mine
    return oracle


def _incidents(
    seen: Observations, shapes: Shapes, groups: Indices, until_s: float
) -> dict[int, list[Incident]]:
    """Incidents by carrier and region from receipts alone, as the back-test finds them."""
    meanings = [one.reading.meaning if one.reading is not None else None for one in shapes.all]
    failing = np.array([one in _FAILING for one in meanings])[seen.shape]
    beating = np.array([one is Meaning.DATA_OK for one in meanings])[seen.shape]
    some = (failing | beating) & (seen.received_s - seen.observed_s <= FRESH_S)
    line, at, beat = seen.line[some], seen.received_s[some], beating[some]
    group = groups[line]
    order = np.lexsort((at, group))
    line, at, beat, group = line[order], at[order], beat[order], group[order]
    found: dict[int, list[Incident]] = {}
    sizes = np.bincount(groups)
    for one in np.unique(group).tolist():
        low, high = np.searchsorted(group, [one, one + 1]).tolist()
        mine = slice(low, high)
        evidence = Evidence(
            at[mine][~beat[mine]],
            line[mine][~beat[mine]],
            at[mine][beat[mine]],
            line[mine][beat[mine]],
            int(sizes[one]),
        )
        if incidents := detect(one, evidence, until_s):
            found[one] = incidents
    return found
