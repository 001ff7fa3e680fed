"""The demo lender has two people, so that what needs two can be shown."""

from __future__ import annotations

import json
import stat
from uuid import UUID

import pytest

from throughline.cli import demo_lender
from throughline.identity import service as identity
from throughline.identity.sign_in import Browser
from throughline.kernel import clock
from throughline.kernel.db import Database


@pytest.fixture
def _no_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_lender.subprocess, "run", lambda *args, **kwargs: None)


@pytest.mark.usefixtures("_no_simulators")
def test_two_people_may_sign_in_and_an_older_file_gets_the_second(database: Database) -> None:
    demo_lender.prepare()
    path = demo_lender.credentials_file()
    first = json.loads(path.read_text(encoding="utf-8"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    older = {name: first[name] for name in ("staff", "api_key")}
    path.write_text(json.dumps(older), encoding="utf-8")
    for _ in range(2):
        demo_lender.prepare()
    made = json.loads(path.read_text(encoding="utf-8"))
    assert {name: made[name] for name in older} == older
    ids: set[UUID] = set()
    for who in ("staff", "second"):
        one = made[who]
        begun = database.run(
            lambda session, one=one: identity.staff_sign_in(  # type: ignore[misc]
                session, one["name"], one["password"], Browser("test"), now=clock.real_now()
            )
        )
        ids.add(begun.session.subject_id)
    assert len(ids) == 2
