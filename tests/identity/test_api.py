"""The endpoints: a borrower from registration to sign-out over HTTP, and what must be refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import httpx
import pyotp
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request

from identity.actors import ORIGIN
from parties.newcomers import new_person
from throughline.identity import api, service
from throughline.identity.roles import SCOPES
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.settings import forget
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.parties import api as parties_api
from throughline.parties.purposes import Purpose

CEREMONY = {"challenge_id": str(uuid4()), "response": {}}
BODIES: dict[str, Any] = {
    "/me/consents": {"purposes": ["marketing"]},
    "/me/passkeys/finish": CEREMONY,
    "/me/step-up/finish": CEREMONY,
    "/me/step-up/begin": {"action": {"kind": "x"}},
    "/me/totp/confirm": {"authenticator_id": str(uuid4()), "code": "000000"},
}


@pytest.fixture(scope="module")
def app(database: Database) -> FastAPI:
    """Our two routers with the authenticator that `web` installs."""

    def who(request: Request) -> http.Caller:
        cookie, key = request.cookies.get(service.SESSION_COOKIE), request.headers.get("authorization")
        return database.run(lambda s: service.caller_from_request(s, cookie, key, now=clock.real_now()))

    built = FastAPI()
    http.install(built, authenticate=who)
    for router in (parties_api.public_router, parties_api.router, api.router):
        built.include_router(router)
    return built


class Borrower:
    """A browser: keeps `__Host-` cookies by hand, because the test client's jar wants https for them."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.cookies: dict[str, str] = {}
        self.authenticator = SoftwareAuthenticator()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Idempotency-Key": str(uuid4()), "Origin": ORIGIN} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        content = None if body is None else json.dumps(body).encode("ascii")
        sent["Content-Type"] = "application/json"
        answer = self.client.request(method, f"/api/v1{path}", content=content, headers=sent)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            assert "Secure; HttpOnly; SameSite=Lax" in line
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name)
        return answer

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.send(method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def register(self, **given: str) -> dict[str, Any]:
        person = asdict(new_person(**given)) | {"consents": ["identity_verification", "loan_contact"]}
        self.ok("POST", "/registrations", person)
        return person

    def add_passkey(self) -> Any:
        begun = self.ok("POST", "/me/passkeys/begin")
        response = self.authenticator.create(begun["options"], ORIGIN)
        return self.ok(
            "POST", "/me/passkeys/finish", {"challenge_id": begun["challenge_id"], "response": response}
        )

    def sign_in(self) -> Any:
        begun = self.ok("POST", "/sign-in/passkey/begin", {})
        response = self.authenticator.get(begun["options"], ORIGIN)
        return self.ok(
            "POST", "/sign-in/passkey/finish", {"challenge_id": begun["challenge_id"], "response": response}
        )


@pytest.fixture
def browser(app: FastAPI) -> Iterator[Borrower]:
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False) as client:
        yield Borrower(client)


def test_the_whole_way_of_a_borrower(browser: Borrower) -> None:
    person = browser.register(name="王小明", phone="13800135678")
    assert browser.send("GET", "/me").status_code == 403  # registered, but nobody yet
    door = dict(browser.cookies)
    enrolled = browser.add_passkey()
    assert enrolled["session"]["level"] == "A2"
    assert browser.cookies[service.SESSION_COOKIE] != door[service.SESSION_COOKIE]
    app = browser.ok("POST", "/me/totp/begin")
    code = pyotp.TOTP(app["seed"]).now()
    browser.ok("POST", "/me/totp/confirm", {"authenticator_id": app["authenticator_id"], "code": code})
    codes = browser.ok("POST", "/me/recovery-codes")["codes"]
    factors = browser.ok("GET", "/me/factors")
    assert (factors["payout_ready"], len(codes), factors["recovery_codes_left"]) == (True, 10, 10)
    me = browser.ok("GET", "/me")
    assert (me["name"], me["phone"]) == ("王**", "138****5678")
    assert person["id_number"] not in str(me)

    browser.ok("POST", "/me/consents", {"purposes": ["service_continuity"]})
    browser.ok("DELETE", "/me/consents/loan_contact")
    consents = browser.ok("GET", "/me/consents")["items"]
    assert {item["purpose"]: item["withdrawn_at"] is None for item in consents} == {
        "identity_verification": True, "loan_contact": False, "service_continuity": True,
    }  # fmt: skip
    first = browser.ok("GET", "/me/consents?limit=2")
    rest = browser.ok("GET", f"/me/consents?limit=2&cursor={first['next_cursor']}")
    assert [*first["items"], *rest["items"]] == consents
    assert [p["kind"] for p in browser.ok("GET", "/me/contact-points")["items"]] == ["phone", "email"]
    assert browser.ok("GET", "/me/access-log")["items"] == []

    begun = browser.ok("POST", "/me/step-up/begin", {"action": {"kind": "sign_contract", "n": 1}})
    response = browser.authenticator.get(begun["options"], ORIGIN)
    proof = browser.ok(
        "POST", "/me/step-up/finish", {"challenge_id": begun["challenge_id"], "response": response}
    )
    assert (proof["level"], proof["action_hash"]) == ("A2+", begun["action_hash"])

    browser.ok("POST", "/sign-out")
    assert service.SESSION_COOKIE not in browser.cookies
    assert browser.send("GET", "/me").status_code == 401
    assert browser.sign_in()["methods"] == ["passkey"]
    sessions = browser.ok("GET", "/me/sessions")["items"]
    assert [item["current"] for item in sessions] == [True]


