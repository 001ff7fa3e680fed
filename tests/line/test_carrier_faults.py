"""Whatever a carrier answers: no crash, no wrong evidence, repeats within the quota, tokens that stay where they belong.

Each fault stands between our client and a carrier that serves the official files; each operation is called under it.
An operation may say the right thing or nothing.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from line import official
from line.fault_proxy import FAULTS, TOKEN_FAULTS, FaultProxy
from line.official import NUMBER, SESSION, SUBSCRIPTION, Carrier
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.carrier.keys import ensure_keys
from throughline.line import feeds, service
from throughline.line.adapters.camara import (
    consent_info,
    data_volume,
    forwarding,
    notices,
    number_verification,
    one_time_password,
    sponsored,
    swaps,
)
from throughline.line.adapters.camara.calls import Caller, Reply, Subject
from throughline.line.adapters.camara.feeds import SOURCES, feeds_of
from throughline.line.feed.directory import directory, purpose_of
from throughline.line.models import LineQuery, LineSignal, RawAnswer
from throughline.line.ports import Outcome, StatusAnswer, StatusQuestion
from throughline.line.settings import CarrierSettings
from throughline.parties import service as parties
from throughline.parties.chinese_id import check_character
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

ALL = [*FAULTS, *TOKEN_FAULTS]
ASKED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPEATS = 2
NAME = "cmcc"
CAMPAIGN = sponsored.Campaign(*official.CAMPAIGN)
Operation = Callable[[Caller, Subject, float], Reply[Any] | bool]


class Elsewhere:
    """A server that no request may reach."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        seen = self.reached

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def _note(self) -> None:
                seen.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_GET = do_POST = _note  # noqa: N815

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    made = Elsewhere()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def carrier() -> Iterator[Carrier]:
    made = Carrier()
    yield made
    made.close()


@pytest.fixture(scope="module")
def proxy(carrier: Carrier, elsewhere: Elsewhere) -> Iterator[FaultProxy]:
    made = FaultProxy(carrier.port, elsewhere.url)
    yield made
    made.close()


def config(proxy: FaultProxy, home: Path) -> CarrierSettings:
    key, _ = ensure_keys(home)
    return CarrierSettings(
        name=NAME, api_url=proxy.url, client_key=key, sells=tuple(SOURCES), per_s=10_000, price_minor=7,
        notices=("reachability", "sim-swap", "data-volume"),
    )  # fmt: skip


def _subscribe(kind: str, name: str) -> Operation:
    api = notices.APIS[kind]

    def make(caller: Caller, subject: Subject, until: float) -> Reply[Any]:
        return notices.create(
            caller, subject, api.prefix + name, sink="https://lender.example/hooks/line/camara",
            sink_token=uuid4().hex, expires_at=clock.real_now() + timedelta(days=30), ends_at=until,
        )  # fmt: skip

    return make


