"""What fails for many at once: the lender's own routes, channels and platform, and carriers by region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.population.chance import Floats, Indices, Mask, lognormal, stream
from throughline.lab.outage.population.habits import CARRIERS, DAY, HOUR, MONTH_DAYS, World
from throughline.lab.outage.population.people import People
from throughline.lab.outage.population.spans import Spans

ROUTE, CHANNEL, PLATFORM = range(3)
OWN = ("message_route", "payment_channel", "platform")


@dataclass(frozen=True, slots=True)
class Failures:
    """The lender's own failures, the same for everybody. `total`: of a message route, that all of them fail.
    `noticed_s`: when somebody sees it."""

    kind: Indices
    begin: Floats
    end: Floats
    total: Mask
    noticed_s: Floats

    def spans(self, count: int, kind: int, *, total: bool = False) -> Spans:
        """One kind of them, for each of so many borrowers."""
        some = (self.kind == kind) & (self.total | (not total))
        each = int(some.sum())
        return Spans.of(
            np.repeat(np.arange(count), each),
            np.tile(self.begin[some], count),
            np.tile(self.end[some], count),
        )


@dataclass(frozen=True, slots=True)
class Incidents:
    """Failures of one carrier in one region. `group` is carrier · regions + region; `wifi`: other networks work.
    `announced_s`: when the carrier says so; inf: never."""

    group: Indices
    begin: Floats
    end: Floats
    wifi: Mask
    announced_s: Floats

    def spans(self, groups: Indices, *, wifi: bool | None = None) -> Spans:
        """For borrowers by their groups; with `wifi`, only incidents of that kind."""
        who, begin, end = [], [], []
        for group, from_s, to_s, other in zip(self.group, self.begin, self.end, self.wifi, strict=True):
            if wifi is None or bool(other) is wifi:
                mine = np.nonzero(groups == group)[0]
                who.append(mine)
                begin.append(np.full(len(mine), from_s))
                end.append(np.full(len(mine), to_s))
        if not who:
            return Spans.none()
        return Spans.of(np.concatenate(who), np.concatenate(begin), np.concatenate(end))


def failures_of(seed: int, months: int, world: World) -> Failures:
    """The lender's own failures in the time."""
    chance = stream(seed, -1, "failures")
    kinds, begins, ends = [], [], []
    for kind, rate, hours in (
        (ROUTE, world.route_failures, world.route_h),
        (CHANNEL, world.channel_failures, world.channel_h),
        (PLATFORM, world.platform_failures, world.platform_h),
    ):
        count = int(chance.poisson(rate * months))
        at = chance.uniform(DAY, months * MONTH_DAYS * DAY, count)
        kinds.append(np.full(count, kind))
        begins.append(at)
        ends.append(at + lognormal(chance, hours, 0.9, count) * HOUR)
    begin, end = np.concatenate(begins), np.concatenate(ends)
    grey = chance.random(len(begin)) < 0.1
    late = np.where(
        grey, chance.exponential(18 * HOUR, len(begin)), chance.exponential(0.4 * HOUR, len(begin))
    )
    return Failures(
        np.concatenate(kinds), begin, end, chance.random(len(begin)) < world.all_routes, begin + late
    )


def groups_of(people: People, world: World) -> Indices:
    """The carrier and region of each borrower as one number."""
    groups: Indices = people.carrier * world.regions + people.region
    return groups


def incidents_of(seed: int, cell: int, months: int, world: World) -> Incidents:
    """The regional incidents of a cell's carriers."""
    chance = stream(seed, cell, "incidents")
    each = chance.poisson(world.incidents * months, len(CARRIERS) * world.regions)
    group = np.repeat(np.arange(len(each)), each)
    at = chance.uniform(5 * DAY, months * MONTH_DAYS * DAY, len(group))
    said = at + chance.exponential(world.announced_h * HOUR, len(group))
    return Incidents(
        group,
        at,
        at + lognormal(chance, world.incident_h, 0.9, len(group)) * HOUR,
        chance.random(len(group)) < world.incident_wifi,
        np.where(chance.random(len(group)) < world.announced, said, np.inf),
    )
