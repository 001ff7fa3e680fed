"""Which route carries a message: fixed priority among those that fit and are well. Pure; chance comes from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from throughline.messaging.routes.limits import LIMITS, Limits


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route that fits the message. `priority`: lower comes first. `share`: of its traffic, by its weight.
    `up`: whether its link stands. `probe`: whether it wants one message to be tried with. `full`: its window has no
    room."""

    name: str
    priority: int
    share: float = 1.0
    up: bool = True
    probe: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The route of a message; `probing`: it is the one message that tries a route which has rested."""

    name: str
    probing: bool = False


def choose(
    candidates: Sequence[Candidate],
    chances: Sequence[float],
    *,
    may_probe: bool = True,
    limits: Limits = LIMITS,
) -> Choice | None:
    """The route for a message, or None where there is none at all.

    `chances`: numbers from 0 to 1, one more than there are candidates. `may_probe`: whether the message may be lost
    to a route that is not known to be well (a second copy is allowed, or its deadline is far). Standby routes get
    their small share all the time. The last route is taken even if it is sick: better a poor chance than none.
    """
    ordered = sorted(candidates, key=lambda one: (one.priority, one.name))
    if not ordered:
        return None
    probe = next((one for one in ordered if one.probe and one.up and not one.full), None)
    if probe is not None and may_probe:
        return Choice(probe.name, probing=True)
    well = [one for one in ordered if one.up and one.share > 0]
    if len(well) > 1 and chances[0] < limits.standby_share * (len(well) - 1):
        at = int(chances[0] / limits.standby_share)
        if not well[at + 1].full:
            return Choice(well[at + 1].name)
    for one, chance in zip(well, chances[1:], strict=False):
        if not one.full and chance < one.share:
            return Choice(one.name)
    roomy = [one for one in well if not one.full] or well
    if roomy:
        return Choice(max(roomy, key=lambda one: (one.share, -one.priority)).name)
    rest = [one for one in ordered if one.up] or ordered
    return Choice(rest[0].name)
