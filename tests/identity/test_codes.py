"""TOTP, recovery codes, canonical actions: pure, against published vectors."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.identity import actions, cookies, recovery_codes, totp
from throughline.kernel.db import Database

RFC_SEED = base64.b32encode(b"12345678901234567890").decode()
# RFC 6238, appendix B, SHA-1; the last six of its eight digits.
RFC_VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("seconds", "code"), RFC_VECTORS)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.accepted_step(RFC_SEED, code, now=at, last_step=None) == seconds // 30


def test_one_step_either_side_and_never_the_same_again() -> None:
    at, code = datetime.fromtimestamp(1111111109, UTC), "081804"
    step = 1111111109 // 30
    for seconds, wanted in ((-30, step), (0, step), (30, step), (61, None), (-61, None)):
        moved = datetime.fromtimestamp(at.timestamp() + seconds, UTC)
        assert totp.accepted_step(RFC_SEED, code, now=moved, last_step=None) == wanted
    assert totp.accepted_step(RFC_SEED, code, now=at, last_step=step - 1) == step
    assert totp.accepted_step(RFC_SEED, code, now=at, last_step=step) is None
    assert totp.accepted_step(RFC_SEED, code, now=at, last_step=step + 1) is None


@given(st.text(max_size=12))
def test_other_texts_are_no_codes(text: str) -> None:
    at = datetime.fromtimestamp(1111111109, UTC)
    if text not in {"081804", "050471"}:
        step = totp.accepted_step(RFC_SEED, text, now=at, last_step=None)
        assert step is None or text.isdigit()


def test_seeds_have_160_bits_and_their_address_hides_the_person() -> None:
    seed = totp.new_seed()
    assert len(base64.b32decode(seed)) == 20
    uri = totp.provisioning_uri(seed, issuer="Lender", account="138****5678")
    assert uri.startswith("otpauth://totp/Lender:138%2A%2A%2A%2A5678?secret=" + seed)


def test_recovery_codes(database: Database) -> None:
    codes = recovery_codes.new_codes()
    assert len(set(codes)) == 10
    assert all(recovery_codes.normalise(code) == code.replace("-", "") for code in codes)
    assert recovery_codes.normalise(" o1il-abcd efgh-jkmn ") == "0111ABCDEFGHJKMN"
    for bad in ("", "ABCD", "U" * 16, "A" * 17, "A" * 1000, "ABCD-EFGH-JKMN-PQR\u0661"):
        assert recovery_codes.normalise(bad) is None
    one, two = uuid4(), uuid4()
    code = "0111ABCDEFGHJKMN"
    assert recovery_codes.stored_form(one, code) == recovery_codes.stored_form(one, code)
    assert recovery_codes.stored_form(one, code) != recovery_codes.stored_form(two, code)


SIGN = {
    "kind": "sign_contract",
    "contract_id": "c",
    "sha256": "ab",
    "principal_minor": 300000,
    "apr_percent": "14.6",
}


def test_an_action_is_canonical() -> None:
    text = b'{"apr_percent":"14.6","contract_id":"c","kind":"sign_contract","principal_minor":300000,"sha256":"ab"}'
    assert actions.canonical(SIGN) == text
    assert actions.action_hash(dict(reversed(SIGN.items()))) == hashlib.sha256(text).hexdigest()
    assert actions.challenge_for(b"n" * 32, SIGN) == hashlib.sha256(b"n" * 32 + text).digest()


@given(st.sampled_from(sorted(SIGN)), st.integers(-(2**53) + 1, 2**53 - 1))
def test_any_other_value_is_another_action(field: str, value: int) -> None:
    other: dict[str, Any] = SIGN | {field: value if field != "kind" else str(value)}
    assert other == SIGN or actions.action_hash(other) != actions.action_hash(SIGN)


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"kind": 1},
        {"kind": "x", "amount": 1.5},
        {"kind": "x", "amount": 2**60},
        {"kind": "x", "text": "a\x00b"},
        {"kind": "x", "a\x00": 1},
        {"kind": "x", "text": "\ud800"},
        {"kind": "x", "text": "a" * 5000},
        {"kind": "x", "deep": json.loads("[" * 20 + "]" * 20)},
        {"kind": "x", "list": [1, [2.0]]},
    ],
)
def test_malformed_actions_are_refused(action: dict[str, Any]) -> None:
    with pytest.raises(actions.BadAction):
        actions.action_hash(action)


def test_cookies_belong_to_this_host_alone() -> None:
    for value in (cookies.session_cookie("t"), cookies.device_cookie("t"), cookies.clear_session_cookie()):
        assert value.startswith("__Host-throughline")
        for part in ("; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"):
            assert part in value
        assert "Domain" not in value


def test_browsers_are_named_in_two_words() -> None:
    wechat = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36 MicroMessenger/8.0"
    assert cookies.device_label(wechat) == "WeChat, Android"
    assert cookies.device_label("python-httpx/0.28") == "Program"
    assert cookies.device_label(None) == "Program"
    assert cookies.device_label("Mozilla/5.0 something") == "Browser"
