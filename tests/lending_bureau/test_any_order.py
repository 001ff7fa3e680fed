"""Random lives: notices, holds, outages, payments and reports in any order. Nothing negative leaves without (a) to (e).

Here the bureau is a book in memory that answers by the same file format: what is tested is our side, and thousands of
round trips to a process would only be slow. `test_reports` and `test_killed` talk to the real process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from continuity.debtors import rolled_back, set_business_day
from lending_bureau.late import REASON, Late, arrive, items, noon, protect
from messaging.people import register
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.lending.account import read_loan
from throughline.lending.bureau import (
    answers,
    audit,
    corrections,
    disputes,
    lines,
    notices,
    reporting,
    sending,
)
from throughline.lending.bureau.fileformat import Answered
from throughline.lending.bureau.items import said_by, standing
from throughline.lending.bureau.models import ReportFileRow, ReportItemRow
from throughline.lending.bureau.ports import Outcome, Reply
from throughline.lending.bureau.saying import month_end
from throughline.messaging import service as messaging
from throughline.parties.purposes import Purpose

pytestmark = pytest.mark.usefixtures("configured")
MONTHS = 4  # of the loan's life that are reported


@dataclass
class Bureau:
    """What a bureau holds of one loan: the words by month, and what it ever took."""

    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def take(self, lines_: list[dict[str, Any]]) -> list[Answered]:
        found = []
        for one in lines_:
            if one["kind"] != "item":
                continue
            if one["ref"] in self.seen:
                found.append(Answered(one["ref"], "duplicate", None))
                continue
            known = self.said.get(one["period"])
            fits = (known is None) if one["corrects"] is None else (known or {}).get("ref") == one["corrects"]
            assert fits, "a correction comes after what it corrects, and a report once"
            self.seen.add(one["ref"])
            self.said[one["period"]] = one
            found.append(Answered(one["ref"], "accepted", None))
        return found


NUMBERS = (st.integers(0, 130), st.integers(0, 40))


def some(*names: str, most: int) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    return st.lists(st.tuples(st.sampled_from(names), *NUMBERS), max_size=most)


# A month: what happens in it, its report, what happens while that is on its way, what happens to it there.
EVENTS = (
    "read",
    "arrive",
    "read",
    "arrive",
    "ask",
    "dark",
    "protect",
    "hold",
    "end_hold",
    "lift",
    "pay",
    "reverse",
)
LATER = (*EVENTS[4:], "dispute", "uphold", "refuse", "revoke")
ON_ITS_WAY = ("deliver", "deliver", "deliver", "not_found", "query", "answer")
MONTH = st.tuples(
    some(*EVENTS, "wait", "wait", most=4),
    some(*LATER, "dark", most=1),
    some(*ON_ITS_WAY, most=3),
    some(*LATER, "send", "deliver", "query", "answer", most=3),
)
LIVES = st.lists(MONTH, min_size=2, max_size=MONTHS)


def told(life: list[Any]) -> list[tuple[str, int, int]]:
    """A life as one list of acts."""
    acts: list[tuple[str, int, int]] = []
    for before, queued, on_its_way, after in life:
        acts += [("wait", 0, 12), *before, ("wait", 0, 6), ("report", 0, 0), *queued, ("send", 0, 0)]
        acts += [*on_its_way, *after]
    return acts


class Life:
    """One loan in a session that is thrown away. Days count from the payout."""

    def __init__(self, session: Session, who: Late, start: date) -> None:
        self.session, self.who, self.start = session, who, start
        self.bureau = Bureau()
        self.cases: list[tuple[UUID, date, date]] = []
        self.holds: list[str] = []
        self.disputes: list[UUID] = []
        self.payments: list[UUID] = []
        self.arrived: list[date] = []
        self.month = start.replace(day=1)
        self.today = start
        self.handled = 0

    def day(self, n: int) -> date:
        """A day of the last six weeks, mostly: that is what reports are about."""
        back = n % 45 if n < 110 else n
        return max(self.start, self.today - timedelta(days=back))

    def act(self, name: str, one: int, other: int) -> None:
        getattr(self, f"do_{name}")(one, other)
        self.session.flush()
        self.news()

    def news(self) -> None:
        """What the handlers of our own events would do: the correction of what has gone out."""
        count = self.session.execute(
            text("SELECT count(*) FROM kernel_event WHERE aggregate_id = :id AND type = :type"),
            {"id": self.who.loan_id, "type": "lending.report_correction_needed.v1"},
        ).scalar_one()
        if count > self.handled:
            self.handled = count
            corrections.check_loan(self.session, self.who.loan_id, now=noon(self.today))

    def do_wait(self, one: int, other: int) -> None:
        """Days pass, at most to the end of the month."""
        del one
        self.today = min(self.today + timedelta(days=other), max(self.today, month_end(self.month)))
        set_business_day(self.session, self.today)

    def do_report(self, one: int, other: int) -> None:
        """The month ends: the business day is the first of the next, and the month is reported."""
        del one, other
        if self.month >= self.start.replace(day=1) + timedelta(days=31 * MONTHS):
            return
        self.today = max(self.today, month_end(self.month) + timedelta(days=1))
        set_business_day(self.session, self.today)
        reporting.start_run(self.session, self.month, now=noon(self.today))
        while reporting.report_stretch(self.session, self.month, now=noon(self.today)):
            pass
        self.month = month_end(self.month) + timedelta(days=1)

    def do_send(self, one: int, other: int) -> None:
        del one, other
        sending.make_file(self.session, now=noon(self.today))

    def _files(self, *wanted: str) -> list[ReportFileRow]:
        return list(
            self.session.scalars(
                select(ReportFileRow).where(ReportFileRow.state.in_(wanted)).order_by(ReportFileRow.id)
            )
        )

    def do_deliver(self, one: int, other: int) -> None:
        """A file reaches the bureau; its answer is heard or lost."""
        del other
        for row in self._files("sent"):
            step = sending.begin_step(self.session, row.id, now=noon(self.today))
            if step is None or step.act is not sending.Act.SEND:
                continue
            self.bureau.take([json.loads(line) for line in step.content.decode().splitlines()])
            reply = Reply(Outcome.UNKNOWN if one % 2 else Outcome.RECEIVED)
            sending.record_sent(self.session, row.id, reply, now=noon(self.today))

    def do_query(self, one: int, other: int) -> None:
        del one, other
        for row in self._files("unknown"):
            known = any(line["ref"] in self.bureau.seen for line in self._content(row))
            reply = Reply(Outcome.RECEIVED if known else Outcome.NOT_FOUND)
            self._asked(row, reply)

    def do_not_found(self, one: int, other: int) -> None:
        """A file is lost on its way, and the bureau says so when it is asked."""
        del one, other
        for row in self._files("sent"):
            step = sending.begin_step(self.session, row.id, now=noon(self.today))
            if step is not None and step.act is sending.Act.SEND:
                sending.record_sent(self.session, row.id, Reply(Outcome.UNKNOWN), now=noon(self.today))
        self.do_query(0, 0)

    def _asked(self, row: ReportFileRow, reply: Reply) -> None:
        row.sent_at = noon(self.today) - timedelta(days=1)  # its lag is over
        step = sending.record_asked(self.session, row.id, reply, now=noon(self.today))
        if step is not None and step.act is sending.Act.SEND:
            self.bureau.take([json.loads(line) for line in step.content.decode().splitlines()])
            sending.record_sent(self.session, row.id, Reply(Outcome.RECEIVED), now=noon(self.today))
        elif step is not None:
            sending.record_withdrawn(self.session, row.id, Reply(Outcome.WITHDRAWN), now=noon(self.today))

    def _content(self, row: ReportFileRow) -> list[dict[str, Any]]:
        return [one for one in sending.content_of(self.session, row) if one["kind"] == "item"]

    def do_answer(self, one: int, other: int) -> None:
        del one, other
        for row in self._files("received"):
            said = [Answered(line["ref"], "accepted", None) for line in self._content(row)]
            answers.take_answers(self.session, row.id, said, now=noon(self.today))

    def do_ask(self, one: int, other: int) -> None:
        """A notice is asked for, and nothing shows that it arrives."""
        del other
        self._ask(one)

    def do_read(self, one: int, other: int) -> None:
        del other
        self._ask(one)
        for message in messaging.inbox(self.session, self.who.id):
            messaging.mark_read(self.session, self.who.id, message.id, now=noon(self.today))

    def do_arrive(self, one: int, other: int) -> None:
        del other
        self._ask(one)
        arrive(self.session, self.who, self.today)
        self.arrived.append(self.today)
        self.session.expire_all()

    def _ask(self, one: int) -> None:
        loan = read_loan(self.session, self.who.loan_id).row
        notices.tell_ahead(self.session, loan, self.day(one), now=noon(self.today))
        self.session.flush()

    def do_dark(self, one: int, other: int) -> None:
        """The line was off for some days, as is learned today: often those on which a notice had arrived."""
        point, first = self.who.borrower.phone, self.day(one)
        if self.arrived and one % 4:
            first = self.arrived[-1] - timedelta(days=other % 3)
        hit = lines.heard(self.session, self.who.id, point, cannot_receive=1, since=noon(first))  # type: ignore[arg-type]
        lines.heard(
            self.session,
            self.who.id,
            point,
            cannot_receive=0,
            since=noon(first + timedelta(days=other)),  # type: ignore[arg-type]
        )
        for loan_id in hit:
            corrections.check_loan(self.session, loan_id, now=noon(self.today))

    def do_protect(self, one: int, other: int) -> None:
        first = self.day(one)
        last = first + timedelta(days=other)
        self.cases.append((protect(self.session, self.who, first, last), first, last))

    def do_revoke(self, one: int, other: int) -> None:
        del other
        if self.cases:
            case, first, last = self.cases.pop(one % len(self.cases))
            lending.revoke_variations(self.session, self.who.loan_id, case, REASON, now=noon(self.today))
            lending.lift_report_hold(
                self.session, self.who.loan_id, f"protection_case:{case}", reason=REASON, now=noon(self.today)
            )
            note(f"revoked {first} to {last}")

    def do_hold(self, one: int, other: int) -> None:
        source = ("outage", "complaint", "rail")[other % 3] + f":{new_id()}"
        self.holds.append(source)
        hold = lending.Hold(source, self.day(one), None, REASON)
        lending.place_report_hold(self.session, self.who.loan_id, hold, now=noon(self.today))

    def do_end_hold(self, one: int, other: int) -> None:
        if self.holds:
            source = self.holds.pop(one % len(self.holds))
            lending.end_report_hold(
                self.session, self.who.loan_id, source, self.day(one) + timedelta(days=other)
            )

    def do_lift(self, one: int, other: int) -> None:
        del other
        if self.holds:
            source = self.holds.pop(one % len(self.holds))
            lending.lift_report_hold(
                self.session, self.who.loan_id, source, reason=REASON, now=noon(self.today)
            )

    def do_pay(self, one: int, other: int) -> None:
        loan = lending.loan_view(self.session, self.who.loan_id, self.today)
        if loan.next_due is None or loan.status != "active":
            return
        amount = max(1, loan.next_due.outstanding_minor * (other + 1) // 41)
        event = lending.NewEvent(lending.EventType.REPAYMENT, self.day(one), str(new_id()), amount)
        self.payments.append(
            lending.record_event(self.session, self.who.loan_id, event, now=noon(self.today)).event_id
        )

    def do_reverse(self, one: int, other: int) -> None:
        del other
        if self.payments:
            target = self.payments.pop(one % len(self.payments))
            event = lending.NewEvent(lending.EventType.REVERSAL, self.today, str(new_id()), target=target)
            lending.record_event(self.session, self.who.loan_id, event, now=noon(self.today))

    def do_dispute(self, one: int, other: int) -> None:
        del other
        out = [row for row in items(self.session, self.who) if row.state in {"sent", "unknown", "accepted"}]
        if out:
            made = disputes.open_dispute(self.session, out[one % len(out)].id, "这不对", now=noon(self.today))
            if made not in self.disputes:
                self.disputes.append(made)

    def _decide(self, one: int, *, upheld: bool) -> None:
        if self.disputes:
            chosen = self.disputes.pop(one % len(self.disputes))
            decision = disputes.Resolution(upheld, REASON, "staff:1")
            disputes.resolve(self.session, chosen, decision, now=noon(self.today))

    def do_uphold(self, one: int, other: int) -> None:
        del other
        self._decide(one, upheld=True)

    def do_refuse(self, one: int, other: int) -> None:
        del other
        self._decide(one, upheld=False)

    def settle(self) -> None:
        """Everything that is on its way arrives."""
        for _ in range(8):
            self.act("send", 0, 0)
            self.act("deliver", 0, 0)
            self.act("query", 0, 0)
            self.act("answer", 0, 0)


@given(LIVES)
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_nothing_negative_leaves_without_all_of_it_and_what_is_protected_ends_corrected(
    database: Database, person: Any, lives: list[Any]
) -> None:
    with rolled_back(database) as session:
        session.execute(text("UPDATE lending_loan SET disbursed_on = NULL"))
        start = clock.local_date(clock.now(), "Asia/Shanghai").replace(day=1) - timedelta(days=200)
        start = start.replace(day=10)
        life = begin(session, person, start)
        for name, one, other in told(lives):
            note(f"{life.today} {name} {one} {other}")
            before = {row.id for row in items(session, life.who) if row.negative and row.state != "queued"}
            life.act(name, one, other)
            if name == "send":
                left = [row for row in items(session, life.who) if row.negative and row.state == "sent"]
                wrong = {found.item_id: found.piece for found in audit.unproved(session)}
                for row in left:
                    assert row.id in before or row.id not in wrong, wrong
        life.settle()
        assert audit.unproved(session) == []
        chains: dict[date, list[ReportItemRow]] = {}
        for row in items(session, life.who):
            chains.setdefault(row.month, []).append(row)
            assert row.state in {"accepted", "not_needed"}, row.state
        for month, chain in chains.items():
            base = standing(chain)
            assert base is not None
            # The bureau holds exactly what we believe that it holds.
            theirs = life.bureau.said[f"{month:%Y-%m}"]
            assert {name: theirs[name] for name in base.said} == base.said
            for _, first, last in life.cases:
                if first <= base.as_of and last >= month:
                    assert not said_by(base).negative, (first, last, month)


@pytest.fixture(scope="module")
def person(database: Database) -> Any:
    return register(database, Purpose.CREDIT, Purpose.CONTACT)


def begin(session: Session, person: Any, start: date) -> Life:
    """A loan paid out on a day half a year ago, with the business day standing there."""
    from support.loans import PRINCIPAL_MINOR, usual_loan

    loan_id = lending.open_loan(session, usual_loan(person.id, start), now=noon(start))
    set_business_day(session, start)
    out = lending.NewEvent(lending.EventType.DISBURSEMENT, start, "out", PRINCIPAL_MINOR)
    lending.record_event(session, loan_id, out, now=noon(start))
    due = lending.loan_view(session, loan_id).installments[0].due_date
    return Life(session, Late(person, loan_id, due), start)
