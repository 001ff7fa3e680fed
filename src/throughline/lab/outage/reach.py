"""When each message of a lender reaches its borrower, and whom else it may reach. Arrays are (installments, slots)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.population.chance import Floats, Indices, Mask
from throughline.lab.outage.population.failures import ROUTE
from throughline.lab.outage.population.habits import DAY, HOUR
from throughline.lab.outage.population.lines import REASSIGNED
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.population.people import SLOT_DAYS
from throughline.lab.outage.population.spans import Spans, next_of

CALL_DAYS = (5, 10, 20)
_PATIENCE = 48 * HOUR
FALL_BACK = 6 * HOUR  # without a receipt the next route is taken
NOTICE, CATCH_UP = len(SLOT_DAYS), len(SLOT_DAYS) + 1  # columns of what is not a reminder


@dataclass(frozen=True, slots=True)
class Reached:
    """`sent_s` of the slots, when the person `knows` by each of them and by calls (inf: never), what goes `strange`
    (content in the hands of a number's new owner), `spare`: messages by other routes, `proof_s`: from when on there
    is proof of an overdue notice that could reach the person; `handed_s`: when somebody else hands them a code with which
    to pay without a phone."""

    sent_s: Floats
    knows: Floats
    strange: Mask
    spare: Mask
    proof_s: Floats
    handed_s: Floats


def undisturbed(lives: Lives, *, calls: bool) -> Floats:
    """What people know, and when, if nothing ever fails. Phones are off for some hours all the same: that is life."""
    sent = _slots(lives)
    knows = _at(lives, sent, lives.phones.off.clear_from) + lives.dues.read_s[:, : len(SLOT_DAYS)]
    return np.concatenate([knows, _calls(lives, lives.phones.off)], axis=1) if calls else knows


def by_sms_alone(lives: Lives) -> Reached:
    """The ordinary lender: one route, messages to the number on file, calls when it is overdue."""
    sent = _slots(lives)
    routes = lives.failures.spans(len(lives.people), ROUTE)
    dark = lives.lines.unreachable(visits=True)
    leaves = _at(lives, sent, routes.clear_from)
    arrives = _arrives(lives, leaves, dark)
    strange = _strange(lives, leaves, dark)
    knows = np.concatenate(
        [arrives + lives.dues.read_s[:, : len(SLOT_DAYS)], _calls(lives, _deaf(lives, dark))], axis=1
    )
    return Reached(
        sent, knows, strange, np.zeros_like(strange), np.full(len(sent), -np.inf), np.full(len(sent), np.inf)
    )


def by_every_route(
    lives: Lives, believed: Spans, network: Spans, notice_s: Floats, return_s: Floats
) -> Reached:
    """Ours: another route where no receipt comes or none can; nothing with content to a number in doubt.

    `believed`: when lines are believed dark. `network`: when a person has none. `notice_s`, `return_s`: when an outage and its end become known to us.
    """
    people, dues = lives.people, lives.dues
    sent = np.concatenate([_slots(lives), notice_s[:, np.newaxis], return_s[:, np.newaxis]], axis=1)
    dark = lives.lines.unreachable(visits=False)
    leaves = _at(lives, sent, lives.failures.spans(len(people), ROUTE, total=True).clear_from)
    held = _inside(lives, leaves, believed)
    held[:, NOTICE] = np.isfinite(notice_s)
    by_sms = np.where(held, np.inf, _arrives(lives, leaves, dark))
    strange = _strange(lives, leaves, dark) & ~held
    # With a receipt in hand nothing else is sent.
    silent = ~(by_sms <= leaves + FALL_BACK) & np.isfinite(leaves)
    turns = np.where(held, leaves, leaves + FALL_BACK)
    app = np.where(silent & people.app[dues.who][:, np.newaxis], _next_beats(lives, turns), np.inf)
    mail = np.where(silent & people.email[dues.who][:, np.newaxis], turns + dues.email_s, np.inf)
    mail = _at(lives, mail, network.clear_from)
    friend = people.second_person[dues.who] & (held[:, NOTICE] | held.any(axis=1))
    told = np.where(held & friend[:, np.newaxis], leaves + dues.person_s[:, np.newaxis], np.inf)
    knows = np.minimum(np.minimum(by_sms + dues.read_s, app + dues.read_s), np.minimum(mail, told))
    spare = silent & (people.app | people.email)[dues.who][:, np.newaxis]
    # An overdue notice: delivered to a number that is not in doubt, or read elsewhere.
    overdue = [place for place, day in enumerate(SLOT_DAYS) if day >= 1]
    seen = np.minimum(np.where(held, np.inf, by_sms), np.minimum(app, mail))[:, overdue]
    stranger = np.where(strange, leaves + 60.0, np.inf)[:, overdue]
    return Reached(sent, knows, strange, spare, np.minimum(seen, stranger).min(axis=1), told.min(axis=1))


def _slots(lives: Lives) -> Floats:
    slots: Floats = (lives.dues.due[:, np.newaxis] + np.array(SLOT_DAYS)[np.newaxis, :]) * DAY + 10 * HOUR
    return slots


def _at(lives: Lives, at: Floats, question: Callable[[Indices, Floats], Floats | Mask]) -> Floats:
    """A question about borrowers and instants, for a whole table of them."""
    who = np.repeat(lives.dues.who, at.shape[1])
    return np.asarray(question(who, at.ravel()), dtype=np.float64).reshape(at.shape)


def _inside(lives: Lives, at: Floats, spans: Spans) -> Mask:
    inside: Mask = _at(lives, at, spans.inside).astype(bool)
    return inside


def _arrives(lives: Lives, leaves: Floats, dark: Spans) -> Floats:
    """When a text message comes to the phone: late where it is off, never where the line is stopped."""
    deaf = _deaf(lives)
    comes = _at(lives, leaves, deaf.clear_from)
    lost = _inside(lives, leaves, dark) | _inside(lives, comes, dark) | (comes > leaves + _PATIENCE)
    return np.where(lost, np.inf, comes)


def _strange(lives: Lives, leaves: Floats, dark: Spans) -> Mask:
    """What a new owner of the number gets to read."""
    return _inside(lives, leaves, lives.lines.in_state(REASSIGNED)) & _inside(lives, leaves, dark)


def _next_beats(lives: Lives, at: Floats) -> Floats:
    who = np.repeat(lives.dues.who, at.shape[1])
    return next_of(lives.beats.keys, who, at.ravel()).reshape(at.shape)


def _deaf(lives: Lives, *more: Spans) -> Spans:
    """When a phone rings and shows nothing, whatever the line; and more of that kind."""
    return Spans.union([lives.phones.off, lives.phones.gone, lives.incidents.spans(lives.groups), *more])


def _calls(lives: Lives, deaf: Spans) -> Floats:
    """Calls when it is overdue that are answered by the person."""
    at = (lives.dues.due[:, np.newaxis] + np.array(CALL_DAYS)[np.newaxis, :]) * DAY + 14 * HOUR
    answered = (lives.dues.answers < lives.world.call_answered) & ~_inside(lives, at, deaf)
    return np.where(answered, at, np.inf)
