"""Webhooks from event to receiver on a real database and a real HTTP server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from kernel_ops.receiver import Receiver
from throughline.kernel import api, clock, http, jobs, webhook_http, webhooks
from throughline.kernel.db import Database
from throughline.kernel.events import publish
from throughline.kernel.http import Caller
from throughline.kernel.ids import new_id
from throughline.kernel.webhook_models import WebhookAlarm, WebhookDelivery, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class Happened:
    TYPE: ClassVar[str] = "test_webhooks.happened.v1"
    word: str


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def endpoint(database: Database, receiver: Receiver) -> Iterator[webhooks.AddedEndpoint]:
    made = database.run(
        lambda s: webhooks.add_endpoint(s, receiver.url, ["test_webhooks.*"], "", now=clock.real_now())
    )
    yield made
    with database.transaction() as session:
        for table in ("alarm", "delivery", "endpoint"):
            session.execute(text(f"DELETE FROM kernel_webhook_{table}"))
        session.execute(text("DELETE FROM procrastinate_jobs"))
        session.execute(text("DELETE FROM kernel_timer"))


def say(database: Database, word: str) -> UUID:
    return database.run(
        lambda s: publish(s, Happened(word), aggregate_type="test", aggregate_id=new_id(), borrower_id=None)
    )


def only_delivery(session: Session) -> WebhookDelivery:
    return session.query(WebhookDelivery).one()


def pull_timers_forward(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE kernel_timer SET due_at = now() - interval '1 s'"))


def test_an_event_arrives_signed_once(
    database: Database, receiver: Receiver, endpoint: webhooks.AddedEndpoint, run_jobs: Callable[..., int]
) -> None:
    event_id = say(database, "你好")
    run_jobs()
    (got,) = receiver.got
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.headers["webhook-id"] == str(event_id)
    document = Webhook(endpoint.secret).verify(got.body, got.headers)
    assert document["data"] == {"word": "你好"}
    assert document["type"] == Happened.TYPE
    with database.transaction() as session:
        delivery = only_delivery(session)
        assert (delivery.state, delivery.status, delivery.attempts) == ("delivered", 204, 1)
        stored = session.get_one(WebhookEndpoint, endpoint.id)
        assert endpoint.secret.encode() not in stored.secret


def test_a_rolled_back_event_is_not_told_and_other_types_neither(
    database: Database, receiver: Receiver, endpoint: webhooks.AddedEndpoint, run_jobs: Callable[..., int]
) -> None:
    @dataclass(frozen=True, slots=True)
    class Other:
        TYPE: ClassVar[str] = "other.happened.v1"

    with database.transaction() as session:
        publish(session, Happened("no"), aggregate_type="test", aggregate_id=new_id(), borrower_id=None)
        session.rollback()
    database.run(
        lambda s: publish(s, Other(), aggregate_type="test", aggregate_id=new_id(), borrower_id=None)
    )
    run_jobs()
    assert receiver.got == []


@pytest.mark.parametrize(("status", "mode"), [(500, "answer"), (302, "answer"), (200, "drop")])
def test_a_failure_is_repeated_with_the_same_id(
    database: Database,
    receiver: Receiver,
    endpoint: webhooks.AddedEndpoint,
    run_jobs: Callable[..., int],
    status: int,
    mode: str,
) -> None:
    receiver.status, receiver.mode = status, mode
    receiver.answer_headers = {"location": receiver.url + "/elsewhere"}
    say(database, "again")
    run_jobs(timers=False)
    with database.transaction() as session:
        delivery = only_delivery(session)
        assert (delivery.state, delivery.attempts) == ("pending", 1)
        wait = delivery.next_attempt_at - delivery.last_attempt_at  # type: ignore[operator]  # it has been tried
        assert timedelta(seconds=4) <= wait <= timedelta(seconds=9)
        assert session.get_one(WebhookEndpoint, endpoint.id).failing_since is not None
    receiver.status, receiver.mode = 200, "answer"
    pull_timers_forward(database)
    run_jobs()
    assert len(receiver.got) == 2
    assert {got.path for got in receiver.got} == {"/hook"}  # no redirect was followed
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    with database.transaction() as session:
        assert only_delivery(session).state == "delivered"
        assert session.get_one(WebhookEndpoint, endpoint.id).failing_since is None


def test_after_a_day_it_is_dead_and_staff_may_send_it_again(
    database: Database, receiver: Receiver, endpoint: webhooks.AddedEndpoint, run_jobs: Callable[..., int]
) -> None:
    receiver.status = 503
    say(database, "late")
    run_jobs(timers=False)
    with database.transaction() as session:
        delivery = only_delivery(session)
        delivery.first_attempt_at = clock.real_now() - timedelta(hours=25)
    pull_timers_forward(database)
    run_jobs()
    with database.transaction() as session:
        delivery = only_delivery(session)
        assert (delivery.state, delivery.status) == ("dead", 503)
        assert session.get_one(WebhookEndpoint, endpoint.id).active
    receiver.status = 200
    database.run(lambda s: webhooks.send_again(s, delivery.id, now=clock.real_now()))
    run_jobs()
    with database.transaction() as session:
        assert only_delivery(session).state == "delivered"


@pytest.mark.parametrize("why", ["gone", "three days"])
def test_an_endpoint_that_fails_for_long_is_switched_off_with_an_alarm(
    database: Database,
    receiver: Receiver,
    endpoint: webhooks.AddedEndpoint,
    run_jobs: Callable[..., int],
    why: str,
) -> None:
    receiver.status = 410 if why == "gone" else 500
    with database.transaction() as session:
        row = session.get_one(WebhookEndpoint, endpoint.id)
        row.failing_since = clock.real_now() - timedelta(days=3, minutes=1)
    say(database, "one")
    say(database, "two")
    run_jobs(timers=False)
    with database.transaction() as session:
        assert not session.get_one(WebhookEndpoint, endpoint.id).active
        alarm = session.query(WebhookAlarm).one()
        assert alarm.cleared_at is None
        assert set(alarm.reason) == {"zh-CN", "en"}
        assert {row.state for row in session.query(WebhookDelivery)} == {"cancelled"}
    assert len(receiver.got) == 1  # the second found the endpoint off
    say(database, "three")
    run_jobs()
    assert len(receiver.got) == 1
    database.run(lambda s: webhooks.set_active(s, endpoint.id, True, now=clock.real_now()))
    receiver.status = 200
    say(database, "four")
    run_jobs()
    assert len(receiver.got) == 2
    with database.transaction() as session:
        assert session.query(WebhookAlarm).one().cleared_at is not None


def test_a_lost_attempt_is_found_again(
    database: Database, receiver: Receiver, endpoint: webhooks.AddedEndpoint, run_jobs: Callable[..., int]
) -> None:
    """The worker dies between counting and sending, and the queue loses the job as well."""
    say(database, "lost")
    with database.transaction() as session:  # deliver the event by hand, then lose the sending job
        job = session.execute(
            text("DELETE FROM procrastinate_jobs WHERE task_name = 'kernel.deliver_event' RETURNING args")
        ).scalar_one()
    from throughline.kernel.events import deliver

    database.run(lambda s: deliver(s, UUID(job["event_id"]), job["subscriber"]))
    with database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
        delivery_id = only_delivery(session).id
    first = database.run(lambda s: webhooks.begin(s, delivery_id, now=clock.real_now()))
    assert first is not None
    assert database.run(lambda s: webhooks.sweep(s, now=clock.real_now())) == 0  # it may still be on its way
    later = clock.real_now() + timedelta(minutes=6)
    assert database.run(lambda s: webhooks.sweep(s, now=later)) == 1
    run_jobs()
    assert len(receiver.got) == 1
    # The first process wakes up after all: its result is not written over the newer one.
    outcome = database.run(lambda s: webhooks.finish(s, first, webhook_http.Answer(500), now=later, draw=0.5))
    assert outcome is None
    with database.transaction() as session:
        assert only_delivery(session).state == "delivered"


def test_a_receiver_that_answers_byte_by_byte_is_cut_off(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_http, "TOTAL_S", 0.5)
    receiver.mode = "drip"
    answer = webhook_http.post(receiver.url, {}, b"{}", demo=True)
    assert answer == webhook_http.Answer(None, "timed out")


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], []])
def test_a_name_that_leads_inside_is_refused(receiver: Receiver, addresses: list[str]) -> None:
    answer = webhook_http.post(
        receiver.url.replace("127.0.0.1", "receiver.example"),
        {},
        b"{}",
        demo=False,
        resolver=lambda *_: addresses,
    )
    assert answer == webhook_http.Answer(None, "private address")
    assert receiver.got == []


def test_the_checked_address_is_the_one_that_is_used(receiver: Receiver) -> None:
    """A name server that changes its answer between check and use (rebinding) is asked once only."""
    asked: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    url = receiver.url.replace("127.0.0.1", "receiver.example")
    answer = webhook_http.post(url, {}, b"{}", demo=True, resolver=resolver)
    assert answer.status == 204
    assert asked == ["receiver.example"]
    assert receiver.got[0].headers["host"].startswith("receiver.example")


def test_tls_is_checked(receiver: Receiver) -> None:
    answer = webhook_http.post(receiver.url.replace("http:", "https:"), {}, b"{}", demo=True)
    assert answer.status is None


ALLOWED = {"x-scope": "kernel:write"}
STAFF_ID = new_id()

# --- over HTTP -------------------------------------------------------------------------------------


@pytest.fixture
def staff(database: Database) -> Iterator[TestClient]:
    """The router behind an authenticator that believes the header `x-scope`."""
    app = FastAPI()

    def authenticate(request: Request) -> Caller:
        scope = request.headers.get("x-scope")
        return Caller("staff", STAFF_ID, None, frozenset({scope})) if scope else http.PUBLIC

    http.install(app, authenticate=authenticate)
    app.include_router(api.router)
    with TestClient(app) as client:
        yield client


def test_the_life_of_an_endpoint_over_http(
    staff: TestClient, database: Database, receiver: Receiver, run_jobs: Callable[..., int]
) -> None:
    wish = {"url": receiver.url, "event_types": ["test_webhooks.*"]}
    key = {**ALLOWED, "Idempotency-Key": str(new_id())}
    made = staff.post("/api/v1/webhooks/endpoints", json=wish, headers=key)
    assert made.status_code == 201
    again = staff.post("/api/v1/webhooks/endpoints", json=wish, headers=key)
    assert again.json() == made.json()
    endpoint_id, secret = made.json()["id"], made.json()["secret"]
    shown = staff.get(f"/api/v1/webhooks/endpoints/{endpoint_id}", headers=ALLOWED)
    assert "secret" not in shown.json()
    assert secret not in staff.get("/api/v1/webhooks/endpoints", headers=ALLOWED).text

    say(database, "over http")
    run_jobs()
    page = staff.get(f"/api/v1/webhooks/endpoints/{endpoint_id}/deliveries?state=delivered", headers=ALLOWED)
    (delivery,) = page.json()["items"]
    sent = staff.post(
        f"/api/v1/webhooks/deliveries/{delivery['id']}/send-again",
        headers={**ALLOWED, "Idempotency-Key": str(new_id())},
    )
    assert sent.json()["state"] == "pending"
    run_jobs()
    assert [json.loads(got.body)["data"] for got in receiver.got] == [{"word": "over http"}] * 2

    off = staff.patch(
        f"/api/v1/webhooks/endpoints/{endpoint_id}",
        json={"active": False},
        headers={**ALLOWED, "Idempotency-Key": str(new_id())},
    )
    assert off.json()["active"] is False
    assert staff.get("/api/v1/webhooks/alarms", headers=ALLOWED).json() == {"items": [], "next_cursor": None}


def test_only_with_the_scope(staff: TestClient) -> None:
    assert staff.get("/api/v1/webhooks/endpoints").status_code == 401
    assert staff.get("/api/v1/webhooks/endpoints", headers={"x-scope": "line:read"}).status_code == 403


@pytest.mark.parametrize(
    "wish",
    [
        {"url": "http://example.com/", "event_types": ["*"]},
        {"url": "https://169.254.169.254/", "event_types": ["*"]},
        {"url": "https://example.com/", "event_types": []},
        {"url": "https://example.com/", "event_types": ["no such pattern"]},
        {"url": "https://example.com/\u0000", "event_types": ["*"]},
    ],
)
def test_bad_wishes_are_refused(staff: TestClient, wish: dict[str, object]) -> None:
    answer = staff.post(
        "/api/v1/webhooks/endpoints", json=wish, headers={**ALLOWED, "Idempotency-Key": str(new_id())}
    )
    assert answer.status_code == 422


def test_unknown_ids(staff: TestClient) -> None:
    missing = new_id()
    assert staff.get(f"/api/v1/webhooks/endpoints/{missing}", headers=ALLOWED).status_code == 404
    assert staff.get(f"/api/v1/webhooks/endpoints/{missing}/deliveries", headers=ALLOWED).status_code == 404
    answer = staff.post(
        f"/api/v1/webhooks/deliveries/{missing}/send-again",
        headers={**ALLOWED, "Idempotency-Key": str(new_id())},
    )
    assert answer.status_code == 404


def test_the_queue_of_webhooks_is_worked_on(database: Database) -> None:
    """A job on a queue that no role reads would wait for ever."""
    from throughline.cli.roles import QUEUES_OF

    task = jobs.app.tasks[webhooks.SEND]
    assert task.queue in {queue for queues in QUEUES_OF.values() for queue in queues}
