"""Lines with a true history, and what their lender would have heard of it.

Deliberately unlike the filter that is judged with it: durations are not memoryless, rates are drawn for each
line around those of `Habits`, receipts lie now and then, apps are removed, carriers tell late, twice or never.
Only the vocabulary of docs/batch-commands.md is shared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = 3600.0
DAY = 86_400.0
DARK = frozenset({"suspended", "pre_cancelled", "cancelled", "reassigned"})


@dataclass(frozen=True, slots=True)
class Habits:
    """How lines live. Rates by month of 30 days unless the name says otherwise."""

    arrears_stops: float = 0.035
    other_stops: float = 0.008
    cancellations: float = 0.006
    one_way_h: float = 30  # until two-way
    one_way_paid: float = 0.25  # share that is paid before
    two_way_h: float = 72  # median
    never_paid: float = 0.12
    off_spells: float = 1.5
    off_h: float = 8
    app: float = 0.7
    app_removed: float = 0.02
    beats_a_day: float = 6  # median of the lines
    wifi: float = 0.4
    one_way_data: float = 0.7  # share of heartbeats that get through while one-way
    messages: float = 4
    calls: float = 1
    lying_receipts: float = 0.006
    failing_receipts: float = 0.04
    quarantine_days: float = 95

    def wrong_by(self, factor: float) -> Habits:
        """The rates of what happens to a line times that, its durations divided by it."""
        return replace(
            self,
            arrears_stops=self.arrears_stops * factor,
            other_stops=self.other_stops * factor,
            cancellations=self.cancellations * factor,
            off_spells=self.off_spells * factor,
            one_way_h=self.one_way_h / factor,
            two_way_h=self.two_way_h / factor,
            off_h=self.off_h / factor,
        )


@dataclass(frozen=True, slots=True)
class Feeds:
    """What the lender gets. `push`: share of changes that the carrier tells; None: it has no push."""

    push: float | None = 0.85
    push_late_h: float = 0.7
    status: bool = True
    vendor: bool = False
    unanswered: float = 0.02
    # How long a vendor's wrong or missing answer goes on in the mean. A carrier that is slow for three seconds
    # gives UNKNOWN, the state of a phone lags by up to two hours, caches by some more.
    wrong_h: float = 4


@dataclass(slots=True)
class History:
    """The truth about one line: spans (from, state) of the subscription and (from, to) of the phone being off,
    in seconds from the start; and what it claimed."""

    line: str
    carrier: str
    region: str
    app: bool
    spans: list[tuple[float, str]]
    off: list[tuple[float, float]]
    claims: list[tuple[float, bool]] = field(default_factory=list)  # when, honest

    def state(self, at: float) -> str:
        """The state of the subscription at an instant."""
        now = self.spans[0][1]
        for begins, state in self.spans:
            if begins > at:
                break
            now = state
        return now

    def dark(self, at: float) -> bool:
        """Whether the subscription can receive nothing."""
        return self.state(at) in DARK

    def is_off(self, at: float) -> bool:
        """Whether the phone is off or out of reach."""
        return any(begins <= at < ends for begins, ends in self.off)

    def outages(self, until: float, least: float) -> list[tuple[float, float]]:
        """Times of at least so long in which nothing could be received."""
        found: list[tuple[float, float]] = []
        begun: float | None = None
        for begins, state in [*self.spans, (until, "")]:
            if state in DARK and begun is None:
                begun = begins
            elif state not in DARK and begun is not None:
                if begins - begun >= least:
                    found.append((begun, begins))
                begun = None
        return found


Row = dict[str, Any]


@dataclass(slots=True)
class Population:
    """Everything about the lines, in the shapes of `throughline line replay`."""

    until: datetime
    histories: list[History]
    roster: list[Row]
    events: list[Row]
    oracle: list[Row]


def instant(at: float) -> str:
    """Seconds from the start as ISO, to the millisecond."""
    return (START + timedelta(milliseconds=round(at * 1000))).isoformat()


def populate(
    lines: int, days: int, seed: int, *, habits: Habits | None = None, feeds: Feeds | None = None,
    evaders: float = 0.03, claiming: float = 0.3,
) -> Population:  # fmt: skip
    """A population with its events in order of receipt."""
    chance = np.random.default_rng(seed)
    made = [
        _Life(chance, number, days * DAY, habits or Habits(), feeds or Feeds(), evaders, claiming).tell()
        for number in range(lines)
    ]
    events = [row for life in made for row in life.events]
    events.sort(key=lambda row: (row["received_at"], row["line"]))
    return Population(
        START + timedelta(days=days),
        [life.history for life in made],
        [life.roster() for life in made],
        events,
        [row for life in made for row in life.oracle],
    )


class _Life:
    """One line: its truth first, then all that anybody says about it."""

    def __init__(
        self,
        chance: np.random.Generator,
        number: int,
        length: float,
        habits: Habits,
        feeds: Feeds,
        evaders: float,
        claiming: float,
    ) -> None:
        self.chance = chance
        self.length = length
        self.habits = habits
        self.feeds = feeds
        self.evader = chance.random() < evaders
        self.claiming = claiming
        self.events: list[Row] = []
        self.oracle: list[Row] = []
        carrier = str(chance.choice(["cmcc", "cucc", "ctcc"], p=[0.6, 0.2, 0.2]))
        region = f"138{chance.integers(0, 40):04d}"
        app = bool(chance.random() < habits.app)
        self.history = History(f"+86{region}{number:04d}", carrier, region, app, [], [])
        self.beats_a_day = float(habits.beats_a_day * math.exp(chance.normal(0, 0.6)))
        self.due_day = float(chance.integers(0, 28))

    def tell(self) -> _Life:
        self._subscription()
        self._phone()
        self._carrier()
        self._app()
        self._messages()
        self._calls()
        self._claims()
        self._answers()
        return self

    def roster(self) -> Row:
        dues = [
            (START + timedelta(days=self.due_day + 30 * month)).date().isoformat()
            for month in range(int(self.length / (30 * DAY)) + 1)
        ]
        return {
            "line": self.history.line,
            "carrier": self.history.carrier,
            "home_region": self.history.region,
            "loan_due_dates": dues,
            "app_installed": self.history.app,
        }

    # --- the truth ---------------------------------------------------------------------------------

    def _subscription(self) -> None:
        chance, habits = self.chance, self.habits
        spans = self.history.spans
        at, state = 0.0, "active"
        spans.append((at, state))
        monthly = habits.arrears_stops + habits.other_stops + habits.cancellations
        while at < self.length:
            if state == "active":
                at += chance.exponential(30 * DAY / monthly)
                kind = chance.random() * monthly
                state = (
                    "out_suspended"
                    if kind < habits.arrears_stops
                    else "suspended"
                    if kind < habits.arrears_stops + habits.other_stops
                    else "cancelled"
                )
            elif state == "out_suspended":
                paid = chance.random() < habits.one_way_paid
                at += habits.one_way_h * HOUR * chance.gamma(4, 0.25) * (0.6 if paid else 1)
                state = "active" if paid else "suspended"
            elif state == "suspended":
                if chance.random() < habits.never_paid:
                    at += 60 * DAY * chance.uniform(0.8, 1.2)
                    state = "pre_cancelled"
                else:
                    at += habits.two_way_h * HOUR * math.exp(chance.normal(0, 0.8))
                    state = "active"
            elif state == "pre_cancelled":
                at += 30 * DAY * chance.uniform(0.8, 1.2)
                state = "cancelled"
            elif state == "cancelled":
                at += habits.quarantine_days * DAY * chance.uniform(0.7, 1.3)
                state = "reassigned"
            else:
                break
            if at < self.length:
                spans.append((at, state))

    def _phone(self) -> None:
        at = 0.0
        while True:
            at += self.chance.exponential(30 * DAY / self.habits.off_spells)
            if at >= self.length:
                return
            ends = at + self.habits.off_h * HOUR * math.exp(self.chance.normal(0, 0.7))
            self.history.off.append((at, ends))
            at = ends

    # --- what is heard -----------------------------------------------------------------------------

    def _say(
        self,
        at: float,
        source: str,
        provider: str | None,
        code: str | None,
        *,
        late: float = 0.0,
        **said: Any,
    ) -> None:
        if at >= 0 and at + late < self.length:
            self.events.append(
                {
                    "line": self.history.line,
                    "observed_at": instant(at),
                    "received_at": instant(at + late),
                    "source": source,
                    "provider": provider,
                    "code": code,
                    "attributes": said,
                }
            )

    def _carrier(self) -> None:
        feeds = self.feeds
        if feeds.push is None:
            return
        for at, state in self.history.spans[1:]:
            if state == "reassigned" or self.chance.random() > feeds.push:
                continue
            said = _flags(state)
            if state in {"cancelled", "pre_cancelled"}:
                said["reason"] = state
            late = self.chance.exponential(feeds.push_late_h * HOUR)
            self._say(at, "carrier.push", self.history.carrier, None, late=late, **said)
            if self.chance.random() < 0.08:
                more = late + self.chance.exponential(HOUR)
                self._say(at, "carrier.push", self.history.carrier, None, late=more, **said)

    def _app(self) -> None:
        if not self.history.app:
            return
        removed = self.chance.exponential(30 * DAY / self.habits.app_removed)
        if removed < self.length and self.chance.random() < 0.6:
            self._say(removed + self.chance.uniform(0, 20 * DAY), "push.fcm", "fcm", "UNREGISTERED")
        at = 0.0
        while True:
            at += self.chance.exponential(DAY / self.beats_a_day)
            if at >= min(self.length, removed):
                return
            hour = (at / HOUR + 8) % 24
            if hour < 7 and self.chance.random() < 0.8:
                continue
            if self.history.is_off(at):
                continue
            wifi = self.chance.random() < self.habits.wifi
            state = self.history.state(at)
            if wifi:
                if state != "reassigned":
                    self._say(at, "app.heartbeat", None, None, transport="wifi")
            elif state == "active" or (
                state == "out_suspended" and self.chance.random() < self.habits.one_way_data
            ):
                self._say(at, "app.heartbeat", None, None, transport="cellular")

    def _messages(self) -> None:
        for at in self._times(self.habits.messages, 9, 20):
            if self.chance.random() < self.habits.lying_receipts:
                self._say(at, "sms.receipt", "cn.gateway", "DELIVRD", late=5.0)
                continue
            if self.chance.random() < self.habits.failing_receipts:
                code = str(self.chance.choice(["EXPIRED", "UNDELIV", "MA:0001", "CB:0053", "XX:9999"]))
                self._say(at + 60, "sms.receipt", "cn.gateway", code, late=60.0)
                continue
            delivered = self._reached(at, 48 * HOUR)
            if delivered is not None:
                self._say(
                    delivered + 4, "sms.receipt", "cn.gateway", "DELIVRD", late=self.chance.exponential(30)
                )
            elif self.history.state(at) in {"suspended", "pre_cancelled"}:
                code = str(self.chance.choice(["UNDELIV", "EXPIRED"], p=[0.7, 0.3]))
                wait = 48 * HOUR if code == "EXPIRED" else 600.0
                self._say(at + wait, "sms.receipt", "cn.gateway", code, late=30.0)
            elif self.history.state(at) == "cancelled":
                self._say(at + 5, "sms.receipt", "cn.gateway", "CB:0001", late=10.0)
            else:
                self._say(at + 48 * HOUR, "sms.receipt", "cn.gateway", "EXPIRED", late=30.0)

    def _reached(self, at: float, patience: float) -> float | None:
        """When a message gets through, if it does."""
        tried = at
        while tried < at + patience:
            if not self.history.is_off(tried) and self.history.state(tried) in {
                "active",
                "out_suspended",
                "reassigned",
            }:
                return tried
            if self.history.state(tried) in DARK - {"reassigned"} and tried == at:
                return None
            tried += 0.5 * HOUR
        return None

    def _calls(self) -> None:
        for at in self._times(self.habits.calls, 9, 20):
            state = self.history.state(at)
            if state == "cancelled":
                self._say(at, "voice.sip", "trunk-1", "404", q850=1)
            elif state in {"suspended", "pre_cancelled"} or self.history.is_off(at):
                self._say(at, "voice.sip", "trunk-1", "480", q850=20)
            else:
                code, cause = [("486", 17), ("603", 21), ("answered", None), ("480", 19)][
                    int(self.chance.choice(4, p=[0.1, 0.25, 0.15, 0.5]))
                ]
                if cause is None:
                    self._say(at, "voice.sip", "trunk-1", code)
                else:
                    self._say(at, "voice.sip", "trunk-1", code, q850=cause)

    def _claims(self) -> None:
        if self.evader:
            at = self.chance.uniform(8 * DAY, max(9 * DAY, self.length - DAY))
            if all(not self.history.dark(at - hours * HOUR) for hours in range(0, 100, 4)):
                self.history.claims.append((at, False))
                self._claim(at, at - self.chance.uniform(3, 4) * DAY, None)
            return
        for begins, ends in self.history.outages(self.length, 12 * HOUR):
            if self.chance.random() > self.claiming:
                continue
            # People remember the beginning and the end to some hours, and claim during it or afterwards.
            blur = self.chance.normal(0, 2 * HOUR, 2)
            if self.chance.random() < 0.5:
                at = self.chance.uniform(begins + 6 * HOUR, ends)
                self._claim(at, min(begins + blur[0], at - HOUR), None)
            else:
                at = ends + self.chance.exponential(DAY)
                first = begins + blur[0]
                self._claim(at, first, max(ends + blur[1], first + HOUR))
            self.history.claims.append((at, True))

    def _claim(self, at: float, begins: float, ends: float | None) -> None:
        said: Row = {
            "claimed_state": "suspended",
            "from": instant(begins),
            "to": instant(ends) if ends else None,
        }
        self._say(at, "borrower.claim", None, None, **said)

    def _answers(self) -> None:
        """What a query would be answered, for every span of (state, phone off)."""
        cuts = sorted(
            {
                0.0,
                self.length,
                *(at for at, _ in self.history.spans),
                *(edge for span in self.history.off for edge in span if edge < self.length),
            }
        )
        for begins, ends in pairwise(cuts):
            state, off = self.history.state(begins), self.history.is_off(begins)
            if self.feeds.status:
                self._pieces(
                    begins, ends, "camara.subscription-status", self.history.carrier, *_status(state)
                )
            if self.feeds.vendor:
                self._vendor(begins, ends, state, off)

    def _pieces(
        self, begins: float, ends: float, source: str, provider: str, code: str | None, said: Row
    ) -> None:
        """Rows of at most two days, of which some have no answer."""
        while begins < ends:
            until = min(ends, begins + 48 * HOUR)
            if self.chance.random() >= self.feeds.unanswered:
                self.oracle.append(
                    {
                        "line": self.history.line,
                        "from": instant(begins),
                        "to": instant(until),
                        "source": source,
                        "provider": provider,
                        "code": code,
                        "attributes": said,
                    }
                )
            begins = until

    def _vendor(self, begins: float, ends: float, state: str, off: bool) -> None:
        """What a vendor answers in a span: what is so, and in between spells of something else."""
        true, wrong = _vendor_codes(state, off)
        share = sum(wrong.values())
        while begins < ends:
            # Times between spells and in them, so that the share of time in them comes out.
            until = min(
                ends, begins + self.chance.exponential(self.feeds.wrong_h * (1 - share) / share) * HOUR
            )
            self._pieces(begins, until, "vendor.aliyun", "aliyun", true, {"check": "status"})
            begins = min(ends, until + self.chance.exponential(self.feeds.wrong_h) * HOUR)
            code = str(self.chance.choice(list(wrong), p=[one / share for one in wrong.values()]))
            if until < begins:
                self._pieces(until, begins, "vendor.aliyun", "aliyun", code, {"check": "status"})

    def _times(self, a_month: float, first: int, last: int) -> Iterator[float]:
        """Random instants in working hours of the zone."""
        at = 0.0
        while True:
            at += self.chance.exponential(30 * DAY / a_month)
            if at >= self.length:
                return
            hour = (at / HOUR + 8) % 24
            if first <= hour < last:
                yield at


def _flags(state: str) -> Row:
    inbound = "active" if state in {"active", "out_suspended", "reassigned"} else "suspended"
    outbound = "active" if state in {"active", "reassigned"} else "suspended"
    return {"voiceSmsIn": inbound, "voiceSmsOut": outbound, "dataService": outbound}


def _vendor_codes(state: str, off: bool) -> tuple[str, dict[str, float]]:
    """What a vendor answers for a state, and what else for which share of the time."""
    if state in {"out_suspended", "suspended", "pre_cancelled"}:
        return "SHUTDOWN", {"UNKNOWN": 0.03, "POWER_OFF": 0.05}
    if state == "cancelled":
        return "NOT_EXIST", {"UNKNOWN": 0.03}
    if off:
        return "POWER_OFF", {"UNKNOWN": 0.03, "SUSPECTED_POWER_OFF": 0.2, "NORMAL": 0.3}
    return "NORMAL", {"UNKNOWN": 0.03, "SHUTDOWN": 0.002}


def _status(state: str) -> tuple[str | None, Row]:
    if state == "cancelled":
        return "IDENTIFIER_NOT_FOUND", {}
    return None, _flags(state)
