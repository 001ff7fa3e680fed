"""The truth about lines and phones: when each is stopped, cancelled, given to somebody else, off or broken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.population.chance import Floats, Indices, Mask, lognormal, stream
from throughline.lab.outage.population.habits import DAY, HOUR, MONTH_DAYS, World
from throughline.lab.outage.population.people import SUSPENDER, Dues, People
from throughline.lab.outage.population.spans import Spans

ACTIVE, ONE_WAY, STOPPED, PRE_CANCELLED, CANCELLED, REASSIGNED = range(6)
CAUSES = ("arrears", "requested", "lost", "forced", "given_up", "on_purpose")
ARREARS, REQUESTED, LOST, FORCED, GIVEN_UP, ON_PURPOSE = range(6)


@dataclass(frozen=True, slots=True)
class Lines:
    """Spans of states other than active, in order of borrower and time, and the outages made of them.

    An outage is a time in which the line can receive nothing: from `out_begin` to `out_end`, by one of CAUSES.
    `told_s`: when its owner would give a new number by a way of their own, `visit_s` later where that takes a
    visit; inf where the line comes back.
    """

    who: Indices
    begin: Floats
    end: Floats
    state: Indices
    cause: Indices
    out_who: Indices
    out_begin: Floats
    out_end: Floats
    out_cause: Indices
    out_told_s: Floats
    out_visit_s: Floats

    def in_state(self, *states: int) -> Spans:
        """When lines are in one of these states."""
        some = np.isin(self.state, states)
        return Spans.of(self.who[some], self.begin[some], self.end[some])

    def unreachable(self, *, visits: bool) -> Spans:
        """When a person has no line that their lender knows and that can receive."""
        told = self.out_told_s + (self.out_visit_s if visits else 0.0)
        return Spans.of(self.out_who, self.out_begin, np.minimum(self.out_end, told))


@dataclass(frozen=True, slots=True)
class Phones:
    """When phones are off for hours, and when they are broken or lost."""

    off: Spans
    gone: Spans


@dataclass(frozen=True, slots=True)
class _Chain:
    """Pieces of one kind of stop: (who, states, edges), each row a chain of states between its edges."""

    who: Indices
    states: tuple[int, ...]
    edges: Floats  # (rows, states + 1)
    cause: int


def lines_of(seed: int, cell: int, people: People, dues: Dues, months: int, world: World) -> Lines:
    """The lives of a cell's lines."""
    length = months * MONTH_DAYS * DAY
    chance = stream(seed, cell, "lines")
    chains = [
        *_arrears(chance, len(people), months, world),
        *_plain(chance, len(people), months, world),
        *_given_up(chance, len(people), months, world),
    ]
    purpose = _on_purpose(stream(seed, cell, "purpose"), people, dues, world)
    return _lines(stream(seed, cell, "numbers"), [purpose, *chains], len(people), length, world)


def phones_of(seed: int, cell: int, people: People, lines: Lines, months: int, world: World) -> Phones:
    """What happens to a cell's phones. A lost one is gone as long as its line is blocked."""
    chance = stream(seed, cell, "phones")
    who, at = _starts(chance, len(people), months, world.off_spells)
    off = Spans.of(who, at, at + lognormal(chance, world.off_h, 0.7, len(at)) * HOUR)
    who, at = _starts(chance, len(people), months, world.broken)
    lost = lines.out_cause == LOST
    return Phones(
        off,
        Spans.of(
            np.concatenate([who, lines.out_who[lost]]),
            np.concatenate([at, lines.out_begin[lost] - 4 * HOUR]),
            np.concatenate(
                [
                    at + lognormal(chance, world.broken_days, 0.6, len(at)) * DAY,
                    lines.out_end[lost] + 3 * HOUR,
                ]
            ),
        ),
    )


def _starts(chance: np.random.Generator, count: int, months: int, monthly: float) -> tuple[Indices, Floats]:
    """Instants at random, as many as a rate gives."""
    each = chance.poisson(monthly * months, count)
    who = np.repeat(np.arange(count), each)
    return who, chance.uniform(0, months * MONTH_DAYS * DAY, len(who))


def _arrears(chance: np.random.Generator, count: int, months: int, world: World) -> list[_Chain]:
    """One-way first, then two-way; most pay, some never do and lose the number."""
    who, at = _starts(chance, count, months, world.arrears)
    size = len(who)
    one_way = at + world.one_way_h * HOUR * chance.gamma(4, 0.25, size)
    paid = chance.random(size) < world.arrears_paid_one_way
    never = ~paid & (chance.random(size) < world.never_paid)
    back = one_way + lognormal(chance, world.two_way_h, 0.85, size) * HOUR
    third = one_way + 60 * DAY * chance.uniform(0.8, 1.2, size)
    fourth = third + 30 * DAY * chance.uniform(0.8, 1.2, size)
    fifth = fourth + world.quarantine_days * DAY * chance.uniform(0.7, 1.3, size)
    ever = np.full(size, np.inf)
    soon = ~paid & ~never
    return [
        _Chain(who[paid], (ONE_WAY,), np.stack([at, one_way], axis=1)[paid], ARREARS),
        _Chain(who[soon], (ONE_WAY, STOPPED), np.stack([at, one_way, back], axis=1)[soon], ARREARS),
        _Chain(
            who[never],
            (ONE_WAY, STOPPED, PRE_CANCELLED, CANCELLED, REASSIGNED),
            np.stack([at, one_way, third, fourth, fifth, ever], axis=1)[never],
            ARREARS,
        ),
    ]


