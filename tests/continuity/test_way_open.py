"""Keeping the way open: paying by a code without signing in, what was begun, people to call back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, debtor, today
from payments.support_servers import free_port
from throughline.continuity import callbacks, chronicle, paycodes, service, unfinished
from throughline.continuity.models_way import Callback
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.events import publish
from throughline.kernel.i18n import bilingual
from throughline.kernel.ids import new_id
from throughline.lab.wechat.keys import ensure_keys as wechat_keys
from throughline.lending import service as lending
from throughline.messaging import service as messaging
from throughline.origination.events import ApplicationChanged
from throughline.payments import service as payments

DAY = timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def _rail(installation: Path) -> Iterator[None]:
    """WeChat Pay is set up, and nobody answers there: an order that was sent stays open."""
    wechat_keys(installation)
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_PAYMENTS_WECHAT_URL", f"http://127.0.0.1:{free_port()}")
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


# --- codes to pay by -------------------------------------------------------------------------------


def test_a_code_pays_for_the_loan_and_says_nothing_else(session: Session, late: Debtor) -> None:
    now = clock.now()
    row, code = paycodes.make(session, late.id, late.loan_id, now=now)
    assert code.replace("-", "").encode() not in row.code_hash
    owed = paycodes.asked(session, code, now=now)
    loan = lending.loan_view(session, late.loan_id)
    assert loan.next_due
    assert (owed.due_minor, owed.most_minor) == (loan.next_due.outstanding_minor, loan.outstanding_minor)
    assert set(owed.__slots__) == {"code_id", "due_minor", "most_minor", "currency"}
    order_id = paycodes.order(session, code.lower(), 5_000, key="k", now=now)
    assert paycodes.order(session, code.replace("-", " "), 5_000, key="k", now=now) == order_id
    found = paycodes.ordered(session, code, order_id, now=now)
    assert (found.borrower_id, found.source) == (late.id, lending.source_of(late.loan_id))
    for wrong in (0, -1, owed.most_minor + 1):
        with pytest.raises(paycodes.AmountOutside):
            paycodes.order(session, code, wrong, key=f"k{wrong}", now=now)


def test_a_code_ends_by_time_and_by_its_owner(session: Session, late: Debtor, early: Debtor) -> None:
    now = clock.now()
    row, code = paycodes.make(session, late.id, late.loan_id, now=now)
    with pytest.raises(paycodes.PayCodeUnknown):
        paycodes.asked(session, code, now=now + paycodes.LIFE)
    with pytest.raises(paycodes.PayCodeUnknown):
        paycodes.revoke(session, early.id, row.id, now=now)
    paycodes.revoke(session, late.id, row.id, now=now)
    with pytest.raises(paycodes.PayCodeUnknown):
        paycodes.asked(session, code, now=now)
    with pytest.raises(paycodes.PayCodeUnknown):
        paycodes.order(session, code, 100, key="k", now=now)


def test_a_code_shows_only_what_was_ordered_for_its_loan(
    session: Session, late: Debtor, early: Debtor
) -> None:
    now = clock.now()
    _, mine = paycodes.make(session, late.id, late.loan_id, now=now)
    _, other = paycodes.make(session, early.id, early.loan_id, now=now)
    order_id = paycodes.order(session, mine, 100, key="k", now=now)
    with pytest.raises(paycodes.PayCodeUnknown):
        paycodes.ordered(session, other, order_id, now=now)
    with pytest.raises(payments.UnknownOrder):
        paycodes.ordered(session, other, new_id(), now=now)


def test_codes_have_limits(session: Session, late: Debtor, early: Debtor) -> None:
    for _ in range(paycodes.MOST_ALIVE):
        paycodes.make(session, late.id, late.loan_id, now=clock.now())
    with pytest.raises(paycodes.TooManyPayCodes):
        paycodes.make(session, late.id, late.loan_id, now=clock.now())
    with pytest.raises(lending.LoanUnknown):
        paycodes.make(session, early.id, late.loan_id, now=clock.now())


def test_a_loan_that_is_paid_back_asks_for_nothing(session: Session, late: Debtor) -> None:
    _, code = paycodes.make(session, late.id, late.loan_id, now=clock.now())
    total = lending.payoff(session, late.loan_id, today()).total_minor
    event = lending.NewEvent(lending.EventType("pay_off"), today(), "all", amount_minor=total)
    lending.record_event(session, late.loan_id, event, now=clock.now())
    with pytest.raises(paycodes.NothingToPay):
        paycodes.asked(session, code, now=clock.now())
    with pytest.raises(paycodes.NothingToPay):
        paycodes.make(session, late.id, late.loan_id, now=clock.now())


@given(st.text(max_size=90))
def test_no_text_is_a_code_by_accident(database: Database, text: str) -> None:
    with database.transaction() as session, pytest.raises(paycodes.PayCodeUnknown):
        paycodes.asked(session, text, now=clock.now())


@given(st.text(alphabet=paycodes.ALPHABET, min_size=16, max_size=16))
def test_a_code_is_read_as_it_is_heard(code: str) -> None:
    heard = paycodes.printed(code).lower().replace("0", "o").replace("1", "l")
    assert paycodes._normal(heard) == code
    assert paycodes._hash(paycodes._normal(heard)) == paycodes._hash(code)


# --- what was begun --------------------------------------------------------------------------------


def moved(session: Session, borrower_id: object, application_id: object, old: str | None, new: str) -> None:
    publish(
        session,
        ApplicationChanged(application_id, borrower_id, old, new, bilingual("Interest")),  # type: ignore[arg-type]
        aggregate_type="application",
        aggregate_id=application_id,  # type: ignore[arg-type]
        borrower_id=borrower_id,  # type: ignore[arg-type]
    )


def test_what_was_begun_is_kept_and_offered_again(database: Database, run_jobs: Callable[..., int]) -> None:
    who = debtor(database)
    application = uuid4()
    with database.transaction() as session:
        moved(session, who.id, application, None, "draft")
        moved(session, who.id, application, "draft", "deciding")
        moved(session, who.id, application, "deciding", "offered")
        _, code = paycodes.make(session, who.id, who.loan_id, now=clock.now())
        paycodes.order(session, code, 1_000, key="k", now=clock.now())
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        assert unfinished.held_of(session, who.id) == []
        episode_id = who.hear(session)
        assert episode_id
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        held = unfinished.held_of(session, who.id)
        assert {one.kind for one in held} == {"signature", "repayment"}
        templates = [one.template for one in messaging.intents(session, borrower_id=who.id)]
        assert templates.count("go_on_where_you_were") == 1
        kinds = [entry.kind for entry in chronicle.timeline(session, episode_id)]
        assert kinds.count("held") == 2
        episode = service.episode(session, episode_id)
        assert unfinished.offer_again(session, episode, now=clock.now()) == 2
        assert unfinished.offer_again(session, episode, now=clock.now()) == 2  # once on the timeline
        kinds = [entry.kind for entry in chronicle.timeline(session, episode_id)]
        assert kinds.count("offered_again") == 2
        moved(session, who.id, application, "offered", "signing")
        moved(session, who.id, application, "signing", "disbursing")
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        assert {one.kind for one in unfinished.held_of(session, who.id)} == {"repayment"}


def test_what_was_left_long_ago_is_not_offered_again(session: Session, late: Debtor) -> None:
    old = clock.now() - unfinished.RECENT - DAY
    unfinished.note(session, late.id, "application", uuid4(), "draft", now=old)
    episode_id = late.hear(session)
    assert episode_id
    assert unfinished.hold(session, service.episode(session, episode_id), now=clock.now()) == 0


# --- calls -----------------------------------------------------------------------------------------


def test_a_call_is_asked_for_tried_and_closed(session: Session, late: Debtor) -> None:
    now = clock.now()
    callback_id = callbacks.ask(
        session, late.id, number="+86 139 1234 5678", topic="repay", words="下午方便", now=now
    )
    row = session.get_one(Callback, (late.id, callback_id))
    assert b"1234" not in row.number
    seen = callbacks.view(session, callback_id)
    assert (seen.number, seen.words) == ("+86 139 1234 5678", "下午方便")
    for tries in range(1, callbacks.MOST_TRIES + 1):
        found = callbacks.called(session, callback_id, reached=False, by=new_id(), now=now)
        assert found.tries == tries
    assert found.state == "not_reached"
    with pytest.raises(callbacks.CallbackUnknown):
        callbacks.called(session, callback_id, reached=True, by=new_id(), now=now)
    again = callbacks.ask(session, late.id, number="13912345678", topic="other", now=now)
    assert callbacks.called(session, again, reached=True, by=new_id(), now=now).state == "reached"


def test_calls_have_limits_and_bad_numbers_are_refused(session: Session, late: Debtor) -> None:
    for number in ("", "12", "call me", "1" * 30, "+86 (0)\n138"):
        with pytest.raises(callbacks.NoNumber):
            callbacks.ask(session, late.id, number=number, topic="repay", now=clock.now())
    with pytest.raises(callbacks.CallbackUnclear):
        callbacks.ask(session, late.id, number="13912345678", topic="gossip", now=clock.now())
    ids = [
        callbacks.ask(session, late.id, number="13912345678", topic="repay", now=clock.now())
        for _ in range(2)
    ]
    with pytest.raises(callbacks.CallbacksOpen):
        callbacks.ask(session, late.id, number="13912345678", topic="repay", now=clock.now())
    callbacks.withdraw(session, late.id, ids[0], now=clock.now())
    assert [row.id for row in callbacks.open_of(session, late.id)] == ids[1:]
    assert ids[1] in [row.id for row in callbacks.queue(session, after=None, limit=200)]


def test_codes_are_kept_as_hashes_only(database: Database, late: Debtor) -> None:
    with database.transaction() as session:
        _, code = paycodes.make(session, late.id, late.loan_id, now=clock.now())
    with database.transaction() as session:
        rows = session.execute(text("SELECT row_to_json(c)::text FROM continuity_pay_code c")).scalars().all()
    assert rows
    assert not any(code in row or code.replace("-", "") in row for row in rows)
