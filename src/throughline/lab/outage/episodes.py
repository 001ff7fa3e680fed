"""Outages as ours come to know them: from beliefs about lines, incidents of carriers, own failures, people's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from throughline.contracts.outage import OutagePolicy
from throughline.lab.outage.beliefs import STRANGE, Believed, Look
from throughline.lab.outage.population.failures import OWN, ROUTE
from throughline.lab.outage.population.habits import DAY, HOUR
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.population.people import due_date
from throughline.lab.outage.population.spans import Spans
from throughline.line.state import CLEAR_AT

LINE, CARRIER, OURS, CLAIM = "line", "carrier", "own", "claim"


@dataclass(slots=True)
class Episode:
    """One interruption of one borrower (of everybody, for `own`) with the instants at which its facts are known.

    `steps`: (when known, strongest belief in percent) as it grows. `ended_s` is when it was over, `end_known_s`
    when that is known; None while neither is.
    """

    cause: str
    kind: str
    began_s: float
    steps: list[tuple[float, int]]
    ended_s: float | None = None
    end_known_s: float | None = None
    stretch_s: float | None = None
    requested_s: float = np.inf
    contradicted_s: float = np.inf
    reached_s: float = np.inf
    honest: bool = True
    earlier: list[Episode] = field(default_factory=list)

    @property
    def began(self) -> int:
        """The first dark day."""
        return int(self.began_s // DAY)

    def known_s(self, percent: int) -> float:
        """When it is believed with at least so many percent; inf: never."""
        return next((at for at, have in self.steps if have >= percent), np.inf)


def believed_dark(lives: Lives, believed: Believed) -> Spans:
    """When the lines on file are believed to receive nothing, or to have a new owner."""
    told = _new_numbers(lives)
    who, begin, end = [], [], []
    for line, looks in believed.looks.items():
        last = min((new for _, new in told.get(line, ())), default=np.inf)
        since: float | None = None
        for one in looks:
            doubt = one.dark >= CLEAR_AT or one.strange > STRANGE
            if doubt == (since is not None):
                continue
            if since is not None:
                who.append(line)
                begin.append(since)
                end.append(min(one.at_s, last))
            since = one.at_s if doubt else None
        if since is not None:
            who.append(line)
            begin.append(since)
            end.append(last)
    return Spans.of(np.array(who, dtype=np.int64), np.array(begin), np.array(end))


def _new_numbers(lives: Lives) -> dict[int, list[tuple[float, float]]]:
    """By borrower: when a number was lost for good, and when its owner gives a new one."""
    told: dict[int, list[tuple[float, float]]] = {}
    lines = lives.lines
    for who, begin, new in zip(lines.out_who, lines.out_begin, lines.out_told_s, strict=True):
        if np.isfinite(new):
            told.setdefault(int(who), []).append((float(begin), float(new)))
    return told


def of_lines(lives: Lives, believed: Believed, policy: OutagePolicy) -> dict[int, list[Episode]]:
    """The episodes of each borrower's line, in order of time."""
    asked = _requests(lives)
    told = _new_numbers(lives)
    found: dict[int, list[Episode]] = {}
    for who, looks in believed.looks.items():
        some = _stretches(looks)
        for begin, new in told.get(who, ()):
            some = _until_told(some, begin, new)
        some = _joined(some, policy)
        for one in some:
            one.requested_s = min(
                (at for at in asked.get(who, ()) if one.began_s - 4 * DAY <= at <= (one.ended_s or np.inf)),
                default=np.inf,
            )
        if some:
            found[who] = some
    return found


def _stretches(looks: Sequence[Look]) -> list[Episode]:
    found: list[Episode] = []
    now: Episode | None = None
    for one in looks:
        if one.dark >= CLEAR_AT:
            percent = int(one.dark * 100)
            if now is None:
                now = Episode(LINE, one.kind, one.since_s, [(one.at_s, percent)])
                found.append(now)
            else:
                now.kind = one.kind
                if percent > now.steps[-1][1]:
                    now.steps.append((one.at_s, percent))
        elif now is not None:
            now.end_known_s = one.at_s
            now.ended_s = one.since_s if one.since_s > now.began_s else one.at_s
            now = None
    return found


def _until_told(some: list[Episode], begin_s: float, told_s: float) -> list[Episode]:
    """A new number ends what is believed of the old one, and nothing of it counts afterwards."""
    kept = []
    for one in some:
        if one.began_s >= max(told_s, begin_s) and told_s >= begin_s:
            continue
        if one.end_known_s is None or one.end_known_s > told_s:
            one.ended_s, one.end_known_s = told_s, told_s
            one.steps = [step for step in one.steps if step[0] < told_s]
        if one.steps:
            kept.append(one)
    return kept


