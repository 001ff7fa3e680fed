"""The WeChat Pay simulator by itself, driven by another company's client library."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from starlette.testclient import TestClient
from wechatpayv3 import utils as other

from throughline.kernel.clock import now
from throughline.lab.wechat.app import build
from throughline.lab.wechat.keys import ensure_keys

MCHID, APPID = "1900000001", "wx0000000000000001"


class Merchant:
    """A merchant that signs and verifies with wechatpayv3."""

    def __init__(self, http: TestClient, keys: Path) -> None:
        self._http = http
        self._key = load_pem_private_key((keys / "merchant-key.pem").read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((keys / "merchant-certificate.pem").read_bytes())
        self._serial = f"{certificate.serial_number:X}"
        self._platform = x509.load_pem_x509_certificate((keys / "platform-certificate.pem").read_bytes())
        self._api_v3_key = (keys / "api-v3-key.txt").read_text()

    def call(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        body = json.dumps(document) if document is not None else ""
        authorization = other.build_authorization(path, method, MCHID, self._serial, self._key, body)
        answer = self._http.request(method, path, content=body, headers={"Authorization": authorization})
        headers = answer.headers
        assert other.rsa_verify(
            headers["wechatpay-timestamp"], headers["wechatpay-nonce"], answer.text,
            headers["wechatpay-signature"], self._platform.public_key(),
        )  # fmt: skip
        return answer

    def place(self, number: str, **changed: Any) -> Any:
        wish = {
            "appid": APPID, "mchid": MCHID, "description": "付款", "out_trade_no": number,
            "notify_url": "http://127.0.0.1:9/nobody", "amount": {"total": 100, "currency": "CNY"},
        } | changed  # fmt: skip
        return self.call("POST", "/v3/pay/transactions/native", wish)

    def query(self, number: str) -> Any:
        return self.call("GET", f"/v3/pay/transactions/out-trade-no/{number}?mchid={MCHID}")

    def open(self, resource: dict[str, str]) -> str:
        opened: str = other.aes_decrypt(
            resource["nonce"], resource["ciphertext"], resource["associated_data"], self._api_v3_key
        )
        return opened


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(build(tmp_path, "示范消费金融有限公司"), follow_redirects=True) as client:
        yield client


@pytest.fixture
def merchant(http: TestClient, tmp_path: Path) -> Merchant:
    return Merchant(http, ensure_keys(tmp_path))


def _path(answer: Any) -> str:
    return str(answer.json()["code_url"]).removeprefix("http://127.0.0.1:8102")


def test_an_order_is_placed_paid_on_the_page_and_queried(http: TestClient, merchant: Merchant) -> None:
    path = _path(merchant.place("A1"))
    assert merchant.query("A1").json()["trade_state"] == "NOTPAY"
    page = http.get(path).text
    assert "示范消费金融有限公司" in page
    assert "¥1.00" in page
    assert "支付 Pay" in page
    assert "已支付" in http.post(path).text
    shown = merchant.query("A1").json()
    assert (shown["trade_state"], shown["amount"]["total"]) == ("SUCCESS", 100)
    assert shown["transaction_id"]
    http.post(path)
    assert len(http.get("/control/payments").json()) == 1


def test_the_same_number_is_the_same_order(merchant: Merchant) -> None:
    assert merchant.place("A1").json() == merchant.place("A1").json()
    changed = merchant.place("A1", amount={"total": 101, "currency": "CNY"})
    assert (changed.status_code, changed.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": {"total": 0, "currency": "CNY"}},
        {"amount": {"total": "100"}},
        {"amount": None},
        {"description": ""},
        {"out_trade_no": "X" * 33},
        {"mchid": "1900000009"},
    ],
)
def test_wrong_orders_are_refused(merchant: Merchant, changed: dict[str, Any]) -> None:
    assert merchant.place("A1", **changed).status_code == 400


def test_closed_and_expired_orders_take_no_money(http: TestClient, merchant: Merchant) -> None:
    path = _path(merchant.place("A1"))
    assert (
        merchant.call("POST", "/v3/pay/transactions/out-trade-no/A1/close", {"mchid": MCHID}).status_code
        == 204
    )
    assert "已关闭" in http.post(path).text
    late = _path(
        merchant.place("A2", time_expire=(now() - timedelta(seconds=1)).isoformat(timespec="seconds"))
    )
    assert "已过期" in http.post(late).text
    assert http.get("/control/payments").json() == []
    http.post(_path(merchant.place("A3")))
    paid = merchant.call("POST", "/v3/pay/transactions/out-trade-no/A3/close", {"mchid": MCHID})
    assert paid.json()["code"] == "ORDERPAID"
    assert merchant.query("A4").json()["code"] == "ORDER_NOT_EXIST"


def test_unsigned_requests_are_refused(http: TestClient) -> None:
    for method, path in (
        ("POST", "/v3/pay/transactions/native"),
        ("GET", "/v3/pay/transactions/out-trade-no/A1?mchid=1"),
        ("POST", "/v3/pay/transactions/out-trade-no/A1/close"),
        ("GET", "/v3/certificates"),
    ):
        assert http.request(method, path).status_code == 401


def test_certificates_and_notifications_open_with_the_api_v3_key(
    http: TestClient, merchant: Merchant
) -> None:
    [item] = merchant.call("GET", "/v3/certificates").json()["data"]
    certificate = x509.load_pem_x509_certificate(merchant.open(item["encrypt_certificate"]).encode())
    assert f"{certificate.serial_number:X}" == item["serial_no"]
    http.post(_path(merchant.place("A1")))
    notice = http.get("/control/notice/A1").json()
    content = json.loads(merchant.open(notice["resource"]))
    assert (content["out_trade_no"], content["trade_state"]) == ("A1", "SUCCESS")


def test_the_page_shows_no_markup_of_the_merchants_name(tmp_path: Path) -> None:
    with TestClient(build(tmp_path, "<script>alert(1)</script>")) as http:
        path = _path(Merchant(http, ensure_keys(tmp_path)).place("A1"))
        assert "<script>" not in http.get(path).text
        assert http.get("/pay/nobody").status_code == 404


def test_keys_are_private_and_stay(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    before = {path: path.read_bytes() for path in keys.rglob("*.*") if path.is_file()}
    ensure_keys(tmp_path)
    assert {path: path.read_bytes() for path in keys.rglob("*.*") if path.is_file()} == before
    for name in ("merchant-key.pem", "platform-key.pem", "api-v3-key.txt"):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    assert len((keys / "api-v3-key.txt").read_text()) == 32
