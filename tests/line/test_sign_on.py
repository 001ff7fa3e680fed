"""Sign-on at a carrier, pure: the address, what an error means, and ID tokens that are none."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyHttpUrl

from throughline.line.adapters.camara import sign_on
from throughline.line.adapters.reading import Malformed
from throughline.line.settings import CarrierSettings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARRIER = CarrierSettings(
    name="cmcc",
    api_url=AnyHttpUrl("https://api.cmcc.example"),
    authorize_url=AnyHttpUrl("https://auth.cmcc.example/authorize?tenant=7"),
    issuer=AnyHttpUrl("https://auth.cmcc.example/"),
    client_id="lender-7",
)
RIGHT = {
    "iss": "https://auth.cmcc.example",
    "aud": "lender-7",
    "exp": int(NOW.timestamp()) + 60,
    "nonce": "n1",
}


def token(claims: Any) -> str:
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"e30.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.c2ln"


def test_the_address_names_one_purpose_and_no_number() -> None:
    address = sign_on.address(
        CARRIER,
        ("dpv:FraudPreventionAndDetection", "number-verification:verify"),
        redirect_uri="https://lender.example/account/number-proof",
        state="s1",
        nonce="n1",
        challenge="c1",
    )
    assert address.startswith("https://auth.cmcc.example/authorize?tenant=7&response_type=code&")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert query == {
        "tenant": "7",
        "response_type": "code",
        "client_id": "lender-7",
        "redirect_uri": "https://lender.example/account/number-proof",
        "scope": "openid dpv:FraudPreventionAndDetection number-verification:verify",
        "state": "s1",
        "nonce": "n1",
        "code_challenge": "c1",
        "code_challenge_method": "S256",
        "prompt": "none",
    }


def test_right_tokens_are_taken() -> None:
    for more in (
        {},
        {"aud": ["other", "lender-7"], "azp": "lender-7"},
        {"iss": "https://auth.cmcc.example/"},
    ):
        sign_on.check_id_token(token(RIGHT | more), CARRIER, "n1", now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "somebody"},
        {"aud": ["somebody"]},
        {"aud": None},
        {"azp": "somebody"},
        {"exp": int(NOW.timestamp()) - sign_on.CLOCKS_DIFFER_S},
        {"exp": "tomorrow"},
        {"exp": None},
        {"nonce": "n2"},
        {"nonce": ""},
        {"nonce": "\ud800"},
        {"nonce": None},
        {"nonce": 1},
    ],
)
def test_tokens_of_others_of_before_or_of_another_visit_are_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        sign_on.check_id_token(token(RIGHT | wrong), CARRIER, "n1", now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a.b",
        "a.b.c.d",
        "a.ü.c",
        "a.!!!.c",
        token(b"[]"),
        token(b"{"),
        token(b'{"iss": NaN}'),
        "x" * 9_000,
    ],
)
def test_what_is_no_token_is_malformed(wrong: str) -> None:
    with pytest.raises(Malformed):
        sign_on.check_id_token(wrong, CARRIER, "n1", now=NOW)


@given(st.text())
def test_any_text_is_malformed_and_any_error_has_a_meaning(text: str) -> None:
    with pytest.raises(Malformed):
        sign_on.check_id_token(text, CARRIER, "n1", now=NOW)
    assert sign_on.error(text) in set(sign_on.Return)
