"""A whole back-test: incidents first, then the lines in blocks; answers in order of time."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from throughline.line.backtest.engine import Block, Question, Said
from throughline.line.backtest.reading import Observations, Oracle, Roster, Shapes, iso
from throughline.line.fold import PUBLIC, Indices
from throughline.line.incident import FRESH_S, Evidence, Incident, detect
from throughline.line.parameters import Floats
from throughline.line.state import Meaning

_FAILING = frozenset({Meaning.ABSENT, Meaning.OFF, Meaning.NO_RESPONSE})
_LEAST_SHOWN = 1e-6
BLOCK = 4_096  # lines at most: their kept steps take some 70 MB
_AT_ONCE = 100_000
MAX_WORKERS = 8
FEW = 200  # lines that one core does as fast as several

# (instant, kind, line, text): kinds at one instant in this order.
Answer = tuple[float, int, int, str]


class _Told:
    """Many answers in a quarter of the memory that tuples and texts of their own would take."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        texts = [text.encode() for _, _, _, text in answers]
        self.at = np.array([at for at, _, _, _ in answers])
        self.kind = np.array([kind for _, kind, _, _ in answers], dtype=np.int8)
        self.line = np.array([line for _, _, line, _ in answers], dtype=np.int32)
        self.ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
        self.texts = b"".join(texts)


