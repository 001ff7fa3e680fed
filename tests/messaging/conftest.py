"""A provider of SMS, a mail server, a borrower with a phone and an e-mail address, and the settings for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text

from messaging.mail_server import MailServer
from messaging.people import Borrower, register, wish
from messaging.sms_provider import ACCOUNT, SmsProvider
from messaging_smpp import node_smsc
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.messaging import service
from throughline.messaging.models import MsgRoute, MsgRouteEvent
from throughline.parties import service as parties


@pytest.fixture(scope="module")
def sms_provider() -> Iterator[SmsProvider]:
    provider = SmsProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def environment(
    home: Path, database_url: str, sms_provider: SmsProvider, mail_server: MailServer
) -> dict[str, str]:
    """What the processes of this installation need to know."""
    account = home / "lab" / "keys" / "sms" / "account.json"
    account.parent.mkdir(parents=True)
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    return {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_MESSAGING_SMS_URL": sms_provider.url,
        "THROUGHLINE_MESSAGING_SMTP_PORT": str(mail_server.port),
        "THROUGHLINE_MESSAGING_CALL_TIMEOUT_S": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]),
    }


@pytest.fixture(scope="module", autouse=True)
def configured(installation: Path, environment: dict[str, str]) -> Iterator[None]:
    """This process knows where the provider and the mail server are."""
    patch = pytest.MonkeyPatch()
    for name, value in environment.items():
        if name.startswith("THROUGHLINE_MESSAGING_"):
            patch.setenv(name, value)
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


@pytest.fixture
def sms(sms_provider: SmsProvider) -> Iterator[SmsProvider]:
    sms_provider.calm()
    yield sms_provider
    sms_provider.calm()


@pytest.fixture
def mail(mail_server: MailServer) -> Iterator[MailServer]:
    mail_server.mode = "ok"
    mail_server.mails.clear()
    yield mail_server
    mail_server.mode = "ok"


@pytest.fixture(autouse=True)
def clear_queue(database: Database) -> None:
    """Forget what other tests left waiting."""
    with database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))
        session.execute(text("DELETE FROM kernel_timer"))
        session.execute(text("UPDATE msg_step SET act_at = NULL"))
        session.execute(text("UPDATE msg_attempt SET superseded_at = now() WHERE state = 'prepared'"))


@pytest.fixture
def borrower(database: Database) -> Borrower:
    """A borrower with a phone and an e-mail address who agreed to be written to."""
    return register(database)


@pytest.fixture
def phone_only(database: Database) -> Borrower:
    """The same whose e-mail address is frozen, so that SMS is the only way."""
    made = register(database)
    with database.transaction() as session:
        assert made.email is not None
        parties.freeze_contact_point(session, made.email, "hard bounce", now=clock.now())
    return made


@pytest.fixture
def ask(database: Database) -> Callable[..., UUID]:
    """Ask for a message; returns the intent's id."""

    def request(borrower: Borrower, **changes: Any) -> UUID:
        return database.run(
            lambda session: service.request(session, wish(borrower, **changes), now=clock.now())
        )

    return request


@pytest.fixture
def line(database: Database) -> Callable[..., None]:
    """Set what is known of a number: line(borrower, off=True), line(borrower, stranger="0.5")."""

    def stand(
        borrower: Borrower, *, off: bool = False, since: datetime | None = None, stranger: str = "0"
    ) -> None:
        now = clock.now()
        with database.transaction() as session:
            parties.set_line_standing(
                session, borrower.phone, (since or now) if off else None, Decimal(stranger), now=now
            )

    return stand


@pytest.fixture
def story(database: Database) -> Callable[[UUID], service.IntentStory]:
    """A message as staff see it."""
    return lambda intent_id: database.run(lambda session: service.intent_story(session, intent_id))


@pytest.fixture
def told(database: Database) -> Callable[[UUID], list[tuple[str, str]]]:
    """What was published of a message, in order: (channel, outcome)."""

    def read(intent_id: UUID) -> list[tuple[str, str]]:
        with database.transaction() as session:
            rows = session.scalars(
                select(OutboxEvent)
                .where(
                    OutboxEvent.aggregate_id == intent_id, OutboxEvent.type == "messaging.intent_outcome.v1"
                )
                .order_by(OutboxEvent.seq)
            )
            return [(row.payload["channel"], row.payload["outcome"]) for row in rows]

    return read


@pytest.fixture
def use(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[list[dict[str, Any]]], Path]]:
    """Set up these routes; nothing is known of any of them."""
    with database.transaction() as session:
        session.execute(delete(MsgRoute))
        session.execute(delete(MsgRouteEvent))
        session.execute(text("UPDATE msg_attempt SET superseded_at = now() WHERE state = 'prepared'"))
        session.execute(text("UPDATE msg_attempt SET submitted_at = submitted_at - interval '3 hours'"))

    def write(rows: list[dict[str, Any]]) -> Path:
        file = tmp_path / f"routes-{len(list(tmp_path.iterdir()))}.json"
        file.write_text(json.dumps({"routes": rows}), encoding="utf-8")
        monkeypatch.setenv("THROUGHLINE_MESSAGING_ROUTES_FILE", str(file))
        kernel_settings.forget()
        return file

    yield write
    monkeypatch.undo()
    kernel_settings.forget()


@pytest.fixture(scope="session")
def node() -> str:
    """The path of node; without it, or without its package, the test is skipped and says so."""
    missing = node_smsc.missing()
    if missing:
        pytest.skip(f"!!! SKIPPED: no route is tried against a foreign SMSC: {missing}")
    return node_smsc.node()
