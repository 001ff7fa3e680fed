"""A line that is off: messages wait for it, are sent once when it is back, and never reach a stranger."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from messaging.mail_server import MailServer
from messaging.people import Borrower, register, states
from messaging.sms_provider import SmsProvider
from messaging.test_sending import receive
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.messaging import advance, jobs, service
from throughline.messaging.service import IntentStory
from throughline.parties import service as parties

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]
Told = Callable[[UUID], list[tuple[str, str]]]


@pytest.fixture
def release(database: Database) -> Callable[[Borrower], int]:
    return lambda borrower: database.run(
        lambda session: service.release_held(session, borrower.phone, now=clock.now())
    )


def test_the_sms_waits_and_mail_goes_at_once(
    database: Database,
    borrower: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
) -> None:
    line(borrower, off=True)
    intent_id = ask(borrower)
    assert told(intent_id) == [("sms", "held")]
    run_jobs(rounds=3)
    assert (sms.calls, len(mail.mails)) == (0, 1)
    assert states(story(intent_id)) == [("sms", "held"), ("email", "sent")]
    assert told(intent_id) == [("sms", "held"), ("email", "accepted")]
    reason = story(intent_id).steps[0].reason
    assert reason is not None
    assert reason["zh-CN"] == "手机号码已停机；消息正在等待线路恢复"
    with database.transaction() as session:
        assert service.held_steps(session, borrower_id=borrower.id) == 1
        assert service.held_steps(session, contact_point_id=borrower.phone) == 1


def test_one_held_message_is_sent_as_itself_once(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    told: Told,
    database: Database,
    run_jobs: Callable[..., int],
) -> None:
    line(phone_only, off=True)
    intent_id = ask(phone_only)
    assert release(phone_only) == 0  # still off
    line(phone_only)
    assert [release(phone_only), release(phone_only)] == [1, 0]
    run_jobs(rounds=3)
    [sent] = sms.accepted
    assert sent["TemplateCode"] == "SMS_480000001"
    receive(database, sent["OutId"])
    assert told(intent_id) == [("sms", "held"), ("email", "suppressed"), ("sms", "delivered")]
    assert story(intent_id).intent.state == "delivered"


def test_many_held_messages_become_one_that_counts_them(
    database: Database,
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
) -> None:
    line(phone_only, off=True)
    waiting = [ask(phone_only) for _ in range(4)]
    with database.transaction() as session:
        [newest, *_] = service.inbox(session, phone_only.id, limit=1)
        service.mark_read(session, phone_only.id, newest.id, now=clock.now())
    line(phone_only)
    assert [release(phone_only), release(phone_only)] == [3, 0]
    run_jobs(rounds=3)
    [sent] = sms.accepted
    assert (sent["TemplateCode"], sent["TemplateParam"]) == ("SMS_480000003", '{"count": "3"}')
    assert [story(one).steps[0].state for one in waiting] == ["released"] * 3 + ["not_needed"]
    with database.transaction() as session:
        assert service.unread(session, phone_only.id) == 3  # the catch-up message is none itself
    receive(database, sent["OutId"])
    assert [story(one).intent.state for one in waiting] == ["delivered"] * 3 + ["read"]
    assert told(waiting[0]) == [("sms", "held"), ("email", "suppressed"), ("sms", "delivered")]
    assert len({story(one).steps[0].covered_by for one in waiting[:3]}) == 1


def test_a_catch_up_that_can_not_be_sent_ends_what_it_stands_for(
    phone_only: Borrower,
    line: Callable[..., None],
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line(phone_only, off=True)
    waiting = [ask(phone_only), ask(phone_only)]
    line(phone_only)
    monkeypatch.setenv("THROUGHLINE_DEMO", "0")
    monkeypatch.delenv("THROUGHLINE_MESSAGING_SMS_URL")
    kernel_settings.forget()
    try:
        release(phone_only)
    finally:
        monkeypatch.undo()
        kernel_settings.forget()
    assert [story(one).steps[0].state for one in waiting] == ["failed", "failed"]
    assert [told(one)[-1] for one in waiting] == [("sms", "failed")] * 2


def test_releases_at_the_same_time_make_one_message(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    run_jobs: Callable[..., int],
) -> None:
    line(phone_only, off=True)
    for _ in range(3):
        ask(phone_only)
    line(phone_only)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(release, [phone_only] * 4)) == 3
    run_jobs(rounds=3)
    assert [row["TemplateParam"] for row in sms.accepted] == ['{"count": "3"}']


def test_messages_whose_deadline_is_over_are_still_told_of_once(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    line(phone_only, off=True)
    told_of = ask(phone_only, deadline=clock.now() + timedelta(days=1))
    code = ask(phone_only, klass="otp", deadline=clock.now() + timedelta(minutes=5))
    demo_clock(days=2)
    line(phone_only)
    assert release(phone_only) == 1
    run_jobs(rounds=3)
    assert [row["TemplateParam"] for row in sms.accepted] == ['{"count": "1"}']
    assert story(told_of).steps[0].state == "released"
    assert story(code).steps[0].state == "expired"


def test_a_line_that_goes_off_before_the_send_holds_the_message(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    run_jobs: Callable[..., int],
) -> None:
    intent_id = ask(phone_only)
    line(phone_only, off=True)
    run_jobs(rounds=2)
    assert sms.calls == 0
    assert story(intent_id).steps[0].state == "held"
    line(phone_only)
    assert release(phone_only) == 1
    run_jobs(rounds=2)
    assert len(sms.accepted) == 1


def test_a_catch_up_that_was_held_itself_counts_what_it_stands_for(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    database: Database,
    run_jobs: Callable[..., int],
) -> None:
    line(phone_only, off=True)
    waiting = [ask(phone_only), ask(phone_only)]
    line(phone_only)
    assert release(phone_only) == 2
    line(phone_only, off=True)
    run_jobs(rounds=2)
    waiting.append(ask(phone_only))
    line(phone_only)
    assert release(phone_only) == 2  # the catch-up message and the new one
    run_jobs(rounds=2)
    [sent] = sms.accepted
    assert sent["TemplateParam"] == '{"count": "3"}'
    receive(database, sent["OutId"])
    assert [story(one).intent.state for one in waiting] == ["delivered"] * 3


def test_the_sweep_releases_what_nobody_else_released(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    line(phone_only, off=True)
    ask(phone_only)
    ask(phone_only)
    demo_clock(hours=2)
    jobs.sweep(0)
    run_jobs(rounds=2)
    assert sms.calls == 0
    line(phone_only)
    demo_clock(hours=2)
    jobs.sweep(0)
    run_jobs(rounds=2)
    assert len(sms.accepted) == 1


def test_a_number_that_was_off_too_long_gets_nothing_any_more(
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    release: Callable[[Borrower], int],
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    line(phone_only, off=True)
    intent_id = ask(phone_only)
    demo_clock(days=61)
    jobs.sweep(0)
    assert release(phone_only) == 0
    run_jobs(rounds=2)
    assert sms.calls == 0
    assert story(intent_id).steps[0].state == "suppressed"
    assert told(intent_id)[-1] == ("sms", "suppressed")


@pytest.mark.parametrize("how", ["frozen", "stranger"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stranger_gets_nothing(
    how: str,
    when: str,
    database: Database,
    borrower: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
) -> None:
    def become() -> None:
        if how == "stranger":
            line(borrower, stranger="0.3")
        else:
            with database.transaction() as session:
                parties.freeze_contact_point(session, borrower.phone, "wrong person", now=clock.now())

    if when == "before":
        become()
    intent_id = ask(borrower)
    if when == "after":
        become()
    run_jobs(rounds=3)
    assert sms.calls == 0
    assert states(story(intent_id)) == [("sms", "suppressed"), ("email", "sent")]
    assert len(mail.mails) == 1


def test_an_erased_registration_gets_nothing_and_stops_nobody_else(
    database: Database,
    phone_only: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    gone, stays = register(database), phone_only
    line(gone, off=True)
    line(stays, off=True)
    waiting, kept = ask(gone), ask(stays)
    with database.transaction() as session:
        parties.discard_person(session, gone.id, now=clock.now())
    line(stays)
    demo_clock(hours=2)
    jobs.sweep(0)
    run_jobs(rounds=2)
    assert states(story(waiting)) == [("sms", "suppressed"), ("email", "suppressed")]
    assert story(kept).intent.state == "accepted"
    assert len(sms.accepted) == 1


def test_one_broken_message_does_not_stop_the_sweep(
    database: Database, borrower: Borrower, sms: SmsProvider, ask: Ask, demo_clock: Callable[..., Any]
) -> None:
    broken, whole = ask(borrower), ask(borrower)
    with database.transaction() as session:
        session.execute(
            text("UPDATE msg_step SET state = 'nonsense' WHERE intent_id = :id AND n = 1"), {"id": broken}
        )
    demo_clock(minutes=5)
    jobs.sweep(0)
    with database.transaction() as session:
        due = advance.due(session, now=clock.now())
        assert broken not in due
        assert whole not in due
