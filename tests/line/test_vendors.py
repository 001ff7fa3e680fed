"""The vendors' wire: what leaves us, what an answer means and costs, and that their silence is no state."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from throughline.lab.sms import signature
from throughline.line.adapters import baidu
from throughline.line.adapters.aliyun import AliyunFeed, aliyun_feed
from throughline.line.adapters.baidu import BaiduFeed, baidu_feed
from throughline.line.emissions import read
from throughline.line.ports import Outcome, StatusQuestion
from throughline.line.settings import AliyunSettings, BaiduSettings

ASKED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGITS = "13800138000"
HASH = hashlib.sha256(DIGITS.encode()).hexdigest()


class Vendor:
    """Both vendors' gateways: what they were sent, and the answers that they give in turn."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Any]] = []
        self.headers: dict[str, str] = {}
        vendor = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                low = {name.lower(): value for name, value in self.headers.items()}
                vendor.seen.append({"path": self.path, "headers": low, "body": body})
                status, document = vendor.answers.pop(0) if len(vendor.answers) > 1 else vendor.answers[0]
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **vendor.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    made = Vendor()
    yield made
    made.server.shutdown()


def aliyun(vendor: Vendor, **more: Any) -> AliyunFeed:
    config = {
        "api_url": vendor.url,
        "access_key_id": "LTAI-id",
        "access_key_secret": "s3cret",
        "per_s": 300,
    } | more
    return aliyun_feed(AliyunSettings.model_validate(config), repeats=1, timeout_s=2)


def baidu_of(vendor: Vendor, **more: Any) -> BaiduFeed:
    config = {
        "api_url": vendor.url,
        "access_key_id": "ak",
        "secret_access_key": "sk",
        "app_key": "app",
        "per_s": 300,
    }
    return baidu_feed(BaiduSettings.model_validate(config | more), repeats=1, timeout_s=2)


def question(number: str = f"+86{DIGITS}", *, first: bool = False) -> StatusQuestion:
    return StatusQuestion(
        number, ASKED_AT, "service_continuity", "c", proven_on=date(2026, 1, 15), first=first
    )


def status(value: Any, code: str = "OK") -> tuple[int, Any]:
    return 200, {
        "Code": code,
        "Message": "x",
        "RequestId": "r",
        "PhoneStatus": {"Status": value, "Carrier": "CMCC"},
    }


def test_aliyun_requests_are_signed_and_name_the_number_only_there(vendor: Vendor) -> None:
    vendor.answers = [status("SHUTDOWN")]
    answer = aliyun(vendor).status(question(), 5)
    assert (answer.outcome, answer.cost_minor) == (Outcome.ANSWERED, 10)
    (signal,) = answer.signals
    reading = read(signal)
    assert reading is not None
    assert (signal.provider, signal.code, reading.meaning) == ("aliyun", "SHUTDOWN", "suspended_some_way")
    (seen,) = vendor.seen
    parts = urlsplit(seen["path"])
    assert dict(parse_qsl(parts.query)) == {"PhoneNumber": DIGITS}
    assert (seen["headers"]["x-acs-action"], seen["headers"]["x-acs-version"]) == (
        "DescribePhoneNumberStatus", "2020-02-17",
    )  # fmt: skip
    # The independent check that the SMS simulator makes of the same signature. Raises where it is wrong.
    signature.check(
        "POST", "/", parts.query, seen["headers"], seen["body"], key_id="LTAI-id", key_secret="s3cret",
        at=datetime.now(UTC),
    )  # fmt: skip


@pytest.mark.parametrize("found", ["UNKNOWN", "DEFECT", "SILENT_NUMBER", "", 5, None])
def test_what_aliyun_does_not_know_is_free_and_no_information(vendor: Vendor, found: Any) -> None:
    vendor.answers = [status(found)]
    answer = aliyun(vendor).status(question(), 5)
    assert (answer.outcome, answer.signals, answer.cost_minor) == (Outcome.UNKNOWN, (), 0)


@pytest.mark.parametrize(
    ("code", "http_status", "outcome", "waits_s"),
    [
        ("RequestFrequencyLimit", 200, Outcome.UNKNOWN, 86_400),
        ("OperatorLimit", 200, Outcome.REFUSED, None),
        ("InvalidParameter", 400, Outcome.ERROR, None),
        ("Throttling.User", 429, Outcome.UNKNOWN, None),
        ("InternalError", 500, Outcome.UNKNOWN, None),
        ("SomethingNew", 400, Outcome.UNKNOWN, None),
    ],
)
def test_aliyun_refusals(
    vendor: Vendor, code: str, http_status: int, outcome: Outcome, waits_s: float | None
) -> None:
    vendor.answers = [(http_status, {"Code": code, "Message": "x", "RequestId": "r"})]
    answer = aliyun(vendor).status(question(), 5)
    assert (answer.outcome, answer.code, answer.not_before_s) == (outcome, code, waits_s)
    assert (answer.signals, answer.cost_minor) == ((), 0)
    assert len(vendor.seen) == (2 if http_status in {429, 500} else 1)


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize(
    ("told", "meaning"), [("1", "recycled"), (2, "not_recycled"), ("3", "cancelled"), ("0", None)]
)
def test_the_second_hand_check_sends_a_hash(
    vendor: Vendor, hashed: bool, told: Any, meaning: str | None
) -> None:
    second = {
        "Code": "OK",
        "Message": "OK",
        "RequestId": "r",
        "Data": {"VerifyResult": told, "Carrier": "CMCC"},
    }
    vendor.answers = [status("NORMAL"), (200, second)]
    answer = aliyun(vendor, auth_code=SecretStr("code"), hash_numbers=hashed).status(question(first=True), 5)
    parameters = dict(parse_qsl(urlsplit(vendor.seen[1]["path"]).query))
    assert parameters == {
        "AuthCode": "code", "InputNumber": HASH if hashed else DIGITS, "Mask": "SHA256" if hashed else "NORMAL",
        "StartTime": "2026-01-15 00:00:00",
    }  # fmt: skip
    meanings = [found.meaning for one in answer.signals[1:] if (found := read(one))]
    assert meanings == ([meaning] if meaning else [])
    assert answer.cost_minor == (50 if meaning else 10)


