"""The vendors as a process beside the carriers: the same books, seen late and coarsely, over the real wire format."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lab_sms.running import Simulator
from lab_vendors.client import Aliyun, Baidu

_numbers = itertools.count(13_820_000_001)
ACTIONS = [f"PhoneNumberStatusFor{kind}" for kind in ("Real", "Public", "Account", "Sms", "Voice")]


@pytest.fixture(scope="module")
def carriers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    running = Simulator("throughline.lab.carrier", tmp_path_factory.mktemp("carriers"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, carriers: Simulator) -> Iterator[Simulator]:
    env = {"THROUGHLINE_LAB_CARRIER_URL": carriers.url}
    made = Simulator("throughline.lab.vendors", tmp_path_factory.mktemp("vendors"), env)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def vendors(running: Simulator) -> Iterator[Simulator]:
    """Calm, without lag and without the wait between two questions about a number."""
    usual = {"lag_s": 0, "repeat_after_s": 0, "carrier_answer_s": 0, "recycled_lag_days": 0, "per_s": 300}
    _settings(running, **usual)
    yield running
    running.http.delete("/control/faults")
    _settings(running, **usual)


@pytest.fixture
def aliyun(vendors: Simulator) -> Aliyun:
    return Aliyun(vendors)


@pytest.fixture
def baidu(vendors: Simulator) -> Baidu:
    return Baidu(vendors)


@pytest.fixture
def mobile() -> str:
    return str(next(_numbers))


def _settings(vendors: Simulator, **settings: Any) -> None:
    assert vendors.http.post("/control/settings", json=settings).status_code == 200


def _put(carriers: Simulator, mobile: str, **wish: Any) -> None:
    assert carriers.http.put(f"/control/numbers/+86{mobile}", json=wish).status_code == 200


def _fault(vendors: Simulator, name: str) -> None:
    assert vendors.http.post("/control/faults", json={"name": name}).status_code == 201


@pytest.mark.parametrize(
    ("state", "ali", "bai"),
    [
        ("active", "NORMAL", "01"),
        ("out_suspended", "SHUTDOWN", "02"),
        ("suspended", "SHUTDOWN", "02"),
        ("pre_cancelled", "SHUTDOWN", "02"),
        ("cancelled", "NOT_EXIST", "04"),
        ("reassigned", "NORMAL", "01"),
        ("off", "POWER_OFF", "05"),
    ],
)
def test_one_code_for_both_stops(
    carriers: Simulator, aliyun: Aliyun, baidu: Baidu, mobile: str, state: str, ali: str, bai: str
) -> None:
    _put(carriers, mobile, state=state)
    for action in ACTIONS:
        found = aliyun.status(mobile, action)
        assert found.keys() == {"Code", "Message", "RequestId", "Data"}
        assert (found["Code"], found["Data"]) == ("OK", {"Status": ali, "Carrier": "CMCC"})
    old = aliyun.call("DescribePhoneNumberStatus", {"PhoneNumber": mobile}).json()
    assert (old["PhoneStatus"]["Status"], old["PhoneStatus"].keys()) == (
        ali,
        {"Status", "Carrier", "SerialId"},
    )
    assert baidu.ask("status", mobile) == bai


def test_an_outage_looks_like_phones_that_are_off(carriers: Simulator, aliyun: Aliyun, baidu: Baidu) -> None:
    mobile = "13829990000"
    assert carriers.http.put("/control/outages/+861382999").status_code == 200
    assert aliyun.status(mobile)["Data"]["Status"] == "SUSPECTED_POWER_OFF"
    assert baidu.ask("status", mobile) == "05"
    assert carriers.http.delete("/control/outages/+861382999").status_code == 200
    assert aliyun.status(mobile)["Data"]["Status"] == "NORMAL"


def test_the_new_carrier_of_a_ported_number_is_named(carriers: Simulator, aliyun: Aliyun) -> None:
    mobile = "16600000077"
    assert aliyun.status(mobile)["Data"]["Carrier"] == "CUCC"
    answer = carriers.http.put(f"/southern/control/numbers/+86{mobile}", json={"carrier": "simulator"})
    assert answer.status_code == 200
    assert aliyun.status(mobile)["Data"] == {"Status": "NORMAL", "Carrier": "CMCC"}
    assert aliyun.recycled(mobile, "2020-01-01 00:00:00")["Code"] == "PortabilityNumberNotSupported"


@pytest.mark.parametrize(("mask", "name"), [("MD5", "md5"), ("SHA256", "sha256"), ("SM3", "sm3")])
def test_numbers_may_be_hashed(
    carriers: Simulator, aliyun: Aliyun, mobile: str, mask: str, name: str
) -> None:
    _put(carriers, mobile, state="suspended")
    digest = hashlib.new(name, mobile.encode()).hexdigest()
    assert aliyun.status(digest.upper(), mask=mask)["Data"]["Status"] == "SHUTDOWN"
    stranger = hashlib.new(name, b"nobody").hexdigest()
    assert aliyun.status(stranger, mask=mask)["Data"]["Status"] == "UNKNOWN"


def test_a_status_comes_late(carriers: Simulator, vendors: Simulator, aliyun: Aliyun, mobile: str) -> None:
    _settings(vendors, lag_s=1.5)
    _put(carriers, mobile, state="suspended")
    changed_at = time.monotonic()
    first = aliyun.status(mobile)["Data"]["Status"]
    assert first == "NORMAL" or time.monotonic() - changed_at > 1.5
    while aliyun.status(mobile)["Data"]["Status"] != "SHUTDOWN":
        assert time.monotonic() - changed_at < 20
        time.sleep(0.05)
    assert time.monotonic() - changed_at > 1.4


def test_a_recycled_number_is_known_after_days(
    carriers: Simulator, vendors: Simulator, aliyun: Aliyun, baidu: Baidu, mobile: str
) -> None:
    today = datetime.now(UTC).date()

    def day(ago: int) -> str:
        return (today - timedelta(days=ago)).isoformat()

    owners = [{"starts": day(900), "ends": day(300)}, {"starts": day(6)}]
    _put(carriers, mobile, contracts=owners)
    asked = f"{day(500)} 12:00:00"
    found = aliyun.recycled(mobile, asked)
    assert (found["Code"], found["Data"]) == ("OK", {"VerifyResult": "1", "Carrier": "CMCC"})
    assert baidu.ask("second_hand", mobile, date=day(500).replace("-", "")) == "1"
    assert aliyun.recycled(mobile, f"{day(2)} 12:00:00")["Data"]["VerifyResult"] == "2"
    assert baidu.ask("tenure", mobile) == "0-3"
    _settings(vendors, recycled_lag_days=7)
    # The new contract is six days old: what is known is that the old one has ended.
    assert aliyun.recycled(mobile, asked)["Data"]["VerifyResult"] == "3"
    other = str(next(_numbers))
    assert aliyun.recycled(other, "2020-01-01 00:00:00")["Data"]["VerifyResult"] == "2"
    assert baidu.ask("tenure", other) == "24+"


def test_an_answer_above_three_seconds_is_unknown_and_free(
    vendors: Simulator, aliyun: Aliyun, mobile: str
) -> None:
    assert aliyun.status(mobile)["Data"]["Status"] == "NORMAL"
    _settings(vendors, carrier_answer_s=4)
    began = time.monotonic()
    found = aliyun.status(mobile)
    assert 2.9 <= time.monotonic() - began < 30
    assert (found["Code"], found["Data"]) == ("OK", {"Status": "UNKNOWN", "Carrier": "UNKNOW"})
    rows = vendors.http.get("/control/queries", params={"phone": mobile}).json()["queries"]
    assert [(row["answer"], row["price_minor"]) for row in rows] == [("NORMAL", 10), ("UNKNOWN", 0)]


def test_repeats_rates_and_other_networks_are_refused(
    vendors: Simulator, aliyun: Aliyun, mobile: str
) -> None:
    _settings(vendors, repeat_after_s=60)
    assert aliyun.status(mobile)["Code"] == "OK"
    again = aliyun.status(mobile)
    assert again["Code"] == "RequestFrequencyLimit"
    assert "Data" not in again
    assert aliyun.status("19200000001")["Code"] == "OperatorLimit"
    assert aliyun.recycled("19200000001", "2020-01-01 00:00:00")["Code"] == "RequestNumberNotSupported"
    _settings(vendors, per_s=0)
    params = {"AuthCode": aliyun.auth_code, "InputNumber": "13899990000", "Mask": "NORMAL"}
    refused = aliyun.call("PhoneNumberStatusForReal", params)
    assert (refused.status_code, refused.json()["Code"]) == (400, "Throttling.User")


def test_bad_requests_of_aliyun(aliyun: Aliyun, mobile: str) -> None:
    good = {"AuthCode": aliyun.auth_code, "InputNumber": mobile, "Mask": "NORMAL"}
    real, second = "PhoneNumberStatusForReal", "DescribePhoneTwiceTelVerify"
    for action, change, code in (
        (real, {"AuthCode": "nobody's"}, "AuthCodeNotExist"),
        (real, {"InputNumber": "110"}, "InvalidParameter"),
        (real, {"Mask": "ROT13"}, "EncryptTypeIllegal"),
        (real, {"Mask": "MD5"}, "InvalidParameter"),
        (second, {"StartTime": "yesterday"}, "DateTimeIllegal"),
        (second, {"StartTime": "1969-12-31 00:00:00"}, "DateTimeIllegal"),
    ):
        answer = aliyun.call(action, good | change)
        assert (answer.status_code, answer.json()["Code"]) == (400, code)
    assert aliyun.call("DescribeWeather", good).json()["Code"] == "InvalidAction.NotFound"
    assert aliyun.call(real, good, secret="wrong").json()["Code"] == "SignatureDoesNotMatch"
    assert aliyun.call(real, good, nonce="once").json()["Code"] == "OK"
    assert aliyun.call(real, good, nonce="once").json()["Code"] == "SignatureNonceUsed"
    assert aliyun.http.post("/", headers={"x-acs-action": real}).json()["Code"] == "IncompleteSignature"


def test_bad_requests_of_baidu(baidu: Baidu, mobile: str) -> None:
    body = {"appkey": "app", "phone": mobile}
    wrong = baidu.call("/haoma-cloud/openapi/phone-status/1.0", body, secret="wrong")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "SignatureDoesNotMatch")
    assert (
        baidu.http.post("/haoma-cloud/openapi/phone-status/1.0", json=body).json()["code"] == "AccessDenied"
    )
    assert (
        baidu.call("/haoma-cloud/openapi/phone-status/1.0", {"appkey": "app", "phone": "1"}).json()["code"]
        == "InvalidParameter"
    )
    assert (
        baidu.call("/haoma-cloud/openapi/second-hand/1.0", body | {"date": "soon"}).json()["code"]
        == "InvalidParameter"
    )


def test_faults(vendors: Simulator, aliyun: Aliyun, baidu: Baidu, mobile: str) -> None:
    for name, code in (
        ("aliyun_throttle", "Throttling.User"),
        ("aliyun_frequency", "RequestFrequencyLimit"),
        ("aliyun_500", "InternalError"),
    ):
        _fault(vendors, name)
        assert aliyun.status(mobile)["Code"] == code
    _fault(vendors, "aliyun_unknown")
    assert aliyun.status(mobile)["Data"]["Status"] == "UNKNOWN"
    _fault(vendors, "aliyun_new_status")
    assert aliyun.status(mobile)["Data"]["Status"] == "SILENT_NUMBER"
    _fault(vendors, "aliyun_no_data")
    assert aliyun.status(mobile).keys() == {"Code", "Message", "RequestId"}
    for name in ("aliyun_malformed", "baidu_malformed"):
        _fault(vendors, name)
        with pytest.raises(ValueError, match="line 1"):
            aliyun.status(mobile) if name.startswith("aliyun") else baidu.ask("status", mobile)
    for name in ("aliyun_lost_answer", "baidu_lost_answer"):
        _fault(vendors, name)
        with pytest.raises(httpx.TransportError):
            aliyun.status(mobile) if name.startswith("aliyun") else baidu.ask("status", mobile)
    _fault(vendors, "baidu_throttle")
    assert (
        baidu.call("/haoma-cloud/openapi/phone-status/1.0", {"appkey": "app", "phone": mobile}).status_code
        == 429
    )
    _fault(vendors, "baidu_500")
    assert (
        baidu.call("/haoma-cloud/openapi/phone-status/1.0", {"appkey": "app", "phone": mobile}).status_code
        == 500
    )
    _fault(vendors, "baidu_new_status")
    assert baidu.ask("status", mobile) == "17"


def test_no_carrier_is_no_answer(tmp_path_factory: pytest.TempPathFactory, mobile: str) -> None:
    env = {"THROUGHLINE_LAB_CARRIER_URL": "http://127.0.0.1:9"}
    alone = Simulator("throughline.lab.vendors", tmp_path_factory.mktemp("alone"), env)
    try:
        alone.start()
        assert Aliyun(alone).status(mobile)["Data"] == {"Status": "UNKNOWN", "Carrier": "UNKNOW"}
        assert (
            Baidu(alone)
            .call("/haoma-cloud/openapi/phone-status/1.0", {"appkey": "app", "phone": mobile})
            .json()["code"]
            == "NoRecord"
        )
    finally:
        alone.stop()