def _plain(chance: np.random.Generator, count: int, months: int, world: World) -> list[_Chain]:
    """Stops at a stroke that end by themselves: asked for, after a loss, forced."""
    chains = []
    for cause, rate, days, sigma in (
        (REQUESTED, world.requested, world.requested_days, 0.9),
        (LOST, world.lost, world.lost_days, 0.7),
        (FORCED, world.forced, world.forced_days, 0.9),
    ):
        who, at = _starts(chance, count, months, rate)
        ends = at + lognormal(chance, days, sigma, len(who)) * DAY
        chains.append(_Chain(who, (STOPPED,), np.stack([at, ends], axis=1), cause))
    return chains


def _given_up(chance: np.random.Generator, count: int, months: int, world: World) -> list[_Chain]:
    who, at = _starts(chance, count, months, world.given_up)
    ends = at + world.quarantine_days * DAY * chance.uniform(0.7, 1.3, len(who))
    edges = np.stack([at, ends, np.full(len(who), np.inf)], axis=1)
    return [_Chain(who, (CANCELLED, REASSIGNED), edges, GIVEN_UP)]


def _on_purpose(chance: np.random.Generator, people: People, dues: Dues, world: World) -> _Chain:
    """Those who have their line stopped over a due date."""
    chosen = (people.honesty[dues.who] == SUSPENDER) & (chance.random(len(dues)) < world.suspends)
    at = dues.due * DAY - chance.uniform(0.1, 1.5, len(dues)) * DAY
    ends = dues.due * DAY + chance.uniform(4, 13, len(dues)) * DAY
    return _Chain(dues.who[chosen], (STOPPED,), np.stack([at, ends], axis=1)[chosen], ON_PURPOSE)


def _lines(
    chance: np.random.Generator, chains: list[_Chain], count: int, length: float, world: World
) -> Lines:
    who = np.concatenate([one.who for one in chains])
    begin = np.concatenate([one.edges[:, 0] for one in chains])
    end = np.minimum(np.concatenate([one.edges[:, -1] for one in chains]), length)
    kept = _alone(who, begin, end) & (begin < length) & (begin > 0)
    # Drawn for every chain, so that what is kept moves nothing.
    told = lognormal(chance, world.new_number_told_days, 0.9, len(who)) * DAY
    before = chance.random(len(who)) < 0.45
    visit = chance.exponential(4 * DAY, len(who))
    pieces: list[tuple[Indices, Floats, Floats, Indices, Indices]] = []
    outs: list[tuple[Indices, Floats, Floats, Indices, Floats, Floats]] = []
    first = 0
    for one in chains:
        some = slice(first, first + len(one.who))
        first += len(one.who)
        keep = kept[some]
        whose, edges = one.who[keep], one.edges[keep]
        for number, state in enumerate(one.states):
            low, high = edges[:, number], np.minimum(edges[:, number + 1], length)
            there = low < length
            pieces.append((whose[there], low[there], high[there], _all(state, there), _all(one.cause, there)))
        dark = [number for number, state in enumerate(one.states) if state >= STOPPED]
        if not dark:
            continue
        low, high = edges[:, dark[0]], np.minimum(edges[:, -1], length)
        lost = np.isinf(edges[:, -1])
        known = np.where(before[some][keep] & (one.cause == GIVEN_UP), 0.0, told[some][keep])
        there = low < length
        outs.append(
            (
                whose[there],
                low[there],
                high[there],
                _all(one.cause, there),
                np.where(lost, low + known, np.inf)[there],
                np.where(lost & (known > 0), visit[some][keep], 0.0)[there],
            )
        )
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    out = [np.concatenate(column) for column in zip(*outs, strict=True)]
    sorted_ = np.lexsort((out[1], out[0]))
    return Lines(*(column[order] for column in columns), *(column[sorted_] for column in out))


def _all(value: int, there: Mask) -> Indices:
    return np.full(int(there.sum()), value, dtype=np.int64)


def _alone(who: Indices, begin: Floats, end: Floats) -> Mask:
    """Chains that begin when no earlier one of the same line goes on (kept or not), nor within half a day of it."""
    order = np.lexsort((begin, who))
    key = who[order] * 1e9
    most = np.maximum.accumulate(key + end[order] + DAY / 2)
    alone = np.ones(len(who), dtype=bool)
    alone[order[1:]] = key[1:] + begin[order[1:]] > most[:-1]
    return alone