def test_signing_in_with_codes_over_http(browser: Borrower, app: FastAPI) -> None:
    person = browser.register()
    started = browser.ok("POST", "/me/totp/begin")
    totp = pyotp.TOTP(started["seed"])
    at = clock.real_now().timestamp()
    browser.ok(
        "POST",
        "/me/totp/confirm",
        {"authenticator_id": started["authenticator_id"], "code": totp.at(int(at))},
    )
    codes = browser.ok("POST", "/me/recovery-codes")["codes"]
    later = totp.at(int(at) + 30)
    other = Borrower(TestClient(app, base_url=ORIGIN))
    refused = other.send("POST", "/sign-in/codes", {"identifier": person["email"], "app_code": later})
    unknown = other.send("POST", "/sign-in/codes", {"identifier": "no@body.cn", "app_code": later})
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.json()["code"] == "sign-in-refused"
    done = other.ok(
        "POST",
        "/sign-in/codes",
        {"identifier": person["email"], "app_code": later, "recovery_code": codes[0]},
    )
    assert done["level"] == "A2"
    # The first browser sees the other one and ends it.
    rows = browser.ok("GET", "/me/sessions")["items"]
    theirs = next(row for row in rows if not row["current"])
    browser.ok("DELETE", f"/me/sessions/{theirs['id']}")
    assert other.send("GET", "/me").status_code == 401
    assert browser.send("DELETE", f"/me/sessions/{theirs['id']}").status_code == 404
    browser.ok("DELETE", "/me/sessions")
    assert browser.ok("GET", "/me")["email"].startswith("p***@")


def test_a_repeated_registration_is_one_registration_and_can_go_on(browser: Borrower) -> None:
    person = asdict(new_person()) | {"consents": ["identity_verification"]}
    first = browser.ok("POST", "/registrations", person, Idempotency_Key="r1")
    lost = dict(browser.cookies)
    browser.cookies.clear()
    again = browser.ok("POST", "/registrations", person, Idempotency_Key="r1")
    assert again == first
    assert browser.cookies[service.SESSION_COOKIE] != lost[service.SESSION_COOKIE]
    browser.add_passkey()
    browser.cookies.clear()
    browser.ok("POST", "/registrations", person, Idempotency_Key="r1")
    assert browser.cookies == {}  # there is a factor now: the answer again, and no door
    refused = browser.send("POST", "/registrations", person)
    assert (refused.status_code, refused.json()["code"]) == (409, "already-registered")


def test_a_repeated_sign_in_gives_the_answer_and_no_second_cookie(browser: Borrower) -> None:
    browser.register()
    browser.add_passkey()
    begun = browser.ok("POST", "/sign-in/passkey/begin", {})
    body = {
        "challenge_id": begun["challenge_id"],
        "response": browser.authenticator.get(begun["options"], ORIGIN),
    }
    browser.cookies.clear()
    browser.ok("POST", "/sign-in/passkey/finish", body, Idempotency_Key="s1")
    assert service.SESSION_COOKIE in browser.cookies
    browser.cookies.clear()
    browser.ok("POST", "/sign-in/passkey/finish", body, Idempotency_Key="s1")
    assert browser.cookies == {}
    replay = browser.send("POST", "/sign-in/passkey/finish", body)
    assert (replay.status_code, replay.json()["code"]) == (400, "challenge-gone")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:8001", "https://localhost:8000"]
)
def test_other_sites_pages_change_nothing(browser: Borrower, origin: str) -> None:
    # Also without a cookie: nobody is signed in to somebody else's account by a foreign page.
    assert browser.send("POST", "/sign-in/passkey/begin", {}, Origin=origin).status_code == 403
    browser.register()
    browser.add_passkey()
    assert browser.send("POST", "/sign-out", Origin=origin).status_code == 403
    assert browser.send("POST", "/me/consents", {"purposes": ["marketing"]}, Origin=origin).status_code == 403
    assert browser.ok("GET", "/me/sessions")


def test_without_a_session_there_is_nothing(browser: Borrower) -> None:
    for method, path in (
        ("GET", "/me"), ("GET", "/me/factors"), ("GET", "/me/sessions"), ("GET", "/me/access-log"),
        ("POST", "/me/passkeys/begin"), ("POST", "/me/totp/begin"), ("POST", "/me/recovery-codes"),
        ("POST", "/sign-out"), ("DELETE", "/me/sessions"),
    ):  # fmt: skip
        assert browser.send(method, path).status_code == 401, path
    assert browser.send("GET", "/me", Authorization="Bearer nonsense").status_code == 401


