"""Which installments a real interruption touched, by cause, and which delays were its doing: the generator's truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.outcome import Outcomes
from throughline.lab.outage.population.chance import Floats, Indices, Mask
from throughline.lab.outage.population.failures import CHANNEL, PLATFORM, ROUTE
from throughline.lab.outage.population.habits import DAY, HOUR
from throughline.lab.outage.population.lines import CAUSES, ON_PURPOSE, ONE_WAY
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.population.people import FAKER, HONEST
from throughline.lab.outage.population.spans import WIDE, Spans, next_of

LINE_H = 24.0  # a line that receives nothing for less is no outage here
FAILURE_H = 4.0
LEAD = 3 * DAY  # the first reminder goes out so long before the due date


@dataclass(frozen=True, slots=True)
class Touched:
    """`by`: for each kind of interruption, the unpaid installments that it touched, and since when (seconds). `line`:
    by any stop of the line; `fakes`: claims without any outage; `purpose`: stops asked for over a due date."""

    by: dict[str, Mask]
    since: dict[str, Floats]
    honest: Mask
    fakes: Mask
    purpose: Mask


def touched(lives: Lives, paid_s: Floats) -> Touched:
    """By the truth. An installment that was paid before it began is not touched."""
    dues, people, lines = lives.dues, lives.people, lives.lines
    honest = people.honesty[dues.who] == HONEST
    by: dict[str, Mask] = {}
    since: dict[str, Floats] = {}
    ends = np.minimum(lines.out_end, lines.out_told_s)
    long = ends - lines.out_begin >= LINE_H * HOUR
    for number, name in enumerate(CAUSES):
        some = long & (lines.out_cause == number)
        spans = Spans.of(lines.out_who[some], lines.out_begin[some], ends[some])
        by[name], since[name] = _meets(lives, spans, paid_s, LEAD)
    happened = lives.incidents
    wide = happened.end - happened.begin >= FAILURE_H * HOUR
    incidents = type(happened)(
        happened.group[wide],
        happened.begin[wide],
        happened.end[wide],
        happened.wifi[wide],
        happened.announced_s[wide],
    ).spans(lives.groups)
    by["carrier"], since["carrier"] = _meets(lives, incidents, paid_s, DAY)
    own = lives.failures
    for name, kinds, total, lead in (
        ("message_route", (ROUTE,), True, DAY),
        ("payment_or_platform", (CHANNEL, PLATFORM), False, 0.0),
    ):
        some = (
            np.isin(own.kind, kinds) & (own.end - own.begin >= FAILURE_H * HOUR) & (own.total | (not total))
        )
        each, count = int(some.sum()), len(people)
        spans = Spans.of(
            np.repeat(np.arange(count), each), np.tile(own.begin[some], count), np.tile(own.end[some], count)
        )
        by[name], since[name] = _meets(lives, spans, paid_s, lead)
    gone = lives.phones.gone
    days = gone.end - gone.begin >= DAY
    by["phone"], since["phone"] = _meets(
        lives, Spans.of(gone.who[days], gone.begin[days], gone.end[days]), paid_s, LEAD
    )
    fakes = dues.fakes & (people.honesty[dues.who] == FAKER) & ~_anything(lives)
    return Touched(by, since, honest, fakes, by[CAUSES[ON_PURPOSE]])


BLAMED = ("line", "phone", "failure")


def blamed(lives: Lives, paid_s: Floats) -> dict[str, Mask]:
    """What failed between five days before an installment was due and its payment: a line, else a phone, else what
    fails for many."""
    dues, lines, count = lives.dues, lives.lines, len(lives.people)
    low, high = (dues.due - 5) * DAY, np.minimum(paid_s, lives.months * 30 * DAY)
    line = Spans.of(lines.out_who, lines.out_begin, lines.out_end).touch(dues.who, low, high)
    line |= lines.in_state(ONE_WAY).touch(dues.who, low, high)
    phone = ~line & lives.phones.gone.touch(dues.who, low, high)
    many = lives.incidents.spans(lives.groups).touch(dues.who, low, high)
    for kind in (ROUTE, CHANNEL, PLATFORM):
        many |= lives.failures.spans(count, kind).touch(dues.who, low, high)
    return {"line": line, "phone": phone, "failure": many & ~line & ~phone}


def _anything(lives: Lives) -> Mask:
    """Installments near which anything failed, however short: a claim about them is not made up out of nothing."""
    dues, lines, count = lives.dues, lives.lines, len(lives.people)
    low, high = (dues.due - 5) * DAY, (dues.due + 16.0) * DAY
    dark = Spans.of(lines.out_who, lines.out_begin, lines.out_end)
    near = dark.touch(dues.who, low, high) | lives.incidents.spans(lives.groups).touch(dues.who, low, high)
    near |= lives.phones.gone.touch(dues.who, low, high)
    for kind in (ROUTE, CHANNEL, PLATFORM):
        near |= lives.failures.spans(count, kind, total=kind == ROUTE).touch(
            dues.who, low + 2 * DAY, high - 15 * DAY
        )
    return near


def _meets(lives: Lives, spans: Spans, paid_s: Floats, lead: float) -> tuple[Mask, Floats]:
    """Whether a span meets the days before an installment, to the end of its due date, while it is unpaid; and from
    when on it matters: the later of its begin and the first of those days."""
    dues = lives.dues
    low, high = dues.due * DAY - lead, np.minimum((dues.due + 1.0) * DAY, paid_s)
    met = spans.touch(dues.who, low, high)
    inside = spans.inside(dues.who, low)
    since = np.where(inside, low, _next_begin(spans, dues.who, low))
    return met, since


def _next_begin(spans: Spans, who: Indices, at: Floats) -> Floats:
    return next_of(spans.who * WIDE + spans.begin, who, at)


def caused(out: Outcomes, due: Indices) -> Mask:
    """Missed because of an interruption: paid late, and would have been paid in time."""
    missed: Mask = (out.paid > due) & (out.without <= due)
    return missed
