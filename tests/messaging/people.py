"""Borrowers and wishes of the tests of messaging."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.messaging import service
from throughline.messaging.service import NewIntent
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

_numbers = count(1)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class Borrower:
    """A registered person and their addresses."""

    id: UUID
    phone: UUID
    email: UUID | None


def register(database: Database, *purposes: Purpose, locale: str = "zh-CN") -> Borrower:
    number = next(_numbers)
    body = f"110105199001{number // 1000 % 28 + 1:02d}{number % 1000:03d}"
    check = "10X98765432"[sum(int(a) * b for a, b in zip(body, _WEIGHTS, strict=True)) % 11]
    with database.transaction() as session:
        now = clock.now()
        borrower_id = parties.register_person(
            session,
            NewPerson(
                "王小明", body + check, f"138{number:08d}", f"w{uuid4().hex[:12]}@example.com", locale,
                "Asia/Shanghai",
            ),
            now=now,
        )  # fmt: skip
        parties.give_consents(
            session,
            borrower_id,
            purposes or [Purpose.CONTACT, Purpose.CONTINUITY],
            {"channel": "test"},
            now=now,
        )
        points = {point.kind: point.id for point in parties.contact_points(session, borrower_id)}
    return Borrower(borrower_id, points[ContactKind.PHONE], points.get(ContactKind.EMAIL))


def wish(borrower: Borrower, **changes: Any) -> NewIntent:
    given: dict[str, Any] = {
        "borrower_id": borrower.id,
        "idem_key": str(uuid4()),
        "purpose": "service_continuity",
        "klass": "continuity",
        "template": "outage_protection_granted",
        "params": {"due_date": "2019-10-30", "first_day": "2019-10-28", "last_day": ""},
        "deadline": clock.now() + timedelta(days=7),
        "subject": "loan:1",
    }
    return NewIntent(**{**given, **changes})


def states(told_story: service.IntentStory) -> list[tuple[str, str]]:
    return [(step.channel, step.state) for step in told_story.steps]
