"""The public page: for everybody, light, in both languages, without a script; and its copy of plain files."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from lxml import etree

from throughline.continuity import incidents
from throughline.continuity.status import document, intake, notes, overlay, tasks
from throughline.continuity.status.intake import Observation
from throughline.continuity.status.sink import DirectorySink
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.web.status import pages, render

ATOM = "{http://www.w3.org/2005/Atom}"
MOST_BYTES = (
    8 * 1024
)  # page, sheet and script together, compressed: about a second and a half on a poor 2G line


@pytest.fixture(scope="module")
def incident_id(database: Database) -> str:
    now = clock.now()
    with database.transaction() as session:
        for place in range(5):
            at = now - timedelta(minutes=5 - place)
            seen = [Observation(name, at, "working", "", 10, 60) for name in tasks.TASKS]
            intake.record(session, "a", seen, now=now)
        new = incidents.NewIncident(
            f"staff:{uuid4()}", "own", "payment_channel", {"rail": "wechat"}, now - timedelta(hours=1)
        )
        found, _ = incidents.open_incident(session, new, now=now)
        notes.publish(
            session,
            found.id,
            "identified",
            {"zh-CN": "渠道方正在修复 <b>", "en": "The provider is mending it <b>"},
            now=now,
            next_update_by=now + timedelta(minutes=30),
        )
        return str(found.id)


@pytest.fixture
def visitor(client: TestClient, incident_id: str) -> Iterator[TestClient]:
    pages.kept.forget()
    yield client
    pages.kept.forget()


def test_everybody_may_read_it_and_it_is_light(visitor: TestClient) -> None:
    total = 0
    for path in ("/status", "/static/status.css", "/static/stale.js"):
        answer = visitor.get(path)
        assert answer.status_code == 200
        total += len(gzip.compress(answer.content, 9))
    assert total <= MOST_BYTES
    page = visitor.get("/status").text
    assert "服务状态" in page
    assert "还款" in page
    assert "支付渠道故障：微信支付" in page
    assert "渠道方正在修复 &lt;b&gt;" in page
    assert 'id="stale" hidden' in page
    english = visitor.get("/status?lang=en").text
    assert 'lang="en"' in english
    assert "Repay" in english
    assert "partly down" in english
    assert "100.000 %" in english


def test_an_incident_says_what_to_do_and_what_it_means_for_due_dates(
    visitor: TestClient, incident_id: str
) -> None:
    page = visitor.get(f"/status/incidents/{incident_id}?lang=en").text
    for words in (
        "What to do now",
        "Use another way of paying",
        "What it means for due dates",
        "no penalty is charged",
        "The provider is mending it",
        "Next update by",
    ):
        assert words in page
    assert visitor.get(f"/status/incidents/{uuid4()}").status_code == 404
    assert visitor.get("/status/incidents/x").status_code == 404


def test_programs_read_json_and_feeds(visitor: TestClient, incident_id: str) -> None:
    told = visitor.get("/status.json").json()
    assert [one["id"] for one in told["incidents"]] == [incident_id]
    assert {row["id"] for row in told["tasks"]} == set(tasks.TASKS)
    for language in ("zh-CN", "en"):
        answer = visitor.get(f"/status/feed.xml?lang={language}")
        assert answer.headers["content-type"].startswith("application/atom+xml")
        feed = etree.fromstring(answer.content)
        assert len(feed.findall(f"{ATOM}entry")) == 2
        ids = [one.text for one in feed.iter(f"{ATOM}id")]
        assert len(ids) == len(set(ids)) == 3


def test_probes_need_their_own_key(visitor: TestClient) -> None:
    body = {"source": "a", "observations": []}
    assert visitor.post("/api/v1/status/probes", json=body).status_code in {401, 403}


def test_the_copy_is_whole_by_itself_and_says_when_it_is_stale(
    database: Database, incident_id: str, tmp_path: Path
) -> None:
    with database.transaction() as session:
        told = document.build(session, now=clock.now())
    DirectorySink(tmp_path).put(render.copy_of(told))
    DirectorySink(tmp_path).put(render.copy_of(told))
    names = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert names == {
        "index.html", "index.en.html", "status.json", "feed.xml", "feed.en.xml", "status.css", "stale.js",
        f"incidents/{incident_id}.html", f"incidents/{incident_id}.en.html",
    }  # fmt: skip
    for name in names:
        if not name.endswith(".html"):
            continue
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert told["made_at"] in page
        assert 'data-limit="300"' in page
        for link in re.findall(r'(?:href|src)="([^"]+)"', page):
            if not link.startswith("data:"):
                assert ((tmp_path / name).parent / link).resolve().is_file(), (name, link)
    assert json.loads((tmp_path / "status.json").read_bytes()) == json.loads(render.as_json(told))


def test_the_sink_does_not_leave_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out"):
        DirectorySink(tmp_path / "site").put({"../x": b""})
    assert not (tmp_path / "x").exists()


def test_what_the_prober_saw_is_laid_over_the_last_document(database: Database) -> None:
    with database.transaction() as session:
        told = document.build(session, now=clock.now())
    told["incidents"] = []
    now = clock.now() + timedelta(minutes=10)
    seen = [
        Observation(name, now - timedelta(minutes=3 - place), "down", "refused", 5, 60)
        for place in range(3)
        for name in (tasks.PLATFORM, *tasks.TASKS)
    ]
    laid = overlay.lay_over(told, seen, failures=3, now=now, made_at=clock.real_now())
    assert laid["state"] == "down"
    assert {row["days"][-1] for row in laid["tasks"]} == {"d"}
    (one,) = laid["incidents"]
    assert one["open"]
    assert one["id"].startswith("probe-")
    assert len(render.copy_of(laid)) == 9
    assert told["state"] != "down"
    nothing = overlay.lay_over(told, [], failures=3, now=now, made_at=clock.real_now())
    assert {row["state"] for row in nothing["tasks"]} == {"unknown"}
