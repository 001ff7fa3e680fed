"""What a carrier, or a vendor where no carrier answers, would say of a line at any instant."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from throughline.lab.outage.population.chance import Floats, Indices
from throughline.lab.outage.population.habits import CARRIERS, DAY, HOUR
from throughline.lab.outage.population.lines import (
    ACTIVE,
    CANCELLED,
    ONE_WAY,
    PRE_CANCELLED,
    REASSIGNED,
    Lines,
    Phones,
)
from throughline.lab.outage.population.people import People
from throughline.lab.outage.population.spans import WIDE, Spans
from throughline.lab.outage.population.words import Words, flags


@dataclass(slots=True)
class Answers:
    """What questions are answered: spans (who, from, to, word) by source."""

    spans: dict[str, tuple[Indices, Floats, Floats, Indices]] = field(default_factory=dict)


def answers_of(
    chance: np.random.Generator,
    people: People,
    lines: Lines,
    phones: Phones,
    down: Spans,
    length: float,
    words: Words,
) -> Answers:
    """What the carrier, or a vendor where no carrier answers, would say at any instant."""
    answers = Answers()
    asks = np.array([one.answers for one in CARRIERS])[people.carrier]
    who, begin, end, state = _timeline(len(people), lines, length)
    cames = asks[who]
    names = [one.name for one in CARRIERS]
    table = np.array([[_status_word(words, name, kind) for kind in range(6)] for name in names])
    answers.spans["camara.subscription-status"] = _unanswered(
        chance, who[cames], begin[cames], end[cames], table[people.carrier[who], state][cames], 0.02
    )
    new = np.array(
        [
            [words.number("camara.number-recycling", name, None, recycled=kind) for kind in (False, True)]
            for name in names
        ]
    )
    recycled = (state == REASSIGNED).astype(np.int64)
    answers.spans["camara.number-recycling"] = (
        who[cames], begin[cames], end[cames], new[people.carrier[who], recycled][cames]
    )  # fmt: skip
    answers.spans["vendor.aliyun"] = _vendor(
        chance, who[~cames], begin[~cames], end[~cames], state[~cames], phones, down, words
    )
    return answers


def _status_word(words: Words, carrier: str, state: int) -> int:
    if state == CANCELLED:
        return words.number("camara.subscription-status", carrier, "IDENTIFIER_NOT_FOUND")
    if state == PRE_CANCELLED:
        return words.number(
            "camara.subscription-status", carrier, None, reason="pre_cancelled", **flags(state)
        )
    return words.number("camara.subscription-status", carrier, None, **flags(state))


def _timeline(count: int, lines: Lines, length: float) -> tuple[Indices, Floats, Floats, Indices]:
    """Each line's states without gaps, active ones included."""
    cuts_who = np.concatenate([np.arange(count), lines.who, lines.who])
    cuts = np.concatenate([np.zeros(count), lines.begin, lines.end])
    state = np.concatenate(
        [np.zeros(count, dtype=np.int64), lines.state, np.zeros(len(lines.who), dtype=np.int64)]
    )
    # Where a state ends as another begins, the begin comes last and counts.
    rank = np.concatenate([np.zeros(count), np.full(len(lines.who), 2), np.ones(len(lines.who))])
    order = np.lexsort((rank, cuts, cuts_who))
    who, begin, state = cuts_who[order], cuts[order], state[order]
    end = np.full(len(who), length)
    same = who[1:] == who[:-1]
    end[:-1] = np.where(same, begin[1:], length)
    keep = end > begin
    return who[keep], begin[keep], end[keep], state[keep]


def _unanswered(
    chance: np.random.Generator, who: Indices, begin: Floats, end: Floats, word: Indices, share: float
) -> tuple[Indices, Floats, Floats, Indices]:
    """The spans in pieces of some days, of which some have no answer."""
    pieces = np.maximum(1, np.ceil((end - begin) / (20 * DAY)).astype(np.int64))
    of = np.repeat(np.arange(len(who)), pieces)
    number = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    size = ((end - begin) / pieces)[of]
    first = begin[of] + number * size
    # The first hours of some pieces have no answer: an error, a limit, a token that was not renewed.
    silent = np.where(
        chance.random(len(of)) < 20 * share, np.minimum(chance.exponential(DAY, len(of)), size), 0.0
    )
    last = np.where(number + 1 == pieces[of], end[of], first + size)
    keep = first + silent < last
    return who[of][keep], (first + silent)[keep], last[keep], word[of][keep]


def _vendor(
    chance: np.random.Generator,
    who: Indices,
    begin: Floats,
    end: Floats,
    state: Indices,
    phones: Phones,
    down: Spans,
    words: Words,
) -> tuple[Indices, Floats, Floats, Indices]:
    """A vendor cannot tell one-way from two-way, sees phones that are off, and is wrong for some hours now and then."""
    code = {
        name: words.number("vendor.aliyun", "aliyun", name, check="status")
        for name in ("NORMAL", "SHUTDOWN", "NOT_EXIST", "POWER_OFF")
    }
    true = np.array(
        [code[name] for name in ("NORMAL", "SHUTDOWN", "SHUTDOWN", "SHUTDOWN", "NOT_EXIST", "NORMAL")]
    )[state]
    away = Spans.union([phones.off, phones.gone, down])
    cut_who, cuts = [who, who], [begin, end]
    mine = np.isin(away.who, who)
    cut_who += [away.who[mine], away.who[mine]]
    cuts += [away.begin[mine], away.end[mine]]
    # Spells of something else, about five in a month, some hours each.
    lines_ = np.unique(who)
    length = float(end.max()) if len(end) else 0.0
    each = chance.poisson(5 * length / (30 * DAY), len(lines_))
    whose = np.repeat(lines_, each)
    at = chance.uniform(0, length, len(whose))
    spells = Spans.of(whose, at, at + chance.exponential(4 * HOUR, len(whose)))
    cut_who += [spells.who, spells.who]
    cuts += [spells.begin, spells.end]
    all_who, all_at = np.concatenate(cut_who), np.concatenate(cuts)
    order = np.lexsort((all_at, all_who))
    all_who, all_at = all_who[order], np.minimum(all_at[order], length)
    same = (all_who[1:] == all_who[:-1]) & (all_at[1:] > all_at[:-1])
    piece_who, low, high = all_who[:-1][same], all_at[:-1][same], all_at[1:][same]
    base = np.searchsorted(who * WIDE + begin, piece_who * WIDE + low + 0.5, side="right") - 1
    kind = state[base]
    said = true[base]
    off = away.inside(piece_who, low + 0.5) & ((kind == ACTIVE) | (kind == ONE_WAY))
    said = np.where(off & (chance.random(len(said)) < 0.7), code["POWER_OFF"], said)
    odd = spells.inside(piece_who, low + 0.5)
    drawn = chance.random(len(said))
    # Mostly no answer, sometimes "off"; rarely a stop of a line that is well.
    quiet = odd & (drawn < 0.6)
    said = np.where(odd & (drawn >= 0.6), code["POWER_OFF"], said)
    said = np.where(odd & (drawn >= 0.97) & (kind == ACTIVE), code["SHUTDOWN"], said)
    keep = ~quiet
    return piece_who[keep], low[keep], high[keep], said[keep]