REACHABILITY_TYPE = notices.APIS["reachability"].types[0]
SESSION_AT = (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 14, tzinfo=UTC))
# Every operation that no source asks by itself, and the value that is right. It may come or not.
DIRECT: dict[str, tuple[Operation, Any]] = {
    "sim swap check": (lambda c, s, u: swaps.check(c, s, swaps.SIM, 240, ends_at=u), True),
    "device swap check": (lambda c, s, u: swaps.check(c, s, swaps.DEVICE, 240, ends_at=u), True),
    "unconditional forwarding": (lambda c, s, u: forwarding.unconditional(c, s, ends_at=u), True),
    "forwardings": (lambda c, s, u: forwarding.forwardings(c, s, ends_at=u), frozenset({"conditional_busy"})),
    "consent": (
        lambda c, s, u: consent_info.ask(c, s, ["sim-swap:check"], capture=False, ends_at=u),
        consent_info.Standing(True, frozenset(), None),
    ),
    "verify": (lambda c, s, u: number_verification.verify(c, s, "network", ends_at=u), True),
    "device number": (lambda c, s, u: number_verification.device_number(c, s, "network", ends_at=u), NUMBER),
    "send code": (lambda c, s, u: one_time_password.send_code(c, s, "{{code}} is yours", ends_at=u), SESSION),
    "validate code": (lambda c, s, u: one_time_password.validate_code(c, s, SESSION, "123456", ends_at=u), True),
    "data check": (lambda c, s, u: data_volume.more_than(c, s, 500, ends_at=u), True),
    "subscribe to reachability": (_subscribe("reachability", "reachability-data"), SUBSCRIPTION),
    "subscribe to swaps": (_subscribe("sim-swap", "swapped"), SUBSCRIPTION),
    "subscribe to data": (_subscribe("data-volume", "data-90-percent"), SUBSCRIPTION),
    "read subscription": (
        lambda c, s, u: notices.read_one(c, s, REACHABILITY_TYPE, SUBSCRIPTION, ends_at=u),
        SUBSCRIPTION,
    ),
    "delete subscription": (
        lambda c, s, u: notices.delete(c, s, REACHABILITY_TYPE, SUBSCRIPTION, ends_at=u),
        True,
    ),
    "sponsor": (
        lambda c, s, u: sponsored.start(
            c, s, CAMPAIGN, webhook_url="https://lender.example/hooks", callback_token=str(uuid4()),
            volume_mb=100, minutes=60, ends_at=u,
        ),
        sponsored.Session(SESSION, *SESSION_AT, 100),
    ),
    "session": (
        lambda c, s, u: sponsored.session_status(c, s, CAMPAIGN, SESSION, ends_at=u),
        sponsored.SessionStatus(True, *SESSION_AT, 60, 40, None),
    ),
    "revoke": (lambda c, s, u: sponsored.revoke(c, s, CAMPAIGN, SESSION, ends_at=u), True),
    "campaign": (
        lambda c, s, u: sponsored.campaign_status(c, s, CAMPAIGN, ends_at=u),
        sponsored.CampaignStatus("active", *SESSION_AT, 5, None, None, "not_available"),
    ),
    "sessions": (lambda c, s, u: sponsored.active_sessions(c, s, CAMPAIGN, ends_at=u), (SESSION,)),
    "alerts": (
        lambda c, s, u: sponsored.subscribe_to_alerts(
            c, s, CAMPAIGN, webhook_url="https://lender.example/hooks", callback_token=str(uuid4()), ends_at=u
        ),
        True,
    ),
    "pause": (lambda c, s, u: sponsored.manage(c, s, CAMPAIGN, pause=True, ends_at=u), "paused"),
}  # fmt: skip
# What the sources say of the line of the official carrier, by name: (code, attributes), or the swap.
RIGHT: dict[str, Any] = {
    "camara.subscription-status": (None, {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}),
    "camara.device-reachability": (None, {"reachable": False}),
    "camara.number-recycling": (None, {"recycled": True, "specified_date": "2026-01-15"}),
    "camara.kyc-tenure": (None, {"tenureDateCheck": False, "tenureDate": "2026-01-15"}),
    "camara.device-data-volume": (None, {"dataVolumeCategory": "<200MiB"}),
    "camara.sim-swap": "sim",
    "camara.device-swap": "device",
}  # fmt: skip
# A session or a campaign may begin and end at any time: no other is known to be wrong.
OF_ANY_TIME = frozenset({"sponsor", "session", "campaign"})
# Repeating these would be a second message or a second contract.
ONCE = ("send-code", "validate-code", "/subscriptions", "/sponsorship")


def _value(reply: Reply[Any] | bool) -> Any:
    value = reply.value if isinstance(reply, Reply) else reply
    return value.remote_id if isinstance(value, notices.Remote) else value


def _question(source: str) -> StatusQuestion:
    return StatusQuestion(NUMBER, ASKED_AT, purpose_of(source), str(uuid4()), proven_on=date(2026, 1, 15))


def _call_all(caller: Caller, total_s: float) -> tuple[dict[str, Reply[Any] | bool], dict[str, StatusAnswer]]:
    """Every operation and every source, side by side."""
    with ThreadPoolExecutor(12) as pool:
        direct = {
            name: pool.submit(
                call, caller, Subject(NUMBER, Purpose.CONTINUITY, str(uuid4())), time.monotonic() + total_s
            )
            for name, (call, _) in DIRECT.items()
        }
        asked = {
            name: pool.submit(feed.status, _question(name), total_s)
            for name, feed in feeds_of(caller.config, caller).items()
        }
        return (
            {name: one.result(30) for name, one in direct.items()},
            {name: one.result(30) for name, one in asked.items()},
        )


def _right(name: str, answer: StatusAnswer) -> bool:
    if name in {"camara.sim-swap", "camara.device-swap"}:
        return [one.kind for one in answer.swaps] == [RIGHT[name]]
    return [(one.code, dict(one.attributes)) for one in answer.signals] == [RIGHT[name]]


def test_requests_are_by_the_official_files_and_answers_are_understood(
    carrier: Carrier, proxy: FaultProxy, home: Path
) -> None:
    proxy.spoil_with(None)
    for (name, method, path), (status, right) in official.RIGHT.items():
        if right is not None:
            assert official.faults(name, method, path, "response", right, str(status)) == []
    caller = Caller(config(proxy, home), timeout_s=10, repeats=0)
    direct, asked = _call_all(caller, 30)
    assert carrier.breaches == []
    for name, reply in direct.items():
        assert _value(reply) == DIRECT[name][1], name
    for name, answer in asked.items():
        assert answer.outcome is Outcome.ANSWERED, name
        assert answer.cost_minor == 7
        assert _right(name, answer), name
    # Every path that the files and our list know was asked.
    assert len({path for _, path in carrier.requests if path != "/oauth2/token"}) >= 28


