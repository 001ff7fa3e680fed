"""Texts that people send us: whose number it is, what they mean, and what follows at once.

"Wrong person" freezes the number: whoever has it now must hear nothing more of our borrower. All others are kept for
staff and told by an event. Of a number that no borrower has nothing is kept but a count.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

import yaml
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.events import publish
from throughline.kernel.ids import new_id
from throughline.kernel.telemetry import counter
from throughline.messaging.events import INBOUND, InboundReceived
from throughline.messaging.models import MsgInbound
from throughline.parties import service as parties

MOST_CHARS = 1_000
OTHER, WRONG_PERSON = "other", "wrong_person"
TEXTS = counter("throughline_message_inbound", "Texts that people sent us, by what they mean", ["meaning"])


@lru_cache(maxsize=1)
def _words() -> dict[str, tuple[str, ...]]:
    text = files("throughline.messaging").joinpath("inbound.yaml").read_text(encoding="utf-8")
    return {meaning: tuple(words) for meaning, words in yaml.safe_load(text).items()}


def meaning_of(text: str) -> str:
    """What a text means: wrong_person, stop, paid, help, or other. In doubt the first of these that fits.

    A short word must be the whole text: "stop" inside a sentence is no order.
    """
    said = re.sub(r"[\s.!?,;:，。！？；：、'\"]+", " ", text[:MOST_CHARS]).strip().casefold()
    for meaning, words in _words().items():
        if any(said == word or (len(word) >= 4 and not word.isascii() and word in said) for word in words):
            return meaning
        if any(len(word) >= 10 and word in said for word in words):
            return meaning
    return OTHER


def take(session: Session, route: str, number: str, text: str, *, now: datetime) -> str:
    """Keep a text and do what follows from it; returns what it means. Doubled ones are kept twice: they were sent."""
    meaning = meaning_of(text)
    TEXTS.labels(meaning).inc()
    for borrower_id, contact_point_id in parties.points_of_number(session, _e164(number)):
        row_id = new_id()
        session.add(
            MsgInbound(
                borrower_id=borrower_id,
                id=row_id,
                contact_point_id=contact_point_id,
                route=route,
                meaning=meaning,
                content=crypto.seal(session, borrower_id, f"msg_inbound|{row_id}|content", text[:MOST_CHARS]),
                got_at=now,
            )
        )
        publish(
            session,
            InboundReceived(row_id, borrower_id, contact_point_id, meaning, now),
            aggregate_type=INBOUND,
            aggregate_id=row_id,
            borrower_id=borrower_id,
        )
        if meaning == WRONG_PERSON:
            parties.freeze_contact_point(session, contact_point_id, parties.WRONG_PERSON, now=now)
    return meaning


def _e164(number: str) -> str:
    digits = number.strip().removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return f"+86{digits}" if len(digits) == 11 and digits.startswith("1") else f"+{digits}"
    return number
