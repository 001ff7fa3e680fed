"""One outage through all rooms: signals, belief, episode, protection, messages, sign-in, repayment, return."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, paid_out, today
from identity.actors import Actor, enrolled
from messaging.mail_server import MailServer
from messaging.people import Borrower
from messaging.sms_provider import ACCOUNT, SmsProvider
from throughline.continuity import chronicle, service
from throughline.continuity.models import Episode, TimelineEntry
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent, SeenEvent, deliver
from throughline.lending import service as lending
from throughline.line import service as line
from throughline.line.signals import Signal
from throughline.messaging import service as messaging
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose

STOPPED = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended"}
WORKS = {"voiceSmsIn": "active", "voiceSmsOut": "active"}


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def texts() -> Iterator[SmsProvider]:
    provider = SmsProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture(scope="module", autouse=True)
def _providers(installation: Path, mails: MailServer, texts: SmsProvider) -> Iterator[None]:
    account = installation / "lab" / "keys" / "sms" / "account.json"
    account.parent.mkdir(parents=True, exist_ok=True)
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_MESSAGING_SMS_URL", texts.url)
    patch.setenv("THROUGHLINE_MESSAGING_SMTP_PORT", str(mails.port))
    patch.setenv("THROUGHLINE_MESSAGING_CALL_TIMEOUT_S", "1")
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


@pytest.fixture(scope="module")
def actor(database: Database) -> Actor:
    """A borrower with factors who agreed that the line is watched."""
    found = enrolled(database)
    database.run(
        lambda s: parties.give_consents(
            s, found.id, [Purpose.CONTINUITY], {"channel": "test"}, now=clock.now()
        )
    )
    return found


@pytest.fixture(scope="module")
def owing(database: Database, actor: Actor) -> Debtor:
    """With a loan whose first installment falls due in these days."""
    with database.transaction() as session:
        loan_id, due = paid_out(session, actor.id, started_days_ago=29)
        points = {one.kind: one.id for one in parties.contact_points(session, actor.id)}
    borrower = Borrower(actor.id, points[ContactKind.PHONE], points[ContactKind.EMAIL])
    return Debtor(borrower, loan_id, due)


def _hear(database: Database, owing: Debtor, attributes: dict[str, str], at: datetime) -> None:
    signals = [
        Signal(at, source, "carrier", None, attributes)
        for source in ("carrier.push", "camara.subscription-status")
    ]
    database.run(lambda s: line.ingest(s, owing.line_id, signals, now=clock.now()))


def _kinds(database: Database, episode: Episode) -> list[str]:
    with database.transaction() as session:
        return [entry.kind for entry in chronicle.timeline(session, episode.id)]


def _episodes(database: Database, owing: Debtor) -> list[Episode]:
    with database.transaction() as session:
        return service.episodes_page(session, borrower_id=owing.id, after=None, limit=10)


def _in_order(wanted: list[str], kinds: list[str]) -> bool:
    rest = iter(kinds)
    return all(kind in rest for kind in wanted)


def test_from_the_carriers_word_to_the_return(
    database: Database,
    actor: Actor,
    owing: Debtor,
    mails: MailServer,
    run_jobs: Callable[..., int],
) -> None:
    def work() -> None:
        run_jobs(rounds=8, hurry=False)

    work()
    with database.transaction() as session:
        (watched,) = line.lines_of(session, owing.id)
    owing.line_id = watched.line_id
    _hear(database, owing, WORKS, clock.now() - timedelta(hours=2))
    work()
    assert _episodes(database, owing) == []

    _hear(database, owing, STOPPED, clock.now() - timedelta(hours=1))
    work()
    (episode,) = _episodes(database, owing)
    assert (episode.state, episode.line_id) == ("open", watched.line_id)
    with database.transaction() as session:
        (case,) = service.cases_of(session, episode.id)
        assert (case.state, case.loan_id) == ("granted", owing.loan_id)
        (intent,) = messaging.intents(session, borrower_id=owing.id)
        story = messaging.intent_story(session, intent.id)
        steps = {step.channel: step.state for step in story.steps}
        assert steps["sms"] == "held"  # the line is off, and the number may be another's one day
        assert steps["email"] in {"sent", "delivered"}
        (message,) = messaging.inbox(session, owing.id)
        assert message.intent_id == intent.id
    assert [mail["To"] for mail in mails.mails] == [actor.person.email]

    actor.sign_in()
    owed = 1_000
    payment = lending.NewEvent(
        type=lending.EventType.REPAYMENT, value_date=today(), amount_minor=owed, idempotency_key="from-afar"
    )
    database.run(lambda s: lending.record_event(s, owing.loan_id, payment, now=clock.now()))
    work()
    assert _in_order(
        ["line", "episode_opened", "protection_granted", "message_held", "signed_in", "repayment"],
        _kinds(database, episode),
    )

    _hear(database, owing, WORKS, clock.now())
    work()
    (episode,) = _episodes(database, owing)
    assert episode.state == "closed"
    assert episode.back_at is not None
    assert episode.back_at > episode.dark_since
    kinds = _kinds(database, episode)
    assert _in_order(["repayment", "line", "protection_ended", "episode_closed"], kinds)
    assert kinds.count("protection_ended") == kinds.count("episode_closed") == 1
    with database.transaction() as session:
        (case,) = service.cases_of(session, episode.id)
        assert case.state == "ended"
        entries = session.scalars(select(TimelineEntry).where(TimelineEntry.episode_id == episode.id)).all()
        assert all(set(entry.text) == {"zh-CN", "en"} for entry in entries)
        _no_personal_data(entries, actor)
    actor.sign_in()
    work()
    assert _kinds(database, episode) == kinds  # nothing more belongs to it


def _no_personal_data(entries: Any, actor: Actor) -> None:
    written = json.dumps([[entry.text, entry.details] for entry in entries], ensure_ascii=False)
    person = actor.person
    for secret in (person.name, person.phone, person.id_number, person.email or ""):
        assert not secret or secret not in written


def test_an_event_that_comes_again_changes_nothing(database: Database, owing: Debtor) -> None:
    def counted(session: Session) -> tuple[int, ...]:
        tables = (Episode, TimelineEntry, OutboxEvent)
        return tuple(len(session.scalars(select(table)).all()) for table in tables)

    ours = ("continuity.line", "continuity.installment", "continuity.messages", "continuity.sign_in",
            "continuity.repayment")  # fmt: skip
    with database.transaction() as session:
        before = counted(session)
        seen = session.scalars(select(SeenEvent).where(SeenEvent.subscriber.in_(ours))).all()
        assert {row.subscriber for row in seen} >= {
            "continuity.line",
            "continuity.messages",
            "continuity.repayment",
        }
        assert not any(deliver(session, row.event_id, row.subscriber) for row in seen)
        assert counted(session) == before
