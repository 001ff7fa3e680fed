"""From the wish to the peer: order, receipts, retries, deadlines. The texts are counted at the peers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from messaging.mail_server import MailServer
from messaging.people import Borrower, register, states, wish
from messaging.sms_provider import SmsProvider
from support.sending import send
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.line import service as line
from throughline.line.models import LineSignal
from throughline.messaging import jobs, receipts, service
from throughline.messaging.receipts import Receipt
from throughline.messaging.service import IntentStory
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]
Told = Callable[[UUID], list[tuple[str, str]]]


def receive(database: Database, out_id: str, *, delivered: bool = True, code: str = "UNDELIV") -> str:
    receipt = Receipt(out_id, "biz", delivered, "DELIVRD" if delivered else code, None)
    return database.run(lambda session: receipts.take(session, "aliyun-sms", receipt, now=clock.now()))


def test_a_wish_with_the_same_key_is_the_same_message(
    database: Database, borrower: Borrower, sms: SmsProvider, run_jobs: Callable[..., int]
) -> None:
    same = wish(borrower)
    with ThreadPoolExecutor(2) as pool:
        ids = list(
            pool.map(
                lambda _: database.run(lambda session: service.request(session, same, now=clock.now())),
                range(4),
            )
        )
    run_jobs(rounds=1, timers=False)
    assert len(set(ids)) == 1
    assert len(sms.accepted) == 1
    with database.transaction() as session:
        assert service.unread(session, borrower.id) == 1


def test_sms_first_and_a_receipt_ends_it(
    database: Database,
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    intent_id = ask(borrower)
    run_jobs(rounds=2)
    assert states(story(intent_id)) == [("sms", "sent"), ("email", "planned")]
    [sent] = sms.accepted
    assert (sent["SignName"], sent["TemplateCode"], sent["TemplateParam"]) == (
        "不断线",
        "SMS_480000001",
        "{}",
    )
    assert sent["PhoneNumbers"].startswith("138")
    assert receive(database, sent["OutId"]) == "taken"
    assert states(story(intent_id)) == [("sms", "delivered"), ("email", "not_needed")]
    demo_clock(days=1)
    jobs.sweep(0)
    run_jobs(rounds=3)
    assert (len(sms.accepted), mail.mails) == (1, [])
    assert told(intent_id) == [("sms", "delivered")]
    assert story(intent_id).intent.state == "delivered"


def test_without_a_receipt_the_plan_goes_on_to_mail(
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    told: Told,
    database: Database,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    intent_id = ask(borrower)
    run_jobs(rounds=2)
    demo_clock(minutes=16)
    run_jobs(rounds=4)
    [letter] = mail.mails
    assert letter["Subject"] == "您有一条新消息"
    assert states(story(intent_id)) == [("sms", "sent"), ("email", "sent")]
    assert told(intent_id) == [("sms", "accepted"), ("email", "accepted")]
    receive(database, sms.accepted[0]["OutId"])  # late, and still believed
    assert told(intent_id)[-1] == ("sms", "delivered")
    assert story(intent_id).intent.state == "delivered"


def test_a_failed_receipt_goes_on_at_once_and_tells_line(
    database: Database,
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
) -> None:
    from throughline.kernel.events import OutboxEvent

    intent_id = ask(borrower)
    run_jobs(rounds=2)
    receive(database, sms.accepted[0]["OutId"], delivered=False, code="CB:0001")
    run_jobs(rounds=2)
    assert states(story(intent_id)) == [("sms", "failed"), ("email", "sent")]
    assert len(mail.mails) == 1
    with database.transaction() as session:
        [event] = session.scalars(
            select(OutboxEvent).where(
                OutboxEvent.aggregate_id == intent_id, OutboxEvent.type == "messaging.contact_signals.v1"
            )
        )
    [signal] = event.payload["signals"]
    assert signal["contact_point_id"] == str(borrower.phone)
    assert (signal["source"], signal["provider"], signal["code"]) == ("sms.receipt", "cn.gateway", "CB:0001")


def test_a_dead_mailbox_is_kept_beside_the_line_and_moves_nothing(
    database: Database,
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    run_jobs: Callable[..., int],
) -> None:
    with database.transaction() as session:
        parties.freeze_contact_point(session, borrower.phone, "wrong person", now=clock.now())
        line_id = line.register(session, borrower.id, borrower.phone, now=clock.now())
        assert line_id is not None
        before = line.lines_of(session, borrower.id)[0].state
    mail.mode = "550 5.1.1 no such user"
    ask(borrower)
    run_jobs(rounds=4, timers=False, hurry=False)
    with database.transaction() as session:
        kept = session.scalars(select(LineSignal).where(LineSignal.line_id == line_id)).all()
        assert [(one.source, one.provider, one.code, one.meaning) for one in kept] == [
            ("email.bounce", "smtp", "550", None)
        ]
        assert line.lines_of(session, borrower.id)[0].state == before


@pytest.mark.parametrize(
    ("code", "status", "calls"),
    [
        ("isv.MOBILE_NUMBER_ILLEGAL", 400, 1),
        ("isv.BUSINESS_LIMIT_CONTROL", 200, 12),
        ("ServiceUnavailable", 503, 12),
    ],
)
def test_refusals_end_or_are_repeated_and_then_mail_is_tried(
    code: str,
    status: int,
    calls: int,
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
) -> None:
    sms.mode, sms.status = code, status
    intent_id = ask(borrower)
    run_jobs(rounds=16)
    assert sms.calls == calls
    assert states(story(intent_id)) == [("sms", "failed"), ("email", "sent")]
    step = story(intent_id).steps[0]
    assert step.reason is not None
    assert code in step.reason["en"]
    assert [attempt.try_n for attempt in step.attempts] == list(range(1, calls + 1))
    assert len(mail.mails) == 1


def test_the_deadline_wins_over_retries(
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    sms.mode = "ServiceUnavailable"
    intent_id = ask(borrower, deadline=clock.now() + timedelta(minutes=20))
    run_jobs(rounds=1)
    tried = sms.calls  # on a slow machine a retry may have come due within the round
    demo_clock(minutes=21)
    run_jobs(rounds=3)
    assert states(story(intent_id)) == [("sms", "expired"), ("email", "expired")]
    assert tried >= 1
    assert (sms.calls, mail.mails) == (tried, [])
    assert story(intent_id).intent.state == "expired"


def test_the_last_way_left_is_tried_for_longer(
    borrower: Borrower,
    line: Callable[..., None],
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
) -> None:
    line(borrower, off=True)
    mail.mode = "451 4.3.0 try later"
    intent_id = ask(borrower)
    run_jobs(rounds=14, timers=False)
    assert len(story(intent_id).steps[1].attempts) == 15
    mail.mode = "ok"
    run_jobs(rounds=1, timers=False)
    assert states(story(intent_id)) == [("sms", "held"), ("email", "sent")]
    assert len(mail.mails) == 1


def test_collection_is_refused_while_its_rules_are_not_built(borrower: Borrower, ask: Ask) -> None:
    with pytest.raises(ValueError, match="collection"):
        ask(borrower, klass="collection")


def test_nothing_is_sent_before_its_time(
    borrower: Borrower,
    sms: SmsProvider,
    ask: Ask,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    ask(borrower, not_before=clock.now() + timedelta(hours=2))
    run_jobs(rounds=2)
    assert sms.calls == 0
    demo_clock(hours=2, minutes=1)
    run_jobs(rounds=3)
    assert len(sms.accepted) == 1


def test_senders_side_by_side_send_each_message_once(
    database: Database, borrower: Borrower, sms: SmsProvider, ask: Ask
) -> None:
    for number in range(12):
        ask(borrower, idem_key=f"side-by-side-{number}")

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: send(database), range(4)))
    assert sum(counts) == 12
    assert (sms.calls, len(sms.accepted)) == (12, 12)


def test_reading_it_in_the_inbox_calls_off_what_was_not_sent(
    database: Database,
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
) -> None:
    intent_id = ask(borrower)
    with database.transaction() as session:
        [message] = service.inbox(session, borrower.id, after=None, limit=10)
        assert message.subject["en"] == "Your payment is protected while your phone line is off"
        assert "2019年10月30日" in message.body["zh-CN"]
        assert "30 October 2019" in message.body["en"]
        assert "until ." not in message.body["en"]  # a line without its date is left out
        read = service.mark_read(session, borrower.id, message.id, now=clock.now())
        assert read.read_at is not None
        again = service.mark_read(session, borrower.id, message.id, now=clock.now() + timedelta(hours=1))
        assert again.read_at == read.read_at
    run_jobs(rounds=3)
    assert (sms.calls, mail.mails) == (0, [])
    assert states(story(intent_id)) == [("sms", "not_needed"), ("email", "not_needed")]
    assert told(intent_id) == [("inbox", "read")]


def test_a_withdrawn_consent_stops_what_is_already_written(
    database: Database,
    borrower: Borrower,
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
) -> None:
    intent_id = ask(borrower)
    with database.transaction() as session:
        parties.withdraw_consent(session, borrower.id, Purpose.CONTINUITY, {}, now=clock.now())
    run_jobs(rounds=3)
    assert sms.calls == 0
    assert states(story(intent_id)) == [("sms", "suppressed"), ("email", "suppressed")]


def test_the_borrowers_language(
    database: Database, sms: SmsProvider, mail: MailServer, ask: Ask, run_jobs: Callable[..., int]
) -> None:
    english = register(database, locale="en")
    ask(english)
    run_jobs(rounds=2)
    receive(database, sms.accepted[0]["OutId"], delivered=False)
    run_jobs(rounds=2)
    assert sms.accepted[0]["TemplateCode"] == "SMS_480000002"
    assert mail.mails[0]["Subject"] == "You have a new message"
    assert "王小明" not in mail.mails[0].as_string()


def test_unconfigured_channel_is_suppressed_with_its_reason(
    borrower: Borrower, ask: Ask, story: Story, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    from throughline.kernel import settings as kernel_settings

    monkeypatch.setenv("THROUGHLINE_DEMO", "0")
    monkeypatch.delenv("THROUGHLINE_MESSAGING_SMS_URL")
    kernel_settings.forget()
    try:
        intent_id = ask(borrower)
    finally:
        monkeypatch.undo()
        kernel_settings.forget()
    assert states(story(intent_id)) == [("sms", "suppressed"), ("email", "suppressed")]
    assert told(intent_id) == [("sms", "suppressed"), ("email", "suppressed")]
    reason = story(intent_id).steps[0].reason
    assert reason == {"en": "This way of sending is not set up here", "zh-CN": "此处未设置该发送方式"}
