"""Sponsored data: sessions end by volume, time, revocation or the line's end; the notification follows the file."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from lab_carrier.client import Client, Sink
from lab_sms.running import until
from throughline.lab.carrier import contract

BASE = contract.base_path("sponsored_data")
SPONSOR = "lender@example.com"


@pytest.fixture
def campaign() -> str:
    return f"{uuid.uuid4()}@example.com"


def _call(
    client: Client, method: str, path: str, body: Any = None, token: str | None = None
) -> httpx.Response:
    headers = {
        "accessToken": token or client.token("sponsored-data:manage"),
        "x-correlator": str(uuid.uuid4()),
    }
    return client.http.request(method, BASE + path, json=body, headers=headers)


def _start(client: Client, campaign: str, phone: str, sink: Sink, **more: Any) -> httpx.Response:
    return _call(
        client,
        "POST",
        "/sponsorship",
        {
            "sponsorId": SPONSOR,
            "campaignId": campaign,
            "phoneNumber": phone,
            "webhookUrl": sink.url,
            "callbackToken": "123e4567-e89b-42d3-a456-426614174000",
            **more,
        },
    )


def _session(client: Client, campaign: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = _call(
        client, "GET", f"/sponsorship/{SPONSOR}/{campaign}/{key}/session-status"
    ).json()
    return found


def _ended(sink: Sink, key: str) -> dict[str, Any]:
    (headers, note) = until(lambda: [one for one in sink.posts if one[1].get("sessionId") == key])[0]
    contract.check("sponsored_data", "SponsorshipEndNotification", note)
    assert headers["x-callbacktoken"] == "123e4567-e89b-42d3-a456-426614174000"
    assert "specversion" not in note
    return note


@pytest.mark.parametrize(
    ("how", "end_reason", "reason"),
    [
        ("volume", "data_exhausted", "DATA_EXHAUSTED"),
        ("revoke", "session_revoked", "TERMINATED_BY_SPONSOR"),
        ("cancel", "not_available", "USER_DEREGISTERED"),
    ],
)
def test_a_session_ends_once_with_its_reason(
    client: Client, sink: Sink, phone: str, campaign: str, how: str, end_reason: str, reason: str
) -> None:
    made = _start(client, campaign, phone, sink, dataVolume=50, duration=30)
    assert made.status_code == 201, made.text
    key = made.json()["sessionId"]
    assert made.json()["sponsoredDataVolume"] == 50
    client.http.put(f"/control/sponsorships/{key}", json={"used_mb": 20}).raise_for_status()
    running = _session(client, campaign, key)
    assert (running["sessionStatus"], running["dataVolumeConsumed"], running["dataVolumeAvailable"]) == (
        "active",
        20,
        30,
    )
    listed = _call(client, "GET", f"/campaign/{SPONSOR}/{campaign}/active-sponsorships").json()
    assert listed["activeSponsorships"] == [{"sessionId": key, "phoneNumber": phone}]
    revoke = f"/sponsorship/{SPONSOR}/{campaign}/{key}/revoke"
    if how == "volume":
        client.http.put(f"/control/sponsorships/{key}", json={"used_mb": 60}).raise_for_status()
    elif how == "revoke":
        assert _call(client, "DELETE", revoke).json()["requestResult"] == "successful_revocation"
    else:
        client.put(phone, state="cancelled")
    assert _ended(sink, key)["reason"] == reason
    ended = _session(client, campaign, key)
    assert (ended["sessionStatus"], ended["endReason"]) == ("inactive", end_reason)
    assert _call(client, "DELETE", revoke).status_code == 404
    assert client.http.put(f"/control/sponsorships/{key}", json={"used_mb": 1}).status_code == 404
    assert len([one for one in sink.posts if one[1].get("sessionId") == key]) == 1


def test_it_gives_data_back_but_not_to_a_suspended_line(
    client: Client, sink: Sink, phone: str, campaign: str
) -> None:
    client.put(phone, data="suspended", used_mib=10_240)
    reach = ("/device-reachability-status/v1/retrieve", "device-reachability-status:read")
    device = {"device": {"phoneNumber": phone}}
    assert client.ask(*reach, device).json()["connectivity"] == ["SMS"]
    assert _start(client, campaign, phone, sink).status_code == 201
    assert client.ask(*reach, device).json()["connectivity"] == ["DATA", "SMS"]
    client.put(phone, state="suspended")
    refused = _start(client, campaign, phone, sink)
    assert (refused.status_code, refused.json()["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    client.setting(sponsor_suspended=True)
    assert _start(client, campaign, phone, sink).status_code == 201
    client.setting(sponsor_suspended=False)


def test_campaigns_are_paused_used_up_and_told_of(
    client: Client, sink: Sink, phone: str, campaign: str
) -> None:
    control = f"/control/campaigns/{SPONSOR}/{campaign}"
    client.http.put(control, json={"type": "prepaid", "contracted_mb": 100}).raise_for_status()
    asked = _call(
        client,
        "POST",
        f"/campaign/{SPONSOR}/{campaign}/alert-subscription",
        {"webhookUrl": sink.url, "alertDataVolumeThresholds": True, "dataVolumeExhausted": True},
    )
    assert asked.status_code == 200, asked.text
    manage = {"sponsorId": SPONSOR, "campaignId": campaign}
    assert (
        _call(client, "POST", "/campaign/management", manage | {"action": "pause"}).json()["status"]
        == "paused"
    )
    assert _start(client, campaign, phone, sink).status_code == 422
    assert (
        _call(client, "POST", "/campaign/management", manage | {"action": "resume"}).json()["status"]
        == "resumed"
    )
    assert _start(client, campaign, phone, sink, dataVolume=90).status_code == 201
    kinds = lambda: [body.get("eventType") for _, body in sink.posts if "eventType" in body]  # noqa: E731
    until(lambda: kinds() == ["DATA_VOLUME_THRESHOLD_EXCEEDED (80%)"])
    assert _start(client, campaign, phone, sink, dataVolume=20).status_code == 422
    assert _start(client, campaign, phone, sink, dataVolume=10).status_code == 201
    until(lambda: len(kinds()) == 2)
    for _, body in sink.posts:
        contract.check("sponsored_data", "CampaignNotification", body)
    status = _call(client, "GET", f"/campaign/{SPONSOR}/{campaign}/campaign-status").json()
    assert (status["contractedDataVolume"], status["remainingDataVolume"]) == (100, 0)


def test_the_token_is_a_header(client: Client, sink: Sink, phone: str, campaign: str) -> None:
    assert _call(client, "POST", "/sponsorship", {}, token="nobody").status_code == 401
    other = client.token("sim-swap")
    assert _call(client, "POST", "/sponsorship", {}, token=other).status_code == 403
    no_uuid = client.http.post(
        f"{BASE}/sponsorship",
        json={},
        headers={"accessToken": client.token("sponsored-data:manage"), "x-correlator": "1"},
    )
    assert no_uuid.status_code == 400
    assert _start(client, campaign, "+8616600000007", sink).status_code == 404
