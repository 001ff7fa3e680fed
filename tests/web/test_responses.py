"""A response in the console, by forms alone; and over the API."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from throughline.continuity import incidents
from throughline.continuity.response import service
from throughline.continuity.status import notes
from throughline.kernel import clock
from throughline.kernel.db import Database
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]


@pytest.fixture(scope="module")
def staff(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers("en"), "operations")


@pytest.fixture(scope="module")
def second(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers(), "admin")


@pytest.fixture(scope="module")
def incident_id(database: Database) -> str:
    with database.transaction() as session:
        new = incidents.NewIncident("staff:web", "own", "payment_channel", {"rail": "wechat"}, clock.now())
        return str(incidents.open_incident(session, new, now=clock.now())[0].id)


def test_from_the_incident_to_the_report(
    database: Database, staff: PlainBrowser, second: PlainBrowser, browser: PlainBrowser, incident_id: str
) -> None:
    staff.open(f"/console/incidents/{incident_id}")
    page = staff.submit("/console/responses")
    assert staff.path.startswith("/console/responses/")
    here = staff.path
    assert "A payment channel fails: WeChat Pay" in page
    assert "Make sure which channel fails" in page
    assert "No clock runs" in page
    page = staff.submit(f"{here}/step", step="confirm", proof="orders 1 to 7")
    assert "orders 1 to 7" in page
    page = staff.submit(f"{here}/note", stage="noticed", zh="我们看到故障", en="We see it")
    assert staff.page.status_code == 200
    page = staff.submit(f"{here}/class", regime="CN", **{"class": "larger"})
    assert "Report to the provincial cyberspace office" in page
    page = staff.submit(f"{here}/awareness", at="yesterday")
    assert staff.page.status_code == 422
    staff.open(here)
    staff.submit(f"{here}/role", role="commander")
    staff.submit(f"{here}/grace", needed="yes", zh="渠道故障", en="The channel failed")
    assert f"{here}/approve" not in {form.action for form in staff.forms()}
    second.open(here)
    page = second.submit(f"{here}/approve")
    assert "宽限已决定" in page
    public = browser.open(f"/status/incidents/{incident_id}")
    assert "我们看到故障" in public
    with database.transaction() as session:
        found = service.of_incident(session, notes.of(session, UUID(incident_id))[0].incident_id)
        assert found is not None
        incidents.end_incident(session, found.incident_id, ended_at=clock.now(), now=clock.now())
    staff.open(here)
    staff.submit(f"{here}/close", lessons="Ask the provider first.")
    told = staff.open(f"{here}/report")
    for words in ("orders 1 to 7", "commander", "Ask the provider first.", "CAC Measures", "Grace decided"):
        assert words in told
    listed = second.open("/console/responses?state=closed")
    assert "支付渠道故障：微信支付" in listed


def test_programs_read_it_and_only_people_decide(database: Database, staff: PlainBrowser) -> None:
    answer = staff.client.get("/api/v1/playbooks", headers=staff._headers())
    assert {one["id"] for one in answer.json()} >= {"carrier-outage", "data-centre-loss"}
    (row,) = staff.client.get("/api/v1/responses", headers=staff._headers()).json()["items"]
    whole = staff.client.get(f"/api/v1/responses/{row['id']}", headers=staff._headers()).json()
    assert whole["roles"].keys() == {"commander"}
    assert staff.client.get("/api/v1/responses").status_code == 401
