"""What continuity does on others' events: the line, installments, messages, sign-ins, payments."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.continuity import chronicle, service
from throughline.kernel import clock, money
from throughline.kernel.events import StoredEvent, subscribe
from throughline.kernel.i18n import N_, bilingual

# What a step of a message came to, as the timeline says it.
OUTCOMES = {
    "held": N_("A message by %(channel)s is held back: %(reason)s"),
    "suppressed": N_("A message by %(channel)s was not sent: %(reason)s"),
    "accepted": N_("A message was handed over to the provider of %(channel)s."),
    "read": N_("A message was read in the inbox."),
    "delivered": N_("A message was delivered by %(channel)s."),
    "failed": N_("A message by %(channel)s failed: %(reason)s"),
    "expired": N_("A message by %(channel)s came too late and was dropped: %(reason)s"),
    "unknown": N_("Whether a message by %(channel)s arrived is not known: %(reason)s"),
}
CHANNELS = {"sms": N_("SMS"), "email": N_("e-mail"), "inbox": N_("inbox"), "none": N_("any way")}


@subscribe("line.state_changed.v1", name="continuity.line")
def on_line_state_changed(session: Session, event: StoredEvent) -> None:
    """A line went down, changed its way of being down, or is back."""
    said = event.payload
    service.on_line_news(
        session,
        service.LineNews(
            line_id=UUID(said["line_id"]),
            borrower_id=UUID(said["borrower_id"]),
            contact_point_id=UUID(said["contact_point_id"]),
            state=said["new"],
            probability=said["probability"],
            cannot_receive=said["cannot_receive"],
            since=datetime.fromisoformat(said["since"]),
            reason=said["reason"],
            evidence=said["evidence"],
        ),
        now=clock.now(),
    )


@subscribe("lending.installment_due.v1", name="continuity.installment")
def on_installment_due(session: Session, event: StoredEvent) -> None:
    """An installment falls due within days or today: is the borrower's line out?"""
    said = event.payload
    service.on_installment_due(
        session,
        UUID(said["borrower_id"]),
        UUID(said["loan_id"]),
        said["nr"],
        date.fromisoformat(said["due_date"]),
        now=clock.now(),
    )


@subscribe("messaging.intent_outcome.v1", name="continuity.messages")
def on_intent_outcome(session: Session, event: StoredEvent) -> None:
    """What became of a message belongs to the story of an outage; the text of the message does not."""
    said = event.payload
    msgid = OUTCOMES.get(said["outcome"])
    if msgid is None:
        return
    channel = bilingual(CHANNELS.get(said["channel"], said["channel"]))
    text = {
        locale: filled % {"channel": channel[locale], "reason": said["reason"].get(locale, "")}
        for locale, filled in bilingual(msgid).items()
    }
    chronicle.note_for_borrower(
        session,
        UUID(said["borrower_id"]),
        f"message_{said['outcome']}",
        text,
        at=event.recorded_at,
        details={"intent": said["intent_id"], "channel": said["channel"]},
    )


@subscribe("identity.signed_in.v1", name="continuity.sign_in")
def on_signed_in(session: Session, event: StoredEvent) -> None:
    """The borrower got in although the line is out."""
    said = event.payload
    chronicle.note_for_borrower(
        session,
        UUID(said["borrower_id"]),
        "signed_in",
        bilingual(
            N_("The borrower signed in without the line, by %(methods)s (level %(level)s)."),
            methods=", ".join(said["methods"]),
            level=said["level"],
        ),
        at=event.recorded_at,
        details={"methods": said["methods"], "level": said["level"], "known_device": said["known_device"]},
    )


@subscribe("lending.payment_allocated.v1", name="continuity.repayment")
def on_payment_allocated(session: Session, event: StoredEvent) -> None:
    """The borrower paid although the line is out."""
    said = event.payload
    chronicle.note_for_borrower(
        session,
        UUID(said["borrower_id"]),
        "repayment",
        bilingual(
            N_("A repayment of %(amount)s %(currency)s was received and booked."),
            amount=money.from_minor(said["amount_minor"], said["currency"]),
            currency=said["currency"],
        ),
        at=event.recorded_at,
        details={"loan": said["loan_id"], "order": said["order_id"], "record": said["record_id"]},
    )


@subscribe("line.joint_grant_changed.v1", name="continuity.joint_grant")
def on_joint_grant_changed(session: Session, event: StoredEvent) -> None:
    """What a carrier gave to keep the line alive belongs to the story of an outage."""
    said = event.payload
    chronicle.note_for_borrower(
        session,
        UUID(said["borrower_id"]),
        f"joint_{said['new']}",
        said["reason"],
        at=event.recorded_at,
        details={"grant": said["grant_id"], "offer": said["offer_id"]},
    )
