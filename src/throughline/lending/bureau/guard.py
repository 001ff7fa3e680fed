"""The precondition of a negative report (compliance.md 3.3): (a) to (e), each missing piece named. Pure.

Missing evidence never speaks against the borrower: what can't be proved is missing, and then nothing negative leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from throughline.kernel.i18n import N_, Text, bilingual
from throughline.lending.bureau.figures import HoldCode

# Holds by whom they come from: the part of their source before the colon.
DISPUTES = ("dispute", "complaint", "credit_dispute")
OUTAGES = ("outage", "episode", "incident", "rail", "line")


class Way(StrEnum):
    """How a notice could reach the borrower."""

    READ = "read"  # opened in the app, behind the sign-in
    SMS = "sms"
    EMAIL = "email"
    LETTER = "letter"  # registered, handed over


class Doubt(StrEnum):
    """Why a notice that was delivered may have reached nobody, or a stranger."""

    NOT_OWN = "not_own"
    FROZEN = "frozen"
    SUSPENDED = "suspended"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice and when it reached its address; `doubts` are what speaks against that address at that time.

    `reached_on` is the local day. `ref` is the message or the letter, `contact_point_id` the address.
    """

    ref: UUID
    way: Way
    asked_on: date
    reached_at: datetime
    reached_on: date
    contact_point_id: UUID | None = None
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportHold:
    """A hold that nobody has lifted: open, or with the last day that it protects for ever."""

    source: str
    from_date: date
    until_date: date | None
    reason: Text

    @property
    def kind(self) -> str:
        """Whom it comes from."""
        return self.source.partition(":")[0]

    def touches(self, first: date, last: date) -> bool:
        """Whether it holds on one of these days, both inside."""
        return self.from_date <= last and (self.until_date is None or self.until_date >= first)


@dataclass(frozen=True, slots=True)
class Asked:
    """A negative report that somebody wants to send on a day.

    The period is `period_first` to `as_of`; `late_since` the last day on which paying was in time. `undelivered`
    are notices that were asked for and arrived nowhere; `blocking` names the rules that the gate says no by.
    """

    on: date
    period_first: date
    as_of: date
    late_since: date
    notice_days: int
    notices: Sequence[Notice]
    undelivered: int
    holds: Sequence[ReportHold]
    blocking: Sequence[str]


@dataclass(frozen=True, slots=True)
class Missing:
    """A piece that is missing. `piece` is its letter, a to e."""

    piece: str
    code: str
    text: Text


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a negative report may leave. `notice` is the one that proves (a); `code` what is said instead."""

    missing: tuple[Missing, ...]
    notice: Notice | None

    @property
    def allowed(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def code(self) -> HoldCode | None:
        """What the bureau is told instead; None when the report may leave."""
        if self.allowed:
            return None
        return HoldCode.DISPUTED if any(one.code == "dispute" for one in self.missing) else HoldCode.HELD


_NO_NOTICE = N_("No notice about this delay was sent to the borrower")
_NOT_ARRIVED = N_("A notice was sent, but nothing shows that it arrived anywhere")
_DOUBTS = {
    Doubt.NOT_OWN: N_("The notice went to an address that is not the borrower's own"),
    Doubt.FROZEN: N_("The notice went to an address that was frozen"),
    Doubt.SUSPENDED: N_("The notice went to a line that was suspended: such a text is no notice"),
    Doubt.STRANGER: N_("The notice went to a number that probably somebody else has"),
}
_TOO_SOON = N_("The notice reached the borrower on %(day)s; %(days)s days must pass, until %(until)s")
_NOT_BEGUN = N_("The %(days)s days begin only when a notice reaches the borrower")
_HELD = {
    "dispute": N_("A dispute or a complaint about these days is open"),
    "upheld": N_("A dispute about these days was decided for the borrower"),
    "protection": N_("These days are protected"),
    "outage": N_("An outage overlaps these days and its review is not closed, or found for the borrower"),
}
_RULE = N_("A rule does not allow it: %(rules)s")


def judge(asked: Asked) -> Verdict:
    """What of (a) to (e) is missing."""
    missing: list[Missing] = []
    proved = _proved(asked)
    notice = min(proved, key=lambda one: one.reached_at, default=None)
    if notice is None:
        missing.append(_no_proof(asked))
        missing.append(Missing("b", "notice_days", bilingual(_NOT_BEGUN, days=asked.notice_days)))
    elif (until := notice.reached_on + timedelta(days=asked.notice_days)) > asked.on:
        text = bilingual(
            _TOO_SOON, day=notice.reached_on.isoformat(), days=asked.notice_days, until=until.isoformat()
        )
        missing.append(Missing("b", "notice_days", text))
    for hold in asked.holds:
        if hold.touches(asked.period_first, asked.as_of) or hold.touches(asked.on, asked.on):
            missing.append(_kept_by(hold))
    if asked.blocking:
        missing.append(Missing("e", "gate", bilingual(_RULE, rules=", ".join(asked.blocking))))
    return Verdict(tuple(missing), notice)


def _proved(asked: Asked) -> list[Notice]:
    """Notices of this very delay that could reach the borrower. One read in the app needs no address."""
    return [
        one
        for one in asked.notices
        if one.asked_on > asked.late_since and (one.way is Way.READ or not one.doubts)
    ]


def _no_proof(asked: Asked) -> Missing:
    about = [one for one in asked.notices if one.asked_on > asked.late_since]
    for doubt in Doubt:
        if any(doubt in one.doubts for one in about):
            return Missing("a", f"notice_{doubt.value}", bilingual(_DOUBTS[doubt]))
    if asked.undelivered:
        return Missing("a", "notice_not_arrived", bilingual(_NOT_ARRIVED))
    return Missing("a", "notice_none", bilingual(_NO_NOTICE))


def _kept_by(hold: ReportHold) -> Missing:
    code = "outage" if hold.kind in OUTAGES else "protection"
    if hold.kind in DISPUTES:
        code = "dispute" if hold.until_date is None else "upheld"
    return Missing("d" if code == "outage" else "c", code, bilingual(_HELD[code]))