def _in_order(told: Sequence[_Told]) -> Iterator[str]:
    """The texts of all answers by instant, kind and line."""
    of = np.repeat(np.arange(len(told)), [len(one.at) for one in told])
    place = np.concatenate([np.arange(len(one.at)) for one in told])
    at, kind, line = (np.concatenate([getattr(one, name) for one in told]) for name in ("at", "kind", "line"))
    order = np.lexsort((line, kind, at))
    del at, kind, line
    begins = [np.concatenate([[0], one.ends]) for one in told]
    for some in np.array_split(order, len(order) // _AT_ONCE + 1):
        for number, one in zip(of[some].tolist(), place[some].tolist(), strict=True):
            yield told[number].texts[begins[number][one] : begins[number][one + 1]].decode()


_INCIDENT, _QUERY, _STATE, _ALARM, _CONTRADICTION, _BELIEF = range(6)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the summary counts."""

    lines: int
    events: int
    queries: int
    seconds: float


def replay(
    roster: Roster, seen: Observations, shapes: Shapes, oracle: Oracle, question: Question
) -> Iterator[str]:
    """The answer as JSON Lines without line ends, the summary last."""
    started = time.perf_counter()
    begin = float(seen.received_s.min()) if len(seen.received_s) else question.until_s
    groups, names = _groups(roster)
    incidents = _incidents(seen, shapes, groups, len(names), question.until_s)
    answers = [_Told([_incident(one, names[group]) for group, some in incidents.items() for one in some])]
    queries = 0
    for asked, told in _blocks(_Whole(roster, seen, shapes, oracle, question, incidents, groups, begin)):
        queries += asked
        answers.append(told)
    yield from _in_order(answers)
    yield _summary(Counts(len(roster.names), seen.rows, queries, round(time.perf_counter() - started, 3)))


@dataclass(frozen=True, slots=True)
class _Whole:
    """All that a block is a part of."""

    roster: Roster
    seen: Observations
    shapes: Shapes
    oracle: Oracle
    question: Question
    incidents: dict[int, list[Incident]]
    groups: Indices
    begin_s: float

    def block(self, first: int, last: int) -> tuple[int, _Told]:
        """What is said of the lines from `first` to `last`, and how many queries they took."""
        told: list[Answer] = []

        def beliefs(at: Floats, lines: Indices, shown: Floats) -> None:
            told.extend(_beliefs(self.roster, at, lines, shown))

        said = Block(
            first,
            last,
            self.roster,
            self.seen,
            self.shapes,
            self.oracle,
            self.incidents,
            self.groups,
            self.question,
        ).run(self.begin_s, beliefs)
        told.extend(_said(said, self.roster))
        return len(said.queries), _Told(told)


_whole: _Whole | None = None  # of a process that was forked to compute blocks of it


def _blocks(whole: _Whole) -> Iterator[tuple[int, _Told]]:
    """The blocks in their order, on as many cores as there are."""
    lines = len(whole.roster.names)
    cores = min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    # As many as make all cores end together.
    count = -(-lines // (BLOCK * cores)) * cores if lines > FEW else min(lines, 1)
    edges = [lines * number // max(count, 1) for number in range(count + 1)]
    workers = min(cores, count)
    if workers < 2:
        for first, last in pairwise(edges):
            yield whole.block(first, last)
        return
    # Forked, so that nothing of the evidence is copied.
    with multiprocessing.get_context("fork").Pool(workers, _take, (whole,)) as pool:
        yield from pool.imap(_compute, pairwise(edges))


def _take(whole: _Whole) -> None:
    global _whole
    _whole = whole


def _compute(edges: tuple[int, int]) -> tuple[int, _Told]:
    if _whole is None:
        raise RuntimeError("a worker computes blocks only after it was given the whole")
    return _whole.block(*edges)


def _groups(roster: Roster) -> tuple[Indices, list[tuple[str, str]]]:
    """The number of each line's (carrier, home region), and these by number."""
    numbers: dict[tuple[str, str], int] = {}
    groups = np.array(
        [
            numbers.setdefault(pair, len(numbers))
            for pair in zip(roster.carriers, roster.regions, strict=True)
        ],
        dtype=np.int64,
    )
    return groups, list(numbers)


def _incidents(
    seen: Observations, shapes: Shapes, groups: Indices, count: int, until_s: float
) -> dict[int, list[Incident]]:
    failing = np.array(
        [one.reading is not None and one.reading.meaning in _FAILING for one in shapes.all], dtype=bool
    )
    beating = np.array(
        [one.reading is not None and one.reading.meaning is Meaning.DATA_OK for one in shapes.all], dtype=bool
    )
    if not len(seen.line):
        return {}
    fresh = seen.received_s - seen.observed_s <= FRESH_S
    chosen = (failing[seen.shape] | beating[seen.shape]) & fresh
    line, at, beat = seen.line[chosen], seen.received_s[chosen], beating[seen.shape[chosen]]
    order = np.lexsort((at, groups[line]))
    line, at, beat = line[order], at[order], beat[order]
    edges = np.searchsorted(groups[line], np.arange(count + 1))
    sizes = np.bincount(groups, minlength=count)
    found: dict[int, list[Incident]] = {}
    for group in range(count):
        some = slice(int(edges[group]), int(edges[group + 1]))
        beats = beat[some]
        evidence = Evidence(
            at[some][~beats], line[some][~beats], at[some][beats], line[some][beats], int(sizes[group])
        )
        if incidents := detect(group, evidence, until_s):
            found[group] = incidents
    return found


def _incident(one: Incident, name: tuple[str, str]) -> Answer:
    document = {
        "kind": "incident",
        "carrier": name[0],
        "home_region": name[1],
        "raised_at": iso(one.raised_s),
        "cleared_at": None if one.cleared_s is None else iso(one.cleared_s),
        "lines": one.lines,
    }
    return one.raised_s, _INCIDENT, -1, _json(document)


def _said(said: Said, roster: Roster) -> Iterable[Answer]:
    for at, line, state, probability, evidence in said.states:
        document = {
            "kind": "state",
            "line": roster.names[line],
            "at": iso(at),
            "state": state.value,
            "probability": None if probability is None else round(probability, 6),
            "evidence": evidence,
        }
        yield at, _STATE, line, _json(document)
    for raised, line, cleared, cause in said.alarms:
        alarm = {
            "kind": "alarm",
            "line": roster.names[line],
            "raised_at": iso(raised),
            "cleared_at": None if cleared is None else iso(cleared),
            "cause": cause,
        }
        yield raised, _ALARM, line, _json(alarm)
    for at, line, claimed, named in said.contradictions:
        against = {
            "kind": "contradiction",
            "line": roster.names[line],
            "at": iso(at),
            "claim_at": iso(claimed),
            "evidence": list(named),
        }
        yield at, _CONTRADICTION, line, _json(against)
    for at, line, source in said.queries:
        query = {"kind": "query", "line": roster.names[line], "at": iso(at), "source": source}
        yield at, _QUERY, line, _json(query)


def _beliefs(roster: Roster, at: Floats, lines: Indices, shown: Floats) -> Iterator[Answer]:
    """What is shown of a belief sums to 1: what is too small to show goes to the likeliest state."""
    small = shown < _LEAST_SHOWN
    told = np.round(np.where(small, 0.0, shown), 6)
    best = shown.argmax(axis=1)
    number = np.arange(len(lines))
    told[number, best] += 1 - told.sum(axis=1)
    for one, (instant, line) in enumerate(zip(at.tolist(), lines.tolist(), strict=True)):
        p = {
            state.value: round(chance, 6)
            for state, chance in zip(PUBLIC, told[one].tolist(), strict=True)
            if chance > 0
        }
        document = {"kind": "belief", "line": roster.names[line], "at": iso(instant), "p": p}
        yield instant, _BELIEF, line, _json(document)


def _summary(counts: Counts) -> str:
    return _json(
        {
            "kind": "summary",
            "lines": counts.lines,
            "events": counts.events,
            "queries": counts.queries,
            "seconds": counts.seconds,
        }
    )


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
