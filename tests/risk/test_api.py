"""The HTTP face: a decision with its reasons and points, for staff with the permission only."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from support.callers import Browse, browsing
from throughline.identity.roles import ROLES
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.risk import api, scorecard, service
from throughline.risk.facts import ApplicationFacts

PATH = "/api/v1/risk/decisions"
UNSURE = ApplicationFacts(500_000, 150_000, 150_000, 6)


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


def _staff(browse: Browse, *roles: str) -> TestClient:
    scopes = frozenset().union(*(ROLES[role] for role in roles))
    return browse(http.Caller("staff", uuid4(), uuid4(), scopes))


@pytest.fixture
def decided(database: Database) -> UUID:
    return database.run(
        lambda s: service.decide(
            s,
            new_id(),
            UNSURE,
            principal_minor=300_000,
            installment_minor=52_700,
            age_years=36,
            now=clock.now(),
        )
    ).id


def test_the_points_add_up_to_the_score_and_the_reasons_are_the_groups_that_lost_most(
    browse: Browse, decided: UUID
) -> None:
    found = _staff(browse, "credit").get(f"{PATH}/{decided}").json()
    assert (found["outcome"], found["same_again"]) == ("refer", True)
    card = scorecard.shipped(found["scorecard"])
    assert card.base_points + sum(row["points"] for row in found["points"]) == found["score"]
    assert [row["characteristic"] for row in found["points"]] == [one.name for one in card.characteristics]
    lost: dict[str, int] = {}
    for row in found["points"]:
        lost[row["group"]] = lost.get(row["group"], 0) + row["best"] - row["points"]
    ranked = sorted((group for group in lost if lost[group]), key=lambda group: (-lost[group], group))
    assert [row["code"] for row in found["reasons"]] == [f"SC-{group.upper()}" for group in ranked][:4]
    assert all(set(row["text"]) == {"zh-CN", "en"} for row in found["reasons"])
    assert "500000" not in str(found)  # the facts themselves are not shown


def test_a_row_that_was_changed_is_not_the_same_again(
    database: Database, browse: Browse, decided: UUID
) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE risk_decision SET limit_minor = limit_minor + 1 WHERE id = :id"), {"id": decided}
        )
    assert _staff(browse, "credit").get(f"{PATH}/{decided}").json()["same_again"] is False


def test_pages_and_permissions(browse: Browse, decided: UUID) -> None:
    client = _staff(browse, "compliance")
    everything = [row["id"] for row in client.get(PATH).json()["items"]]
    assert everything[0] == str(decided)
    first = client.get(PATH, params={"limit": 1}).json()
    assert [row["id"] for row in first["items"]] == everything[:1]
    rest = client.get(PATH, params={"cursor": first["next_cursor"]}) if first["next_cursor"] else None
    assert [row["id"] for row in rest.json()["items"]] == everything[1:] if rest else len(everything) == 1
    assert client.get(f"{PATH}/{uuid4()}").status_code == 404
    for path in (PATH, f"{PATH}/{decided}"):
        assert _staff(browse, "agent", "operations").get(path).status_code == 403
        assert browse(http.Caller("borrower", uuid4())).get(path).status_code == 403
        assert browse(http.PUBLIC).get(path).status_code == 401
