"""All faults mixed, by chance with a seed: what the peers saw is compared with what may have happened."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from messaging.mail_server import MailServer
from messaging.people import Borrower, register
from messaging.sms_provider import SmsProvider
from messaging.test_sending import receive
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.messaging import jobs, service
from throughline.messaging.models import MsgAttempt, MsgIntent, MsgStep
from throughline.parties.purposes import Purpose

SMS_MODES = ("ok", "ok", "ok", "mute", "swallow", "ServiceUnavailable", "isv.BUSINESS_LIMIT_CONTROL", "isv.MOBILE_NUMBER_ILLEGAL")  # fmt: skip
MAIL_MODES = ("ok", "ok", "451 4.3.0 later", "550 5.1.1 no such user", "silent")
FINISHED = {
    "sent",
    "unknown",
    "held",
    "released",
    "delivered",
    "failed",
    "expired",
    "suppressed",
    "not_needed",
}


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_the_bounds_hold(
    seed: int,
    database: Database,
    line: Callable[..., None],
    sms: SmsProvider,
    mail: MailServer,
    ask: Callable[..., UUID],
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    chance = random.Random(seed)
    # Nobody agreed that their line is watched: only this test says whose line is off.
    people = [register(database, Purpose.CONTACT) for _ in range(3)]
    off: set[Borrower] = set()
    made: list[UUID] = []
    wrong: list[str] = []
    seen = 0
    numbers = {one: _number(database, one) for one in people}

    def look() -> None:
        nonlocal seen
        for row in sms.accepted[seen:]:
            wrong.extend(
                f"to a line that is off: {row}" for one in off if numbers[one] == row["PhoneNumbers"]
            )
        seen = len(sms.accepted)

    for _ in range(45):
        one = chance.choice(people)
        match chance.randrange(9):
            case 0 | 1 | 2:
                klass = chance.choice(["continuity", "receipt", "contract", "safety"])
                hours = chance.choice([1, 24, 168])
                deadline = clock.now() + timedelta(hours=hours)
                made.append(ask(one, purpose=Purpose.CONTACT, klass=klass, deadline=deadline))
            case 3:
                line(one, off=True)
                off.add(one)
            case 4:
                line(one)
                off.discard(one)
                if chance.random() < 0.7:
                    database.run(
                        lambda session, one=one: service.release_held(session, one.phone, now=clock.now())
                    )
            case 5:
                sms.mode, mail.mode = chance.choice(SMS_MODES), chance.choice(MAIL_MODES)
                sms.status = 503 if sms.mode == "ServiceUnavailable" else 400
            case 6:
                for row in chance.sample(sms.accepted, min(3, len(sms.accepted))):
                    receive(database, row["OutId"], delivered=chance.random() < 0.7)
            case 7:
                demo_clock(minutes=chance.choice([1, 5, 20, 120]))
                jobs.sweep(0)
            case _:
                run_jobs(rounds=1, hurry=chance.random() < 0.5)
        look()
    sms.mode = mail.mode = "ok"
    for _ in range(8):
        demo_clock(days=1)
        jobs.sweep(0)
        run_jobs(rounds=4)
        look()

    assert wrong == []
    with database.transaction() as session:
        steps = session.scalars(select(MsgStep)).all()
        klass = {row.id: row.klass for row in session.scalars(select(MsgIntent))}
        tries = session.scalars(select(MsgAttempt)).all()
    assert {step.state for step in steps} <= FINISHED
    owner = {attempt.client_ref: (attempt.intent_id, attempt.step_n) for attempt in tries}
    copies = Counter(owner[row["OutId"]] for row in sms.accepted)
    mails = Counter(owner[str(letter["Message-ID"]).strip("<>").split("@")[0]] for letter in mail.mails)
    for step, count in (copies + mails).items():
        assert count <= (1 if klass[step[0]] == "contract" else 2)
    # What a peer has must be known to us as at least submitted; nothing went out that we have no row for.
    left = {attempt.client_ref for attempt in tries if attempt.submitted_at is not None}
    assert {row["OutId"] for row in sms.accepted} <= left
    assert len(sms.accepted) + len(mail.mails) > 10  # the faults did not simply stop everything
    assert made


def _number(database: Database, one: Borrower) -> str:
    from throughline.parties import service as parties
    from throughline.parties.purposes import Purpose

    with database.transaction() as session:
        value = parties.contact_value(session, one.phone, Purpose.CONTACT, now=clock.now())
    return value.removeprefix("+86")
