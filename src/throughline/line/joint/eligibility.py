"""Who may have an offer: a pure decision, with a reason in both languages for each thing that stands against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from throughline.kernel.i18n import N_, Text, bilingual
from throughline.line.joint.offers import DataState, Kind, Offer
from throughline.line.state import PublicState

# As for content-bearing messages: above this the number may be a stranger's, and nothing is given to it.
STRANGER_PERCENT = 20
# Refused and withdrawn orders do not count against the agreed limit, but each is a row and a call.
MOST_A_DAY = 10


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What is believed of a line: the public state with its probability in whole percent, and its data."""

    carrier: str
    state: str
    percent: int
    data: DataState
    stranger_percent: int


@dataclass(frozen=True, slots=True)
class LoanFacts:
    """What must be known of a borrower's loans. `due_in_days` is below 0 when overdue; None: nothing is due."""

    running: int
    past_due_days: int
    due_in_days: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Grants so far: of this line and offer in the offer's period, one that is open, and what the month cost.

    `asked_today`: orders of the last 24 hours, refused ones too.
    """

    in_period: int
    open_now: bool
    month_cost_minor: int
    asked_today: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that stands against a grant: a message id with what fills its places."""

    code: str
    msgid: str
    params: Mapping[str, object]

    @property
    def text(self) -> Text:
        """The reason in both languages."""
        return bilingual(self.msgid, **self.params)


CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands against a grant; nothing: it may be granted."""

    refusals: tuple[Refusal, ...]

    @property
    def eligible(self) -> bool:
        """Nothing stands against it."""
        return not self.refusals

    @property
    def offerable(self) -> bool:
        """Nothing but the consent, which is asked for with the offer."""
        return all(one.code == CONSENT for one in self.refusals)


def judge(
    offer: Offer,
    line: LineFacts,
    loans: LoanFacts,
    taken: Taken,
    *,
    consent: bool,
    set_up: bool,
    today: date,
) -> Verdict:
    """Whether an offer may be granted to a line today. All that stands against it is named, not the first thing only."""
    found = [
        *_of_the_offer(offer, line, set_up=set_up, today=today),
        *_of_the_line(offer, line),
        *_of_the_loans(offer, loans),
        *_of_the_past(offer, taken),
    ]
    if not consent:
        found.append(
            _refusal(CONSENT, N_("Your consent is needed: the carrier gets your phone number for it."))
        )
    return Verdict(tuple(found))


def _of_the_offer(offer: Offer, line: LineFacts, *, set_up: bool, today: date) -> list[Refusal]:
    found = []
    if not offer.in_force(today):
        found.append(
            _refusal(
                "not_in_force",
                N_("The offer runs from %(first)s to %(last)s."),
                first=offer.valid_from.isoformat(),
                last=offer.valid_until.isoformat(),
            )
        )
    if offer.carrier != line.carrier:
        found.append(_refusal("carrier", N_("The offer is for lines of another carrier.")))
    if not set_up:
        found.append(_refusal("not_set_up", N_("We can't order this from the carrier at present.")))
    return found


def _of_the_line(offer: Offer, line: LineFacts) -> list[Refusal]:
    if line.stranger_percent > STRANGER_PERCENT:
        return [
            _refusal(
                "stranger",
                N_("The number may belong to somebody else by now. Please prove first that it is yours."),
            )
        ]
    if (
        offer.kind is Kind.SPONSORED_DATA
        and line.state == PublicState.SUSPENDED
        and not offer.works_while_suspended
    ):
        return [
            _refusal(
                "stopped_both_ways",
                N_("A line that is stopped both ways has no data, so sponsored data can't help it."),
            )
        ]
    if line.state in offer.line_states:
        if line.percent >= offer.min_probability_percent:
            return []
        return [
            _refusal(
                "not_sure",
                N_("We believe the state of your line with %(have)s %%; the offer asks for %(need)s %%."),
                have=line.percent,
                need=offer.min_probability_percent,
            )
        ]
    living = line.state in {PublicState.ACTIVE, PublicState.OUT_SUSPENDED}
    if living and line.data in offer.data_states:
        return []
    return [
        _refusal(
            "not_needed",
            N_("As we believe your line to be, it does not need this, or this would not help it."),
        )
    ]


def _of_the_loans(offer: Offer, loans: LoanFacts) -> list[Refusal]:
    if not loans.running:
        return [_refusal("no_loan", N_("The offer is for borrowers with a running loan."))]
    if offer.past_due_days_up_to is not None and loans.past_due_days > offer.past_due_days_up_to:
        return [
            _refusal(
                "past_due",
                N_(
                    "An installment is %(have)s days past its due date; the offer allows %(most)s. Please call us."
                ),
                have=loans.past_due_days,
                most=offer.past_due_days_up_to,
            )
        ]
    if offer.due_within_days is not None and (
        loans.due_in_days is None or loans.due_in_days > offer.due_within_days
    ):
        return [
            _refusal(
                "nothing_due",
                N_("The offer is for the %(days)s days before an installment is due."),
                days=offer.due_within_days,
            )
        ]
    return []


def _of_the_past(offer: Offer, taken: Taken) -> list[Refusal]:
    if taken.open_now:
        return [_refusal("running", N_("You have this already, or it is being ordered."))]
    if taken.in_period >= offer.limit_count:
        return [
            _refusal(
                "limit",
                N_("A line may have this %(count)s times in %(days)s days."),
                count=offer.limit_count,
                days=offer.limit_days,
            )
        ]
    if taken.asked_today >= MOST_A_DAY:
        return [_refusal("too_often", N_("This was asked for too often today. Please try again tomorrow."))]
    if taken.month_cost_minor + offer.cost_minor > offer.monthly_budget_minor:
        return [_refusal("budget", N_("What was set aside for this offer this month is used up."))]
    return []


def _refusal(code: str, msgid: str, **params: object) -> Refusal:
    return Refusal(code, msgid, params)
