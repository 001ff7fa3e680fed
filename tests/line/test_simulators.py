"""Two carriers and two vendors of the lab, asked over real HTTP through the one door."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

import throughline
from payments.support_servers import Simulator, free_port, simulator
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.carrier.keys import ensure_keys
from throughline.lab.vendors.keys import read_accounts
from throughline.line import feeds, service
from throughline.line.adapters.camara.feeds import SOURCES
from throughline.line.feed.directory import directory, purpose_of
from throughline.line.models import LineQuery, LineSignal
from throughline.parties import service as parties
from throughline.parties.chinese_id import check_character
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

PLACES = {"simulator": ("", "+8613800138001"), "southern": ("/southern", "+8616600138001")}


@pytest.fixture(scope="module")
def outside(home: Path, installation: Path, database_url: str) -> Iterator[dict[str, Simulator]]:
    key, _ = ensure_keys(home)
    accounts = read_accounts(home)
    urls = {name: f"http://127.0.0.1:{free_port()}" for name in ("carrier", "vendors")}
    environment = {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_LAB_CARRIER_URL": urls["carrier"],
        "PYTHONPATH": str(Path(throughline.__file__).parents[1]),
    }
    running = {name: simulator(name, url, environment) for name, url in urls.items()}
    for one in running.values():
        one.start()
    entries = [
        {"name": name, "api_url": urls["carrier"] + base, "client_key": str(key), "sells": list(SOURCES)}
        for name, (base, _) in PLACES.items()
    ]
    values = {
        "CARRIER": "simulator",
        "CARRIERS": json.dumps(entries),
        "ALIYUN": json.dumps(
            {
                "api_url": urls["vendors"], "access_key_id": accounts.aliyun_key_id,
                "access_key_secret": accounts.aliyun_key_secret,
            }
        ),
        "BAIDU": json.dumps(
            {
                "api_url": urls["vendors"], "access_key_id": accounts.baidu_key_id,
                "secret_access_key": accounts.baidu_key_secret, "app_key": "app",
            }
        ),
    }  # fmt: skip
    patch = pytest.MonkeyPatch()
    for name, value in values.items():
        patch.setenv(f"THROUGHLINE_LINE_{name}", value)
    kernel_settings.load.cache_clear()
    directory.cache_clear()
    yield running
    patch.undo()
    kernel_settings.load.cache_clear()
    directory.cache_clear()
    for one in running.values():
        one.process.kill()


@pytest.fixture(scope="module")
def lines(outside: dict[str, Simulator], database: Database) -> dict[str, tuple[UUID, UUID]]:
    """A line at each carrier."""
    assert os.environ["THROUGHLINE_LINE_CARRIER"] == "simulator"
    made: dict[str, tuple[UUID, UUID]] = {}
    for number, (name, (_, phone)) in enumerate(PLACES.items()):

        def register(session: Any, name: str = name, phone: str = phone, number: int = number) -> Any:
            digits = f"1101051990020{number + 1}12{number}"[:17].ljust(17, "3")
            new = NewPerson(
                "张伟",
                digits + check_character(digits),
                phone,
                f"z{number}@example.com",
                "zh-CN",
                "Asia/Shanghai",
            )
            borrower_id = parties.register_person(session, new, now=clock.now())
            wanted = [Purpose.IDENTITY, Purpose.CONTINUITY]
            parties.give_consents(session, borrower_id, wanted, {"page": "test"}, now=clock.now())
            (point,) = [one for one in parties.contact_points(session, borrower_id) if one.kind == "phone"]
            line_id = service.register(session, borrower_id, point.id, now=clock.now())
            session.execute(
                text("UPDATE line_line SET carrier = :name WHERE id = :id"), {"name": name, "id": line_id}
            )
            return borrower_id, line_id

        made[name] = database.run(register)
    return made


def _put(outside: dict[str, Simulator], name: str, **wish: Any) -> None:
    base, phone = PLACES[name]
    url = f"{outside['carrier'].url}{base}/control/numbers/{phone}"
    httpx.put(url, json=wish, timeout=10).raise_for_status()


@pytest.mark.parametrize("source", [*SOURCES, "vendor.aliyun", "vendor.baidu"])
@pytest.mark.parametrize("name", PLACES)
def test_every_source_of_both_carriers_answers(
    outside: dict[str, Simulator],
    lines: dict[str, tuple[UUID, UUID]],
    database: Database,
    name: str,
    source: str,
) -> None:
    _put(outside, name, state="suspended")
    httpx.post(
        f"{outside['vendors'].url}/control/settings", json={"lag_s": 0, "repeat_after_s": 0}, timeout=10
    )
    borrower_id, line_id = lines[name]
    feeds.query(borrower_id, line_id, "test", source)
    with database.transaction() as session:
        row = session.scalars(
            select(LineQuery).where(LineQuery.line_id == line_id, LineQuery.source == source)
        ).one()
        signal = session.scalars(
            select(LineSignal)
            .where(LineSignal.line_id == line_id, LineSignal.source == source)
            .order_by(LineSignal.id.desc())
            .limit(1)
        ).one_or_none()
    assert (row.outcome, row.purpose) == ("answered", purpose_of(source)), row.code
    if row.purpose == Purpose.CONTINUITY:
        assert signal is not None
        assert signal.provider == (name if source.startswith("camara") else source.removeprefix("vendor."))
        if source == "camara.subscription-status":
            assert signal.meaning == "suspended_both"
        if source.startswith("vendor"):
            assert signal.meaning == "suspended_some_way"
    else:
        assert signal is None


def test_both_lines_are_believed_by_their_own_carrier(
    outside: dict[str, Simulator], lines: dict[str, tuple[UUID, UUID]], database: Database
) -> None:
    _put(outside, "simulator", state="active")
    _put(outside, "southern", state="suspended")
    states = {}
    for name, (borrower_id, line_id) in lines.items():
        for _ in range(2):
            feeds.query(borrower_id, line_id, "test", "camara.subscription-status")
        with database.transaction() as session:
            (line,) = service.lines_of(session, borrower_id)
        states[name] = line.state
    assert states == {"simulator": "active", "southern": "suspended"}
    assert timedelta(0) == clock.demo_shift()