def _joined(some: list[Episode], policy: OutagePolicy) -> list[Episode]:
    """What fails again within the days to re-open is the same episode."""
    whole: list[Episode] = []
    for one in some:
        row = policy.row_for(LINE, one.kind, due_date(one.began))
        last = whole[-1] if whole else None
        if last is not None and row is not None and _soon(last, one, row.reopen_days):
            strongest = last.steps[-1][1]
            last.steps += [step for step in one.steps if step[1] > strongest]
            last.stretch_s = one.began_s
            last.kind, last.ended_s, last.end_known_s = one.kind, one.ended_s, one.end_known_s
            continue
        one.earlier = list(whole)
        whole.append(one)
    return whole


def _soon(last: Episode, one: Episode, days: int) -> bool:
    return last.ended_s is not None and one.began - int(last.ended_s // DAY) <= days


def _requests(lives: Lives) -> dict[int, list[float]]:
    """When a carrier said of a line that its owner asked for the stop."""
    words = lives.heard.words
    asked = [place for place, word in enumerate(words) if ("reason", "requested") in word[3]]
    some = np.isin(lives.heard.said, asked)
    found: dict[int, list[float]] = {}
    for who, at in zip(lives.heard.who[some].tolist(), lives.heard.received_s[some].tolist(), strict=True):
        found.setdefault(who, []).append(at)
    return found


def of_carriers(lives: Lives, believed: Believed) -> dict[int, list[Episode]]:
    """Incidents by carrier and region: what the counts show, and what carriers announce."""
    found: dict[int, list[Episode]] = {}
    for group, some in believed.incidents.items():
        for one in some:
            found.setdefault(group, []).append(
                Episode(CARRIER, "network", one.onset_s, [(one.raised_s, 100)], one.cleared_s, one.cleared_s)
            )
    happened = lives.incidents
    for group, begin, end, said in zip(
        happened.group, happened.begin, happened.end, happened.announced_s, strict=True
    ):
        if said < end + DAY:
            found.setdefault(int(group), []).append(
                Episode(
                    CARRIER,
                    "network",
                    float(begin),
                    [(float(said), 100)],
                    float(end),
                    float(max(end, said) + HOUR),
                )
            )
    return found


def of_ours(lives: Lives) -> list[Episode]:
    """Our own failures that left no way: known to us, at the latest, when they are noticed."""
    happened = lives.failures
    return [
        Episode(
            OURS,
            OWN[kind],
            float(begin),
            [(float(noticed), 100)],
            float(end),
            float(max(end, noticed)),
        )
        for kind, begin, end, total, noticed in zip(
            happened.kind, happened.begin, happened.end, happened.total, happened.noticed_s, strict=True
        )
        if kind != ROUTE or total
    ]


@dataclass(frozen=True, slots=True)
class Word:
    """What a borrower says about one installment: made at, since when, until when, which kind, and whether it is so."""

    who: int
    row: int
    made_s: float
    since_s: float
    ended_s: float | None
    kind: str
    honest: bool


def words_of(lives: Lives) -> list[Word]:
    """What people tell by themselves: some of those whom an outage touches, and those who make one up."""
    dues, people = lives.dues, lives.people
    words = [
        Word(
            int(dues.who[row]),
            int(row),
            float(dues.due[row] * DAY + dues.claim_s[row]),
            float(dues.due[row] * DAY + dues.claim_s[row] - (1 + 2 * dues.luck[row]) * DAY),
            None,
            "line_out",
            False,
        )
        for row in np.nonzero(dues.fakes)[0].tolist()
    ]
    lines, gone = lives.lines, lives.phones.gone
    for spans, kind in (
        (Spans.of(lines.out_who, lines.out_begin, lines.out_end), "line_out"),
        (gone, "phone_broken"),
    ):
        touched = spans.touch(dues.who, (dues.due - 3) * DAY, (dues.due + 1.0) * DAY)
        tells = touched & (dues.tells < lives.world.claims) & (people.honesty[dues.who] == 0)
        for row in np.nonzero(tells)[0].tolist():
            word = _honest(lives, spans, row, kind)
            if word is not None and not any(one.row == row for one in words[-3:]):
                words.append(word)
    length = lives.months * 30 * DAY
    return sorted((one for one in words if 0 < one.made_s < length), key=lambda one: (one.who, one.made_s))


def _honest(lives: Lives, spans: Spans, row: int, kind: str) -> Word | None:
    who, due = int(lives.dues.who[row]), float(lives.dues.due[row])
    low, high = np.searchsorted(spans.who, [who, who + 1])
    mine = [
        (begin, end)
        for begin, end in zip(spans.begin[low:high].tolist(), spans.end[low:high].tolist(), strict=True)
        if begin < (due + 1) * DAY and end > (due - 3) * DAY
    ]
    if not mine:
        return None
    begin, end = mine[0]
    people = lives.people
    in_it = people.second_device[who] or (kind == "line_out" and people.wifi[who] and people.app[who])
    waits = (8 + 30 * float(lives.dues.luck[row])) * HOUR
    made = begin + waits if in_it else max(end + 0.5 * waits, begin + waits)
    return Word(who, row, made, begin, end if made >= end else None, kind, True)
