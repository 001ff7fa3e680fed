"""What continuity does on others' events: the line, installments, messages, sign-ins, payments."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity import (
    chronicle,
    incidents,
    paycodes,
    policy,
    protection,
    reports,
    service,
    unfinished,
)
from throughline.continuity.models import Episode
from throughline.continuity.response import service as responses
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


@subscribe("line.outage_learned.v1", name="continuity.past_outage")
def on_outage_learned(session: Session, event: StoredEvent) -> None:
    """A line was out and is back, and we learn of it only now."""
    said = event.payload
    service.on_past_outage(
        session,
        service.PastOutage(
            line_id=UUID(said["line_id"]),
            borrower_id=UUID(said["borrower_id"]),
            contact_point_id=UUID(said["contact_point_id"]),
            state=said["state"],
            cannot_receive=said["cannot_receive"],
            from_at=datetime.fromisoformat(said["from_at"]),
            to_at=datetime.fromisoformat(said["to_at"]),
            reason=said["reason"],
            evidence=said["evidence"],
        ),
        now=clock.now(),
    )


@subscribe("line.claimed.v1", name="continuity.claim")
def on_line_claimed(session: Session, event: StoredEvent) -> None:
    """A borrower said of a line that it was out: the same as a report to us."""
    said = event.payload
    if said["state"] in policy.BACK:
        return
    reports.take(
        session,
        UUID(said["borrower_id"]),
        UUID(said["claim_id"]),
        reports.FROM_LINE_STATE.get(said["state"], "line_out"),
        from_at=datetime.fromisoformat(said["from_at"]),
        to_at=datetime.fromisoformat(said["to_at"]) if said["to_at"] else None,
        now=clock.now(),
    )


@subscribe("line.claim_contradicted.v1", name="continuity.contradiction")
def on_claim_contradicted(session: Session, event: StoredEvent) -> None:
    """Several observations speak against a borrower's word: a person looks."""
    said = event.payload
    reports.contradict(
        session,
        UUID(said["claim_id"]),
        datetime.fromisoformat(said["at"]),
        said["evidence"],
        now=clock.now(),
    )


@subscribe("line.regional_incident_opened.v1", name="continuity.carrier_incident")
def on_regional_incident_opened(session: Session, event: StoredEvent) -> None:
    """Many lines of a carrier or region fail together."""
    said = event.payload
    scope = {"carrier": said["carrier"]} | ({"region": said["region"]} if said["region"] else {})
    incidents.open_incident(
        session,
        incidents.NewIncident(
            f"line:{said['incident_id']}",
            "carrier",
            "network",
            scope,
            datetime.fromisoformat(said["onset_at"]),
        ),
        now=clock.now(),
    )


@subscribe("line.regional_incident_closed.v1", name="continuity.carrier_incident_end")
def on_regional_incident_closed(session: Session, event: StoredEvent) -> None:
    """They work again as usual."""
    said = event.payload
    found = incidents.by_source(session, f"line:{said['incident_id']}")
    if found is not None and found.state == "open":
        ended = max(found.began_at, datetime.fromisoformat(said["cleared_at"]))
        incidents.end_incident(session, found.id, ended_at=ended, now=max(clock.now(), ended))


@subscribe("continuity.incident_opened.v1", name="continuity.response")
def on_incident_opened(session: Session, event: StoredEvent) -> None:
    """An incident starts the response that its playbook asks for."""
    responses.start(session, UUID(event.payload["incident_id"]), now=clock.now())


@subscribe("lending.installment_due.v1", name="continuity.installment")
def on_installment_due(session: Session, event: StoredEvent) -> None:
    """An installment falls due within days or today: is the borrower's line out?"""
    said = event.payload
    incidents.on_installment_due(session, UUID(said["borrower_id"]), now=clock.now())
    service.on_installment_due(
        session,
        UUID(said["borrower_id"]),
        UUID(said["loan_id"]),
        said["nr"],
        date.fromisoformat(said["due_date"]),
        now=clock.now(),
    )


@subscribe("origination.application_changed.v1", name="continuity.unfinished")
def on_application_changed(session: Session, event: StoredEvent) -> None:
    """What the borrower has begun, in case an outage comes."""
    said = event.payload
    unfinished.on_application(
        session,
        UUID(said["borrower_id"]),
        UUID(said["application_id"]),
        said["new"],
        now=event.recorded_at,
    )


@subscribe("continuity.episode_opened.v1", name="continuity.hold")
def on_episode_opened(session: Session, event: StoredEvent) -> None:
    """An outage began: keep what the borrower was doing."""
    said = event.payload
    episode = session.get(
        Episode, (UUID(said["borrower_id"]), UUID(said["episode_id"])), with_for_update=True
    )
    if episode is None or episode.state != "open":
        return
    for one in paycodes.begun(session, episode.borrower_id):
        unfinished.note(session, episode.borrower_id, "repayment", one.id, one.state, now=one.changed_at)
    session.refresh(episode)
    unfinished.hold(session, episode, now=clock.now())


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
    if said["outcome"] == "read":
        _reached(session, UUID(said["borrower_id"]))


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
    _reached(session, UUID(said["borrower_id"]))


@subscribe("lending.payment_allocated.v1", name="continuity.repayment")
def on_payment_allocated(session: Session, event: StoredEvent) -> None:
    """The borrower paid although the line is out."""
    said = event.payload
    if said["order_id"]:
        unfinished.finish(session, "repayment", UUID(said["order_id"]), "paid", now=event.recorded_at)
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


def _reached(session: Session, borrower_id: UUID) -> None:
    """The person was reached without the line: what is protected lasts for the days to act from then on."""
    running = session.scalars(
        select(Episode)
        .where(Episode.borrower_id == borrower_id, Episode.state == "open")
        .order_by(Episode.id)
        .limit(20)
        .with_for_update()
    ).all()
    for episode in running:
        unfinished.offer_again(session, episode, now=clock.now())
        protection.limit_by_reach(session, episode, now=clock.now())
