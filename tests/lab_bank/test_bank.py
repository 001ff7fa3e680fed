"""The bank simulator by itself: who may order, what a repeat is, what its books say."""

from __future__ import annotations

import base64
import hashlib
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from starlette.testclient import TestClient

from throughline.kernel.clock import real_now
from throughline.lab.bank.app import build
from throughline.lab.bank.keys import ensure_keys
from throughline.payments.ports import Instruction, Payee
from throughline.payments.rails.bank_messages import Debtor, write_pain_001

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DEBTOR = Debtor("THROUGHLINE", "示范消费金融有限公司", "6210000000000001", "999100000019")


class Client:
    """A client of the bank with its own few lines of signing."""

    def __init__(self, http: TestClient, keys: Path) -> None:
        self._http = http
        key = load_pem_private_key((keys / "client-key.pem").read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        self._key = key

    def call(self, method: str, path: str, body: bytes = b"", **changed: str) -> Any:
        timestamp = str(int(real_now().timestamp()))
        lines = ("request", method, path, timestamp, "nonce", hashlib.sha256(body).hexdigest())
        signature = self._key.sign("".join(f"{line}\n" for line in lines).encode())
        headers = {
            "Bank-Client-Id": "THROUGHLINE", "Bank-Timestamp": timestamp, "Bank-Nonce": "nonce",
            "Bank-Signature": base64.b64encode(signature).decode(),
        } | {name.replace("_", "-"): value for name, value in changed.items()}  # fmt: skip
        return self._http.request(method, path, content=body, headers=headers)

    def state(self, answer: Any) -> tuple[str | None, str | None]:
        root = etree.fromstring(answer.content)
        return root.findtext(".//{*}TxSts"), root.findtext(".//{*}StsRsnInf/{*}Rsn/{*}Cd")


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(build(tmp_path, "http://127.0.0.1:9/nobody")) as client:
        client.post("/control/settings", json={"settle_after_s": 0, "push": False})
        yield client


@pytest.fixture
def client(http: TestClient, tmp_path: Path) -> Client:
    return Client(http, ensure_keys(tmp_path))


def _order(reference: str, amount_minor: int = 100, number: str = "6222021234567890123") -> bytes:
    payee = Payee("王小明", number, "102100099996")
    return write_pain_001(Instruction(reference, amount_minor, "CNY", NOW, None, payee), payee, DEBTOR)


def _rows(http: TestClient, what: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = http.get(f"/control/{what}").json()
    return rows


def test_keys_are_made_once_by_many_starts_and_kept_private(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: ensure_keys(tmp_path), range(16)))
    first = (folders[0] / "client-key.pem").read_bytes()
    ensure_keys(tmp_path)
    assert (folders[0] / "client-key.pem").read_bytes() == first
    for name in ("client-key.pem", "bank-key.pem"):
        assert stat.S_IMODE((folders[0] / name).stat().st_mode) == 0o600


def test_only_the_signed_request_of_a_client_is_heard(http: TestClient, client: Client) -> None:
    body = _order("A")
    assert http.post("/v1/payment-initiations", content=body).status_code == 401
    for change in (
        {"Bank_Signature": "AAAA"},
        {"Bank_Client_Id": "SOMEBODY"},
        {"Bank_Nonce": "other"},
        {"Bank_Timestamp": "1700000000"},
    ):
        assert client.call("POST", "/v1/payment-initiations", body, **change).status_code == 401
    for path in ("/v1/files", "/v1/files/1", "/v1/payment-initiations/A/status"):
        assert http.get(path).status_code == 401
    assert _rows(http, "payments") == []


def test_a_repeat_is_one_payment_and_a_changed_repeat_is_refused(http: TestClient, client: Client) -> None:
    for _ in range(3):
        state, _reason = client.state(client.call("POST", "/v1/payment-initiations", _order("A")))
        assert state in {"ACTC", "ACSC"}
    answer = client.call("POST", "/v1/payment-initiations", _order("A", amount_minor=101))
    assert client.state(answer) == ("RJCT", "DU04")
    [payment] = _rows(http, "payments")
    assert (payment["received"], payment["amount_minor"]) == (4, 100)


def test_it_settles_books_and_sends_back(http: TestClient, client: Client) -> None:
    from payments.support_servers import wait_for

    client.call("POST", "/v1/payment-initiations", _order("A"))
    wait_for(lambda: len(_rows(http, "movements")) == 1)
    status = client.call("GET", "/v1/payment-initiations/A/status")
    assert client.state(status) == ("ACSC", None)
    assert http.post("/control/return", json={"end_to_end_id": "A", "reason": "AC06"}).status_code == 200
    wait_for(lambda: len(_rows(http, "movements")) == 2)
    assert [(row["side"], row["return_reason"]) for row in _rows(http, "movements")] == [
        ("DBIT", None),
        ("CRDT", "AC06"),
    ]
    listing = client.call("GET", "/v1/files").json()["files"]
    assert len(listing) == 3  # pain.002 and camt.054 of the settlement, camt.054 of the return
    assert client.call("GET", f"/v1/files?after={listing[-1]}").json()["files"] == []
    assert b"RtrInf" in client.call("GET", f"/v1/files/{listing[-1]}").content


@pytest.mark.parametrize(("state", "reason"), [("closed", "AC04"), ("blocked", "AC06"), ("missing", "AC01")])
def test_listed_accounts_are_compared(http: TestClient, client: Client, state: str, reason: str) -> None:
    http.post("/control/accounts", json={"number": "62220000", "state": state})
    answer = client.call("POST", "/v1/payment-initiations", _order("A", number="62220000"))
    assert client.state(answer) == ("RJCT", reason)
    assert _rows(http, "movements") == []


@pytest.mark.parametrize("body", [b"", b"<a/>", b"<!DOCTYPE a><a/>", b"\x00"])
def test_other_documents_are_refused_in_a_signed_answer(client: Client, body: bytes) -> None:
    answer = client.call("POST", "/v1/payment-initiations", body)
    assert answer.status_code == 400
    assert answer.headers["bank-signature"]


def test_control_knows_its_faults_and_settings(http: TestClient) -> None:
    assert http.post("/control/faults", json={"name": "explode"}).status_code == 422
    assert http.post("/control/settings", json={"colour": "red"}).status_code == 422
    assert http.post("/control/return", json={"end_to_end_id": "nobody"}).status_code == 404
