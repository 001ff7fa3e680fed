"""Limits of lines and budgets of months hold in any order of requests and ends, and when all come at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from line_joint.lines import DATA, LOANS, Watched, ask_for, watch, watched
from messaging.people import register
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.db import database as here
from throughline.lab.joint.keys import ensure_keys
from throughline.line.joint import orders
from throughline.line.joint.models import JointGrant, JointMonth
from throughline.line.joint.ports import PlanAnswer, Word
from throughline.line.joint.states import Act
from throughline.parties.purposes import Purpose

COST, BUDGET, LIMIT = 300, 1_000, 2  # three grants a month, two a line


@pytest.fixture(scope="module", autouse=True)
def _small_budget(installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    ensure_keys(installation)
    text = files("throughline.line.joint").joinpath("offers.yaml").read_text(encoding="utf-8")
    row = yaml.safe_load(text)[0]
    row |= {
        "cost_minor": COST, "monthly_budget_minor": BUDGET, "limit_per_line": {"count": LIMIT, "days": 30},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("offers") / "offers.yaml"
    path.write_text(yaml.safe_dump([row]), encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_LINE_JOINT_OFFERS_FILE", str(path))
    kernel_settings.load.cache_clear()
    yield
    patch.undo()
    kernel_settings.load.cache_clear()


def _audit(session: Session) -> None:
    """What must be true after every step, counted from the rows."""
    session.flush()
    rows = session.scalars(select(JointGrant).where(JointGrant.offer_id == DATA)).all()
    counted = [row for row in rows if row.state != "refused"]
    months = {
        row.month: row for row in session.scalars(select(JointMonth).where(JointMonth.offer_id == DATA))
    }
    spent: Counter[Any] = Counter()
    for row in counted:
        spent[row.budget_month] += row.cost_minor
    for month, row in months.items():
        assert row.cost_minor == spent[month]
        assert row.cost_minor <= BUDGET
    assert all(count <= LIMIT for count in Counter(row.line_id for row in counted).values())
    running = Counter(row.line_id for row in rows if row.state in {"requested", "granted", "unknown"})
    assert all(count == 1 for count in running.values())


words = st.sampled_from(
    [Word.GRANTED, Word.REFUSED, Word.ENDED, Word.NO_ANSWER, Word.NOT_KNOWN, Word.PENDING]
)
moves = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["ask", "send", "say", "revoke"]), words), max_size=30
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(moves)
def test_never_over_limit_or_budget_in_any_order(
    database: Database, moves: list[tuple[int, str, Word]]
) -> None:
    with Session(database.engine, expire_on_commit=False) as session:
        transaction = session.begin()
        people = _three(session)
        newest: dict[int, Any] = {}
        reasons: set[str] = set()
        for who, move, word in moves:
            now, real = clock.now(), clock.real_now()
            if move == "ask":
                try:
                    newest[who] = orders.request(
                        session, people[who].borrower_id, people[who].line_id, DATA, LOANS, now=now
                    )
                except orders.NotEligible as refused:
                    reasons.add(refused.params["reason"])
            elif who in newest:
                grant_id = newest[who]
                if move == "send":
                    orders.begin_step(session, grant_id, now=now, real_now=real)
                elif move == "say" and orders.locked(session, grant_id).sent_at:
                    orders.end_step(session, grant_id, Act.ASK, PlanAnswer(word), now=now, real_now=real)
                elif move == "revoke" and orders.locked(session, grant_id).state in {"requested", "granted"}:
                    orders.ask_revoke(session, people[who].borrower_id, grant_id, "borrower", now=now)
            _audit(session)
        assert reasons <= {"running", "limit", "budget", "too_often"}
        transaction.rollback()


_PEOPLE: list[Any] = []


def _three(session: Session) -> list[Watched]:
    while len(_PEOPLE) < 3:
        _PEOPLE.append(register(here(), Purpose.CONTACT, Purpose.CONTINUITY, Purpose.JOINT_PLAN))
    return [watch(session, one.id, one.phone, "out_suspended") for one in _PEOPLE]


def _at_once(verbs: list[Any]) -> list[Any]:
    """Run verbs in threads that start together; returns results or the problems."""
    gate = threading.Barrier(len(verbs))
    found: list[Any] = [None] * len(verbs)

    def run(place: int) -> None:
        gate.wait()
        try:
            found[place] = verbs[place]()
        except orders.NotEligible as problem:
            found[place] = problem.params["reason"]

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(verbs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_two_acceptances_at_once_make_one_grant_and_the_budget_holds(database: Database) -> None:
    first = watched(database)
    found = _at_once([lambda: ask_for(database, first, DATA)] * 4)
    assert Counter(type(one).__name__ for one in found) == {"UUID": 1, "str": 3}
    assert [one for one in found if isinstance(one, str)] == ["running"] * 3
    others = [watched(database) for _ in range(6)]
    found = _at_once([lambda who=who: ask_for(database, who, DATA) for who in others])
    # One of three was taken by the first line: two of six get theirs.
    assert Counter(type(one).__name__ for one in found) == {"UUID": 2, "str": 4}
    assert {one for one in found if isinstance(one, str)} == {"budget"}
    with database.transaction() as session:
        _audit(session)
