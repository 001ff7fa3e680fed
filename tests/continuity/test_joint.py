"""Joint plans over HTTP: what a borrower sees and accepts, what staff see, and a report counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from continuity.debtors import Debtor, debtor, today
from line_joint.lines import BRIDGE, DATA, Watched, watch, watched
from support.callers import Browse, browsing
from throughline.continuity import api, joint, joint_report
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.events import StoredEvent
from throughline.kernel.ids import new_id
from throughline.lab.joint.keys import ensure_keys
from throughline.lending import service as lending
from throughline.line.joint import orders
from throughline.line.joint.handlers import on_data_running_out
from throughline.line.joint.models import JointGrant
from throughline.line.models import Line, LineTransition
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

ME = "/api/v1/me"
STAFF = http.Caller("staff", uuid4(), uuid4(), frozenset({"continuity:read", "continuity:write"}))


@pytest.fixture
def browse(database: Database, installation: Path) -> Iterator[Browse]:
    ensure_keys(installation)
    with browsing(api.router) as as_caller:
        yield as_caller


def _owing(
    database: Database, state: str = "out_suspended", *, started_days_ago: int = 5
) -> tuple[Debtor, Watched]:
    found = debtor(database, started_days_ago=started_days_ago)
    with database.transaction() as session:
        return found, watch(session, found.id, found.borrower.phone, state)


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def test_a_borrower_sees_accepts_and_ends(browse: Browse, database: Database) -> None:
    found, line = _owing(database)
    client = browse(http.Caller("borrower", found.id))
    offers = client.get(f"{ME}/joint-offers").json()
    assert {(one["offer_id"], one["available"], one["consent_needed"]) for one in offers} == {
        (DATA, True, True),
        (BRIDGE, True, True),
    }
    assert set(offers[0]["consent"]) == {"zh-CN", "en"}
    wish = {"offer_id": DATA, "line_id": str(line.line_id)}
    refused = client.post(f"{ME}/joint-grants", json=wish, headers=_key())
    assert (refused.status_code, refused.json()["code"]) == (403, "joint-consent-missing")
    key = _key()
    made = client.post(f"{ME}/joint-grants", json=wish | {"consent": True}, headers=key)
    assert made.status_code == 201
    grant = made.json()
    assert (grant["state"], grant["offer_id"]) == ("requested", DATA)
    again = client.post(f"{ME}/joint-grants", json=wish | {"consent": True}, headers=key)
    assert again.json() == grant
    twice = client.post(f"{ME}/joint-grants", json=wish, headers=_key() | {"Accept-Language": "zh-CN"})
    assert (twice.status_code, twice.json()["code"]) == (409, "joint-offer-not-eligible")
    assert twice.json()["params"]["reason"] == "running"
    assert twice.json()["detail"] == "您已办理此项服务，或正在办理中。"
    with database.transaction() as session:
        (consent,) = [one for one in parties.consents(session, found.id) if one.purpose is Purpose.JOINT_PLAN]
        assert consent.withdrawn_at is None
    assert client.get(f"{ME}/joint-grants/{grant['id']}").json()["id"] == grant["id"]
    assert [one["id"] for one in client.get(f"{ME}/joint-grants").json()["items"]] == [grant["id"]]
    ended = client.post(f"{ME}/joint-grants/{grant['id']}/end", headers=_key()).json()
    assert (ended["state"], ended["code"]) == ("refused", "borrower")
    assert client.post(f"{ME}/joint-grants/{grant['id']}/end", headers=_key()).status_code == 409


def test_others_grants_lines_and_offers_are_unknown(browse: Browse, database: Database) -> None:
    found, line = _owing(database)
    other, _ = _owing(database)
    client = browse(http.Caller("borrower", found.id))
    wish = {"offer_id": DATA, "line_id": str(line.line_id), "consent": True}
    grant = client.post(f"{ME}/joint-grants", json=wish, headers=_key()).json()
    stranger = browse(http.Caller("borrower", other.id))
    assert stranger.get(f"{ME}/joint-grants/{grant['id']}").status_code == 404
    assert stranger.post(f"{ME}/joint-grants/{grant['id']}/end", headers=_key()).status_code == 404
    assert stranger.post(f"{ME}/joint-grants", json=wish, headers=_key()).status_code == 404
    none = wish | {"offer_id": "NO-SUCH"}
    assert client.post(f"{ME}/joint-grants", json=none, headers=_key()).status_code == 404
    with database.transaction() as session:
        assert not parties.has_consent(session, other.id, Purpose.JOINT_PLAN)
    for path in ("/joint-offers", "/joint-grants", "/joint-report"):
        assert client.get(f"/api/v1{path}").status_code == 403
        assert browse(http.PUBLIC).get(f"/api/v1{path}").status_code == 401


def test_what_the_loans_say_counts(browse: Browse, database: Database) -> None:
    now = clock.now()
    found, _ = _owing(database, started_days_ago=40)
    free = watched(database)
    with database.transaction() as session:
        facts = joint.loan_facts(session, found.id, now=now)
        assert (facts.running, facts.past_due_days) == (1, (today() - found.due).days)
        assert facts.due_in_days == -facts.past_due_days
        assert joint.loan_facts(session, free.borrower_id, now=now).running == 0
    (first, _) = browse(http.Caller("borrower", free.borrower_id)).get(f"{ME}/joint-offers").json()
    assert [one["code"] for one in first["refusals"]] == ["no_loan"]
    dark, _ = _owing(database, "suspended")
    offers = browse(http.Caller("borrower", dark.id)).get(f"{ME}/joint-offers").json()
    by_id = {one["offer_id"]: one for one in offers}
    assert by_id[BRIDGE]["available"]
    assert [one["code"] for one in by_id[DATA]["refusals"]] == ["stopped_both_ways"]


def test_an_early_warning_shows_the_offer_before_the_line_is_lost(browse: Browse, database: Database) -> None:
    found, line = _owing(database, "active")
    client = browse(http.Caller("borrower", found.id))

    def available() -> set[str]:
        return {one["offer_id"] for one in client.get(f"{ME}/joint-offers").json() if one["available"]}

    assert available() == set()
    warning = StoredEvent(
        new_id(), "line.data_running_out.v1", "line", line.line_id, 1, found.id,
        {"line_id": str(line.line_id), "used_up": False, "at": clock.now().isoformat()}, clock.now(),
    )  # fmt: skip
    with database.transaction() as session:
        on_data_running_out(session, warning)
        row = session.get_one(Line, (found.id, line.line_id))
        row.state, row.probability = "active", "0.9900"
    assert available() == {DATA}


def test_staff_read_and_ask_again(browse: Browse, database: Database) -> None:
    found, line = _owing(database)
    now = clock.now()
    with database.transaction() as session:
        grant_id = joint.accept(session, found.id, line.line_id, BRIDGE, {"channel": "test"}, now=now)
        orders.locked(session, grant_id).next_step_at = None
    staff = browse(STAFF)
    assert {one["offer_id"] for one in staff.get("/api/v1/joint-offers").json()} == {DATA, BRIDGE}
    page = staff.get(
        "/api/v1/joint-grants", params={"borrower_id": str(found.id), "state": "requested"}
    ).json()
    assert [one["id"] for one in page["items"]] == [str(grant_id)]
    assert page["items"][0]["facts"]["loans"]["running"] == 1
    assert staff.get("/api/v1/joint-grants", params={"state": "lost"}).status_code == 422
    asked = staff.post(f"/api/v1/joint-grants/{grant_id}/ask", headers=_key())
    assert asked.json()["next_step_at"] is not None
    assert staff.get(f"/api/v1/joint-grants/{uuid4()}").status_code == 404
    reader = browse(http.Caller("staff", uuid4(), uuid4(), frozenset({"continuity:read"})))
    assert reader.post(f"/api/v1/joint-grants/{grant_id}/ask", headers=_key()).status_code == 403


def test_an_open_outage_tells_of_the_plan(
    database: Database, installation: Path, run_jobs: Callable[..., int]
) -> None:
    ensure_keys(installation)
    found, line = _owing(database, "suspended")
    with database.transaction() as session:
        found.line_id = line.line_id
        episode_id = found.hear(session)
        joint.accept(session, found.id, line.line_id, BRIDGE, {"channel": "test"}, now=clock.now())
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name LIKE 'line.%'"))
    run_jobs(rounds=1, timers=False, hurry=False)
    with database.transaction() as session:
        kinds = session.execute(
            text("SELECT kind FROM continuity_timeline WHERE episode_id = :id"), {"id": episode_id}
        ).scalars()
        assert "joint_requested" in set(kinds)


def _past(database: Database, who: Watched, days_ago: int, state: str, line_state: str) -> None:
    """A grant of some days ago, as it stands in the books."""
    at = clock.now() - timedelta(days=days_ago)
    month = (today() - timedelta(days=days_ago)).replace(day=1)
    with database.transaction() as session:
        grant_id = new_id()
        session.add(
            JointGrant(
                borrower_id=who.borrower_id, id=grant_id, line_id=who.line_id, contact_point_id=new_id(),
                carrier="simulator", offer_id="TEST-REPORT", kind="bridging_credit", plan="contract",
                idem_key=f"joint-{grant_id}", state=state, line_state=line_state, data_state="unknown",
                terms={}, facts={}, cost_minor=100, currency="CNY", budget_month=month, requested_at=at,
                changed_at=at, checks=0,
            )
        )  # fmt: skip


def _paid(database: Database, found: Debtor, on: date, *, taken_back: bool = False) -> None:
    with database.transaction() as session:
        event = lending.NewEvent(
            type=lending.EventType.REPAYMENT, value_date=on, amount_minor=1_000, idempotency_key=str(uuid4())
        )
        done = lending.record_event(session, found.loan_id, event, now=clock.now())
        if taken_back:
            back = lending.NewEvent(
                type=lending.EventType.REVERSAL, value_date=today(), target=done.event_id,
                idempotency_key=str(uuid4()),
            )  # fmt: skip
            lending.record_event(session, found.loan_id, back, now=clock.now())


def _came_back(database: Database, who: Watched, days_ago: int) -> None:
    with database.transaction() as session:
        session.add(
            LineTransition(
                borrower_id=who.borrower_id, line_id=who.line_id, old="suspended", new="active",
                probability="0.99", since=clock.now(), reason={}, evidence=[],
                at=clock.now() - timedelta(days=days_ago),
            )
        )  # fmt: skip


def test_the_report_counts_what_it_says(browse: Browse, database: Database) -> None:
    """Six grants, looked at 14 days on: what may count does, and what may not, does not."""
    people = [_owing(database, "suspended", started_days_ago=60) for _ in range(6)]
    paid, back, neither, fresh, refused, reversed_ = people
    for (_, who), days_ago, state, line_state in (
        (paid, 30, "ended", "active"),
        (back, 30, "granted", "suspended"),
        (neither, 30, "ended", "out_suspended"),
        (fresh, 3, "granted", "suspended"),
        (refused, 30, "refused", "suspended"),
        (reversed_, 30, "ended", "suspended"),
    ):
        _past(database, who, days_ago, state, line_state)
    _paid(database, paid[0], today() - timedelta(days=20))
    _paid(database, paid[0], today() - timedelta(days=40))  # and before as well
    _paid(database, neither[0], today() - timedelta(days=10))  # 20 days after: too late
    _paid(database, back[0], today() - timedelta(days=30))  # on the day itself: neither before nor after
    _paid(database, fresh[0], today() - timedelta(days=1))
    _paid(database, refused[0], today() - timedelta(days=25))
    _paid(database, reversed_[0], today() - timedelta(days=25), taken_back=True)
    _came_back(database, back[1], 28)
    _came_back(database, neither[1], 5)
    _came_back(database, paid[1], 28)  # was in service when it was granted: not a return
    report = browse(STAFF).get("/api/v1/joint-report", params={"months": 3, "days": 14}).json()
    (row,) = [one for one in report["effect"] if one["offer_id"] == "TEST-REPORT"]
    assert row == {
        "offer_id": "TEST-REPORT", "ran": 5, "measured": 4, "stopped": 3, "came_back": 1, "paid_after": 1,
        "paid_before": 1,
    }  # fmt: skip
    cost = [one for one in report["cost"] if one["offer_id"] == "TEST-REPORT"]
    assert sum(one["ran"] for one in cost) == 5
    assert sum(one["ran_cost_minor"] for one in cost) == 500
    assert sum(one["refused"] for one in cost) == 1


def test_months_back_counts_over_the_year() -> None:
    assert joint_report.months_back(date(2026, 2, 28), 1) == (date(2026, 2, 1), date(2026, 2, 1))
    assert joint_report.months_back(date(2026, 2, 28), 4) == (date(2025, 11, 1), date(2026, 2, 1))
