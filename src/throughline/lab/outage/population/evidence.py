"""What a lender hears of a cell's lines, and what a question would be answered; in the words of
docs/batch-commands.md. Receipts lie now and then, apps go quiet, carriers tell late or never."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.population.answers import Answers, answers_of
from throughline.lab.outage.population.chance import Floats, Indices, Mask, stream
from throughline.lab.outage.population.failures import Incidents, groups_of
from throughline.lab.outage.population.habits import CARRIERS, DAY, HOUR, MONTH_DAYS, World
from throughline.lab.outage.population.lines import (
    ACTIVE,
    CANCELLED,
    ON_PURPOSE,
    ONE_WAY,
    PRE_CANCELLED,
    REASSIGNED,
    REQUESTED,
    STOPPED,
    Lines,
    Phones,
)
from throughline.lab.outage.population.people import Dues, People
from throughline.lab.outage.population.spans import WIDE, Spans
from throughline.lab.outage.population.words import Said, Words, flags

_WAKING = np.array(
    [0.1] * 6 + [0.6, 1, 1.2, 1.2, 1.2, 1.3, 1.5, 1.3, 1.2, 1.2, 1.2, 1.3, 1.5, 1.6, 1.6, 1.5, 1.1, 0.5]
)
_PATIENCE = 48 * HOUR


@dataclass(slots=True)
class Heard:
    """Observations as columns; `said` are places in `words`."""

    who: Indices
    observed_s: Floats
    received_s: Floats
    said: Indices
    words: list[Said]


@dataclass(frozen=True, slots=True)
class Beats:
    """When apps were used: keys are who * WIDE + instant, sorted."""

    keys: Floats
    wifi_keys: Floats


def evidence_of(
    seed: int,
    cell: int,
    people: People,
    dues: Dues,
    lines: Lines,
    phones: Phones,
    incidents: Incidents,
    routes: Spans,
    months: int,
    world: World,
) -> tuple[Heard, Answers, Beats]:
    """Everything that is heard, and what could be. `routes`: when no message of the lender gets out."""
    words = Words()
    down = incidents.spans(groups_of(people, world))
    parts: list[tuple[Indices, Floats, Floats, Indices]] = []
    beats, who, at, wifi = _beats(
        stream(seed, cell, "beats"), people, lines, phones, incidents, months, world
    )
    cellular = words.number("app.heartbeat", None, None, transport="cellular")
    at_home = words.number("app.heartbeat", None, None, transport="wifi")
    parts.append((who, at, at, np.where(wifi, at_home, cellular)))
    parts.append(_pushes(stream(seed, cell, "pushes"), people, lines, words))
    parts.extend(_receipts(stream(seed, cell, "receipts"), dues, lines, phones, down, routes, words))
    parts.append(_calls(stream(seed, cell, "calls"), people, lines, phones, down, months, words))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    length = months * MONTH_DAYS * DAY
    keep = columns[2] < length
    who, at, received, said = (column[keep] for column in columns)
    heard = Heard(who, at, received, said, words.all)
    answers = answers_of(stream(seed, cell, "answers"), people, lines, phones, down, length, words)
    return heard, answers, beats


def _beats(
    chance: np.random.Generator,
    people: People,
    lines: Lines,
    phones: Phones,
    incidents: Incidents,
    months: int,
    world: World,
) -> tuple[Beats, Indices, Floats, Mask]:
    days = months * MONTH_DAYS
    each = chance.poisson(np.where(people.app, people.beats_a_day * days, 0.0))
    who = np.repeat(np.arange(len(people)), each)
    hours = chance.choice(24, len(who), p=_WAKING / _WAKING.sum())
    at = chance.integers(0, days, len(who)) * DAY + (hours + chance.random(len(who))) * HOUR
    wifi = (chance.random(len(who)) < world.wifi_share) & people.wifi[who]
    groups = groups_of(people, world)
    usable = ~phones.off.inside(who, at) & ~phones.gone.inside(who, at)
    lost = incidents.spans(groups, wifi=False).inside(who, at)
    no_data = lines.in_state(STOPPED, PRE_CANCELLED, CANCELLED, REASSIGNED).inside(who, at)
    no_data |= incidents.spans(groups).inside(who, at)
    some_data = lines.in_state(ONE_WAY).inside(who, at) & (chance.random(len(who)) > world.one_way_data)
    # A new owner of the number has no app of ours; its old owner uses it at home as ever.
    keep = usable & np.where(wifi, ~lost, ~no_data & ~some_data)
    who, at, wifi = who[keep], at[keep], wifi[keep]
    keys = who * WIDE + at
    order = np.argsort(keys, kind="stable")
    return Beats(keys[order], np.sort(keys[wifi])), who, at, wifi


def _pushes(
    chance: np.random.Generator, people: People, lines: Lines, words: Words
) -> tuple[Indices, Floats, Floats, Indices]:
    """Changes that carriers tell: each begin of a state, and the return where nothing follows."""
    follows = np.zeros(len(lines.who), dtype=bool)
    follows[:-1] = (lines.who[1:] == lines.who[:-1]) & (lines.begin[1:] <= lines.end[:-1] + 1)
    who = np.concatenate([lines.who, lines.who[~follows]])
    at = np.concatenate([lines.begin, lines.end[~follows]])
    state = np.concatenate([lines.state, np.full(int((~follows).sum()), ACTIVE)])
    cause = np.concatenate([lines.cause, np.full(int((~follows).sum()), -1)])
    of = people.carrier[who]
    tells = np.array([one.tells for one in CARRIERS])[of]
    late = chance.exponential(np.maximum(np.array([one.late_h for one in CARRIERS])[of], 1e-3) * HOUR)
    very = chance.random(len(who)) < np.array([one.very_late for one in CARRIERS])[of]
    late = np.where(very, late + chance.exponential(2.5 * DAY, len(who)), late)
    why = chance.random(len(who)) < np.array([one.says_why for one in CARRIERS])[of]
    told = (chance.random(len(who)) < tells) & (state != REASSIGNED)
    asked = why & ((cause == REQUESTED) | (cause == ON_PURPOSE)) & (state == STOPPED)
    said = np.array(
        [
            _push_word(words, CARRIERS[number].name, int(kind), bool(reason))
            for number, kind, reason in zip(of[told], state[told], asked[told], strict=True)
        ],
        dtype=np.int64,
    )
    return who[told], at[told], (at + late)[told], said


def _push_word(words: Words, carrier: str, state: int, asked: bool) -> int:
    if state in {CANCELLED, PRE_CANCELLED}:
        why = "cancelled" if state == CANCELLED else "pre_cancelled"
        return words.number("carrier.push", carrier, None, reason=why, **flags(state))
    if asked:
        return words.number("carrier.push", carrier, None, reason="requested", **flags(state))
    return words.number("carrier.push", carrier, None, **flags(state))


def _receipts(
    chance: np.random.Generator,
    dues: Dues,
    lines: Lines,
    phones: Phones,
    down: Spans,
    routes: Spans,
    words: Words,
) -> list[tuple[Indices, Floats, Floats, Indices]]:
    """Of the two messages before each due date, which every lender sends, and of one about something else."""
    who = np.concatenate([dues.who, dues.who, dues.who])
    other = chance.integers(-25, -4, len(dues))
    at = np.concatenate([(dues.due - 3) * DAY, dues.due * DAY, (dues.due + other) * DAY]) + 10 * HOUR
    out = (at > 0) & ~routes.inside(who, at)
    who, at = who[out], at[out]
    dead = lines.in_state(STOPPED, PRE_CANCELLED).inside(who, at)
    gone = lines.in_state(CANCELLED).inside(who, at)
    stranger = lines.in_state(REASSIGNED).inside(who, at)
    # The phone of a new owner is another one.
    deaf = Spans.union([phones.off, phones.gone, down])
    comes = np.where(stranger, at, deaf.clear_from(who, at))
    comes = np.where(lines.in_state(STOPPED).inside(who, comes), np.inf, comes)
    delivered = ~dead & ~gone & (comes < at + _PATIENCE)
    lies = chance.random(len(who)) < 0.006
    fails = delivered & (chance.random(len(who)) < 0.04)
    late = chance.exponential(30.0, len(who))
    patience = np.where(chance.random(len(who)) < 0.7, 600.0, _PATIENCE)
    good = (delivered & ~fails) | lies
    ok = words.number("sms.receipt", "cn.gateway", "DELIVRD")
    parts = [_told(good, who, np.where(delivered, comes, at) + 4, late, ok)]
    stopped = dead & ~good
    quick = stopped & (patience < 1000)
    parts.append(_told(quick, who, at + 600, late, words.number("sms.receipt", "cn.gateway", "UNDELIV")))
    expired = words.number("sms.receipt", "cn.gateway", "EXPIRED")
    rest = (stopped & ~quick) | (~delivered & ~dead & ~gone & ~good) | (fails & ~lies)
    parts.append(_told(rest, who, at + _PATIENCE, late, expired))
    parts.append(_told(gone & ~good, who, at + 5, late, words.number("sms.receipt", "cn.gateway", "CB:0001")))
    return parts


def _told(
    some: Mask, who: Indices, at: Floats, late: Floats, word: int
) -> tuple[Indices, Floats, Floats, Indices]:
    return who[some], at[some], at[some] + late[some], np.full(int(some.sum()), word)


def _calls(
    chance: np.random.Generator,
    people: People,
    lines: Lines,
    phones: Phones,
    down: Spans,
    months: int,
    words: Words,
) -> tuple[Indices, Floats, Floats, Indices]:
    """A service call now and then."""
    each = chance.poisson(0.25 * months, len(people))
    who = np.repeat(np.arange(len(people)), each)
    days = months * MONTH_DAYS
    at = chance.integers(0, days, len(who)) * DAY + chance.uniform(9, 20, len(who)) * HOUR
    drawn = chance.random(len(who))
    up = words.number("voice.sip", "trunk-1", "486", q850="17")
    refused = words.number("voice.sip", "trunk-1", "603", q850="21")
    answered = words.number("voice.sip", "trunk-1", "answered")
    silent = words.number("voice.sip", "trunk-1", "480", q850="19")
    absent = words.number("voice.sip", "trunk-1", "480", q850="20")
    none = words.number("voice.sip", "trunk-1", "404", q850="1")
    said = np.select([drawn < 0.1, drawn < 0.35, drawn < 0.5], [up, refused, answered], silent)
    away = lines.in_state(STOPPED, PRE_CANCELLED).inside(who, at) | down.inside(who, at)
    away |= phones.off.inside(who, at) | phones.gone.inside(who, at)
    away &= ~lines.in_state(REASSIGNED).inside(who, at)
    said = np.where(away, absent, said)
    said = np.where(lines.in_state(CANCELLED).inside(who, at), none, said)
    return who, at, at.copy(), said