def test_staff_see_masked_data_with_the_scope_for_it(
    browser: Borrower, app: FastAPI, database: Database
) -> None:
    browser.register()
    browser.add_passkey()
    me = browser.ok("GET", "/me")
    now = clock.real_now()
    staff = Borrower(TestClient(app, base_url=ORIGIN))
    database.run(lambda s: service.create_staff(s, "li.na", "correct horse battery", ["agent"], now=now))
    begun = database.run(
        lambda s: service.staff_sign_in(s, "li.na", "correct horse battery", service.Browser("x"), now=now)
    )
    staff.cookies[service.SESSION_COOKIE] = begun.session_token
    path = f"/parties/borrowers/{me['borrower_id']}"
    assert staff.ok("GET", path) == me
    assert len(staff.ok("GET", f"{path}/contact-points")["items"]) == 2
    assert len(staff.ok("GET", f"{path}/consents")["items"]) == 2
    assert staff.send("GET", f"/parties/borrowers/{uuid4()}").status_code == 404
    assert staff.send("GET", "/me").status_code == 403
    assert browser.send("GET", path).status_code == 403
    key = database.run(lambda s: service.create_api_key(s, "partner", ["lending:read"], now=now))
    partner = Borrower(TestClient(app, base_url=ORIGIN))
    assert partner.send("GET", path, Authorization=f"Bearer {key.key}").status_code == 403


def test_staff_and_services_reach_no_factor_phone_or_session(app: FastAPI, database: Database) -> None:
    # T6: whatever is said to an agent, there is no operation that they could use.
    now = clock.real_now()
    database.run(lambda s: service.create_staff(s, "boss", "correct horse battery", ["admin"], now=now))
    begun = database.run(
        lambda s: service.staff_sign_in(s, "boss", "correct horse battery", service.Browser("x"), now=now)
    )
    key = database.run(lambda s: service.create_api_key(s, "robot", sorted(SCOPES), now=now))
    staff, robot = Borrower(TestClient(app, base_url=ORIGIN)), Borrower(TestClient(app, base_url=ORIGIN))
    staff.cookies[service.SESSION_COOKIE] = begun.session_token
    public = ("/registrations", "/sign-in/")
    tried = 0
    for path, operations in app.openapi()["paths"].items():
        for method in set(operations) - {"get"}:
            short = path.removeprefix("/api/v1")
            if short.startswith(public):
                continue
            tried += 1
            target = short.format(purpose="marketing", session_id=uuid4())
            assert staff.send(method.upper(), target, BODIES.get(short)).status_code == 403, path
            header = f"Bearer {key.key}"
            assert (
                robot.send(method.upper(), target, BODIES.get(short), Authorization=header).status_code == 403
            )
    assert tried >= 11


def test_bad_input_is_a_422_in_both_languages(browser: Borrower) -> None:
    person = asdict(new_person()) | {"consents": ["identity_verification"]}
    for change in ({"id_number": "110105194912310021"}, {"phone": "12345"}, {"consents": ["marketing"]}, {"name": "\u0000x"}, {"zone": "Asia/Nowhere"}, {"extra": 1}):  # fmt: skip
        answer = browser.send("POST", "/registrations", person | change, Accept_Language="en")
        assert answer.status_code == 422, answer.text
        chinese = browser.send("POST", "/registrations", person | change, Accept_Language="zh-CN")
        assert chinese.json()["title"] != answer.json()["title"]
    for response in ({}, {"id": 5}, {"id": "\ud800"}, {"id": "AAAA", "response": []}):
        begun = browser.ok("POST", "/sign-in/passkey/begin", {})
        raw = {"challenge_id": begun["challenge_id"], "response": response}
        assert browser.send("POST", "/sign-in/passkey/finish", raw).status_code == 401
    browser.register()
    browser.add_passkey()
    for action in ({}, {"kind": "x", "a": 1.5}, {"kind": "x\u0000"}):
        assert browser.send("POST", "/me/step-up/begin", {"action": action}).status_code == 422


def test_one_address_registers_only_so_often(browser: Borrower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHLINE_IDENTITY_REGISTRATIONS_PER_HOUR", "1")
    forget()
    try:
        person = asdict(new_person()) | {"consents": ["identity_verification"]}
        answers = [browser.send("POST", "/registrations", person).status_code for _ in range(2)]
    finally:
        monkeypatch.undo()
        forget()
    assert answers[-1] == 429


def test_public_tables(browser: Borrower) -> None:
    texts = browser.ok("GET", "/consent-texts")["items"]
    assert len(texts) == len(Purpose)
    assert all(item["text"]["zh-CN"] != item["text"]["en"] for item in texts)
    assert browser.ok("GET", "/assurance-policy")["version"] == 1


def test_levels_guard_endpoints(database: Database) -> None:
    guard = service.require_level(service.Level.A2)
    one, two = http.Caller("borrower", uuid4(), None, frozenset({"A1"})), http.Caller("borrower", uuid4(), None, frozenset({"A1", "A2"}))  # fmt: skip
    assert guard(two) is two
    with pytest.raises(service.LevelTooLow):
        guard(one)
