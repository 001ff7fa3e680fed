"""Receipts of the SMS provider: pushed as a JSON array (SmsReport), in any order, early, late and twice.

The number that a receipt names is not kept. An element that can't be read is counted and acknowledged:
a provider that is refused sends the whole batch again for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.kernel.telemetry import counter
from throughline.messaging import attempts, flow, signals
from throughline.messaging.channels import aliyun_sms
from throughline.messaging.lattice import AttemptState
from throughline.messaging.models import MsgAttempt, MsgReceipt

MAX_ELEMENTS = 500
SOURCE = "sms.receipt"
# The codes of a receipt are those of the carriers' gateways, passed on as they are.
PROVIDER = "cn.gateway"
DELIVERED = "DELIVRD"

RECEIPTS = counter(
    "throughline_message_receipts",
    "Receipts by verdict: taken, repeated, unknown, malformed, refused",
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
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return [], 1
    if not isinstance(document, list):
        return [], 1
    found = [_receipt(element) for element in document[:MAX_ELEMENTS]]
    good = [receipt for receipt in found if receipt is not None]
    return good, len(document) - len(good)


def take_report(body: bytes, run: Callable[[Callable[[Session], str]], str], *, now: datetime) -> None:
    """Take in a report, each receipt in a transaction of its own (one that locks many intents could deadlock)."""
    receipts, malformed = read_report(body)
    if malformed:
        RECEIPTS.labels("malformed").inc(malformed)
    for receipt in receipts:
        verdict = run(lambda session, receipt=receipt: take(session, receipt, now=now))  # type: ignore[misc]
        RECEIPTS.labels(verdict).inc()


def take(session: Session, receipt: Receipt, *, now: datetime) -> str:
    """Store one receipt and raise its attempt: "taken", "repeated", or "unknown" for a reference that is not ours."""
    found = session.execute(
        select(MsgAttempt.id, MsgAttempt.intent_id).where(
            MsgAttempt.route == aliyun_sms.NAME, MsgAttempt.client_ref == receipt.client_ref
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
            code=receipt.code,
            attempt_id=attempt.id,
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
    signals.told(session, attempt, SOURCE, PROVIDER, receipt.code, at=at)


def _receipt(element: Any) -> Receipt | None:
    if not isinstance(element, dict) or not isinstance(element.get("success"), bool):
        return None
    client_ref = _word(element, "out_id", 64)
    if not client_ref:
        return None
    delivered = element["success"]
    code = DELIVERED if delivered else _word(element, "err_code", 64) or "UNKNOWN"
    return Receipt(
        client_ref, _word(element, "biz_id", 100), delivered, code, _instant(element.get("report_time"))
    )


def _word(element: Mapping[str, Any], name: str, longest: int) -> str:
    """A short printable text; anything else is no text."""
    value = element.get(name)
    if not isinstance(value, str) or len(value) > longest or not value.isascii() or not value.isprintable():
        return ""
    return value


def _instant(value: Any) -> datetime | None:
    try:
        written = datetime.strptime(
            f"{value}"[:19] + " +0800", "%Y-%m-%d %H:%M:%S %z"
        )  # the provider's local time
    except ValueError:
        return None
    return written.astimezone(UTC)
