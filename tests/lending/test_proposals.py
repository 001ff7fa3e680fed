"""What one person may not do alone: proposed, seen, decided by another, carried out once or failed with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from support.callers import Browse, browsing
from support.loans import paid_out_loan
from throughline.kernel import clock, http
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.errors import Forbidden, Problem
from throughline.kernel.ids import new_id
from throughline.lending import api, second_person
from throughline.lending import service as lending
from throughline.lending.history import EventType
from throughline.lending.models import LoanEventRow, ProposalRow
from throughline.lending.second_person import PRODUCT, ProposalState

ZONE = "Asia/Shanghai"
SCOPES = frozenset({"lending:read", "lending:write"})
FIRST = http.Caller("staff", uuid4(), uuid4(), SCOPES)
SECOND = http.Caller("staff", uuid4(), uuid4(), SCOPES)
PROGRAM = http.Caller("service", uuid4(), None, SCOPES)
REASON = "insolvency of the borrower, letter of 3 May"


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def first(browse: Browse) -> TestClient:
    return browse(FIRST)


@pytest.fixture
def second(browse: Browse) -> TestClient:
    return browse(SECOND)


def day(ago: int = 0) -> str:
    return str(clock.local_date(clock.now(), ZONE) - timedelta(days=ago))


@pytest.fixture
def loan(database: Database) -> UUID:
    """A loan paid out 40 days ago."""

    return database.run(lambda session: paid_out_loan(session, new_id(), days_ago=40))


def send(client: TestClient, path: str, body: Any = None, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key or str(uuid4())}
    return client.post(f"/api/v1{path}", json={} if body is None else body, headers=headers)


def propose(client: TestClient, loan_id: UUID, kind: str = "write_off", **fields: Any) -> str:
    body = {"type": kind, "value_date": day(), "reason": REASON, **fields}
    answer = send(client, f"/loans/{loan_id}/events", body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def types(client: TestClient, loan_id: UUID) -> list[str]:
    return [row["type"] for row in client.get(f"/api/v1/loans/{loan_id}/events").json()["items"]]


def pay(database: Database, loan_id: UUID, kind: EventType, amount: int, **fields: Any) -> UUID:
    new = lending.NewEvent(
        kind, clock.local_date(clock.now(), ZONE), str(uuid4()), amount_minor=amount, **fields
    )
    return database.run(lambda session: lending.record_event(session, loan_id, new, now=clock.now()).event_id)


def test_a_write_off_waits_for_a_second_person(first: TestClient, second: TestClient, loan: UUID) -> None:
    found = first.get(f"/api/v1/loans/{loan}").json()
    proposal = propose(first, loan)
    assert types(first, loan) == ["disbursement"]
    seen = second.get(f"/api/v1/proposals/{proposal}").json()
    assert (seen["kind"], seen["state"], seen["reason"]) == ("write_off", "waiting", REASON)
    assert seen["body"] == {"type": "write_off", "value_date": day()}
    assert seen["proposed_by"] == f"staff:{FIRST.id}"
    expires = datetime.fromisoformat(seen["expires_at"]) - datetime.fromisoformat(seen["proposed_at"])
    assert expires == timedelta(days=7)
    told = second.get(f"/api/v1/proposals/{proposal}/what-if").json()
    assert told["before"]["installments"] == found["installments"]
    assert told["after"]["status"] == "closed_written_off"
    assert {line["account"] for line in told["event_lines"]} >= {"credit_loss", "loans_receivable"}
    done = send(second, f"/proposals/{proposal}/approve", {"reason": "letter seen"}).json()
    assert (done["state"], done["decided_by"]) == ("approved", f"staff:{SECOND.id}")
    assert (done["decision_reason"], done["failure"]) == ("letter seen", None)
    event = first.get(f"/api/v1/loans/{loan}/events").json()["items"][-1]
    assert (event["id"], event["type"]) == (done["event_id"], "write_off")
    assert (event["actor"], event["approved_by"]) == (f"staff:{FIRST.id}", f"staff:{SECOND.id}")
    assert first.get(f"/api/v1/loans/{loan}").json()["status"] == "closed_written_off"


def test_nobody_approves_or_refuses_what_he_proposed(
    first: TestClient, second: TestClient, loan: UUID
) -> None:
    proposal = propose(first, loan)
    for act, body in (("approve", {}), ("refuse", {"reason": "changed my mind"})):
        answer = send(first, f"/proposals/{proposal}/{act}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "own-proposal")
    stranger = send(second, f"/proposals/{proposal}/withdraw")
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not-your-proposal")
    assert send(first, f"/proposals/{proposal}/withdraw").json()["state"] == "withdrawn"
    late = send(second, f"/proposals/{proposal}/approve")
    assert (late.status_code, late.json()["code"], late.json()["params"]["state"]) == (
        409, "proposal-decided", "withdrawn",
    )  # fmt: skip
    assert types(first, loan) == ["disbursement"]


def test_a_refusal_says_why(first: TestClient, second: TestClient, loan: UUID) -> None:
    proposal = propose(first, loan)
    assert send(second, f"/proposals/{proposal}/refuse", {}).status_code == 422
    assert send(second, f"/proposals/{proposal}/refuse", {"reason": "  "}).status_code == 422
    done = send(second, f"/proposals/{proposal}/refuse", {"reason": "the letter is forged"}).json()
    assert (done["state"], done["decision_reason"]) == ("refused", "the letter is forged")
    assert types(first, loan) == ["disbursement"]


def test_a_program_may_be_the_second(browse: Browse, first: TestClient, loan: UUID) -> None:
    done = send(browse(PROGRAM), f"/proposals/{propose(first, loan)}/approve").json()
    assert (done["state"], done["decided_by"]) == ("approved", f"service:{PROGRAM.id}")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("write_off", {}),
        ("charge_off", {"fraud": True}),
        ("payout_refund", {"amount_minor": 500}),
        ("merchant_refund", {"amount_minor": 500}),
    ],
)
def test_a_reason_is_needed_where_two_are(
    first: TestClient, loan: UUID, kind: str, fields: dict[str, Any]
) -> None:
    body = {"type": kind, "value_date": day(), **fields}
    for language, word in (("en", "Give a reason"), ("zh-CN", "请填写理由")):
        answer = first.post(
            f"/api/v1/loans/{loan}/events",
            json=body,
            headers={"Idempotency-Key": str(uuid4()), "Accept-Language": language},
        )
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "reason-missing"), problem
        assert problem["params"]["field"] == "reason"
        assert word in problem["title"]


def test_where_one_is_enough_a_reason_is_not_taken(first: TestClient, loan: UUID) -> None:
    body = {"type": "charge_off", "value_date": day()}
    answer = send(first, f"/loans/{loan}/events", {**body, "reason": REASON})
    assert (answer.status_code, answer.json()["code"]) == (422, "reason-not-kept")
    assert send(first, f"/loans/{loan}/events", body).status_code == 201


def test_what_does_not_fit_is_not_even_proposed(first: TestClient, loan: UUID) -> None:
    body = {"type": "refund_of_overpayment", "value_date": day(), "amount_minor": 5, "reason": REASON}
    answer = send(first, f"/loans/{loan}/events", body)
    assert (answer.status_code, answer.json()["params"]["field"]) == (422, "amount_minor")
    assert first.get(f"/api/v1/proposals?loan_id={loan}").json()["items"] == []


def test_a_proposal_that_fits_no_more_has_failed(
    database: Database, first: TestClient, second: TestClient, loan: UUID
) -> None:
    pay(database, loan, EventType.REPAYMENT, 400_000)
    over = first.get(f"/api/v1/loans/{loan}").json()["overpaid_minor"]
    proposals = [propose(first, loan, "refund_of_overpayment", amount_minor=over) for _ in range(2)]
    done = [send(second, f"/proposals/{one}/approve").json() for one in proposals]
    assert [one["state"] for one in done] == ["approved", "failed"]
    assert done[1]["event_id"] is None
    assert "overpayment" in done[1]["failure"]["en"]
    assert "多还" in done[1]["failure"]["zh-CN"] or "溢缴" in done[1]["failure"]["zh-CN"]
    assert types(first, loan).count("refund_of_overpayment") == 1
    with database.transaction() as session:
        seqs = session.scalars(select(LoanEventRow.seq).where(LoanEventRow.loan_id == loan)).all()
        assert sorted(seqs) == [1, 2, 3]  # the failed attempt left no hole
    # The loan goes on being written as ever.
    pay(database, loan, EventType.REPAYMENT, 100)
    refused = second.get(f"/api/v1/proposals/{proposals[1]}/what-if")
    assert refused.status_code == 422


def test_it_expires(database: Database, first: TestClient, second: TestClient, loan: UUID) -> None:
    proposal = propose(first, loan)
    past = clock.now() - timedelta(seconds=1)
    with database.transaction() as session:
        session.execute(update(ProposalRow).where(ProposalRow.id == UUID(proposal)).values(expires_at=past))
    assert second.get(f"/api/v1/proposals/{proposal}").json()["state"] == "expired"
    for client, act in ((second, "approve"), (first, "withdraw")):
        answer = send(client, f"/proposals/{proposal}/{act}")
        assert (answer.status_code, answer.json()["code"]) == (409, "proposal-expired")
    listed = {
        state: [
            row["id"] for row in first.get(f"/api/v1/proposals?loan_id={loan}&state={state}").json()["items"]
        ]
        for state in ("waiting", "expired")
    }
    assert listed == {"waiting": [], "expired": [proposal]}
    assert types(first, loan) == ["disbursement"]


def test_the_list_is_paged_newest_first(first: TestClient, loan: UUID) -> None:
    made = [propose(first, loan) for _ in range(3)]
    path = f"/api/v1/proposals?loan_id={loan}&limit=2"
    page = first.get(path).json()
    assert [row["id"] for row in page["items"]] == made[:0:-1]
    rest = first.get(f"{path}&cursor={page['next_cursor']}").json()
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == (made[:1], None)


def test_the_same_key_proposes_and_approves_once(first: TestClient, second: TestClient, loan: UUID) -> None:
    body, key = {"type": "write_off", "value_date": day(), "reason": REASON}, str(uuid4())
    one, again = (send(first, f"/loans/{loan}/events", body, key) for _ in range(2))
    assert one.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    path = f"/proposals/{one.json()['id']}/approve"
    done, repeated = (send(second, path, {}, key) for _ in range(2))
    assert done.json() == repeated.json()
    other = send(second, path, {}, str(uuid4()))
    assert (other.status_code, other.json()["code"]) == (409, "proposal-decided")
    assert types(first, loan) == ["disbursement", "write_off"]


def test_two_approvers_at_once_make_one_event(database: Database, first: TestClient, loan: UUID) -> None:
    proposal = UUID(propose(first, loan))
    start = Barrier(4)

    def decide(nr: int) -> str:
        def verb(session: Session) -> str:
            make: Callable[..., lending.Proposal] = lending.refuse if nr == 3 else lending.approve
            one = make(session, proposal, by=f"staff:{nr}", scopes=SCOPES, reason="seen", now=clock.now())
            return one.state.value

        start.wait()
        try:
            return database.run(verb)
        except Problem as problem:
            return problem.code

    with ThreadPoolExecutor(4) as pool:
        ends = sorted(pool.map(decide, range(4)))
    assert ends.count("proposal-decided") == 3
    kept = first.get(f"/api/v1/proposals/{proposal}").json()
    assert types(first, loan).count("write_off") == (1 if kept["state"] == "approved" else 0)
    assert kept["state"] in ends


def test_the_two_undo_what_they_did(first: TestClient, second: TestClient, loan: UUID) -> None:
    send(second, f"/proposals/{propose(first, loan)}/approve")
    undo = propose(second, loan, "undo_write_off")
    assert send(first, f"/proposals/{undo}/approve").json()["state"] == "approved"
    assert first.get(f"/api/v1/loans/{loan}").json()["status"] == "active"


def test_what_was_proposed_is_sealed_and_the_database_wants_two(
    database: Database, first: TestClient, loan: UUID
) -> None:
    proposal = UUID(propose(first, loan))
    with database.transaction() as session:
        row = session.execute(
            text("SELECT CAST(p AS text) FROM lending_proposal p WHERE id = :id"), {"id": proposal}
        ).scalar_one()
        assert REASON not in row
        assert REASON.encode().hex() not in row
        assert b"value_date".hex() not in row
    own = text("UPDATE lending_proposal SET state = 'approved', decided_by = proposed_by WHERE id = :id")
    with pytest.raises(Exception, match="two_people"), database.transaction() as session:
        session.execute(own, {"id": proposal})


def test_each_needs_its_scope(browse: Browse, first: TestClient, loan: UUID) -> None:
    proposal = propose(first, loan)
    reader = browse(http.Caller("staff", uuid4(), uuid4(), frozenset({"lending:read"})))
    assert reader.get(f"/api/v1/proposals/{proposal}").status_code == 200
    assert send(reader, f"/proposals/{proposal}/approve").json()["params"]["scope"] == "lending:write"
    for who in (http.PUBLIC, http.Caller("borrower", uuid4())):
        client = browse(who)
        assert client.get("/api/v1/proposals").status_code in {401, 403}
        assert send(client, f"/proposals/{proposal}/approve").status_code in {401, 403}
    assert send(first, f"/proposals/{uuid4()}/withdraw").json()["code"] == "proposal-unknown"


def test_a_lender_of_one_person_records_alone(
    first: TestClient, loan: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROUGHLINE_LENDING_SECOND_PERSON", "false")
    kernel_settings.load.cache_clear()
    try:
        answer = send(first, f"/loans/{loan}/events", {"type": "write_off", "value_date": day()})
        assert answer.status_code == 201
    finally:
        kernel_settings.load.cache_clear()


# --- the rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EventType)
def test_which_events_need_two(kind: EventType) -> None:
    two = {"write_off", "undo_write_off", "refund_of_overpayment", "payout_refund", "merchant_refund"}
    assert second_person.alone_forbidden(kind) == (kind.value in two)
    assert second_person.alone_forbidden(kind, fraud=True) == (kind.value in two | {"charge_off"})


def test_a_proposal_waits_to_its_last_moment_only() -> None:
    end = datetime(2026, 5, 8, tzinfo=UTC)
    assert second_person.standing("waiting", end, end - timedelta(microseconds=1)) is ProposalState.WAITING
    assert second_person.standing("waiting", end, end) is ProposalState.EXPIRED
    for state in set(ProposalState) - {ProposalState.WAITING, ProposalState.EXPIRED}:
        assert second_person.standing(state.value, end, end) is state


@pytest.mark.parametrize("state", ProposalState)
def test_only_a_waiting_proposal_is_decided(state: ProposalState) -> None:
    def ask(check: Callable[..., None], by: str, scopes: frozenset[str]) -> str:
        try:
            check(PRODUCT, state, "staff:1", by=by, scopes=scopes)
        except Problem as problem:
            return problem.code
        return "may"

    may = frozenset({"lending:products"})
    closed = {ProposalState.WAITING: "may", ProposalState.EXPIRED: "proposal-expired"}
    answer = closed.get(state, "proposal-decided")
    assert ask(second_person.check_decider, "staff:2", may) == answer
    assert ask(second_person.check_decider, "staff:1", may) == "own-proposal"
    assert ask(second_person.check_withdrawer, "staff:1", may) == answer
    assert ask(second_person.check_withdrawer, "staff:2", may) == "not-your-proposal"
    for check in (second_person.check_decider, second_person.check_withdrawer):
        assert ask(check, "staff:2", SCOPES) == Forbidden.code
