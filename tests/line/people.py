"""A registered borrower whose line is watched."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.line import service
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def id_number(chance: random.Random) -> str:
    """A number of the right form of somebody who does not exist."""
    body = f"110105199001{chance.randint(1, 28):02d}{chance.randint(0, 999):03d}"
    return body + "10X98765432"[sum(int(a) * b for a, b in zip(body, _WEIGHTS, strict=True)) % 11]


def borrower_with_line(database: Database, seed: int = 1) -> tuple[UUID, UUID, UUID]:
    """Borrower, contact point of the phone, line."""
    chance = random.Random(seed)
    phone = f"+861380013{chance.randint(0, 9999):04d}"

    def register(session: Any) -> tuple[UUID, UUID, UUID]:
        new = NewPerson(
            "王小明", id_number(chance), phone, f"wang{seed}@example.com", "zh-CN", "Asia/Shanghai"
        )
        borrower_id = parties.register_person(session, new, now=clock.now())
        parties.give_consents(
            session, borrower_id, [Purpose.IDENTITY, Purpose.CONTINUITY], {"page": "test"}, now=clock.now()
        )
        (point,) = [one for one in parties.contact_points(session, borrower_id) if one.kind == "phone"]
        line_id = service.register(session, borrower_id, point.id, now=clock.now())
        assert line_id is not None
        return borrower_id, point.id, line_id

    return database.run(register)
