"""Consent before each question, two purposes as two tokens and two stores, what is kept and what is told of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

import throughline
from line.official import Carrier
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.carrier.keys import ensure_keys
from throughline.lab.vendors.keys import ensure_keys as vendor_keys
from throughline.line import feeds, service
from throughline.line.adapters.camara import notices
from throughline.line.adapters.camara.callbacks import PUSH_TYPE
from throughline.line.adapters.camara.tokens import NoToken, Tokens
from throughline.line.feed import authorizations, callbacks, credit, health, raw, subscriptions
from throughline.line.feed.directory import Directory, directory
from throughline.line.feed.export import export
from throughline.line.feed.models import CreditAnswer, Feed, LineSwap
from throughline.line.models import FeedSubscription, LineQuery, LineSignal, RawAnswer
from throughline.line.settings import CarrierSettings, LineSettings
from throughline.parties import service as parties
from throughline.parties.chinese_id import check_character
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

NAME = "cmcc"
EVENTS = "org.camaraproject.device-reachability-status-subscriptions.v0."


@dataclass(frozen=True)
class Person:
    borrower_id: UUID
    line_id: UUID
    number: str


@pytest.fixture(scope="module")
def carrier() -> Iterator[Carrier]:
    made = Carrier()
    made.fresh_ids = True
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def _set_up(carrier: Carrier, home: Path, installation: Path) -> Iterator[None]:
    key, _ = ensure_keys(home)
    entry = {
        "name": NAME, "api_url": f"http://127.0.0.1:{carrier.port}", "client_key": str(key), "price_minor": 7,
        "sells": ["camara.subscription-status", "camara.number-recycling", "camara.sim-swap", "camara.kyc-tenure"],
        "notices": ["reachability", "sim-swap"],
    }  # fmt: skip
    patch = pytest.MonkeyPatch()
    other = entry | {
        "name": "southern",
        "sells": ["camara.subscription-status"],
        "price_minor": 9,
        "per_s": 2,
    }
    values = {
        "CARRIER": NAME, "CARRIERS": json.dumps([entry, other]), "CREDIT_USE": "1",
        "SINK_URL": "https://lender.example",
    }  # fmt: skip
    for name, value in values.items():
        patch.setenv(f"THROUGHLINE_LINE_{name}", value)
    _forget()
    yield
    patch.undo()
    _forget()


def _forget() -> None:
    kernel_settings.load.cache_clear()
    directory.cache_clear()


_numbers = iter(range(1, 900))


@pytest.fixture
def person(database: Database) -> Person:
    """Somebody who agreed to all, with a line and no question asked yet."""
    number = next(_numbers)

    def register(session: Any) -> Person:
        digits = f"11010519900101{number:03d}"
        phone = f"+86137{number:08d}"
        new = NewPerson(
            "李小红",
            digits + check_character(digits),
            phone,
            f"l{number}@example.com",
            "zh-CN",
            "Asia/Shanghai",
        )
        borrower_id = parties.register_person(session, new, now=clock.now())
        wanted = [Purpose.IDENTITY, Purpose.CONTINUITY, Purpose.CREDIT]
        parties.give_consents(session, borrower_id, wanted, {"page": "test"}, now=clock.now())
        (point,) = [one for one in parties.contact_points(session, borrower_id) if one.kind == "phone"]
        line_id = service.register(session, borrower_id, point.id, now=clock.now())
        assert line_id is not None
        return Person(borrower_id, line_id, phone)

    return database.run(register)


def _withdraw(database: Database, person: Person, purpose: Purpose) -> None:
    database.run(
        lambda s: parties.withdraw_consent(s, person.borrower_id, purpose, {"page": "test"}, now=clock.now())
    )


def _queries(database: Database, person: Person) -> list[LineQuery]:
    with database.transaction() as session:
        found = select(LineQuery).where(LineQuery.line_id == person.line_id).order_by(LineQuery.id)
        return list(session.scalars(found))


def _published(database: Database, kind: str, person: Person) -> list[Any]:
    with database.transaction() as session:
        found = session.execute(
            text("SELECT payload FROM kernel_event WHERE type = :kind AND borrower_id = :who ORDER BY id"),
            {"kind": kind, "who": person.borrower_id},
        )
        return list(found.scalars())


# --- questions ----------------------------------------------------------------------------------------


def test_a_question_has_its_consent_and_its_price(
    database: Database, person: Person, carrier: Carrier
) -> None:
    feeds.query(person.borrower_id, person.line_id, "planned")
    (row,) = _queries(database, person)
    with database.transaction() as session:
        assert row.consent_id == parties.open_consent(session, person.borrower_id, Purpose.CONTINUITY)
    assert (row.outcome, row.cost_minor, row.provider) == ("answered", 7, NAME)
    assert carrier.breaches == []


def test_withdrawal_stops_questions_at_once(database: Database, person: Person, carrier: Carrier) -> None:
    _withdraw(database, person, Purpose.CONTINUITY)
    asked = len(carrier.requests)
    feeds.query(person.borrower_id, person.line_id, "planned")
    assert _queries(database, person) == []
    assert len(carrier.requests) == asked
    # Another purpose has a consent of its own.
    feeds.query(person.borrower_id, person.line_id, "payout", "camara.sim-swap")
    assert [one.purpose for one in _queries(database, person)] == [Purpose.IDENTITY]


def test_an_answer_that_comes_after_the_withdrawal_is_not_used(
    database: Database, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = directory().feed(NAME, "camara.subscription-status")
    assert feed is not None
    asked = type(feed).status

    def status(self: Any, question: Any, timeout_s: float) -> Any:
        answer = asked(self, question, timeout_s)
        _withdraw(database, person, Purpose.CONTINUITY)  # while the carrier thinks
        return answer

    monkeypatch.setattr(type(feed), "status", status)
    feeds.query(person.borrower_id, person.line_id, "planned")
    (row,) = _queries(database, person)
    assert row.outcome == "answered"
    with database.transaction() as session:
        assert session.scalars(select(LineSignal).where(LineSignal.line_id == person.line_id)).all() == []
        assert session.scalars(select(RawAnswer).where(RawAnswer.line_id == person.line_id)).all() == []


def test_fraud_answers_are_told_and_are_no_evidence(database: Database, person: Person) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE line_line SET registered_at = '2026-01-01Z' WHERE id = :id"), {"id": person.line_id}
        )
    for _ in range(2):
        feeds.query(person.borrower_id, person.line_id, "payout", "camara.sim-swap")
    with database.transaction() as session:
        assert session.scalars(select(LineSignal).where(LineSignal.line_id == person.line_id)).all() == []
        assert len(session.scalars(select(LineSwap).where(LineSwap.line_id == person.line_id)).all()) == 1
    (told,) = _published(database, "line.sim_or_device_changed.v1", person)
    assert told["kind"] == "sim"


def test_recycling_is_evidence_and_is_told(database: Database, person: Person) -> None:
    feeds.query(person.borrower_id, person.line_id, "planned", "camara.number-recycling")
    (told,) = _published(database, "line.number_reassignment_suspected.v1", person)
    assert told["source"] == "camara.number-recycling"
    with database.transaction() as session:
        (signal,) = session.scalars(select(LineSignal).where(LineSignal.line_id == person.line_id))
    assert signal.meaning == "recycled"


def test_questions_for_credit_have_a_store_of_their_own(
    database: Database, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        (line,) = service.lines_of(session, person.borrower_id)
        before = session.execute(text("SELECT count(*) FROM line_signal")).scalar_one()
    since = clock.now().date() - timedelta(days=365)
    outcome = credit.ask_tenure(person.borrower_id, line.contact_point_id, NAME, since, "application")
    assert outcome == "answered"
    with database.transaction() as session:
        (row,) = session.scalars(select(CreditAnswer).where(CreditAnswer.borrower_id == person.borrower_id))
        assert session.execute(text("SELECT count(*) FROM line_signal")).scalar_one() == before
        assert row.consent_id == parties.open_consent(session, person.borrower_id, Purpose.CREDIT)
    assert row.answer == {"held_since": False, "contract": "PAYG"}
    assert _queries(database, person) == []
    _withdraw(database, person, Purpose.CREDIT)
    with pytest.raises(parties.ConsentMissing):
        credit.ask_tenure(person.borrower_id, line.contact_point_id, NAME, since, "application")
    monkeypatch.setenv("THROUGHLINE_LINE_CREDIT_USE", "0")
    _forget()
    with pytest.raises(credit.CreditUseIsOff):
        credit.ask_tenure(person.borrower_id, line.contact_point_id, NAME, since, "application")
    monkeypatch.undo()
    _forget()


def test_credit_decisions_name_no_table_of_lines() -> None:
    for path in (Path(throughline.__file__).parent / "risk").rglob("*.py"):
        assert "line_" not in path.read_text(encoding="utf-8").replace("line_number", ""), path


def test_a_question_whose_process_died_ends_unknown(database: Database, person: Person) -> None:
    def die(session: Any) -> UUID:
        row = LineQuery(
            borrower_id=person.borrower_id, id=uuid4(), line_id=person.line_id, source="x", purpose="service_continuity",
            reason="planned", asked_at=clock.now() - timedelta(minutes=6), cost_minor=0,
        )  # fmt: skip
        session.add(row)
        return row.id

    database.run(die)
    assert database.run(lambda session: feeds.settle_lost(session, now=clock.now())) == 1
    assert [(one.outcome, one.code) for one in _queries(database, person)] == [("unknown", "lost")]


def test_the_carrier_of_the_line_is_asked_and_capabilities_are_careful(database: Database) -> None:
    found = feeds.capabilities()
    assert found["camara.subscription-status"].price_minor == 9
    assert found["camara.subscription-status"].per_s == 2
    assert found["camara.subscription-status"].splits_stops
    assert directory().feed("southern", "camara.number-recycling") is None
    assert directory().feed("nobody", None) is None
    one = directory().feed("southern", None)
    assert one is not None
    assert (one.name, one.provider) == ("camara.subscription-status", "southern")


def test_one_carrier_in_the_old_settings_still_works() -> None:
    (one,) = LineSettings(carrier="simulator", carriers=()).all_carriers
    assert one.name == "simulator"
    assert one.token_endpoint == "http://127.0.0.1:8103/oauth2/token"
    with pytest.raises(ValueError, match="must name one"):
        LineSettings(carrier="x", carriers=(one,))


def test_the_demo_lender_has_two_carriers_and_two_vendors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CARRIER", "CARRIERS", "API_URL", "CLIENT_ID", "CLIENT_KEY", "ALIYUN", "BAIDU"):
        monkeypatch.delenv(f"THROUGHLINE_LINE_{name}", raising=False)
    monkeypatch.setenv("THROUGHLINE_HOME", str(tmp_path))
    kernel_settings.forget()
    try:
        bare = LineSettings()
        assert [one.name for one in bare.all_carriers] == ["simulator", "southern"]
        assert (bare.aliyun, bare.baidu) == (None, None)
        vendor_keys(tmp_path)
        wired = LineSettings()
        assert wired.aliyun is not None
        assert wired.baidu is not None
        assert wired.carrier_of("+8617512345678") == "southern"
        assert wired.carrier_of("+8613812345678") == "simulator"
        # The dearest question of all leaves the planner its eleven.
        assert wired.aliyun.recycling_price_minor * 11 <= wired.query_spend_minor_per_30_days
        asked = {
            name: feed.name
            for name in ("simulator", "southern")
            if (feed := Directory(wired).feed(name, None)) is not None
        }
        assert asked == {"simulator": "camara.subscription-status", "southern": "vendor.aliyun"}
        monkeypatch.setenv("THROUGHLINE_DEMO", "0")
        kernel_settings.forget()
        alone = LineSettings()
        assert (alone.carriers, alone.aliyun, alone.baidu) == ((), None, None)
    finally:
        monkeypatch.undo()
        kernel_settings.forget()


def test_a_number_is_its_carriers_by_the_longest_prefix() -> None:
    north, south = (
        CarrierSettings.model_validate({"name": name, "api_url": "http://127.0.0.1:1", "prefixes": prefixes})
        for name, prefixes in (("north", ["+86"]), ("south", ["+86166", "+86175"]))
    )
    config = LineSettings(carrier="north", carriers=(north, south))
    assert config.carrier_of("+8616612345678") == "south"
    assert config.carrier_of("+8613812345678") == "north"
    assert config.carrier_of("+14155550100") == "north"
    with pytest.raises(ValueError, match="prefixes"):
        CarrierSettings.model_validate({"name": "x", "api_url": "http://127.0.0.1:1", "prefixes": ["166"]})


# --- tokens -------------------------------------------------------------------------------------------


def test_two_purposes_are_two_tokens_and_a_failed_refresh_is_no_state(
    carrier: Carrier, home: Path, database: Database, person: Person
) -> None:
    key, _ = ensure_keys(home)
    config = CarrierSettings.model_validate(
        {"name": NAME, "api_url": f"http://127.0.0.1:{carrier.port}", "client_key": key}
    )
    tokens, until = Tokens(config), time.monotonic() + 20
    scopes = ("sim-swap:check",)
    first = tokens.take(Purpose.CONTINUITY, scopes, None, ends_at=until)
    assert tokens.take(Purpose.CONTINUITY, scopes, None, ends_at=until) == first
    other = tokens.take(Purpose.IDENTITY, scopes, None, ends_at=until)
    assert other != first
    assert carrier.tokens[first.access_token] == {"dpv:RequestedServiceProvision", *scopes}
    assert carrier.tokens[other.access_token] == {"dpv:FraudPreventionAndDetection", *scopes}
    nowhere = Tokens(config.model_copy(update={"client_key": home / "none.pem"}))
    with pytest.raises(NoToken):
        nowhere.take(Purpose.CONTINUITY, scopes, None, ends_at=until)


def test_with_the_borrowers_token_no_number_is_sent(
    database: Database, person: Person, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(
        lambda s: authorizations.keep(
            s, person.borrower_id, person.line_id, NAME, Purpose.CONTINUITY, "refresh-1", now=clock.now()
        )
    )
    seen: list[tuple[str, bytes]] = []
    answer = carrier.answer
    asked = "/subscription-status/v0.1/retrive-subscription-status"

    def note(method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        seen.append((path, body))
        if path == "/oauth2/token":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if form["grant_type"] == "refresh_token" and form["refresh_token"] == "refresh-2":
                return 400, {"error": "invalid_grant"}
            status, document = answer(method, path, headers, body)
            return status, document | {"refresh_token": "refresh-2"}
        return answer(method, path, headers, body)

    monkeypatch.setattr(carrier, "answer", note)
    feeds.query(person.borrower_id, person.line_id, "planned")
    assert [json.loads(body) for path, body in seen if path == asked] == [{}]
    with database.transaction() as session:
        fresh = authorizations.refresh_token(session, person.line_id, NAME, Purpose.CONTINUITY)
        stored = session.execute(text("SELECT refresh_token FROM line_authorization")).scalar_one()
        (before,) = service.lines_of(session, person.borrower_id)
    assert fresh == "refresh-2"
    assert b"refresh" not in stored
    # Now the carrier takes it no more: unknown, and nobody is asked 2-legged instead.
    seen.clear()
    feeds.query(person.borrower_id, person.line_id, "planned")
    assert [path for path, _ in seen if path == asked] == []
    assert [one.outcome for one in _queries(database, person)] == ["answered", "unknown"]
    with database.transaction() as session:
        (after,) = service.lines_of(session, person.borrower_id)
    assert after.state == before.state


def test_the_borrowers_tokens_go_with_the_consent(
    database: Database, person: Person, run_jobs: Callable[..., int]
) -> None:
    database.run(
        lambda s: authorizations.keep(
            s, person.borrower_id, person.line_id, NAME, Purpose.IDENTITY, "refresh-9", now=clock.now()
        )
    )
    _withdraw(database, person, Purpose.IDENTITY)
    run_jobs()
    with database.transaction() as session:
        assert authorizations.refresh_token(session, person.line_id, NAME, Purpose.IDENTITY) is None


# --- what is kept -------------------------------------------------------------------------------------


def test_answers_are_sealed_and_go_after_their_days(database: Database, person: Person) -> None:
    feeds.query(person.borrower_id, person.line_id, "planned")
    with database.transaction() as session:
        (row,) = session.scalars(select(RawAnswer).where(RawAnswer.line_id == person.line_id))
        assert b"suspended" not in row.payload
        assert json.loads(raw.opened(session, row))["voiceSmsIn"] == "suspended"
        assert row.expires_at - row.received_at == timedelta(days=60)
    later = clock.now() + timedelta(days=61)
    assert database.run(lambda session: raw.purge(session, now=clock.now())) == 0
    assert database.run(lambda session: raw.purge(session, now=later)) >= 1
    with database.transaction() as session:
        assert session.scalars(select(RawAnswer).where(RawAnswer.line_id == person.line_id)).all() == []


def test_the_export_has_all_and_no_secrets(database: Database, person: Person) -> None:
    feeds.query(person.borrower_id, person.line_id, "planned")
    feeds.query(person.borrower_id, person.line_id, "payout", "camara.sim-swap")
    with database.transaction() as session:
        document = export(session, person.borrower_id)
        counted = {
            name: session.execute(
                text(f"SELECT count(*) FROM {table} WHERE borrower_id = :who"), {"who": person.borrower_id}
            ).scalar_one()
            for name, table in {
                "lines": "line_line", "signals": "line_signal", "transitions": "line_transition",
                "queries": "line_query", "subscriptions": "line_subscription", "swaps": "line_swap",
                "answers_as_they_came": "line_raw", "credit_answers": "line_credit_answer",
            }.items()
        }  # fmt: skip
    assert {name: len(document[name]) for name in counted} == counted
    assert counted["queries"] == 2
    assert counted["signals"] == 1
    assert {one["purpose"] for one in document["consents"]} >= {Purpose.CONTINUITY, Purpose.IDENTITY}
    told = json.dumps(document)
    assert person.number not in told
    assert "sink_token" not in told.replace("sink_token_expires_at", "")


# --- callbacks ----------------------------------------------------------------------------------------


@pytest.fixture
def subscribed(database: Database, person: Person) -> Callable[[str, str], None]:
    """Make a living subscription: subscribed(event type, token)."""

    def make(event_type: str, token: str) -> None:
        database.run(
            lambda session: session.add(
                FeedSubscription(
                    borrower_id=person.borrower_id, id=uuid4(), line_id=person.line_id, event_type=event_type,
                    carrier=NAME, state="active", made_at=clock.real_now(), remote_id=f"remote-{token}",
                    sink_token_hash=subscriptions.token_hash(token), expires_at=clock.real_now() + timedelta(days=30),
                    sink_token_expires_at=clock.real_now() + timedelta(days=30),
                )
            )
        )  # fmt: skip

    return make


def _event(kind: str, token: str, at: Any = None, **data: Any) -> bytes:
    document = {
        "id": uuid4().hex, "source": "https://carrier.example", "type": kind, "specversion": "1.0",
        "datacontenttype": "application/json", "time": (at or clock.now()).isoformat(),
        "data": {"subscriptionId": f"remote-{token}"} | data,
    }  # fmt: skip
    return json.dumps(document).encode()


def _hear(database: Database, body: bytes, token: str) -> bool:
    return database.run(lambda s: callbacks.hear(s, body, f"Bearer {token}", now=clock.now()))


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_reachability_is_heard_in_both_versions_once(
    database: Database, person: Person, subscribed: Any, version: str
) -> None:
    token = uuid4().hex
    subscribed(EVENTS + "reachability-disconnected", token)
    body = _event(EVENTS.replace(".v0.", f".{version}.") + "reachability-disconnected", token)
    assert _hear(database, body, token)
    assert not _hear(database, body, token)
    with database.transaction() as session:
        (signal,) = session.scalars(select(LineSignal).where(LineSignal.line_id == person.line_id))
    assert (signal.attributes, signal.provider) == ({"reachable": False}, NAME)
    with pytest.raises(callbacks.SinkTokenRefused):
        _hear(database, _event(EVENTS + "reachability-data", token), "another")


def test_an_event_of_the_future_is_no_evidence(database: Database, person: Person, subscribed: Any) -> None:
    token = uuid4().hex
    subscribed(EVENTS + "reachability-disconnected", token)
    at = clock.now() + timedelta(days=1)
    assert _hear(database, _event(EVENTS + "reachability-disconnected", token, at), token)
    with database.transaction() as session:
        assert session.scalars(select(LineSignal).where(LineSignal.line_id == person.line_id)).all() == []


@pytest.mark.parametrize(
    "prefix", ["org.camaraproject.sim-swap-subscriptions.v0.", "org.camaraproject.api-name.v0."]
)
def test_sim_swap_events_and_both_forms_of_their_lifecycle(
    database: Database, person: Person, subscribed: Any, prefix: str
) -> None:
    token = uuid4().hex
    kind = "org.camaraproject.sim-swap-subscriptions.v0.swapped"
    subscribed(kind, token)
    started = _event(prefix + "subscription-started", token, initiationReason="SUBSCRIPTION_CREATED")
    assert _hear(database, started, token)
    assert _hear(database, _event(kind, token, phoneNumber=person.number), token)
    (told,) = _published(database, "line.sim_or_device_changed.v1", person)
    assert told["kind"] == "sim"
    assert _hear(
        database, _event(prefix + "subscription-ended", token, terminationReason="MAX_EVENTS_REACHED"), token
    )
    with database.transaction() as session:
        row = session.scalars(
            select(FeedSubscription).where(FeedSubscription.remote_id == f"remote-{token}")
        ).one()
    assert (row.state, row.ended_reason) == ("ended", "MAX_EVENTS_REACHED")


def test_data_that_runs_out_is_told(database: Database, person: Person, subscribed: Any) -> None:
    token = uuid4().hex
    base = "org.camaraproject.device-data-volume-subscriptions.v0."
    subscribed(base + "data-90-percent", token)
    for kind in ("data-50-percent", "data-90-percent", "data-exceeded"):
        assert _hear(database, _event(base + kind, token), token)
    told = _published(database, "line.data_running_out.v1", person)
    assert [one["used_up"] for one in told] == [False, True]


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("SUBSCRIPTION_EXPIRED", True),
        ("ACCESS_TOKEN_EXPIRED", True),
        ("NETWORK_TERMINATED", False),
        ("NEW", False),
    ],
)
def test_an_ended_subscription_is_made_again_where_that_is_sensible(
    database: Database,
    person: Person,
    subscribed: Any,
    run_jobs: Callable[..., int],
    reason: str,
    again: bool,
) -> None:
    run_jobs()  # the subscriptions that came with the line
    token = uuid4().hex
    kind = EVENTS + "reachability-sms"
    with database.transaction() as session:
        session.execute(text("DELETE FROM line_subscription WHERE line_id = :id"), {"id": person.line_id})
    subscribed(kind, token)
    assert _hear(database, _event(EVENTS + "subscription-ended", token, terminationReason=reason), token)
    with database.transaction() as session:
        waiting = session.execute(
            text(
                "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'line.subscribe' AND status = 'todo'"
                " AND args ->> 'line_id' = :id"
            ),
            {"id": str(person.line_id)},
        ).scalar_one()
        session.execute(
            text("DELETE FROM procrastinate_jobs WHERE task_name = 'line.subscribe' AND status = 'todo'")
        )
    assert waiting == int(again)


@pytest.mark.parametrize(
    "data",
    [{}, {"voiceSmsIn": "perhaps"}, {"voiceSmsIn": ["suspended"]}, {"reason": "x" * 41}, {"reason": 5}],
)
def test_a_push_that_says_nothing_clear_is_refused(
    database: Database, person: Person, subscribed: Any, data: dict[str, Any]
) -> None:
    token = uuid4().hex
    subscribed(EVENTS + "reachability-data", token)
    with pytest.raises(callbacks.CallbackRefused):
        _hear(database, _event(PUSH_TYPE, token, phoneNumber=person.number, **data), token)


# --- subscriptions ------------------------------------------------------------------------------------


def test_a_renewal_takes_the_place_of_the_old_one(
    database: Database, person: Person, subscribed: Any, carrier: Carrier
) -> None:
    kind = EVENTS + "reachability-data"
    token = uuid4().hex
    subscribed(kind, token)
    with database.transaction() as session:
        session.execute(
            text("UPDATE line_subscription SET expires_at = now() + interval '1 day' WHERE line_id = :id"),
            {"id": person.line_id},
        )
        assert (person.borrower_id, person.line_id) in subscriptions.to_renew(session)
    assert subscriptions._subscribe_to(person.borrower_id, person.line_id, kind)
    with database.transaction() as session:
        rows = session.scalars(
            select(FeedSubscription)
            .where(FeedSubscription.line_id == person.line_id)
            .order_by(FeedSubscription.made_at)
        ).all()
    assert [row.state for row in rows] == ["ended", "active"]
    assert rows[1].expires_at is not None
    deleted = f"{notices.APIS['reachability'].path}/remote-{token}"
    assert ("DELETE", deleted) in carrier.requests
    assert carrier.breaches == []


# --- health -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean_s", "within_s"), [(8, 660), (45, 900), (75, 900), (90, 900), (3_600, 32_400)])
def test_a_feed_without_a_promise_is_known_by_its_own_rhythm(mean_s: float, within_s: float) -> None:
    """Notices without a rhythm; looked at each minute. Dense ones are missed within 15 minutes, and seldom falsely."""
    chance = random.Random(7)
    late = alarms = gaps = 0
    for _ in range(40):
        mean: float | None = None
        for events in range(1, 400):
            gap = chance.expovariate(1 / mean_s) + health.WRITE_EVERY.total_seconds()
            if events >= health.LEARNED_FROM and mean is not None:
                gaps += 1
                alarms += gap > health.longest_silence(mean).total_seconds()
            mean = health.learned(mean, events, gap)
        assert mean is not None
        late += health.longest_silence(mean).total_seconds() + 60 > within_s
    assert late <= 1
    assert alarms / gaps < 0.004


def test_a_feed_that_goes_quiet_is_noticed_within_fifteen_minutes(database: Database, person: Person) -> None:
    start = clock.real_now()

    def hear_all(session: Any) -> None:
        for number in range(100):
            health.heard(session, health.notices(NAME), NAME, now=start + timedelta(seconds=10 * number))

    database.run(hear_all)
    last = start + timedelta(seconds=990)
    for minutes, stale in ((5, False), (15, True)):
        at = last + timedelta(minutes=minutes)
        database.run(lambda session, at=at: health.look(session, {}, now=at))
        with database.transaction() as session:
            assert (NAME in feeds.stale_carriers(session)) is stale
            (line,) = service.lines_of(session, person.borrower_id)
            assert line.stale is stale
    database.run(lambda s: health.heard(s, health.notices(NAME), NAME, now=last + timedelta(minutes=20)))
    with database.transaction() as session:
        assert NAME not in feeds.stale_carriers(session)
        kinds = session.execute(
            text("SELECT type FROM kernel_event WHERE aggregate_type = 'feed' ORDER BY seq")
        ).scalars()
        assert list(kinds) == ["line.feed_stale.v1", "line.feed_restored.v1"]


def test_a_feed_without_a_rhythm_raises_no_alarm() -> None:
    now = clock.real_now()
    row = Feed(
        name="x/notices", provider="x", last_event_at=now - timedelta(days=3), events=5, gap_s=60.0, failures=0,
        state="fresh", state_since=now,
    )  # fmt: skip
    assert not health.quiet(row, None, now=now)
    assert health.quiet(row, 600, now=now)
    row.events, row.gap_s = 50, 86_400.0
    assert not health.quiet(row, None, now=now)
    answers = Feed(
        name="x/answers", provider="x", last_event_at=now - timedelta(minutes=20), events=5, gap_s=None, failures=9,
        state="fresh", state_since=now,
    )  # fmt: skip
    assert not health.quiet(answers, None, now=now)
    answers.failures = 10
    assert health.quiet(answers, None, now=now)


def test_the_routes_are_for_those_who_may(client: Any, person: Person) -> None:
    for path in ("/api/v1/line-feeds", f"/api/v1/lines/{person.line_id}/export", "/api/v1/me/lines/export"):
        assert client.get(path).status_code == 401
