"""The end that nobody knows: killed senders, silent peers. Copies are counted at the peer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from messaging.mail_server import MailServer
from messaging.people import Borrower, states
from messaging.sms_provider import SmsProvider
from messaging.test_sending import receive
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.messaging import attempts, jobs
from throughline.messaging.models import MsgAttempt
from throughline.messaging.plan import Channel
from throughline.messaging.ports import Finding, Outbound, Question, SubmitResult, Verdict
from throughline.messaging.routes.config import RouteSettings
from throughline.messaging.sender.outlets import Outlet
from throughline.messaging.service import IntentStory

HERE = Path(__file__).parent
Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]
Told = Callable[[UUID], list[tuple[str, str]]]


@pytest.fixture
def sender(environment: dict[str, str]) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, str(HERE / "killable_sender.py")],
                env={**os.environ, **environment, "THROUGHLINE_MESSAGING_CALL_TIMEOUT_S": "30"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def wait_for(check: Callable[[], Any], *, within_s: float = 30) -> None:
    ends_at = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("klass", "mode", "blind", "copies", "end"),
    [
        ("continuity", "mute", False, 1, "sent"),  # the provider has it, and says so when asked
        ("continuity", "swallow", False, 1, "sent"),  # it does not: a second try is the first copy
        ("contract", "mute", False, 1, "sent"),
        ("contract", "swallow", False, 0, "unknown"),  # class `never`: counts as sent
        ("contract", "mute", True, 1, "unknown"),  # never again, also when the provider can't be asked
    ],
)
def test_a_sender_killed_around_the_socket(
    klass: str,
    mode: str,
    blind: bool,
    copies: int,
    end: str,
    phone_only: Borrower,
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    sender: Callable[[], subprocess.Popen[bytes]],
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    sms.mode, sms.blind = mode, blind
    intent_id = ask(phone_only, klass=klass)
    process = sender()
    wait_for(lambda: sms.calls > 0)
    process.kill()
    process.wait(10)
    sms.mode = "ok"
    assert story(intent_id).steps[0].attempts[0].state == "submitted"

    demo_clock(minutes=2)
    jobs.sweep(0)
    assert story(intent_id).steps[0].state == "unknown"
    for _ in range(4):
        run_jobs(rounds=3)
        demo_clock(minutes=16)
    assert len(sms.accepted) == copies
    assert story(intent_id).steps[0].state == end
    assert sms.queries >= 1


def test_mail_that_was_taken_in_silence_is_sent_again_after_the_hold(
    borrower: Borrower,
    line: Callable[..., None],
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    line(borrower, off=True)
    mail.mode = "silent"
    intent_id = ask(borrower)
    run_jobs(rounds=2)
    assert states(story(intent_id)) == [("sms", "held"), ("email", "unknown")]
    mail.mode = "ok"
    run_jobs(rounds=2)
    assert len(mail.mails) == 1  # held for a minute first
    demo_clock(seconds=61)
    run_jobs(rounds=3)
    assert len(mail.mails) == 2
    step = story(intent_id).steps[1]
    assert step.state == "sent"
    assert [attempt.state for attempt in step.attempts] == ["unknown", "accepted"]
    assert step.attempts[0].superseded_at is not None


def test_a_server_that_is_always_silent_gets_two_copies_and_no_third(
    borrower: Borrower,
    line: Callable[..., None],
    mail: MailServer,
    ask: Ask,
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    line(borrower, off=True)
    mail.mode = "silent"
    intent_id = ask(borrower)
    for _ in range(5):
        run_jobs(rounds=3)
        demo_clock(minutes=5)
        jobs.sweep(0)
    assert len(mail.mails) == 2
    assert states(story(intent_id)) == [("sms", "held"), ("email", "unknown")]
    assert told(intent_id) == [("sms", "held"), ("email", "unknown")]


def test_a_provider_that_answers_nothing_does_not_hold_back_the_other_way(
    borrower: Borrower,
    sms: SmsProvider,
    mail: MailServer,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    sms.mode, sms.blind = "mute", True
    intent_id = ask(borrower)
    run_jobs(rounds=2)
    assert states(story(intent_id)) == [("sms", "unknown"), ("email", "planned")]
    for _ in range(5):
        demo_clock(minutes=1)
        jobs.sweep(0)
        run_jobs(rounds=3)
    assert states(story(intent_id)) == [("sms", "unknown"), ("email", "sent")]
    assert (len(sms.accepted), len(mail.mails)) == (1, 1)
    assert sms.queries >= 2


def test_a_channel_that_breaks_its_promise_leaves_a_doubt() -> None:
    class Broken:
        up = True

        async def open(self) -> None:
            raise NotImplementedError

        async def submit(self, message: Outbound) -> SubmitResult:
            raise RuntimeError(message.client_ref)

        async def query(self, question: Question) -> Finding | None:
            raise NotImplementedError

        async def close(self) -> None:
            raise NotImplementedError

    message = Outbound("ref", "+8613800000001", "en", "text")
    route = RouteSettings(name="broken", channel=Channel.SMS, adapter="aliyun-sms")
    outlet = Outlet(route, Broken())
    assert asyncio.run(outlet.submit(1, message)) == SubmitResult(Verdict.UNKNOWN, code="RuntimeError")
    assert asyncio.run(Outlet(route).submit(1, message)).verdict is Verdict.NOT_SENT


def test_mail_of_class_never_has_no_second_copy(
    borrower: Borrower,
    line: Callable[..., None],
    mail: MailServer,
    ask: Ask,
    story: Story,
    told: Told,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    line(borrower, off=True)
    mail.mode = "silent"
    intent_id = ask(borrower, klass="contract")
    run_jobs(rounds=2)
    mail.mode = "ok"
    for _ in range(3):
        demo_clock(minutes=20)
        jobs.sweep(0)
        run_jobs(rounds=3)
    assert len(mail.mails) == 1
    assert states(story(intent_id)) == [("sms", "held"), ("email", "unknown")]
    assert told(intent_id) == [("sms", "held"), ("email", "unknown")]


def test_a_receipt_settles_the_unknown_without_a_question(
    database: Database,
    phone_only: Borrower,
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    sms.mode = "mute"
    intent_id = ask(phone_only)
    run_jobs(rounds=1, timers=False)
    assert story(intent_id).steps[0].state == "unknown"
    receive(database, sms.accepted[0]["OutId"])
    demo_clock(minutes=5)
    run_jobs(rounds=3)
    assert story(intent_id).steps[0].state == "delivered"
    assert (len(sms.accepted), sms.queries) == (1, 0)


def test_a_sender_that_is_told_to_stop_ends_what_it_has_begun(
    phone_only: Borrower, sms: SmsProvider, ask: Ask, story: Story, environment: dict[str, str]
) -> None:
    intent_id = ask(phone_only)
    process = subprocess.Popen(
        [sys.executable, str(HERE / "killable_sender.py")],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(lambda: sms.calls > 0)
        process.terminate()
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said.decode()
    assert b"Traceback" not in said
    assert states(story(intent_id))[0] == ("sms", "sent")


def first_route(klass: str, avoid: str | None) -> str:
    """The only route that is set up."""
    del klass, avoid
    return "aliyun-sms"


def test_an_outdated_claim_is_believed_only_when_it_says_accepted(
    database: Database, phone_only: Borrower, ask: Ask, story: Story, demo_clock: Callable[..., Any]
) -> None:
    intent_id = ask(phone_only)
    attempt_id = story(intent_id).steps[0].attempts[0].id
    claim = database.run(lambda session: attempts.claim(session, attempt_id, first_route, now=clock.now()))
    assert claim is not None
    assert (
        database.run(lambda session: attempts.claim(session, attempt_id, first_route, now=clock.now()))
        is None
    )
    demo_clock(minutes=2)
    jobs.sweep(0)

    def late(verdict: Verdict) -> str:
        database.run(
            lambda session: attempts.record(
                session, attempt_id, claim.fence, SubmitResult(verdict, code="x"), now=clock.now()
            )
        )
        return story(intent_id).steps[0].state

    assert late(Verdict.NOT_SENT) == "unknown"
    assert late(Verdict.REJECTED_FINAL) == "unknown"
    assert late(Verdict.ACCEPTED) == "sent"
    with database.transaction() as session:
        attempt = session.get_one(MsgAttempt, (phone_only.id, attempt_id))
        assert (attempt.state, attempt.fence) == ("accepted", 2)
