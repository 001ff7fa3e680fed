"""What Tencent Cloud SMS pushes: states of messages, and what people answer.

States come as a JSON array of up to 100, by the provider's `sid` (the SerialNo of SendSms); `ext`, our own reference,
is there only where the provider has switched it on. A push that is not acknowledged comes twice more, then never
again. Answers come one by one. Neither the number nor the description of a state is kept.

https://cloud.tencent.com/document/api/382/59178 (states), https://cloud.tencent.com/document/api/382/59179 (answers)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.messaging import heard, inbound, receipts
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Heard
from throughline.messaging.pushed import MAX_ELEMENTS, china_time, document, word
from throughline.messaging.receipts import DELIVERED, RECEIPTS, Receipt

Run = Callable[[Callable[[Session], str]], str]

_STATES = {"SUCCESS": AttemptState.DELIVERED, "FAIL": AttemptState.FAILED}


@dataclass(frozen=True, slots=True)
class Told:
    """One state, as far as we keep it. `client_ref`: empty where the provider does not give it back."""

    provider_ref: str
    client_ref: str
    state: AttemptState
    code: str
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of somebody, never printed."""

    number: str = field(repr=False)
    text: str = field(repr=False)


def read_states(body: bytes) -> tuple[list[Told], int]:
    """The states in a push, and how many elements could not be read. Never raises."""
    found = document(body)
    if not isinstance(found, list):
        return [], 1
    good = [told for told in map(_told, found[:MAX_ELEMENTS]) if told is not None]
    return good, len(found) - len(good)


def read_answers(body: bytes) -> tuple[list[Said], int]:
    """The answers in a push (one, or an array of them), and how many could not be read. Never raises."""
    found = document(body)
    elements = found if isinstance(found, list) else [found]
    good = [said for said in map(_said, elements[:MAX_ELEMENTS]) if said is not None]
    return good, len(elements) - len(good)


def take_states(route: str, body: bytes, run: Run, *, now: datetime) -> None:
    """Take in a push of states, each in a transaction of its own (one that locks many intents could deadlock)."""
    states, malformed = read_states(body)
    if malformed:
        RECEIPTS.labels("malformed").inc(malformed)
    for told in states:
        verdict = run(lambda session, told=told: take(session, route, told, now=now))  # type: ignore[misc]
        RECEIPTS.labels(verdict).inc()


def take_answers(route: str, body: bytes, run: Run, *, now: datetime) -> None:
    """Take in what people answered, each text in a transaction of its own."""
    answers, malformed = read_answers(body)
    if malformed:
        inbound.TEXTS.labels("malformed").inc(malformed)
    for said in answers:
        run(lambda session, said=said: inbound.take(session, route, said.number, said.text, now=now))  # type: ignore[misc]


def take(session: Session, route: str, told: Told, *, now: datetime) -> str:
    """Store one state: by our own reference where it is one of ours, else by the provider's, which may wait."""
    if told.client_ref:
        delivered = told.state is AttemptState.DELIVERED
        receipt = Receipt(told.client_ref, told.provider_ref, delivered, told.code, told.reported_at)
        verdict = receipts.take(session, route, receipt, now=now)
        if verdict != "unknown":
            return verdict
    reported_at = told.reported_at or clock.real_now()
    return heard.take(session, Heard(route, told.provider_ref, told.state, told.code, reported_at), now=now)


def _told(element: Any) -> Told | None:
    if not isinstance(element, dict):
        return None
    state = _STATES.get(word(element, "report_status", 20))
    provider_ref = word(element, "sid", 100)
    if state is None or not provider_ref:
        return None
    code = DELIVERED if state is AttemptState.DELIVERED else word(element, "errmsg", 64) or "UNKNOWN"
    reported_at = china_time(element.get("user_receive_time"))
    return Told(provider_ref, word(element, "ext", 64), state, code, reported_at)


def _said(element: Any) -> Said | None:
    if not isinstance(element, dict) or not isinstance(element.get("text"), str):
        return None
    country, mobile = word(element, "nationcode", 4), word(element, "mobile", 20)
    if not (country + mobile).isdigit() or not country or not mobile:
        return None
    text = element["text"][: inbound.MOST_CHARS].encode(errors="replace").decode()
    return Said(f"+{country}{mobile}", text)