@pytest.mark.parametrize("fault", ALL)
def test_no_fault_gives_wrong_evidence(
    carrier: Carrier, proxy: FaultProxy, elsewhere: Elsewhere, home: Path, fault: str
) -> None:
    proxy.spoil_with(fault)
    caller = Caller(config(proxy, home), timeout_s=0.4, repeats=REPEATS)
    begun = time.monotonic()
    direct, asked = _call_all(caller, 1.0)
    assert time.monotonic() - begun < 25  # several rounds of one second on a busy machine
    proxy.spoil_with(None)
    for name, reply in direct.items():
        if fault.startswith("times") and name in OF_ANY_TIME:
            continue
        assert _value(reply) in (None, False, DIRECT[name][1]), name
        if isinstance(reply, Reply) and name not in {"validate code", "consent"}:
            assert reply.value is None or reply.value is not False, name  # "no" is as wrong as anything else
    for name, answer in asked.items():
        assert answer.outcome in set(Outcome)
        if fault == "no change in the monitored period" and name.endswith("swap"):
            assert answer.outcome in {Outcome.ANSWERED, Outcome.UNKNOWN}
            assert answer.swaps == ()
        elif answer.outcome is Outcome.ANSWERED:
            assert _right(name, answer), (name, answer)
        else:
            assert (answer.signals, answer.swaps, answer.cost_minor) == ((), (), 0), name
        assert "460-00" not in (answer.raw or "")
    assert elsewhere.reached == []
    assert proxy.problems == []
    for asked_for, count in proxy.counts.items():
        most = 1 if any(part in asked_for for part in ONCE) and "POST" in asked_for else 1 + REPEATS
        if not asked_for.endswith("/oauth2/token"):
            assert count <= most, asked_for


def test_there_are_enough_faults() -> None:
    assert len(set(ALL)) >= 40


# --- the same through the database --------------------------------------------------------------------


@pytest.fixture(scope="module")
def set_up(proxy: FaultProxy, home: Path, installation: Path) -> Iterator[None]:
    key, _ = ensure_keys(home)
    patch = pytest.MonkeyPatch()
    text = f'[{{"name": "{NAME}", "api_url": "{proxy.url}", "client_key": "{key}", "per_s": 10000, "price_minor": 7}}]'
    for name, value in {"CARRIER": NAME, "CARRIERS": text, "TIMEOUT_S": "0.4", "TOTAL_S": "1.2"}.items():
        patch.setenv(f"THROUGHLINE_LINE_{name}", value)
    kernel_settings.load.cache_clear()
    directory.cache_clear()
    yield
    patch.undo()
    kernel_settings.load.cache_clear()
    directory.cache_clear()


def _borrower(database: Database, number: int) -> tuple[Any, Any]:
    """A person with a line, before any question."""

    def register(session: Any) -> Any:
        digits = f"110105199001{1 + number // 900:02d}{100 + number % 900:03d}"
        person = NewPerson(
            "王小明", digits + check_character(digits), f"+86139{number:08d}", f"w{number}@example.com", "zh-CN",
            "Asia/Shanghai",
        )  # fmt: skip
        borrower_id = parties.register_person(session, person, now=clock.now())
        parties.give_consents(
            session, borrower_id, [Purpose.IDENTITY, Purpose.CONTINUITY], {"page": "test"}, now=clock.now()
        )
        (point,) = [one for one in parties.contact_points(session, borrower_id) if one.kind == "phone"]
        return borrower_id, service.register(session, borrower_id, point.id, now=clock.now())

    return database.run(register)


@pytest.mark.parametrize("number", range(len(ALL)), ids=ALL)
def test_a_line_is_believed_as_without_the_answer_or_as_with_the_right_one(
    set_up: None, database: Database, proxy: FaultProxy, number: int
) -> None:
    borrower_id, line_id = _borrower(database, number)
    with database.transaction() as session:
        (before,) = service.lines_of(session, borrower_id)
    proxy.spoil_with(ALL[number])
    directory.cache_clear()
    feeds.query(borrower_id, line_id, "planned")
    proxy.spoil_with(None)
    with database.transaction() as session:
        (after,) = service.lines_of(session, borrower_id)
        row = session.scalars(select(LineQuery).where(LineQuery.line_id == line_id)).one()
        signals = session.scalars(select(LineSignal).where(LineSignal.line_id == line_id)).all()
        kept = session.scalars(select(RawAnswer).where(RawAnswer.line_id == line_id)).all()
    assert row.outcome in set(Outcome)
    assert row.consent_id is not None
    assert (row.purpose, row.provider, row.source) == (
        Purpose.CONTINUITY,
        NAME,
        "camara.subscription-status",
    )
    if row.outcome == Outcome.ANSWERED:
        assert (after.state, row.cost_minor, len(signals), len(kept)) == ("suspended", 7, 1, 1)
        assert signals[0].provider == NAME
    else:
        assert (after.state, after.alarm) == (before.state, before.alarm)
        assert (row.cost_minor, signals, kept) == (0, [], [])
