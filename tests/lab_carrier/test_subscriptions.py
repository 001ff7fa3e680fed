"""The life of subscriptions of the three files, each event held against the file's own CloudEvent schema."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lab_carrier.client import Client, Sink
from lab_sms.running import Simulator, until
from throughline.lab.carrier import contract

REACH = "device-reachability-status-subscriptions"
SWAP = "sim-swap-subscriptions"
VOLUME = "device-data-volume-subscriptions"
PATH = {name: f"{contract.base_path(name)}/subscriptions" for name in (REACH, SWAP, VOLUME)}


def _type(api: str, kind: str) -> str:
    return f"org.camaraproject.{api}.v0.{kind}"


def _body(api: str, kind: str, phone: str | None, sink: str, **more: Any) -> dict[str, Any]:
    named: dict[str, Any] = {"phoneNumber": phone} if phone else {}
    detail = named if api == SWAP or not named else {"device": named}
    config = {"subscriptionDetail": detail} | more.pop("config", {})
    return {
        "protocol": "HTTP",
        "sink": sink,
        "sinkCredential": {
            "credentialType": "ACCESSTOKEN",
            "accessToken": "sink-token",
            "accessTokenExpiresUtc": _in(hours=1),
            "accessTokenType": "bearer",
        },
        "types": [_type(api, kind)],
        "config": config,
        **more,
    }


def _in(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def _create(
    client: Client, api: str, kind: str, body: dict[str, Any], phone: str | None = None
) -> httpx.Response:
    scopes = [f"{api}:{_type(api, kind)}:create", f"{api}:read", f"{api}:delete"]
    return client.post(PATH[api], client.token(*scopes, phone=phone), body)


def _fits(api: str, event: dict[str, Any]) -> None:
    """The event fits the file, but for the leftover name of its template, which the file's discriminator lacks."""
    contract.check(api, "CloudEvent", event)
    datetime.fromisoformat(event["time"])


@pytest.mark.parametrize(
    ("api", "kind", "wish"),
    [
        (REACH, "reachability-disconnected", {"state": "off"}),
        (REACH, "reachability-sms", {"data": "suspended"}),
        (SWAP, "swapped", {"sim_changed_at": True}),
        (VOLUME, "data-90-percent", {"used_mib": 9300}),
        (VOLUME, "data-exceeded", {"used_mib": 10_240}),
    ],
)
def test_created_read_listed_told_and_deleted(
    client: Client, sink: Sink, phone: str, api: str, kind: str, wish: dict[str, Any]
) -> None:
    made = _create(client, api, kind, _body(api, kind, phone, sink.url))
    assert made.status_code == 201, made.text
    key = made.json()["id"]
    token = client.token(f"{api}:read", f"{api}:delete")
    headers = {"Authorization": f"Bearer {token}"}
    assert client.http.get(f"{PATH[api]}/{key}", headers=headers).json() == made.json()
    assert "sink-token" not in made.text
    assert made.json() in client.http.get(PATH[api], headers=headers).json()
    until(lambda: sink.kinds(key) == ["subscription-started"])
    client.put(phone, **wish)
    until(lambda: sink.kinds(key) == ["subscription-started", kind])
    assert client.http.delete(f"{PATH[api]}/{key}", headers=headers).status_code == 204
    until(lambda: sink.kinds(key) == ["subscription-started", kind, "subscription-ended"])
    for event in sink.of(key):
        _fits(api, event)
    started, told, ended = sink.of(key)
    assert started["data"]["initiationReason"] == "SUBSCRIPTION_CREATED"
    assert told["data"] == {
        "subscriptionId": key,
        **({"phoneNumber": phone} if api == SWAP else {"device": {"phoneNumber": phone}}),
    }
    assert ended["data"]["terminationReason"] == "SUBSCRIPTION_DELETED"
    assert {
        post["authorization"] for post, body in sink.posts if body["data"].get("subscriptionId") == key
    } == {"Bearer sink-token"}
    assert client.http.get(f"{PATH[api]}/{key}", headers=headers).status_code == 404
    assert client.http.delete(f"{PATH[api]}/{key}", headers=headers).status_code == 404
    assert all(one["id"] != key for one in client.http.get(PATH[api], headers=headers).json())
    client.put(phone, state="active", data="active")
    assert len(sink.of(key)) == 3


