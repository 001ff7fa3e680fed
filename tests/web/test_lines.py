"""Lines in the console and over HTTP: the belief as a chart, its evidence, questions and carriers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from throughline.identity.api_keys import create_api_key
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.line import reading, service
from throughline.line.feed import health
from throughline.line.feed.models import Feed
from throughline.line.state import PublicState
from throughline.web.console import belief_chart
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]
START = datetime(2026, 5, 1, tzinfo=UTC)
CHANCES = st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda one: sum(one) > 0.1)


@pytest.fixture(scope="module")
def admin(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers(), "admin")


def test_a_line_is_found_and_its_belief_drawn(admin: PlainBrowser, story: scene.Story) -> None:
    listed = admin.open("/console/lines?state=suspended&alarm=true")
    assert f"/console/lines/{story.line_id}" in listed
    assert f"/console/lines/{story.line_id}" not in admin.open("/console/lines?state=cancelled")
    for span in ("day", "week", "month"):
        page = admin.open(f"/console/lines/{story.line_id}?span={span}")
        assert '<polygon class="suspended"' in page
        assert story.person.phone not in page
    assert '<polygon class="active"' in page
    assert "运营商" in page
    assert admin.page.status_code == 200


def test_a_line_that_is_not_there(admin: PlainBrowser) -> None:
    admin.open(f"/console/lines/{new_id()}")
    assert admin.page.status_code == 404
    assert "没有这条线路" in admin.page.text


def test_a_line_whose_carrier_is_not_heard_is_stale_and_not_well(
    database: Database, admin: PlainBrowser, story: scene.Story
) -> None:
    words = "已收不到其运营商的消息"
    assert words not in admin.open(f"/console/lines/{story.line_id}")

    def set_state(state: str) -> None:
        database.run(lambda session: session.execute(update(Feed).values(state=state)))

    with database.transaction() as session:
        health.heard(session, health.notices("simulator"), "simulator", now=clock.real_now())
    set_state("stale")
    try:
        assert words in admin.open(f"/console/lines/{story.line_id}")
        assert "已收不到" in admin.open("/console/carriers")
    finally:
        set_state("fresh")


def test_carriers_and_questions(admin: PlainBrowser, story: scene.Story) -> None:
    del story
    page = admin.open("/console/carriers")
    assert "simulator" in page
    assert re.search(r"双向停机|stopped both ways", page)


def test_the_history_agrees_with_the_belief(database: Database, story: scene.Story) -> None:
    with database.transaction() as session:
        now = clock.now()
        found = service.history(session, story.line_id, now - timedelta(days=9), now, 50)
        line = reading.line(session, story.line_id)
    assert len(found) == 50
    for _, chances in found:
        assert sum(chances.values()) == pytest.approx(1)
    before, last = found[0][1], found[-1][1]
    assert before[PublicState.SUSPENDED] < 0.1
    assert line.state == PublicState.SUSPENDED
    assert max(last, key=lambda state: last[state]) == PublicState.SUSPENDED


def test_the_api_of_lines(database: Database, browser: PlainBrowser, story: scene.Story) -> None:
    with database.transaction() as session:
        key = create_api_key(session, "lines", frozenset({"line:read"}), now=clock.real_now()).key
    client, bearer = browser.client, {"Authorization": f"Bearer {key}"}
    base = "/api/v1/lines"

    def get(path: str, **params: object) -> object:
        answer = client.get(base + path, headers=bearer, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    rows = get("/all", alarm=True)["items"]  # type: ignore[index]
    assert str(story.line_id) in {row["line_id"] for row in rows}
    assert get(f"/{story.line_id}")["state"] == "suspended"  # type: ignore[index]
    until = clock.now()
    since = until - timedelta(days=3)
    points = get(f"/{story.line_id}/history", points=7, since=since.isoformat(), until=until.isoformat())
    assert len(points) == 7  # type: ignore[arg-type]
    queries = get(f"/{story.line_id}/queries")
    assert {one["source"] for one in queries} == {"camara.subscription-status"}  # type: ignore[attr-defined]
    assert sum(one["lines"] for one in get("/carriers")) >= 1  # type: ignore[attr-defined]
    assert get("/spend", days=60)
    times = {"since": since.isoformat(), "until": until.isoformat()}
    for path in ("", "/queries", "/claims", "/history", "/export"):
        answer = client.get(f"{base}/{new_id()}{path}", headers=bearer, params=times)
        assert (answer.status_code, answer.json()["code"]) == (404, "line-unknown")
    assert client.get(f"{base}/all", params={"state": "nonsense"}, headers=bearer).status_code == 422
    assert client.get(f"{base}/all").status_code == 401


@given(st.lists(CHANCES, min_size=2, max_size=30), st.lists(st.integers(-90, 90), max_size=5))
def test_the_picture_of_a_belief_stays_in_its_frame(rows: list[list[float]], seen: list[int]) -> None:
    series = [
        (
            START + timedelta(hours=number),
            {state: p / sum(row) for state, p in zip([*belief_chart.ORDER, "unknown"], row, strict=True)},
        )
        for number, row in enumerate(rows)
    ]
    marks = [(START + timedelta(hours=hour), "seen", False) for hour in seen]
    chart = belief_chart.draw(series, marks)
    assert chart is not None
    for band in chart.bands:
        for point in band.points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= belief_chart.WIDTH
            assert 0 <= y <= belief_chart.HEIGHT
    assert all(0 <= mark.x <= belief_chart.WIDTH for mark in chart.marks)
    assert len(chart.marks) == sum(0 <= hour <= len(rows) - 1 for hour in seen)


def test_one_instant_is_no_picture() -> None:
    assert belief_chart.draw([(START, {"active": 1.0})], []) is None
