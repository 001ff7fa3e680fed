"""The state behind every answer, and the rules of tokens: who may ask about whom, for what."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lab_carrier.client import CIBA, FRAUD, SERVICE, Client, Sink
from lab_sms.running import until
from throughline.lab.carrier import contract

STATUS = "/subscription-status/v0.1/retrive-subscription-status"
STATUS_SCOPE = "subscription-status:retrive-subscription-status"
REACH = ("/device-reachability-status/v1/retrieve", "device-reachability-status:read")
OTP = "one-time-password-sms:send-validate"


def _status(client: Client, phone: str) -> httpx.Response:
    return client.ask(STATUS, STATUS_SCOPE, {"phoneNumber": phone})


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def _days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def _day(days: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("wish", "flags"),
    [
        ({"state": "active"}, "active active active"),
        ({"state": "out_suspended"}, "active suspended active"),
        ({"state": "suspended", "reason": "arrears"}, "suspended suspended suspended"),
        ({"state": "pre_cancelled"}, "suspended suspended suspended"),
        ({"state": "off"}, "active active active"),
        ({"state": "reassigned"}, "active active active"),
        ({"state": "active", "data": "throttled"}, "active active throttled"),
        ({"state": "out_suspended", "data": "suspended"}, "active suspended suspended"),
    ],
)
def test_flags(client: Client, phone: str, wish: dict[str, Any], flags: str) -> None:
    client.put(phone, **wish)
    found = _status(client, phone).json()
    assert [found[name] for name in ("voiceSmsIn", "voiceSmsOut", "dataService")] == flags.split()


def test_a_cancelled_number_is_not_found_and_both_spellings_are_served(client: Client, phone: str) -> None:
    other = STATUS.replace("retrive", "retrieve")
    assert client.ask(other, STATUS_SCOPE, {"phoneNumber": phone}).status_code == 200
    client.put(phone, state="cancelled")
    assert _code(_status(client, phone)) == (404, "IDENTIFIER_NOT_FOUND")
    assert client.http.post("/subscription-status/v0.1/elsewhere").text == "Not Found"


def test_reachability_and_its_time(client: Client, phone: str) -> None:
    def ask() -> dict[str, Any]:
        found: dict[str, Any] = client.ask(*REACH, {"device": {"phoneNumber": phone}}).json()
        return found

    assert ask()["connectivity"] == ["DATA", "SMS"]
    client.put(phone, data="suspended")
    assert ask()["connectivity"] == ["SMS"]
    client.put(phone, state="off", status_at=_days_ago(2))
    found = ask()
    assert found["reachable"] is False
    assert "connectivity" not in found
    assert datetime.now(UTC) - datetime.fromisoformat(found["lastStatusTime"]) > timedelta(days=1.9)
    both = {"device": {"phoneNumber": phone, "networkAccessIdentifier": "a@b"}}
    assert client.ask(*REACH, both).json()["device"] == {"phoneNumber": phone}


@pytest.mark.parametrize(
    ("api", "fact", "member"),
    [
        ("sim-swap", "sim_changed_at", "latestSimChange"),
        ("device-swap", "device_changed_at", "latestDeviceChange"),
    ],
)
def test_swaps(client: Client, phone: str, api: str, fact: str, member: str) -> None:
    base = contract.base_path(api)

    def swapped(**more: Any) -> Any:
        return client.ask(f"{base}/check", f"{api}:check", {"phoneNumber": phone, **more}).json()["swapped"]

    def date() -> dict[str, Any]:
        found: dict[str, Any] = client.ask(f"{base}/retrieve-date", api, {"phoneNumber": phone}).json()
        return found

    assert swapped() is False
    assert date() == {member: None, "monitoredPeriod": 120}
    client.put(phone, **{fact: _days_ago(20)})
    assert swapped() is False  # 240 hours are usual
    assert swapped(maxAge=24 * 21) is True
    assert date()[member].startswith(_days_ago(20)[:10])
    client.setting(monitored_days=10)
    out = client.ask(f"{base}/check", f"{api}:check", {"phoneNumber": phone, "maxAge": 300})
    assert _code(out) == (400, "OUT_OF_RANGE")
    assert date() == {member: None, "monitoredPeriod": 10}
    client.setting(monitored_days=120)


def test_recycling_and_tenure_follow_the_contracts(client: Client, phone: str) -> None:
    def recycled(day: str) -> Any:
        body = {"phoneNumber": phone, "specifiedDate": day}
        return client.ask("/number-recycling/v0.2/check", "number-recycling:check", body).json()[
            "phoneNumberRecycled"
        ]

    def tenure(day: str) -> dict[str, Any]:
        body = {"phoneNumber": phone, "tenureDate": day}
        found: dict[str, Any] = client.ask(
            "/kyc-tenure/v0.2/check-tenure", "kyc-tenure:check-tenure", body
        ).json()
        return found

    assert recycled(_day(100)) is False
    client.put(
        phone,
        contracts=[
            {"type": "PAYM", "starts": _day(400), "ends": _day(200)},
            {"type": "PAYG", "starts": _day(50)},
        ],
    )
    assert recycled(_day(300)) is True
    assert recycled(_day(100)) is True  # nobody's then
    assert recycled(_day(50)) is False
    assert tenure(_day(49)) == {"tenureDateCheck": True, "contractType": "PAYG"}
    assert tenure(_day(51)) == {"tenureDateCheck": False, "contractType": "PAYG"}
    client.put(phone, state="cancelled")
    assert recycled(_day(10)) is True
    client.put(phone, state="reassigned")
    assert recycled(_day(1)) is True
    assert recycled(_day(0)) is False


def test_forwardings(client: Client, phone: str) -> None:
    base, scope = "/call-forwarding-signal/v0.4", "call-forwarding-signal"

    def ask() -> tuple[Any, Any]:
        body = {"phoneNumber": phone}
        one = client.ask(
            f"{base}/unconditional-call-forwardings", f"{scope}:unconditional-call-forwardings:read", body
        )
        every = client.ask(f"{base}/call-forwardings", f"{scope}:call-forwardings:read", body)
        return one.json(), every.json()

    assert ask() == ({"active": False}, ["inactive"])
    client.put(phone, forwardings=["conditional_not_reachable", "unconditional"])
    assert ask() == ({"active": True}, ["unconditional", "conditional_not_reachable"])


def test_data_volume(client: Client, phone: str) -> None:
    base, scope = "/device-data-volume/v0.1", "device-data-volume:read"
    device = {"device": {"phoneNumber": phone}}
    for used, category in ((199, "<200MiB"), (200, "<1GiB"), (1024, "<5GiB"), (5120, ">=5GiB")):
        client.put(phone, used_mib=used)
        assert client.ask(f"{base}/retrieve", scope, device).json() == {"dataVolumeCategory": category}
    limit = {"volumeToCheck": {"value": 5, "unit": "GiB"}}
    assert client.ask(f"{base}/check", scope, device | limit).json() == {"thresholdExceeded": False}
    client.put(phone, used_mib=5121)
    assert client.ask(f"{base}/check", scope, device | limit).json() == {"thresholdExceeded": True}


def test_one_time_passwords_fail_when_the_line_is_down(client: Client, phone: str) -> None:
    base = "/one-time-password-sms/v1"

    def send() -> httpx.Response:
        return client.ask(f"{base}/send-code", OTP, {"phoneNumber": phone, "message": "{{code}} is yours"})

    def validate(key: str, code: str) -> httpx.Response:
        return client.ask(f"{base}/validate-code", OTP, {"authenticationId": key, "code": code})

    def messages() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.http.get("/control/messages", params={"phone": phone}).json()[
            "messages"
        ]
        return found

    key = send().json()["authenticationId"]
    code = messages()[-1]["text"].split()[0]
    wrong = f"{(int(code) + 1) % 10**6:06}"
    prefix = "ONE_TIME_PASSWORD_SMS."
    assert _code(validate(key, wrong)) == (400, f"{prefix}INVALID_OTP")
    assert validate(key, code).status_code == 204
    assert _code(validate(key, code)) == (400, f"{prefix}VERIFICATION_EXPIRED")
    key = send().json()["authenticationId"]
    code = messages()[-1]["text"].split()[0]
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for expected in ("INVALID_OTP", "INVALID_OTP", "VERIFICATION_FAILED", "VERIFICATION_FAILED"):
        assert _code(validate(key, wrong)) == (400, prefix + expected)
    assert _code(validate(key, code)) == (400, f"{prefix}VERIFICATION_FAILED")
    client.setting(password_life_s=0)
    key = send().json()["authenticationId"]
    client.setting(password_life_s=300)
    assert _code(validate(key, messages()[-1]["text"].split()[0])) == (400, f"{prefix}VERIFICATION_EXPIRED")
    assert _code(validate("nobody", code)) == (404, "NOT_FOUND")
    for text in ("no place for it", "{{code}}" + "x" * 153):
        refused = client.ask(f"{base}/send-code", OTP, {"phoneNumber": phone, "message": text})
        assert _code(refused) == (400, "INVALID_ARGUMENT")
    client.put(phone, state="off")
    assert send().status_code == 200
    assert messages()[-1]["state"] == "undelivered"
    client.put(phone, state="suspended")
    sent = len(messages())
    assert _code(send()) == (403, f"{prefix}PHONE_NUMBER_BLOCKED")
    assert len(messages()) == sent
    client.put(phone, state="active")
    client.setting(passwords_an_hour=4)
    assert _code(send()) == (403, f"{prefix}MAX_OTP_CODES_EXCEEDED")
    client.setting(passwords_an_hour=20)


def test_number_verification_needs_the_mobile_network(client: Client, phone: str) -> None:
    base, scopes = (
        "/number-verification/v2",
        ("number-verification:verify", "number-verification:device-phone-number:read"),
    )
    token = client.network_token(*scopes, phone=phone)
    bearer = {"Authorization": f"Bearer {token}"}
    verified = "devicePhoneNumberVerified"
    assert client.post(f"{base}/verify", token, {"phoneNumber": phone}).json() == {verified: True}
    assert client.post(f"{base}/verify", token, {"phoneNumber": "+8613800000000"}).json() == {verified: False}
    digest = hashlib.sha256(phone.encode()).hexdigest()
    assert client.post(f"{base}/verify", token, {"hashedPhoneNumber": digest}).json() == {verified: True}
    assert client.http.get(f"{base}/device-phone-number", headers=bearer).json() == {
        "devicePhoneNumber": phone
    }
    for other in (client.token(scopes[0]), client.token(scopes[0], phone=phone)):
        answer = client.post(f"{base}/verify", other, {"phoneNumber": phone})
        assert _code(answer) == (403, "NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK")
    for wish in ({"data": "suspended"}, {"state": "suspended"}, {"state": "off"}):
        client.put(phone, **({"state": "active", "data": "active"} | wish))
        with pytest.raises(AssertionError, match="login_required"):
            client.network_token(scopes[0], phone=phone)


# --- tokens


def test_identifier_rules(client: Client, phone: str) -> None:
    two, three = client.token(STATUS_SCOPE), client.token(STATUS_SCOPE, phone=phone)
    assert _code(client.post(STATUS, two, {})) == (422, "MISSING_IDENTIFIER")
    assert client.post(STATUS, three, {}).status_code == 200
    assert client.post(STATUS, three, {"phoneNumber": phone}).status_code == 200  # this file's exception
    assert _code(client.post(STATUS, three, {"phoneNumber": "+8613800000000"})) == (
        403,
        "INVALID_TOKEN_CONTEXT",
    )
    swap, scope = "/sim-swap/v2/check", "sim-swap"
    assert _code(client.ask(swap, scope, {})) == (422, "MISSING_IDENTIFIER")
    assert client.ask(swap, scope, {}, phone).status_code == 200
    assert _code(client.ask(swap, scope, {"phoneNumber": phone}, phone)) == (422, "UNNECESSARY_IDENTIFIER")
    named = {"device": {"phoneNumber": phone}}
    assert _code(client.ask(*REACH, named, phone)) == (422, "UNNECESSARY_IDENTIFIER")
    assert _code(client.ask(*REACH, {})) == (422, "MISSING_IDENTIFIER")
    assert client.ask(*REACH, {}, phone).json().keys() == {"lastStatusTime", "reachable", "connectivity"}
    nai = {"device": {"networkAccessIdentifier": "a@b"}}
    assert _code(client.ask(*REACH, nai)) == (422, "UNSUPPORTED_IDENTIFIER")


def test_scopes_purposes_and_assertions(client: Client, phone: str) -> None:
    body = {"phoneNumber": phone}
    assert _code(client.ask(STATUS, "sim-swap", body)) == (403, "PERMISSION_DENIED")
    assert _code(client.post(STATUS, "nonsense", body)) == (401, "UNAUTHENTICATED")
    assert _code(client.http.post(STATUS, json=body)) == (401, "UNAUTHENTICATED")
    token = client.token(STATUS_SCOPE)
    assert client.http.delete("/control/tokens").status_code == 200
    assert _code(client.post(STATUS, token, body)) == (401, "UNAUTHENTICATED")
    for scope in (STATUS_SCOPE, f"{STATUS_SCOPE} {SERVICE} {FRAUD}"):
        refused = client.token_answer(grant_type="client_credentials", scope=scope)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})
    wanted = {"grant_type": "client_credentials", "scope": f"{STATUS_SCOPE} {SERVICE}"}
    once = client.assertion()
    assert client.token_answer(client_assertion=once, **wanted).status_code == 200
    now_s = int(time.time())
    for bad in (
        once,
        client.assertion(aud="https://elsewhere.example"),
        client.assertion(iss="somebody"),
        client.assertion(exp=now_s - 1),
        client.assertion(exp=now_s + 4000),
        "x.y.z",
    ):
        refused = client.token_answer(client_assertion=bad, **wanted)
        assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})
    assert client.token_answer(grant_type="password", scope=SERVICE).json() == {
        "error": "unsupported_grant_type"
    }
    found = client.http.get("/.well-known/openid-configuration").json()
    assert found["token_endpoint"] == f"{client.url}/oauth2/token"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"nonsense",
        b'"text"',
        b'{"phoneNumber": NaN}',
        b'{"phoneNumber": "+8613800138000\\n"}',
        b'{"phoneNumber": "+8613800138000", "x": "\\ud800"}',
        b"[" * 100_000,
        b'{"phoneNumber": "' + b"1" * 300_000 + b'"}',
        b"\xff\xfe",
    ],
)
def test_hostile_bodies_are_refused(client: Client, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {client.token(STATUS_SCOPE)}", "Content-Type": "application/json"}
    assert _code(client.http.post(STATUS, content=raw, headers=headers)) == (400, "INVALID_ARGUMENT")


def test_the_correlator_is_echoed_if_it_is_one(client: Client, phone: str) -> None:
    token, body = client.token(STATUS_SCOPE), {"phoneNumber": phone}
    good = client.post(STATUS, token, body, **{"x-correlator": "b4333c46-49c0-4f62"})
    assert good.headers["x-correlator"] == "b4333c46-49c0-4f62"
    bad = client.post(STATUS, token, body, **{"x-correlator": "not one!"})
    assert _code(bad) == (400, "INVALID_ARGUMENT")
    assert "x-correlator" not in bad.headers
    assert "x-correlator" in client.http.post(STATUS, json=body, headers={"x-correlator": "abc"}).headers


def test_consent_is_asked_given_withdrawn_and_refused(client: Client, phone: str) -> None:
    path = "/consent-info/v0.2/retrieve"

    def info(purpose: str, **more: Any) -> dict[str, Any]:
        body = {
            "phoneNumber": phone,
            "scopes": [STATUS_SCOPE, "sim-swap"],
            "purpose": purpose,
            "requestCaptureUrl": True,
            **more,
        }
        found: dict[str, Any] = client.ask(path, "consent-info:retrieve", body).json()
        return found

    assert info(SERVICE)["statusInfo"][0]["statusValidForProcessing"] is True
    pending = info(FRAUD, callbackUrl="http://127.0.0.1/back")
    (one,) = pending["statusInfo"]
    assert (one["statusValidForProcessing"], one["statusReason"]) == (False, "PENDING")
    fraud = client.token(STATUS_SCOPE, phone=phone, purpose=FRAUD)
    assert _code(client.post(STATUS, fraud, {})) == (403, "PERMISSION_DENIED")
    assert client.http.get(pending["captureUrl"]).status_code == 200
    answered = client.http.post(pending["captureUrl"], params={"state": "s1"}, data={"answer": "yes"})
    back = "http://127.0.0.1/back?capture_result=granted&state=s1"
    assert (answered.status_code, answered.headers["location"]) == (303, back)
    assert client.post(STATUS, fraud, {}).status_code == 200
    offline = client.token_answer(
        grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion=client.assertion(sub=f"tel:{phone}"),
        scope=f"{STATUS_SCOPE} {FRAUD}",
    ).json()["refresh_token"]
    refresh = {"grant_type": "refresh_token", "refresh_token": offline}
    assert client.token_answer(**refresh).status_code == 200
    client.http.put(
        f"/control/numbers/{phone}/consents",
        json={"purpose": FRAUD, "state": "OBJECTED", "scopes": [STATUS_SCOPE]},
    ).raise_for_status()
    assert _code(client.post(STATUS, fraud, {})) == (403, "PERMISSION_DENIED")
    assert client.token_answer(**refresh).json() == {"error": "invalid_grant"}
    states = {tuple(one["scopes"]): one.get("statusReason") for one in info(FRAUD)["statusInfo"]}
    assert states == {(STATUS_SCOPE,): "OBJECTED", ("sim-swap",): None}
    assert (
        client.post(STATUS, client.token(STATUS_SCOPE, purpose=FRAUD), {"phoneNumber": phone}).status_code
        == 200
    )


def test_ciba_waits_for_the_line(client: Client, phone: str) -> None:
    def begin() -> str:
        answer = client.http.post(
            "/oauth2/bc-authorize",
            data={
                "client_assertion": client.assertion(),
                "login_hint": f"tel:{phone}",
                "scope": f"openid {STATUS_SCOPE} {FRAUD}",
            },
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["auth_req_id"])

    def poll(key: str) -> Any:
        return client.token_answer(grant_type=CIBA, auth_req_id=key).json()

    client.put(phone, state="suspended")
    key = begin()
    assert poll(key) == {"error": "authorization_pending"}
    assert poll(key) == {"error": "slow_down"}
    client.put(phone, state="active")
    token = until(lambda: poll(key).get("access_token"))
    assert client.post(STATUS, token, {}).status_code == 200
    assert poll(key) == {"error": "invalid_grant"}
    client.setting(ciba_life_s=0.5)
    client.put(phone, state="suspended")
    key = begin()
    until(lambda: poll(key) == {"error": "expired_token"})
    client.setting(ciba_life_s=120, ciba_answer="no")
    client.put(phone, state="active")
    assert poll(begin()) == {"error": "access_denied"}
    client.setting(ciba_answer="yes")
    fraud = client.token(STATUS_SCOPE, phone=phone, purpose=FRAUD)
    assert _code(client.post(STATUS, fraud, {})) == (403, "PERMISSION_DENIED")


# --- two carriers


def test_a_number_belongs_to_one_carrier_and_can_move(client: Client, southern: Client, sink: Sink) -> None:
    phone = "+8616600000042"
    assert _code(_status(client, phone)) == (404, "IDENTIFIER_NOT_FOUND")
    assert _status(southern, phone).status_code == 200
    assert southern.post(STATUS, client.token(STATUS_SCOPE), {"phoneNumber": phone}).status_code == 401
    volume = "device-data-volume-subscriptions"
    kind = f"org.camaraproject.{volume}.v0.data-exceeded"
    made = southern.ask(
        f"{contract.base_path(volume)}/subscriptions",
        f"{volume}:{kind}:create",
        {
            "protocol": "HTTP",
            "sink": sink.url,
            "types": [kind],
            "config": {"subscriptionDetail": {"device": {"phoneNumber": phone}}},
        },
    ).json()
    assert southern.put(phone, carrier="simulator")["carrier"] == "simulator"
    until(lambda: sink.kinds(made["id"])[-1:] == ["subscription-ended"])
    assert sink.of(made["id"])[-1]["data"]["terminationReason"] == "NETWORK_TERMINATED"
    assert _code(_status(southern, phone)) == (404, "IDENTIFIER_NOT_FOUND")
    assert _status(client, phone).status_code == 200
    body = {"phoneNumber": phone, "tenureDate": _day(1)}
    tenure = client.ask("/kyc-tenure/v0.2/check-tenure", "kyc-tenure:check-tenure", body).json()
    assert tenure["tenureDateCheck"] is False  # it starts anew
    southern.setting(push=False)
    assert client.put("+8613800001234", state="off")["state"] == "off"
    assert southern.http.get("/control/numbers/+8613800001234").json()["state"] == "active"
    southern.setting(push=True)


# --- faults


def test_answers_go_wrong_on_command(client: Client, phone: str) -> None:
    client.fault("error_429")
    assert _code(_status(client, phone)) == (429, "TOO_MANY_REQUESTS")
    client.fault("error_503")
    assert _code(_status(client, phone)) == (503, "UNAVAILABLE")
    client.fault("expired_token")
    assert _code(_status(client, phone)) == (401, "UNAUTHENTICATED")
    client.fault("bare_error")
    bare = _status(client, phone)
    assert (bare.status_code, bare.headers["content-type"].partition(";")[0]) == (502, "text/html")
    for name in ("malformed", "truncated", "empty_answer"):
        client.fault(name)
        with pytest.raises(ValueError, match="line 1 column"):
            _status(client, phone).json()
    client.fault("wrong_type")
    assert _status(client, phone).json()["voiceSmsIn"] == [17]
    client.fault("unknown_enum")
    assert _status(client, phone).json()["voiceSmsIn"] == "active_V2"
    client.fault("huge_answer")
    assert len(_status(client, phone).content) > 2_000_000
    client.fault("slow", after_s=0.4)
    began = time.monotonic()
    assert _status(client, phone).status_code == 200
    assert time.monotonic() - began >= 0.4
    client.fault("stale_status", after_s=90_000)
    found = client.ask(*REACH, {"device": {"phoneNumber": phone}}).json()
    assert datetime.now(UTC) - datetime.fromisoformat(found["lastStatusTime"]) > timedelta(hours=25)
    for name, status in (("token_503", 503), ("token_refused", 400)):
        client.fault(name)
        assert client.token_answer(scope=f"{STATUS_SCOPE} {SERVICE}").status_code == status
    assert client.http.post("/control/faults", json={"name": "nonsense"}).status_code == 422


def test_a_dropped_answer_was_worked_on(client: Client, phone: str) -> None:
    token = client.token(OTP)
    client.fault("drop_answer")
    with pytest.raises(httpx.TransportError):
        client.post(
            "/one-time-password-sms/v1/send-code", token, {"phoneNumber": phone, "message": "{{code}}"}
        )
    assert len(client.http.get("/control/messages", params={"phone": phone}).json()["messages"]) == 1


def test_a_real_rate(client: Client, phone: str) -> None:
    token = client.token(STATUS_SCOPE)
    client.setting(rate_per_s=3)
    statuses = [client.post(STATUS, token, {"phoneNumber": phone}).status_code for _ in range(12)]
    client.setting(rate_per_s=0)
    assert statuses[0] == 200
    assert 429 in statuses


def test_a_cached_status_lags(client: Client, phone: str) -> None:
    client.setting(cached_status_s=3600)
    client.put(phone, state="suspended")
    assert _status(client, phone).json()["voiceSmsIn"] == "active"
    client.setting(cached_status_s=0)
    assert _status(client, phone).json()["voiceSmsIn"] == "suspended"


def test_the_control_desk_refuses_what_makes_no_sense(client: Client, phone: str) -> None:
    for wish in (
        {"state": "floating"},
        {"data": 3},
        {"colour": "red"},
        {"used_mib": -1},
        {"connectivity": ["SMOKE"]},
        {"sim_changed_at": "yesterday"},
        {"contracts": [{"starts": "soon"}]},
        {"carrier": "nobody"},
    ):
        answer = client.http.put(f"/control/numbers/{phone}", json=wish)
        assert answer.status_code == 422, wish
        assert answer.json()["wrong"] in wish