def test_the_template_name_of_sim_swap_can_be_the_right_one(client: Client, sink: Sink, phone: str) -> None:
    key = _create(client, SWAP, "swapped", _body(SWAP, "swapped", phone, sink.url)).json()["id"]
    until(lambda: sink.of(key))
    assert sink.of(key)[0]["type"] == "org.camaraproject.api-name.v0.subscription-started"
    client.setting(template_event_names=False)
    other = _create(client, SWAP, "swapped", _body(SWAP, "swapped", phone, sink.url)).json()["id"]
    client.setting(template_event_names=True)
    until(lambda: sink.of(other))
    assert sink.of(other)[0]["type"] == _type(SWAP, "subscription-started")


def test_the_initial_event_counts_towards_the_most(client: Client, sink: Sink, phone: str) -> None:
    config = {"initialEvent": True, "subscriptionMaxEvents": 2}
    body = _body(REACH, "reachability-data", phone, sink.url, config=config)
    key = _create(client, REACH, "reachability-data", body).json()["id"]
    until(lambda: sink.kinds(key) == ["subscription-started", "reachability-data"])
    client.put(phone, state="off")
    client.put(phone, state="active")
    until(lambda: len(sink.of(key)) == 4)
    assert sink.kinds(key)[2:] == ["reachability-data", "subscription-ended"]
    assert sink.of(key)[3]["data"]["terminationReason"] == "MAX_EVENTS_REACHED"
    client.put(phone, state="off")
    client.put(phone, state="active")
    assert all(row["state"] == "delivered" for row in client.events(phone))
    assert len(sink.of(key)) == 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"config": {"subscriptionExpireTime": _in(days=-1)}}, "SUBSCRIPTION_EXPIRED"),
        (
            {
                "sinkCredential": {
                    "credentialType": "ACCESSTOKEN",
                    "accessToken": "t",
                    "accessTokenExpiresUtc": _in(seconds=-1),
                    "accessTokenType": "bearer",
                }
            },
            "ACCESS_TOKEN_EXPIRED",
        ),
    ],
)
def test_what_has_run_out_ends_with_its_reason_or_silently(
    client: Client, sink: Sink, phone: str, change: dict[str, Any], reason: str
) -> None:
    kind = "reachability-data"
    key = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url) | _merged(phone, change)).json()[
        "id"
    ]
    until(lambda: sink.kinds(key)[-1:] == ["subscription-ended"])
    assert sink.of(key)[-1]["data"]["terminationReason"] == reason
    client.setting(silent_end=True)
    silent = _create(
        client, REACH, kind, _body(REACH, kind, phone, sink.url) | _merged(phone, change)
    ).json()["id"]
    token = {"Authorization": f"Bearer {client.token(f'{REACH}:read')}"}
    until(lambda: client.http.get(f"{PATH[REACH]}/{silent}", headers=token).json()["status"] == "EXPIRED")
    client.setting(silent_end=False)
    assert sink.kinds(silent) in ([], ["subscription-started"])
    until(lambda: all(row["state"] == "delivered" for row in client.events(phone)))
    assert sink.kinds(silent) == ["subscription-started"]


def _merged(phone: str, change: dict[str, Any]) -> dict[str, Any]:
    if "config" not in change:
        return change
    return {"config": {"subscriptionDetail": {"device": {"phoneNumber": phone}}, **change["config"]}}


def test_a_carrier_may_pause_end_and_start_later(client: Client, sink: Sink, phone: str) -> None:
    kind = "reachability-disconnected"
    client.setting(async_subscriptions=True)
    made = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url))
    client.setting(async_subscriptions=False)
    assert (made.status_code, made.json().keys()) == (202, {"id"})
    key = made.json()["id"]
    until(lambda: sink.kinds(key) == ["subscription-started"])
    control = f"/control/subscriptions/{key}"
    assert client.http.put(control, json={"status": "INACTIVE"}).status_code == 200
    client.put(phone, state="off")
    client.put(phone, state="active")
    assert client.http.put(control, json={"status": "ACTIVE"}).status_code == 200
    client.put(phone, state="off")
    assert client.http.put(control, json={"end": "NETWORK_TERMINATED"}).status_code == 200
    until(lambda: len(sink.of(key)) == 5)
    assert [one["data"].get("updateReason") for one in sink.of(key)] == [
        None,
        "SUBSCRIPTION_INACTIVE",
        "SUBSCRIPTION_ACTIVE",
        None,
        None,
    ]
    assert sink.kinds(key)[3:] == [kind, "subscription-ended"]
    for event in sink.of(key):
        _fits(REACH, event)
    assert client.http.put(control, json={"end": "NETWORK_TERMINATED"}).status_code == 404


