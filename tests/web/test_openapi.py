"""Every operation of the OpenAPI document under generated requests: no 5xx, no answer that is not documented.

Schemathesis makes the requests, valid and broken ones, and sends them to the whole application on a real
database that holds a played story; half of the ids are those of the story, so that requests get past
"not found". Each operation is asked by whom it is for, by somebody else, and by nobody.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.orm import Session

from continuity.papers import pdf
from throughline.continuity import callbacks, paycodes
from throughline.continuity import service as continuity
from throughline.continuity.evidence import handing_in, media
from throughline.contracts import outage
from throughline.identity import service as identity
from throughline.identity.levels import Level
from throughline.identity.roles import scopes_of
from throughline.identity.sessions import open_session
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.parties import service as parties
from web import scene
from web.browsing import PlainBrowser

DOCUMENTED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

OF_BORROWERS = ("/api/v1/me/", "/api/v1/sign-out", "/api/v1/notary/records")
EXAMPLES = 10  # of an operation, valid and broken each; the soak asks for more
LONG_EXAMPLES = 100


def asking(examples: int) -> settings:
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
    )


@dataclass
class World:
    """The story's ids by the name of their path parameter, and how each caller shows who they are."""

    database: Database
    ids: dict[str, str]
    borrower: Any
    staff: dict[str, str]
    _cookie: dict[str, str] | None = None

    def ask(self, case: Case) -> Any:
        """The answer to whom the operation is for. Some requests end the session that they came with: then
        the next one, which hears 401, is asked again with a fresh one."""
        if not f"{case.path}/".startswith(OF_BORROWERS):
            return case.call(headers=self.staff)
        answer = case.call(headers=self.cookie())
        if answer.status_code == 401:
            self._cookie = None
            answer = case.call(headers=self.cookie())
        return answer

    def cookie(self) -> dict[str, str]:
        """A session of the borrower's own."""
        if self._cookie is None:
            self._cookie = self._session()
        return self._cookie

    def _session(self) -> dict[str, str]:
        _, token = self.database.run(
            lambda session: open_session(
                session,
                kind="borrower",
                subject_id=self.borrower,
                level=Level.A2_PLUS,
                methods=["passkey"],
                device="test",
                now=clock.real_now(),
            )
        )
        return {"cookie": f"{identity.SESSION_COOKIE}={token}"}


def _of_the_outage(session: Session, told: scene.Story) -> dict[str, UUID]:
    """What else there is in an outage: a case, an incident, a code to pay by, a call to make, a number."""
    now = clock.now()
    (case,) = continuity.cases_of(session, told.episode_id)
    new = continuity.NewIncident("staff:openapi", "own", "maintenance", {}, now)
    incident, _ = continuity.open_incident(session, new, now=now)
    code, _ = paycodes.make(session, told.borrower_id, told.loan_id, now=now)
    call = callbacks.ask(session, told.borrower_id, number="+8613900000000", topic="repay", now=now)
    points = parties.contact_points(session, told.borrower_id)
    # A report of days before the story's outage, which stands on evidence already.
    begin, end = now - timedelta(days=20), now - timedelta(days=18)
    report = continuity.report(session, told.borrower_id, "line_out", from_at=begin, to_at=end, now=now)
    paper = media.looked_at("letter", "", pdf())
    handed_in = handing_in.for_report(session, told.borrower_id, report, paper, now=now)
    return {
        "case_id": case.id,
        "incident_id": incident.id,
        "code_id": code.id,
        "callback_id": call,
        "contact_point_id": points[0].id,
        "evidence_id": handed_in.id,
    }


@pytest.fixture(scope="module")
def world(database: Database, browsers: Callable[..., PlainBrowser]) -> World:
    told = scene.play(database, browsers())
    made = database.run(
        lambda session: identity.create_api_key(
            session, "schemathesis", sorted(scopes_of(["admin"])), now=clock.real_now()
        )
    )
    ids = {
        "borrower_id": told.borrower_id,
        "application_id": told.application_id,
        "loan_id": told.loan_id,
        "order_id": told.order_id,
        "line_id": told.line_id,
        "episode_id": told.episode_id,
        "version": outage.newest().version,
        **database.run(lambda session: _of_the_outage(session, told)),
    }
    return World(
        database,
        {name: str(value) for name, value in ids.items()},
        told.borrower_id,
        {"authorization": f"Bearer {made.key}"},
    )


@pytest.fixture(scope="module")
def api(app: FastAPI, world: World) -> Any:
    del world  # the document is asked of an application that has its story
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(LONG_EXAMPLES, marks=pytest.mark.soak)], ids=["usual", "long"]
)
def test_no_server_error_and_no_undocumented_answer(api: Any, world: World, examples: int) -> None:
    asked, wrong = 0, []
    got: dict[str, Counter[int]] = {}
    for found in api.get_all_operations():
        operation = found.ok()
        asked += 1
        try:
            _ask(operation, world, examples, got.setdefault(operation.label, Counter()))
        except (FailureGroup, Failure) as failure:
            wrong.append(f"{operation.label}: {failure}")
    assert wrong == []
    # Not all of it was refused at the door: these requests reached what the operations do.
    done = [label for label, count in got.items() if any(200 <= status < 300 for status in count)]
    assert asked > 80
    assert len(done) > asked / 2


def _ask(operation: Any, world: World, examples: int, got: Counter[int]) -> None:
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    @asking(examples)
    def valid(case: Case) -> None:
        _call(case, world, got)

    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    @asking(examples)
    def broken(case: Case) -> None:
        _call(case, world, got)

    valid()
    if operation.body or operation.query or operation.path_parameters:
        broken()


def _call(case: Case, world: World, got: Counter[int]) -> None:
    for name, made in case.path_parameters.items():
        if name in world.ids and len(str(made)) % 2 == 0:
            case.path_parameters[name] = quote(world.ids[name])
    for answer in (world.ask(case), case.call(headers={})):
        got[answer.status_code] += 1
        if (case.path, answer.status_code) != ("/readyz", 503):  # nobody works here but the web role: true
            case.validate_response(answer, checks=DOCUMENTED)


@pytest.mark.parametrize(("what", "code"), [("\\u0000", "not-text"), ("\\ud800", "invalid")])
def test_what_is_no_text_is_refused_with_a_reason(
    browsers: Callable[..., PlainBrowser], world: World, what: str, code: str
) -> None:
    client = browsers().client
    means = ("monthly_income_minor", "monthly_debt_minor", "monthly_living_minor", "employment_months")
    asked = {"principal_minor": 300_000, "installments": 6, "payee_account_id": str(new_id())}
    asked |= dict.fromkeys(means, 100)
    body = json.dumps(asked)[:-1] + f', "product_code": "cash{what}"}}'
    headers = {"idempotency-key": f"no-text-{what[-4:]}", "content-type": "application/json"} | world.cookie()
    answer = client.post("/api/v1/me/applications", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
