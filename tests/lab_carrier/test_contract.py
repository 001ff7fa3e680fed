"""Every file that the carrier serves, under schemathesis with all checks and a valid token, with a floor of 2xx."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from lab_carrier import gate
from lab_carrier.client import Client
from throughline.lab.carrier import contract

PHONE = "+8613800000001"
SHARE = 0.30
SEEDS = (1, 20261130)
SPONSOR, CAMPAIGN = "lender@example.com", "3fa85f64-5717-4562-b3fc-2c963f663faf@example.com"
SUBSCRIPTIONS = {
    "device-reachability-status-subscriptions": ("reachability-data", {"device": {"phoneNumber": PHONE}}),
    "sim-swap-subscriptions": ("swapped", {"phoneNumber": PHONE}),
    "device-data-volume-subscriptions": ("data-90-percent", {"device": {"phoneNumber": PHONE}}),
}
# Checks that a file makes impossible: its schema cannot say that a code must be the one that was sent, and
# its answer to any other is a 400.
WITHOUT = {"one-time-password-sms": {"POST /validate-code": ("positive_data_acceptance",)}}


def _scopes(name: str) -> list[str]:
    found = {
        scope
        for path, methods in contract.document(name)["paths"].items()
        for method in methods
        for scope in contract.scopes(name, method, path)
    }
    return sorted(found) or ["sponsored-data:manage"]


def _headers(client: Client, name: str) -> dict[str, str]:
    scopes = _scopes(name)
    if name == "number-verification":
        return {"Authorization": f"Bearer {client.network_token(*scopes, phone=PHONE)}"}
    token = client.token(*scopes)
    return {"accessToken": token} if name == "sponsored_data" else {"Authorization": f"Bearer {token}"}


def _subscription(client: Client, name: str) -> str:
    kind, detail = SUBSCRIPTIONS[name]
    event = f"org.camaraproject.{name}.v0.{kind}"
    answer = client.ask(
        f"{contract.base_path(name)}/subscriptions",
        f"{name}:{event}:create",
        {
            "protocol": "HTTP",
            "sink": "https://sink.invalid/hook",
            "types": [event],
            "config": {"subscriptionDetail": detail},
        },
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _session(client: Client, token: str) -> str:
    answer = client.http.post(
        f"{contract.base_path('sponsored_data')}/sponsorship",
        json={
            "sponsorId": SPONSOR,
            "campaignId": CAMPAIGN,
            "phoneNumber": PHONE,
            "webhookUrl": "https://sink.invalid/hook",
            "callbackToken": str(uuid.uuid4()),
        },
        headers={"accessToken": token, "x-correlator": str(uuid.uuid4())},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sessionId"])


def _password(client: Client) -> dict[str, str]:
    """A password that was just sent, as the person reads it."""
    phone = f"+86139{secrets.randbelow(10**8):08}"
    key = client.ask(
        "/one-time-password-sms/v1/send-code",
        "one-time-password-sms:send-validate",
        {"phoneNumber": phone, "message": "{{code}}"},
    ).json()["authenticationId"]
    (message,) = client.http.get("/control/messages", params={"phone": phone}).json()["messages"]
    return {"authenticationId": key, "code": message["text"]}


def _known(client: Client, name: str) -> gate.Known:
    """Things that exist, for the operations that are about one; each deletion takes one of its own."""
    if name in SUBSCRIPTIONS:
        lasting = _subscription(client, name)

        def subscription(label: str) -> Mapping[str, str] | None:
            if label.startswith("DELETE"):
                return {"subscriptionId": _subscription(client, name)}
            return {"subscriptionId": lasting} if "{subscriptionId}" in label else None

        return gate.Known(path=subscription)
    if name == "one-time-password-sms":
        return gate.Known(body=lambda label: _password(client) if label == "POST /validate-code" else None)
    if name == "sponsored_data":
        token = client.token("sponsored-data:manage")
        lasting_session = _session(client, token)
        managed = {"sponsorId": SPONSOR, "campaignId": CAMPAIGN, "action": "resume"}

        def session(label: str) -> Mapping[str, str] | None:
            if "{sessionId}" not in label:
                return None
            key = _session(client, token) if label.startswith("DELETE") else lasting_session
            return {"sponsorId": SPONSOR, "campaignId": CAMPAIGN, "sessionId": key}

        return gate.Known(session, lambda label: managed if label == "POST /campaign/management" else None)
    return gate.Known()


def _gate(client: Client, name: str, *, seed: int, examples: int) -> gate.Tally:
    return gate.run(
        name,
        client.url + contract.base_path(name),
        _headers(client, name),
        seed=seed,
        examples=examples,
        known=_known(client, name),
        without=WITHOUT.get(name),
    )


def _assert_good(tally: gate.Tally, name: str) -> None:
    assert tally.failures == []
    operations = [
        f"{method.upper()} {path}"
        for path, methods in contract.document(name)["paths"].items()
        for method in methods
        if method in {"get", "post", "delete"}
    ]
    shares = {one: round(tally.share(one), 2) for one in operations}
    assert all(tally.valid[one] >= 3 for one in operations), tally.valid
    assert min(shares.values()) >= SHARE, shares


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", contract.FILES)
def test_the_file_is_kept(client: Client, name: str, seed: int, record_property: Any) -> None:
    began = time.monotonic()
    tally = _gate(client, name, seed=seed, examples=6)
    record_property("requests", tally.requests)
    record_property("took_s", round(time.monotonic() - began, 1))
    _assert_good(tally, name)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2, 3, 5, 7])
@pytest.mark.parametrize("name", contract.FILES)
def test_the_file_is_kept_for_long(client: Client, name: str, seed: int) -> None:
    _assert_good(_gate(client, name, seed=seed, examples=60), name)