def test_a_number_beyond_all_events_is_taken(client: Client, sink: Sink, phone: str) -> None:
    config = {"subscriptionMaxEvents": 10**40}
    body = _body(REACH, "reachability-data", phone, sink.url, config=config)
    made = _create(client, REACH, "reachability-data", body)
    assert made.json()["config"]["subscriptionMaxEvents"] == 10**40


def test_refusals_of_a_subscription(client: Client, sink: Sink, phone: str) -> None:
    kind = "reachability-data"
    good = _body(REACH, kind, phone, sink.url)
    plain = {"credentialType": "PLAIN", "identifier": "a", "secret": "b"}
    event = _type(REACH, "reachability-sms")
    for change, status, code in (
        ({"sink": "http://example.com/hook"}, 400, "INVALID_SINK"),
        ({"sinkCredential": plain}, 400, "INVALID_CREDENTIAL"),
        ({"protocol": "NATS"}, 400, "INVALID_PROTOCOL"),
        ({"types": [event]}, 403, "SUBSCRIPTION_MISMATCH"),
        ({"types": [*good["types"], event]}, 400, "INVALID_ARGUMENT"),
        ({"config": {"subscriptionDetail": {}}}, 422, "MISSING_IDENTIFIER"),
        (
            {"config": {"subscriptionDetail": {"device": {"networkAccessIdentifier": "a@b"}}}},
            422,
            "UNSUPPORTED_IDENTIFIER",
        ),
        (
            {"config": {"subscriptionDetail": {"device": {"phoneNumber": "+8616600000001"}}}},
            422,
            "SERVICE_NOT_APPLICABLE",
        ),
    ):
        answer = _create(client, REACH, kind, good | change)
        assert (answer.status_code, answer.json()["code"]) == (status, code), change
    client.setting(allow_http_sink=False)
    answer = _create(client, REACH, kind, good)
    client.setting(allow_http_sink=True)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_SINK")


def test_a_three_legged_subscription_names_nobody_and_is_its_own(
    client: Client, sink: Sink, phone: str
) -> None:
    kind, other = "reachability-disconnected", f"{phone[:-2]}99"
    refused = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url), phone)
    assert (refused.status_code, refused.json()["code"]) == (422, "UNNECESSARY_IDENTIFIER")
    key = _create(client, REACH, kind, _body(REACH, kind, None, sink.url), phone).json()["id"]
    client.put(phone, state="off")
    until(lambda: sink.kinds(key)[-1:] == [kind])
    assert sink.of(key)[-1]["data"] == {"subscriptionId": key}
    mine = {"Authorization": f"Bearer {client.token(f'{REACH}:read', phone=phone)}"}
    theirs = {"Authorization": f"Bearer {client.token(f'{REACH}:read', phone=other)}"}
    assert [one["id"] for one in client.http.get(PATH[REACH], headers=mine).json()] == [key]
    assert client.http.get(PATH[REACH], headers=theirs).json() == []
    assert client.http.get(f"{PATH[REACH]}/{key}", headers=theirs).status_code == 404


def test_a_gone_sink_ends_it_and_strangers_are_never_called(client: Client, sink: Sink, phone: str) -> None:
    kind = "reachability-disconnected"
    key = _create(client, REACH, kind, _body(REACH, kind, phone, "https://sink.invalid/x")).json()["id"]
    until(lambda: [row["state"] for row in client.events(phone)] == ["lost"])
    sink.status = 410
    gone = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url)).json()["id"]
    token = {"Authorization": f"Bearer {client.token(f'{REACH}:read')}"}
    until(lambda: client.http.get(f"{PATH[REACH]}/{gone}", headers=token).status_code == 404)
    assert client.http.get(f"{PATH[REACH]}/{key}", headers=token).json()["status"] == "ACTIVE"


