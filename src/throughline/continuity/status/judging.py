"""What probes mean: the state now, outages begun and ended, and the share of time that a task worked. Pure.

All instants are business time; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from throughline.continuity.status.tasks import DOWN, MAINTENANCE, PARTLY, SLOW, UNKNOWN, WORKING

STALE_INTERVALS = 3  # without a probe for so many intervals nothing is known
DAYS = 90


@dataclass(frozen=True, slots=True)
class Look:
    """What one prober saw once. `borrowed`: it is down only because something that it stands on is."""

    at: datetime
    state: str
    interval_s: int
    source: str = ""
    borrowed: bool = False


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch of failed probes; `until` is the first good one after it, None while it goes on."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a component was seen in each state on one day by one prober."""

    working: int = 0
    slow: int = 0
    partly: int = 0
    down: int = 0
    maintenance: int = 0

    @property
    def observed(self) -> int:
        """Of all states that count."""
        return self.working + self.slow + self.partly + self.down

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(
            self.working + other.working,
            self.slow + other.slow,
            self.partly + other.partly,
            self.down + other.down,
            self.maintenance + other.maintenance,
        )


def state_now(looks: Iterable[Look], now: datetime) -> str:
    """The state from the newest look of each prober: down only where all who still look say so."""
    fresh = [
        one.state
        for one in looks
        if now - one.at <= STALE_INTERVALS * timedelta(seconds=one.interval_s)
    ]  # fmt: skip
    if not fresh:
        return UNKNOWN
    if all(one == DOWN for one in fresh):
        return DOWN
    if any(one in {DOWN, PARTLY} for one in fresh):
        return PARTLY
    return next((one for one in (SLOW, MAINTENANCE, WORKING) if one in fresh), UNKNOWN)


def outages(looks: Sequence[Look], *, failures: int, since: datetime | None = None) -> list[Outage]:
    """Stretches of at least `failures` failed probes in a row, each ended by as many good ones in a row.

    `looks` are of one component, in order of time; `since`: an outage goes on already from then. Of several probers
    all must fail, and each so often. What is only borrowed says nothing.
    """
    found: list[Outage] = []
    bad: list[datetime] = []
    good: list[datetime] = []
    for at, failed, probers in _together(looks):
        if failed:
            good.clear()
            bad.append(at)
            if since is None and len(bad) >= failures * probers:
                since = bad[0]
        else:
            bad.clear()
            good.append(at)
            if since is not None and len(good) >= failures * probers:
                found.append(Outage(since, good[0]))
                since = None
    if since is not None:
        found.append(Outage(since, None))
    return found


def _together(looks: Sequence[Look]) -> Iterator[tuple[datetime, bool, int]]:
    """After each look: whether all probers that still look see a failure, and how many they are."""
    newest: dict[str, Look] = {}
    for one in looks:
        if one.borrowed:
            continue
        newest[one.source] = one
        fresh = [
            other
            for other in newest.values()
            if one.at - other.at <= STALE_INTERVALS * timedelta(seconds=other.interval_s)
        ]
        yield one.at, all(other.state == DOWN for other in fresh), len(fresh)


def uptime(total: Seconds) -> float | None:
    """1 - (down + partly / 2) / observed, between 0 and 1; None where nothing was observed."""
    if not total.observed:
        return None
    return 1 - (total.down + 0.5 * total.partly) / total.observed


def letter(seconds: Seconds) -> str:
    """One day as a letter: w working, p partly (up to 5 % lost), d down, m maintenance, u nobody looked."""
    share = uptime(seconds)
    if share is None:
        return "m" if seconds.maintenance else "u"
    if share == 1:
        return "m" if seconds.maintenance else "w"
    return "p" if share >= 0.95 else "d"


def history(days: Mapping[date, Seconds], today: date, length: int = DAYS) -> str:
    """A letter for each of the last days, the oldest first."""
    return "".join(
        letter(days.get(today - timedelta(days=back), Seconds())) for back in range(length - 1, -1, -1)
    )
