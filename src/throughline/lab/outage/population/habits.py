"""What the made-up world is like. Ours to choose, and chosen before anything was measured with it: no public
source gives most of these for China (docs/outage-lab.md says which have one). Rates are by month of 30 days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

HOUR = 3_600.0
DAY = 86_400.0
MONTH_DAYS = 30
LOCAL = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, tzinfo=LOCAL)
START_S = START.astimezone(UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier's habits. `tells`: the share of changes that it pushes; `late_h`: how late in the mean."""

    name: str
    share: float
    tells: float
    late_h: float
    very_late: float  # share of pushes that take days
    says_why: float  # share of pushes that name a requested stop
    answers: bool  # it can be asked how a line stands; else only a vendor can
    budget: int  # questions a line in 30 days


CARRIERS = (
    Carrier("cmcc", 0.62, 0.85, 0.7, 0.03, 0.6, True, 11),
    Carrier("cucc", 0.20, 0.0, 0.0, 0.0, 0.0, True, 16),
    Carrier("ctcc", 0.18, 0.0, 0.0, 0.0, 0.0, False, 21),
)


@dataclass(frozen=True, slots=True)
class World:
    """The numbers of the generator. Medians have long tails; shares are of 1."""

    # Lines, stops by month.
    arrears: float = 0.035
    arrears_paid_one_way: float = 0.3
    one_way_h: float = 30.0
    two_way_h: float = 64.0  # median
    never_paid: float = 0.06
    requested: float = 0.0025
    requested_days: float = 9.0
    lost: float = 0.006
    lost_days: float = 1.9
    forced: float = 0.0022
    forced_days: float = 5.0
    given_up: float = 0.004
    quarantine_days: float = 95.0
    new_number_told_days: float = 9.0  # median, after a number is gone; own app or a visit
    # Phones.
    off_spells: float = 1.4
    off_h: float = 6.5
    broken: float = 0.011
    broken_days: float = 2.2
    # The app, and other ways to reach a person.
    app: float = 0.7
    wifi: float = 0.78
    beats_a_day: float = 2.0  # median of those who use it
    wifi_share: float = 0.42
    one_way_data: float = 0.6
    second_device: float = 0.27
    email: float = 0.6
    email_read: float = 0.62
    email_h: float = 19.0
    second_person: float = 0.38
    second_person_tells: float = 0.7
    second_person_h: float = 22.0
    # Repaying.
    auto_debit: float = 0.34
    by_oneself: float = 0.26
    late_by_nature: float = 0.09
    by_transfer: float = 0.14  # of all: can pay at their bank without any login of ours
    forgets: float = 0.22
    unread: float = 0.1
    read_h: float = 4.0
    acts_h: float = 11.0
    resumes_h: float = 9.0
    notices_by_oneself_days: float = 12.0
    short_of_money: float = 0.03
    short_days: float = 6.0
    gives_up: float = 0.0035  # never pays this installment nor a later one
    spent: float = 0.12  # of those out of contact for two months: the money is gone
    out_of_contact_days: float = 60.0
    call_answered: float = 0.3
    complains: float = 0.35  # about a charge that they think wrong
    # Honesty.
    fakers: float = 0.03
    fakes: float = 0.4  # of their installments
    suspenders: float = 0.008
    suspends: float = 0.5
    claims: float = 0.3  # honest people who tell of an outage by themselves
    # What fails on the lender's side, a month; medians in hours.
    route_failures: float = 0.4
    route_h: float = 9.0
    all_routes: float = 0.25  # of them: every route of a lender that has several
    channel_failures: float = 0.35
    channel_h: float = 5.0
    platform_failures: float = 0.25
    platform_h: float = 3.5
    # Carriers by region.
    regions: int = 2  # in a cell
    incidents: float = 0.02
    incident_h: float = 9.0
    incident_wifi: float = 0.7  # of them: other networks work
    announced: float = 0.8  # by the carrier
    announced_h: float = 5.0  # mean
