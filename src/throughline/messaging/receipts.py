"""Receipts by our own reference: pushed by Alibaba Cloud as a JSON array (SmsReport), in any order, early, late and twice.

The number that a receipt names is not kept. An element that can't be read is counted and acknowledged:
a provider that is refused sends the whole batch again for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.kernel.telemetry import counter
from throughline.messaging import attempts, flow, registry, signals
from throughline.messaging.lattice import AttemptState
from throughline.messaging.models import MsgAttempt, MsgReceipt
from throughline.messaging.pushed import MAX_ELEMENTS, china_time, document, word

SOURCE = "sms.receipt"
DELIVERED = "DELIVRD"

RECEIPTS = counter(
    "throughline_message_receipts",
    "Receipts by verdict: taken, repeated, unknown, waiting, matched, malformed, refused",
    ["verdict"],
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One element of a report, as far as we keep it."""

    client_ref: str
    provider_ref: str
    delivered: bool
    code: str
    reported_at: datetime | None


def read_report(body: bytes) -> tuple[list[Receipt], int]:
    """The receipts in a report, and how many elements could not be read. Never raises."""
    found = document(body)
    if not isinstance(found, list):
        return [], 1
    good = [receipt for receipt in map(_receipt, found[:MAX_ELEMENTS]) if receipt is not None]
    return good, len(found) - len(good)


def take_report(
    route: str, body: bytes, run: Callable[[Callable[[Session], str]], str], *, now: datetime
) -> None:
    """Take in a report, each receipt in a transaction of its own (one that locks many intents could deadlock)."""
    receipts, malformed = read_report(body)
    if malformed:
        RECEIPTS.labels("malformed").inc(malformed)
    for receipt in receipts:
        verdict = run(lambda session, receipt=receipt: take(session, route, receipt, now=now))  # type: ignore[misc]
        RECEIPTS.labels(verdict).inc()


def take(session: Session, route: str, receipt: Receipt, *, now: datetime) -> str:
    """Store one receipt and raise its attempt: "taken", "repeated", or "unknown" for a reference that is not ours."""
    found = session.execute(
        select(MsgAttempt.id, MsgAttempt.intent_id).where(
            MsgAttempt.route == route, MsgAttempt.client_ref == receipt.client_ref
        )
    ).one_or_none()
    if found is None:
        return "unknown"
    plan = flow.locked(session, found.intent_id, now=now)
    attempt = session.scalars(
        select(MsgAttempt).where(MsgAttempt.id == found.id).execution_options(populate_existing=True)
    ).one()
    if attempt.submitted_at is None:
        return "unknown"  # nothing was ever sent under this reference
    fresh = session.execute(
        insert(MsgReceipt)
        .values(
            id=new_id(),
            route=attempt.route,
            client_ref=receipt.client_ref,
            provider_ref=receipt.provider_ref,
            delivered=receipt.delivered,
            state=(AttemptState.DELIVERED if receipt.delivered else AttemptState.FAILED).value,
            code=receipt.code,
            attempt_id=attempt.id,
            reported_at=receipt.reported_at,
            got_at=now,
        )
        .on_conflict_do_nothing(index_elements=["route", "client_ref", "provider_ref", "code"])
        .returning(MsgReceipt.id)
    ).first()
    if fresh is None:
        return "repeated"
    attempt.provider_ref = attempt.provider_ref or receipt.provider_ref or None
    state = AttemptState.DELIVERED if receipt.delivered else AttemptState.FAILED
    if attempts.hear(plan, attempt, state, code=receipt.code):
        attempt.code = receipt.code
    _signal(session, attempt, receipt, now)
    return "taken"


def _signal(session: Session, attempt: MsgAttempt, receipt: Receipt, now: datetime) -> None:
    # A receipt is a free sensor of the line. Its clock is not ours: neither before the send nor in the future.
    at = now
    if receipt.reported_at is not None and attempt.submitted_at is not None:
        at = min(max(receipt.reported_at + clock.demo_shift(), attempt.submitted_at), now)
    signals.told(session, attempt, SOURCE, registry.codes_of(attempt.route), receipt.code, at=at)


def _receipt(element: Any) -> Receipt | None:
    if not isinstance(element, dict) or not isinstance(element.get("success"), bool):
        return None
    client_ref = word(element, "out_id", 64)
    if not client_ref:
        return None
    delivered = element["success"]
    code = DELIVERED if delivered else word(element, "err_code", 64) or "UNKNOWN"
    return Receipt(
        client_ref, word(element, "biz_id", 100), delivered, code, china_time(element.get("report_time"))
    )