def test_what_was_subscribed_survives_kill_9(
    simulator: Simulator, client: Client, sink: Sink, phone: str
) -> None:
    kind = "reachability-disconnected"
    key = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url)).json()["id"]
    until(lambda: sink.kinds(key) == ["subscription-started"])
    client.setting(callback_delay_s=1)
    client.put(phone, state="off")
    simulator.kill()
    simulator.start()
    client.setting(callback_delay_s=0)
    until(lambda: sink.kinds(key) == ["subscription-started", kind])


def test_callbacks_come_late_twice_out_of_order_or_not(client: Client, sink: Sink, phone: str) -> None:
    kind = "reachability-disconnected"
    key = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url)).json()["id"]
    until(lambda: sink.kinds(key) == ["subscription-started"])

    def again() -> None:
        client.put(phone, state="active")
        client.put(phone, state="off")

    client.fault("callback_drop")
    again()
    until(lambda: [row["state"] for row in client.events(phone)].count("dropped") == 1)
    client.fault("callback_twice")
    again()
    until(lambda: len(sink.of(key)) == 3)
    assert sink.of(key)[1]["id"] == sink.of(key)[2]["id"]
    client.setting(callback_delay_s=0.6)
    client.fault("callback_reorder")
    again()
    again()
    until(lambda: len(sink.of(key)) == 5)
    client.setting(callback_delay_s=0)
    first, second = sink.of(key)[3:]
    assert first["time"] > second["time"]
    client.setting(quiet=True)
    again()
    client.setting(quiet=False)
    again()
    until(lambda: len(sink.of(key)) == 6)
    assert [row["state"] for row in client.events(phone)].count("swallowed") == 1
    client.fault("callback_late", after_s=0.5)
    again()
    until(lambda: len(sink.of(key)) == 7)


def test_a_regional_outage_is_told_for_every_line(client: Client, sink: Sink) -> None:
    phones = [f"+86138777000{n:02}" for n in range(20)]
    kind = "reachability-disconnected"
    keys = {
        phone: _create(client, REACH, kind, _body(REACH, kind, phone, sink.url)).json()["id"]
        for phone in phones
    }
    outside = "+8613888800000"
    client.put(outside, state="active")
    assert client.http.put("/control/outages/+86138777").json() == {"told": 20}
    until(lambda: all(sink.kinds(key)[-1:] == [kind] for key in keys.values()))

    def reachable(phone: str) -> bool:
        answer = client.ask(
            "/device-reachability-status/v1/retrieve",
            "device-reachability-status:read",
            {"device": {"phoneNumber": phone}},
        )
        return bool(answer.json()["reachable"])

    assert not reachable(phones[0])
    assert reachable(outside)
    status = client.ask(
        "/subscription-status/v0.1/retrive-subscription-status",
        "subscription-status:retrive-subscription-status",
        {"phoneNumber": phones[0]},
    )
    assert set(status.json().values()) == {"active"}
    assert client.http.delete("/control/outages/+86138777").json() == {"told": 20}
    assert reachable(phones[0])


def test_our_own_push_is_labelled_and_can_be_off(client: Client, sink: Sink, phone: str) -> None:
    kind = "reachability-data"
    key = _create(client, REACH, kind, _body(REACH, kind, phone, sink.url)).json()["id"]
    until(lambda: sink.of(key))
    client.put(phone, state="out_suspended")
    pushed = until(lambda: [body for _, body in sink.posts if body["type"].startswith("org.throughline.")])
    assert pushed[0]["type"] == "org.throughline.subscription-status-extension.v1.status-changed"
    assert pushed[0]["data"] == {
        "phoneNumber": phone,
        "voiceSmsIn": "active",
        "voiceSmsOut": "suspended",
        "dataService": "active",
    }
    client.setting(push=False)
    client.put(phone, state="suspended")
    client.setting(push=True)
    client.put(phone, state="active")
    pushes = until(lambda: [b for _, b in sink.posts if b["type"].startswith("org.throughline.")][1:])
    assert [one["data"]["voiceSmsOut"] for one in pushes] == ["active"]
    assert uuid.UUID(pushes[0]["id"])
