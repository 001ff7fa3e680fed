"""The HTTP face: episodes and timelines for staff with the permission, own protections for a borrower."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from continuity.debtors import Debtor, today
from support.callers import Browse, browsing
from throughline.continuity import api
from throughline.identity.roles import ROLES
from throughline.kernel import http
from throughline.kernel.db import Database

EPISODES = "/api/v1/episodes"
PROTECTIONS = "/api/v1/me/protections"
STAFF = http.Caller("staff", uuid4(), uuid4(), frozenset({"continuity:read"}))


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def dark(database: Database, late: Debtor) -> UUID:
    """The open episode of the late borrower."""
    with database.transaction() as session:
        found = late.hear(session, since=late.due - timedelta(days=1))
    assert found is not None
    return found


def test_staff_read_an_episode_with_its_cases(browse: Browse, late: Debtor, dark: UUID) -> None:
    client = browse(STAFF)
    found = client.get(f"{EPISODES}/{dark}").json()
    assert (found["state"], found["kind"], found["borrower_id"]) == ("open", "suspended", str(late.id))
    (case,) = found["cases"]
    assert (case["state"], case["loan_id"]) == ("granted", str(late.loan_id))
    assert case["record_id"]
    assert case["difference"]["penalty_minor"] > 0
    assert set(case["reason"]) == {"zh-CN", "en"}
    entries = client.get(f"{EPISODES}/{dark}/timeline").json()["items"]
    assert [entry["kind"] for entry in entries] == ["line", "episode_opened", "protection_granted"]
    first = client.get(f"{EPISODES}/{dark}/timeline", params={"limit": 2}).json()
    rest = client.get(
        f"{EPISODES}/{dark}/timeline", params={"limit": 2, "cursor": first["next_cursor"]}
    ).json()
    assert first["items"] + rest["items"] == entries
    assert rest["next_cursor"] is None


def test_filters_and_pages(browse: Browse, database: Database, late: Debtor, dark: UUID) -> None:
    with database.transaction() as session:
        late.hear(session, "active", since=late.due)
        second = late.hear(session, since=today())
    client = browse(STAFF)
    mine = {"borrower_id": str(late.id)}
    ids = [row["id"] for row in client.get(EPISODES, params=mine).json()["items"]]
    assert ids == [str(second), str(dark)]  # newest first
    for state, episode_id in (("open", second), ("closed", dark)):
        found = client.get(EPISODES, params=mine | {"state": state}).json()["items"]
        assert [row["id"] for row in found] == [str(episode_id)]
    first = client.get(EPISODES, params=mine | {"limit": "1"}).json()
    rest = client.get(EPISODES, params=mine | {"limit": "1", "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["items"] + rest["items"]] == ids
    assert client.get(EPISODES, params={"state": "asleep"}).status_code == 422
    assert client.get(EPISODES, params={"cursor": "x"}).status_code == 422


def test_who_may_read_what(browse: Browse, early: Debtor, late: Debtor, dark: UUID) -> None:
    paths = (EPISODES, f"{EPISODES}/{dark}", f"{EPISODES}/{dark}/timeline")
    everything_else = frozenset().union(*ROLES.values()) - {"continuity:read"}
    for path in paths:
        assert browse(http.PUBLIC).get(path).status_code == 401
        assert browse(http.Caller("borrower", late.id)).get(path).status_code == 403
        assert browse(http.Caller("staff", uuid4(), uuid4(), everything_else)).get(path).status_code == 403
        assert browse(STAFF).get(path).status_code == 200
    assert browse(STAFF).get(f"{EPISODES}/{uuid4()}").status_code == 404
    assert browse(STAFF).get(f"{EPISODES}/{uuid4()}/timeline").status_code == 404
    mine = browse(http.Caller("borrower", late.id)).get(PROTECTIONS).json()
    assert [case["loan_id"] for case in mine["items"]] == [str(late.loan_id)]
    assert "borrower_id" not in mine["items"][0]
    assert browse(http.Caller("borrower", early.id)).get(PROTECTIONS).json()["items"] == []
    assert browse(STAFF).get(PROTECTIONS).status_code == 403
    assert browse(http.PUBLIC).get(PROTECTIONS).status_code == 401
