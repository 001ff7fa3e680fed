"""WeChat Pay signatures: published vectors, every kind of forgery, and agreement with another library."""

from __future__ import annotations

import base64
import json
import random
import string
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from wechatpayv3 import utils as other  # the cross-check; not used by the product

from throughline.kernel.clock import real_now
from throughline.lab.wechat.keys import PUBLIC_KEY_ID, ensure_keys
from throughline.payments.ports import Refused
from throughline.payments.rails import wechat_signature as ours

DATA = Path(__file__).parent / "data"
VECTORS: dict[str, Any] = json.loads((DATA / "wechatpay_v3_vectors.json").read_text("utf-8"))
AEAD = VECTORS["aead_aes_256_gcm"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_keys(tmp_path_factory.mktemp("keys"))


def test_the_published_resource_opens() -> None:
    opened = ours.open_resource(
        AEAD["key_ascii"].encode(), AEAD["nonce"], AEAD["associated_data"], AEAD["ciphertext_b64"]
    )
    assert opened.decode() == AEAD["plaintext"]


def test_the_published_ways_to_fail_fail() -> None:
    changes = {
        "associated_data=bad-associatedData": {"associated_data": "bad-associatedData"},
        "nonce=bad-4a9R25RW": {"nonce": "bad-4a9R25RW"},
        "ciphertext=128 zero bytes": {"ciphertext_b64": base64.b64encode(bytes(128)).decode()},
    }
    assert set(changes) == set(AEAD["must_fail"])
    for change in changes.values():
        case = {**AEAD, **change}
        with pytest.raises(Refused, match="bad_resource"):
            ours.open_resource(
                AEAD["key_ascii"].encode(), case["nonce"], case["associated_data"], case["ciphertext_b64"]
            )


def test_the_published_signature_verifies() -> None:
    vector = VECTORS["rsa_sha256_pkcs1v15"]
    key = x509.load_pem_x509_certificate((DATA / vector["certificate"]).read_bytes()).public_key()
    assert isinstance(key, RSAPublicKey)
    assert ours.verify(key, vector["message"].encode(), vector["signature_b64"])
    assert not ours.verify(key, vector["message"].encode() + b"!", vector["signature_b64"])
    assert not ours.verify(key, vector["message"].encode(), vector["signature_b64"][:-4] + "AAA=")
    assert not ours.verify(key, vector["message"].encode(), "not base64")


def test_the_texts_to_sign_have_the_published_layout() -> None:
    text = ours.request_text("GET", "/v3/certificates", "1554208460", "593BEC0C930BF1AFEB40B4A08C8FB242", b"")
    assert text.decode() == VECTORS["request_string_to_sign"]["example"]
    assert ours.answer_text("1", "n", b"body") == b"1\nn\nbody\n"


def _signed(
    keys: Path, body: bytes, *, at: datetime, key_file: str = "platform-key.pem", serial: str = ""
) -> dict[str, str]:
    private = load_pem_private_key((keys / key_file).read_bytes(), password=None)
    assert isinstance(private, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((keys / "platform-certificate.pem").read_bytes())
    timestamp = str(int(at.timestamp()))
    signer = ours.MerchantKey("", "", private)
    return {
        "wechatpay-serial": serial or ours.serial_of(certificate),
        "wechatpay-timestamp": timestamp,
        "wechatpay-nonce": "nonce",
        "wechatpay-signature": signer.sign(ours.answer_text(timestamp, "nonce", body)),
    }


def test_certificates_and_public_keys_are_trusted_side_by_side(keys: Path) -> None:
    platform, now, body = ours.PlatformKeys.read(keys / "platform"), real_now(), b'{"a": 1}'
    platform.check(_signed(keys, body, at=now), body, at=now)
    headers = _signed(keys, body, at=now, key_file="platform-public-mode-key.pem", serial=PUBLIC_KEY_ID)
    assert platform.check(headers, body, at=now) == PUBLIC_KEY_ID


def test_every_forgery_is_refused(keys: Path) -> None:
    platform, now, body = ours.PlatformKeys.read(keys / "platform"), real_now(), b'{"a": 1}'
    right = _signed(keys, body, at=now)
    probe = ours.PROBE_PREFIX + right["wechatpay-signature"]
    cases: list[tuple[str, dict[str, str], bytes, datetime]] = [
        ("bad_signature", right, body + b" ", now),
        ("bad_signature", right | {"wechatpay-nonce": "other"}, body, now),
        ("bad_signature", right | {"wechatpay-timestamp": str(int(now.timestamp()) + 1)}, body, now),
        ("bad_signature", right | {"wechatpay-signature": "AAAA"}, body, now),
        ("bad_signature", right | {"wechatpay-serial": PUBLIC_KEY_ID}, body, now),
        ("unknown_key", right | {"wechatpay-serial": "00"}, body, now),
        ("probe", right | {"wechatpay-signature": probe}, body, now),
        ("stale", right, body, now + timedelta(minutes=5, seconds=2)),
        ("stale", right, body, now - timedelta(minutes=5, seconds=2)),
        *[("unsigned", {k: v for k, v in right.items() if k != name}, body, now) for name in right],
    ]
    for why, headers, raw, at in cases:
        with pytest.raises(Refused, match=why):
            platform.check(headers, raw, at=at)
    assert platform.check(right, body, at=now + timedelta(minutes=4))


def test_1000_random_messages_agree_with_wechatpayv3(keys: Path) -> None:
    chance = random.Random(20261124)
    private_pem = (keys / "merchant-key.pem").read_text()
    private = load_pem_private_key(private_pem.encode(), password=None)
    assert isinstance(private, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((keys / "merchant-certificate.pem").read_bytes())
    key = ours.MerchantKey("1900000001", ours.serial_of(certificate), private)
    public = private.public_key()
    letters = string.printable + "付款不断线😀"
    for _ in range(1000):
        body = "".join(chance.choices(letters, k=chance.randrange(0, 200)))
        timestamp, nonce = str(chance.randrange(10**9, 2 * 10**9)), f"{chance.getrandbits(128):032X}"
        method, path = chance.choice(["GET", "POST"]), f"/v3/{chance.getrandbits(40):x}?mchid=1"
        assert key.sign(ours.request_text(method, path, timestamp, nonce, body.encode())) == other.rsa_sign(
            private, f"{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n"
        )
        signature = key.sign(ours.answer_text(timestamp, nonce, body.encode()))
        assert other.rsa_verify(timestamp, nonce, body, signature, public)
        assert ours.verify(public, ours.answer_text(timestamp, nonce, body.encode()), signature)
        broken = body + "x"
        assert not other.rsa_verify(timestamp, nonce, broken, signature, public)
        assert not ours.verify(public, ours.answer_text(timestamp, nonce, broken.encode()), signature)


def test_1000_random_resources_agree_with_wechatpayv3() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    chance = random.Random(8)
    for _ in range(1000):
        api_v3_key = "".join(chance.choices(string.ascii_letters + string.digits, k=32))
        nonce = "".join(chance.choices(string.ascii_letters, k=12))
        associated = chance.choice(["", "transaction", "certificate"])
        plain = "".join(chance.choices(string.printable + "还款", k=chance.randrange(1, 300)))
        sealed = base64.b64encode(
            AESGCM(api_v3_key.encode()).encrypt(nonce.encode(), plain.encode(), associated.encode())
        ).decode()
        theirs = other.aes_decrypt(nonce, sealed, associated, api_v3_key)
        assert ours.open_resource(api_v3_key.encode(), nonce, associated, sealed).decode() == theirs == plain


def test_the_authorization_header_is_what_the_platform_expects(keys: Path) -> None:
    key = ours.MerchantKey.read("1900000001", keys / "merchant-key.pem", keys / "merchant-certificate.pem")
    header = key.authorization("POST", "/v3/x", b"{}", at=real_now())
    scheme, _, rest = header.partition(" ")
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    parts = dict(part.split("=", 1) for part in rest.split(","))
    assert set(parts) == {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
    assert parts["mchid"] == '"1900000001"'


def test_a_key_of_another_certificate_is_refused(keys: Path) -> None:
    with pytest.raises(ValueError, match="another key"):
        ours.MerchantKey.read("1", keys / "platform-key.pem", keys / "merchant-certificate.pem")
    with pytest.raises(FileNotFoundError):
        ours.PlatformKeys.read(keys / "nowhere")
