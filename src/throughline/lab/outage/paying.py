"""When people pay: what they know, whether they have the money, and whether a way is open."""

from __future__ import annotations

import numpy as np

from throughline.lab.outage.population.chance import Floats
from throughline.lab.outage.population.failures import CHANNEL, PLATFORM, ROUTE
from throughline.lab.outage.population.habits import DAY
from throughline.lab.outage.population.lines import ONE_WAY
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.population.people import AUTO, TRIES
from throughline.lab.outage.population.spans import Spans
from throughline.lab.outage.reach import Reached


def undisturbed(lives: Lives, knows: Floats, off: Spans) -> Floats:
    """When each installment would be paid if nothing ever failed; inf: never. `off`: phones that are off for hours,
    as far as that matters to the lender's ways."""
    nothing = Spans.none()
    return _pay(lives, knows, off, nothing, nothing)


def disturbed(lives: Lives, reached: Reached, blocked: Spans, without: Floats) -> Floats:
    """When each installment is paid; `without` is when it would have been if nothing had failed.

    People who are out of contact for two months because of an outage may have spent the money by then, and pay
    neither this installment nor a later one.
    """
    count = len(lives.people)
    debit = lives.failures.spans(count, CHANNEL)
    banks = lives.phones.gone.only(~lives.people.second_device)
    paid = _pay(lives, reached.knows, blocked, debit, banks)
    # With a code in hand anybody's phone will do.
    dues = lives.dues
    handed = np.maximum(np.maximum(reached.handed_s + dues.act_s, dues.able_s), dues.late_s)
    paid = np.where(lives.people.habit[dues.who] == AUTO, paid, np.minimum(paid, handed))
    away = lives.world.out_of_contact_days * DAY
    due = lives.dues.due * DAY
    gone = (paid - due > away) & (without - due <= away) & (lives.dues.spends < lives.world.spent)
    never = np.maximum.accumulate(np.where(gone, lives.dues.who, -1)) == lives.dues.who
    return np.where(never, np.inf, paid)


def ways_by_code(lives: Lives) -> Spans:
    """The ordinary lender: a code by text message opens the door, so line, phone and route have to work."""
    count, routes = len(lives.people), lives.failures
    return Spans.union(
        [
            lives.lines.unreachable(visits=True),
            lives.phones.off,
            lives.phones.gone,
            lives.incidents.spans(lives.groups),
            _no_data(lives, second=False),
            routes.spans(count, ROUTE),
            routes.spans(count, CHANNEL),
            routes.spans(count, PLATFORM),
        ]
    )


def ways_without_line(lives: Lives) -> Spans:
    """Ours: a factor off the line, so any network and any device will do."""
    count = len(lives.people)
    return Spans.union(
        [without_network(lives), lives.failures.spans(count, CHANNEL), lives.failures.spans(count, PLATFORM)]
    )


def without_network(lives: Lives) -> Spans:
    """When a person can reach nothing on the internet, on no device."""
    people = lives.people
    one_device = ~people.second_device
    return Spans.union(
        [
            lives.phones.off.only(one_device),
            lives.phones.gone.only(one_device),
            lives.incidents.spans(lives.groups, wifi=False),
            lives.incidents.spans(lives.groups, wifi=True).only(~people.wifi),
            _no_data(lives, second=True),
        ]
    )


def _no_data(lives: Lives, *, second: bool) -> Spans:
    """Lines whose data is stopped, of people without another network (or, with `second`, another device)."""
    people = lives.people
    without = ~people.wifi & ~(people.second_device & second)
    # A new number brings its own data.
    return Spans.union([lives.lines.in_state(ONE_WAY), lives.lines.unreachable(visits=False)]).only(without)


def _pay(lives: Lives, knows: Floats, blocked: Spans, debit: Spans, banks: Spans) -> Floats:
    dues, people = lives.dues, lives.people
    learns = np.minimum(knows.min(axis=1), dues.notice_s)
    intends = np.minimum(dues.own_s, learns + dues.act_s)
    auto = people.habit[dues.who] == AUTO
    intends = np.where(auto, dues.own_s, intends)
    at = np.maximum(np.maximum(intends, dues.able_s), dues.late_s)
    by_bank = people.transfers[dues.who] & ~auto
    by_us = ~auto & ~by_bank
    for turn in range(TRIES):
        for some, spans in ((auto, debit), (by_bank, banks), (by_us, blocked)):
            clear = spans.clear_from(dues.who[some], at[some])
            wait = 0.0 if some is auto else dues.resume_s[some, turn]
            at[some] = np.where(clear > at[some], clear + wait, at[some])
    return at
