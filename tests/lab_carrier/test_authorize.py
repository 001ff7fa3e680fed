"""The carrier's network as a browser meets it: which line it sees, a code for once, PKCE, and misbehaviour on command."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from lab_carrier.client import CLIENT, FRAUD, Client

VERIFY = "number-verification:verify"
BACK = "http://127.0.0.1/back"
VERIFIER = secrets.token_urlsafe(40)


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def visit(client: Client, **changes: str) -> httpx.Response:
    asked = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": f"openid {FRAUD} {VERIFY}",
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
        "state": "s1",
        "nonce": "n1",
        "prompt": "none",
    }
    return client.http.get("/oauth2/authorize", params=asked | changes)


def brought(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{BACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def redeem(client: Client, code: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": BACK,
    }
    return client.token_answer(**(form | changes))


@pytest.fixture
def mobile(client: Client, phone: str) -> Any:
    """The browser comes over the line of `phone` until the end of the test."""
    client.setting(device_line=phone)
    yield phone
    client.setting(device_line=None)


def test_over_wifi_or_a_line_of_another_carrier_nobody_is_known(client: Client, phone: str) -> None:
    for line in (None, "+8616612345678"):
        client.setting(device_line=line)
        assert brought(visit(client)) == {"error": "login_required", "state": "s1", "iss": client.url}
    client.put(phone, data="suspended")
    client.setting(device_line=phone)
    assert brought(visit(client))["error"] == "login_required"
    client.setting(device_line=None)


def test_a_code_is_good_once_with_its_verifier_and_its_address(client: Client, mobile: str) -> None:
    for wrong in ({"code_verifier": "x" * 43}, {"redirect_uri": "http://127.0.0.1/other"}):
        code = brought(visit(client))["code"]
        refused = redeem(client, code, **wrong)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})
    assert redeem(client, "none").json() == {"error": "invalid_grant"}
    code = brought(visit(client))["code"]
    given = redeem(client, code).json()
    assert "refresh_token" not in given
    assert redeem(client, code).json() == {"error": "invalid_grant"}
    answer = client.post("/number-verification/v2/verify", given["access_token"], {"phoneNumber": mobile})
    assert answer.json() == {"devicePhoneNumberVerified": True}
    keys = KeySet.import_key_set(client.http.get("/oauth2/jwks").json())
    claims = jwt.decode(given["id_token"], keys, algorithms=["ES256"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (client.url, CLIENT, "n1")
    assert mobile.strip("+") not in str(claims)


def test_without_pkce_or_with_two_purposes_there_is_no_code(client: Client, mobile: str) -> None:
    del mobile
    for wrong in (
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
    ):
        assert brought(visit(client, **wrong))["error"] == "invalid_request"
    two = f"openid {FRAUD} dpv:CreditChecking {VERIFY}"
    assert brought(visit(client, scope=two))["error"] == "invalid_scope"
    for wrong in ({"redirect_uri": "https://elsewhere.example/"}, {"client_id": "somebody"}):
        assert visit(client, **wrong).status_code == 400


def test_who_said_no_before_is_asked_nothing(client: Client, mobile: str) -> None:
    wish = {"purpose": FRAUD, "state": "DENIED"}
    assert client.http.put(f"/control/numbers/{mobile}/consents", json=wish).status_code == 200
    assert brought(visit(client))["error"] == "consent_required"


def test_misbehaviour_on_command(client: Client, mobile: str) -> None:
    del mobile
    client.fault("authorize_error", error="temporarily_unavailable")
    assert brought(visit(client))["error"] == "temporarily_unavailable"
    client.fault("authorize_error")
    assert brought(visit(client))["error"] == "access_denied"
    client.fault("authorize_500")
    assert visit(client).status_code == 500
    client.fault("slow_authorize", after_s=0.01)
    assert "code" in brought(visit(client))
    client.fault("wrong_state")
    assert brought(visit(client))["state"] != "s1"
    client.fault("wrong_issuer")
    assert brought(visit(client))["iss"] != client.url
    client.fault("late_code")
    assert redeem(client, brought(visit(client))["code"]).json() == {"error": "invalid_grant"}
    client.fault("no_id_token")
    assert "id_token" not in redeem(client, brought(visit(client))["code"]).json()
    client.fault("wrong_nonce")
    keys = KeySet.import_key_set(client.http.get("/oauth2/jwks").json())
    other = redeem(client, brought(visit(client))["code"]).json()["id_token"]
    assert jwt.decode(other, keys, algorithms=["ES256"]).claims["nonce"] != "n1"
