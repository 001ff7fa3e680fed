"""The night in SQL and the night by replay write the same rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.errors import Problem
from throughline.kernel.ids import new_id
from throughline.kernel.money import Rounding
from throughline.lending import cob
from throughline.lending import service as lending
from throughline.lending.business_day import start_business_day
from throughline.lending.rates import round_ratio

K, V = lending.EventType, lending.VariationKind
START = date(2027, 12, 20)
DAYS = 115  # over the end of a year into a leap year, over 29 February and several month ends
LOANS = 60
MORE_TERMS = {
    "night-floor": {"delinquency_floor": {"amount": "30.00", "percent": "1"}},
    "night-days-off": {"calendar": "CN", "non_working_days": "skip"},
    "night-moved": {"calendar": "CN", "due_date_adjustment": {"convention": "next"}},
    "night-moved-interest": {
        "calendar": "CN",
        "due_date_adjustment": {"convention": "modified_next", "interest": "adjusted"},
    },
    "night-both": {"calendar": "CN", "non_working_days": "skip", "delinquency_floor": {"percent": "4"}},
}
REASON = {"zh-CN": "测试", "en": "test"}


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(4), tzinfo=UTC)


@given(
    st.integers(-(10**30), 10**30),
    st.integers(1, 10**24) | st.integers(1, 12),
    st.sampled_from(list(Rounding)),
)
@hypothesis_settings(max_examples=400)
def test_sql_rounds_as_the_code_does(
    session: Session, numerator: int, denominator: int, mode: Rounding
) -> None:
    found = session.execute(
        text("SELECT kernel_round(CAST(:n AS numeric), CAST(:d AS numeric), :mode)"),
        {"n": numerator, "d": denominator, "mode": mode.value},
    ).scalar_one()
    assert int(found) == round_ratio(numerator, denominator, mode)


def _products(session: Session) -> list[str]:
    """The shipped product, and others with other day counts, roundings and bases."""
    codes = ["cash-cn"]
    for year, month, mode, base in [
        ("actual", "actual", "half_up", "principal_and_interest"),
        ("360", "30", "up", "principal"),
        ("364", "actual", "down", "principal_and_interest"),
    ]:
        code = f"night-{year}"
        session.execute(
            text(
                """
                INSERT INTO lending_product (code, version, valid_from, document)
                SELECT :code, 1, valid_from, jsonb_set(jsonb_set(jsonb_set(document,
                  '{terms,day_count}', jsonb_build_object('year', CAST(:year AS text), 'month', CAST(:month AS text))),
                  '{terms,rounding,mode}', to_jsonb(CAST(:mode AS text))),
                  '{terms,overdue_interest,base}', to_jsonb(CAST(:base AS text)))
                FROM lending_product WHERE code = 'cash-cn' AND version = 1
                """
            ),
            {"code": code, "year": year, "month": month, "mode": mode, "base": base},
        )
        codes.append(code)
    for code, more in MORE_TERMS.items():
        session.execute(
            text(
                """
                INSERT INTO lending_product (code, version, valid_from, document)
                SELECT :code, 1, valid_from, jsonb_set(document, '{terms}', document -> 'terms' || CAST(:more AS jsonb))
                FROM lending_product WHERE code = 'cash-cn' AND version = 1
                """
            ),
            {"code": code, "more": json.dumps(more)},
        )
        codes.append(code)
    return codes


class _Twins:
    """Two loans to which the same happens: the first is closed by SQL, the second by replay."""

    def __init__(self, session: Session, chance: random.Random, codes: list[str], day: date) -> None:
        self.principal = chance.choice([60_000, 300_000, 1_234_500])
        terms = {
            "product_code": chance.choice(codes),
            "principal_minor": self.principal,
            "currency": "CNY",
            "installments": chance.choice([3, 6]),
            "annual_rate_percent": Decimal(chance.choice(["3", "9.99", "14.4", "21"])),
            "agreed_on": day,
            "zone": "Asia/Shanghai",
            "agreed_charges": ("late_fee",),
        }
        self.ids = [
            lending.open_loan(
                session, lending.NewLoan(borrower_id=new_id(), contract_id=new_id(), **terms), now=_noon(day)
            )
            for _ in range(2)
        ]
        self.targets: list[list[UUID]] = []
        self.cases: list[UUID] = []
        self.record(session, K.DISBURSEMENT, day, day, self.principal)

    def record(
        self,
        session: Session,
        kind: lending.EventType,
        value: date,
        day: date,
        amount: int | None,
        **more: Any,
    ) -> None:
        done = []
        for nr, loan_id in enumerate(self.ids):
            extra = {name: each[nr] if name == "target" else each for name, each in more.items()}
            new = lending.NewEvent(
                type=kind, value_date=value, amount_minor=amount, idempotency_key=str(new_id()), **extra
            )
            done.append(lending.record_event(session, loan_id, new, now=_noon(day)).event_id)
        self.targets.append(done)

    def by_replay(self, session: Session) -> None:
        _by_replay(session, self)

    def live(self, session: Session, chance: random.Random, day: date) -> None:
        """Something happens on a day, now or told of late."""
        earlier = day - timedelta(days=chance.choice([0, 0, 0, 3, 20]))
        match chance.choice(
            ["pay", "pay", "pay", "settle", "fee", "penalty", "reverse", "pause", "revoke", "waive"]
        ):
            case "pay":
                amount = chance.choice([self.principal // 3, self.principal // 6, 777])
                self.record(session, K.REPAYMENT, earlier, day, amount)
            case "settle":
                self.record(session, K.REPAYMENT, day, day, self.principal * 2)
            case "fee":
                due = day + timedelta(days=chance.randint(0, 40))
                self._charge(session, lending.ChargeKind.FEE, day, due, chance.randint(1, 3_000))
            case "penalty":
                due = day + timedelta(days=chance.randint(0, 40))
                self._charge(session, lending.ChargeKind.PENALTY, day, due, chance.randint(1, 3_000))
            case "reverse":
                self.record(
                    session,
                    K.REVERSAL,
                    day,
                    day,
                    None,
                    target=chance.choice(self.targets[1:] or self.targets),
                )
            case "waive":
                self.record(session, K.WAIVE_CHARGE, day, day, None, target=chance.choice(self.targets))
            case "pause":
                self._pause(session, chance, day)
            case "revoke" if self.cases:
                case = self.cases.pop()
                for loan_id in self.ids:
                    lending.revoke_variations(session, loan_id, case, REASON, now=_noon(day))
                self.by_replay(session)

    def _charge(self, session: Session, kind: lending.ChargeKind, day: date, due: date, amount: int) -> None:
        more = {"charge_kind": kind, "charge_code": "late_fee", "due_date": due}
        self.record(session, K.CHARGE, day, day, amount, **more)

    def _pause(self, session: Session, chance: random.Random, day: date) -> None:
        first = day + timedelta(days=chance.randint(-15, 10))
        last = first + timedelta(days=chance.randint(1, 25))
        case = new_id()
        parts = chance.choice(
            [
                (lending.Variation(V.INTEREST_PAUSE, first, last),),
                (lending.Variation(V.INTEREST_PAUSE, first, last, treatment=lending.Treatment.DEFER),),
                (lending.Variation(V.PENALTY_PAUSE, first, last),),
                (
                    lending.Variation(V.INTEREST_PAUSE, first, last),
                    lending.Variation(V.DELINQUENCY_PAUSE, first, last + timedelta(days=1)),
                ),
            ]
        )
        for loan_id in self.ids:
            batch = lending.VariationBatch(case, "X", REASON, parts, None, f"pause-{case}")
            lending.apply_variations(session, loan_id, batch, now=_noon(day))
        self.cases.append(case)
        self.by_replay(session)


def _by_replay(session: Session, *book: _Twins) -> None:
    """The second of each two is closed by replay tonight."""
    session.execute(
        text("UPDATE lending_accrual_plan SET needs_replay = true WHERE loan_id = ANY(:ids)"),
        {"ids": [twins.ids[1] for twins in book]},
    )


COMPARED = {
    "loan": "SELECT status, closed_on, cob_through, recognised_interest_minor, recognised_fee_minor,"
    " recognised_penalty_minor, outstanding_minor, event_seq FROM lending_loan WHERE id = :id",
    "installments": "SELECT nr, from_date, due_date, due_minor, paid_minor, waived_minor, outstanding_minor,"
    " obligations_met_on FROM lending_installment WHERE loan_id = :id ORDER BY nr",
    "delinquency": "SELECT on_date, past_due_days, paused_days, delinquent_days, delinquent_since, range,"
    " amount_minor, paused FROM lending_delinquency WHERE loan_id = :id",
    "history": "SELECT on_date, old_range, new_range, past_due_days, delinquent_days, paused"
    " FROM lending_delinquency_history WHERE loan_id = :id ORDER BY id",
    "ledger": "SELECT e.value_date, e.posting_date, e.currency, split_part(e.key, ':', 1) AS kind, l.nr, l.account,"
    " l.debit_minor, l.credit_minor FROM ledger_entry e JOIN ledger_line l ON l.borrower_id = e.borrower_id"
    " AND l.entry_id = e.id WHERE e.source = 'loan:' || :id AND l.loan_id = CAST(:id AS uuid)"
    " ORDER BY e.posting_date, e.value_date, e.id, l.nr",
    "events": "SELECT seq, type, payload - 'loan_id' - 'borrower_id' - 'transaction_id' - 'record_id' - 'case_id'"
    " - 'reversed_event_id' - 'contract_id' AS payload FROM kernel_event WHERE aggregate_id = :id ORDER BY seq",
}


def _rows(session: Session, loan_id: UUID) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: [tuple(row) for row in session.execute(text(query), {"id": str(loan_id)})]
        for name, query in COMPARED.items()
    }


def _close(database: Database, day: date) -> None:
    with database.transaction() as session:
        assert cob.start_due_run(session, now=_noon(day + timedelta(days=1))) in {day, None}
        chunks = session.scalars(
            text("SELECT nr FROM lending_cob_chunk WHERE business_date = :day AND state <> 'done'"),
            {"day": day},
        ).all()
    for nr in chunks:
        cob._work_off(database, day, nr)  # the day after must not follow by itself
        with database.transaction() as session:
            cob._finish_chunk(session, day, nr, now=_noon(day + timedelta(days=1)))


def test_the_night_in_sql_writes_the_rows_of_the_night_by_replay(database: Database) -> None:
    chance = random.Random(1127)
    with database.transaction() as session:
        start_business_day(session, now=_noon(START))
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": START})
        codes = _products(session)
        book = [_Twins(session, chance, codes, START) for _ in range(LOANS)]
    day = START
    for _ in range(DAYS):
        for twins in book:
            if chance.random() < 0.04:
                with database.transaction() as session:
                    try:
                        with session.begin_nested():
                            twins.live(session, chance, day)
                    except Problem:
                        continue  # an event that does not fit is refused for both
        with database.transaction() as session:
            _by_replay(session, *book)
        _close(database, day)
        day += timedelta(days=1)
        if day.day in {1, 11, 21} or day > START + timedelta(days=DAYS - 1):
            with database.transaction() as session:
                for twins in book:
                    one, two = (_rows(session, loan_id) for loan_id in twins.ids)
                    for name, rows in one.items():
                        assert rows == two[name], (name, day)
    with database.transaction() as session:
        run = lending.cob_runs(session, limit=1)[0]
        assert run.steps["by_set"] > LOANS // 3
        assert run.steps["by_replay"] > LOANS // 3
        assert session.scalars(text("SELECT count(*) FROM lending_cob_failure")).one() == 0
        needy = session.scalars(
            text("SELECT count(*) FROM lending_accrual_plan p WHERE needs_replay AND loan_id = ANY(:ids)"),
            {"ids": [twins.ids[0] for twins in book]},
        ).one()
        assert needy <= 2
        assert session.scalars(text("SELECT count(DISTINCT range) FROM lending_delinquency")).one() >= 3


def test_a_catch_up_ends_where_single_nights_end(
    database: Database, demo_clock: Callable[..., timedelta]
) -> None:
    """While more days follow, the installments wait for the last one; everything else is as night by night."""
    chance = random.Random(4)
    with database.transaction() as session:
        start = start_business_day(session, now=_noon(START))
        codes = ["cash-cn", "night-actual", "night-360"]
        pairs = [_Twins(session, chance, codes, start) for _ in range(12)]
    days = 75
    demo_clock(days=(start - clock.local_date(clock.now(), "Asia/Shanghai")).days + days)
    with database.transaction() as session:
        assert cob.start_due_run(session, now=clock.now()) == start
    for _ in range(days):  # it goes on from day to day by itself, but for so many seconds at a time
        with database.transaction() as session:
            day = lending.business_date(session)
        if day == start + timedelta(days=days):
            break
        cob.close_chunk(database, day, 0)
    with database.transaction() as session:
        assert lending.business_date(session) == start + timedelta(days=days)
        for twins in pairs:
            one, two = (_rows(session, loan_id) for loan_id in twins.ids)
            assert one == two
        late = "SELECT count(*) FROM lending_delinquency WHERE past_due_days > 30 AND loan_id = ANY(:ids)"
        assert session.scalars(text(late), {"ids": [twins.ids[0] for twins in pairs]}).one() > 6