def test_no_other_number_leaves(vendor: Vendor) -> None:
    for number in ("+14155550100", "+8602112345678", "+86138001380", "13800138000"):
        assert aliyun(vendor).status(question(number), 5).outcome is Outcome.REFUSED
        assert baidu_of(vendor).status(question(number), 5).outcome is Outcome.REFUSED
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("01", "active"),
        ("02", "suspended_some_way"),
        ("03", "not_enabled"),
        ("04", "cancelled"),
        ("05", "off"),
    ],
)
def test_baidu_states(vendor: Vendor, state: str, meaning: str) -> None:
    vendor.answers = [(200, {"code": "10000", "msg": "success", "result": {"phone": HASH, "state": state}})]
    answer = baidu_of(vendor).status(question(), 5)
    assert (answer.outcome, answer.cost_minor) == (Outcome.ANSWERED, 10)
    reading = read(answer.signals[0])
    assert reading is not None
    assert reading.meaning == meaning
    (seen,) = vendor.seen
    assert json.loads(seen["body"]) == {"appkey": "app", "phone": HASH}
    assert DIGITS not in seen["path"]


def test_baidu_requests_are_signed_by_bce_auth_v1(vendor: Vendor) -> None:
    vendor.answers = [(200, {"code": "10000", "msg": "", "result": {"state": "01"}})]
    baidu_of(vendor).status(question(), 5)
    (seen,) = vendor.seen
    _, key_id, at, life_s, names, given = seen["headers"]["authorization"].split("/")
    assert (key_id, names) == ("ak", "content-type;host;x-bce-content-sha256;x-bce-date")
    host = urlsplit(vendor.url).netloc.replace(":", "%3A")
    lines = [
        "content-type:application%2Fjson%3B%20charset%3Dutf-8",
        f"host:{host}",
        f"x-bce-content-sha256:{hashlib.sha256(seen['body']).hexdigest()}",
        f"x-bce-date:{at.replace(':', '%3A')}",
    ]
    canonical = "\n".join(("POST", "/haoma-cloud/openapi/phone-status/1.0", "version=1.0", *lines))
    key = hmac.new(b"sk", f"bce-auth-v1/ak/{at}/{life_s}".encode(), hashlib.sha256).hexdigest()
    assert given == hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("http_status", "document", "outcome"),
    [
        (200, {"code": "10000", "msg": "", "result": {"state": "17"}}, Outcome.UNKNOWN),
        (200, {"code": "10000", "msg": "", "result": None}, Outcome.UNKNOWN),
        (200, {"code": "20001", "msg": "no record"}, Outcome.UNKNOWN),
        (200, b"{", Outcome.UNKNOWN),
        (200, b"<html>", Outcome.UNKNOWN),
        (302, {}, Outcome.ERROR),
        (403, {"code": "AccessDenied"}, Outcome.REFUSED),
        (429, {"code": "RequestLimitExceeded"}, Outcome.UNKNOWN),
        (500, {"code": "InternalError"}, Outcome.UNKNOWN),
    ],
)  # fmt: skip
def test_what_baidu_does_not_say_is_no_information(
    vendor: Vendor, http_status: int, document: Any, outcome: Outcome
) -> None:
    vendor.answers = [(http_status, document)]
    answer = baidu_of(vendor).status(question(), 5)
    assert (answer.outcome, answer.signals, answer.cost_minor) == (outcome, (), 0)


def test_a_throttled_vendor_is_asked_again_and_then_left_in_peace(vendor: Vendor) -> None:
    vendor.answers = [(429, {}), (200, {"code": "10000", "msg": "", "result": {"state": "01"}})]
    assert baidu_of(vendor).status(question(), 5).outcome is Outcome.ANSWERED
    vendor.answers, vendor.headers = [(429, {})], {"Retry-After": "3600"}
    answer = baidu_of(vendor).status(question(), 5)
    assert (answer.outcome, answer.not_before_s) == (Outcome.UNKNOWN, 3_600)
    assert len(vendor.seen) == 3
    assert baidu.PROVIDER == "baidu"
