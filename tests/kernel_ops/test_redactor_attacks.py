"""Attacks on the redactor beyond plain shapes: disguises, hiding places, size, hostile objects."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.kernel.redaction import HIDDEN, MAX_TEXT, redact, redact_value

PHONES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
ID_NUMBERS = st.from_regex(
    r"[1-6][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9])[0-9]{3}[0-9X]", fullmatch=True
)
CARDS = st.from_regex(r"62[0-9]{14,17}", fullmatch=True)
NUMBERS = PHONES | ID_NUMBERS | CARDS
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
GAPS = st.sampled_from(["", " ", "-", " - ", "–", "－", ".", "\u00a0", "\u200b", "\t", "/", "·"])
# Any text that does not itself continue the number.
AROUND = st.text(st.characters(exclude_categories=["Nd", "Cs", "Zs"]), max_size=20).filter(
    lambda text: not text or not text[-1].isdigit()
)


def digits(text: str) -> str:
    plain = text.translate(
        {ord(wide): narrow for wide, narrow in zip("０１２３４５６７８９", "0123456789", strict=True)}
    )
    return "".join(sign for sign in plain if sign.isdigit() and sign.isascii())


@given(NUMBERS, st.lists(st.integers(1, 18), max_size=4), GAPS, st.booleans(), AROUND, AROUND)
def test_numbers_in_disguise(
    number: str, cuts: list[int], gap: str, wide: bool, before: str, after: str
) -> None:
    shown = number
    for cut in sorted(set(cuts), reverse=True):
        if cut < len(number):
            shown = shown[:cut] + gap + shown[cut:]
    if wide:
        shown = shown.translate(WIDE)
    core = digits(number)[:10]
    assert core not in digits(redact(before + shown + after))


@given(NUMBERS, st.sampled_from(["tel", "id_", "user-", "x", "电话", "(", "#", "ID", "=", "%3D", "v"]))
def test_what_stands_before_does_not_matter(number: str, before: str) -> None:
    assert digits(number)[:10] not in digits(redact(before + number))


@given(
    st.from_regex(r"[a-z][a-z0-9._+-]{0,30}", fullmatch=True),
    st.sampled_from(["@", "＠", "%40"]),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,8}){1,3}", fullmatch=True),
    AROUND,
)
def test_addresses(local: str, at: str, domain: str, around: str) -> None:
    assert f"{local}{at}{domain}" not in redact(f"{around} {local}{at}{domain} {around}")


SECRETS = st.from_regex(r"[A-Za-z0-9]{8,40}", fullmatch=True).filter(lambda text: not text.isdigit())


@given(
    SECRETS,
    st.sampled_from(
        [
            "password={}", "password: {}", '{{"password": "{}"}}', "{{'client_secret': '{}'}}", "?access_token={}&a=1",
            "Authorization: Bearer {}", "authorization: {}", "Cookie: session={}; theme=dark", "set-cookie: sid={}",
            "Cookie: theme=dark; sid={}", '{{\\"token\\": \\"{}\\"}}', "api_key={}", "X-Api-Key: {}", "whsec_{}",
            "postgresql://throughline:{}@db.example/x", "https://user:{}@example.com/", "postgresql://u:a/{}@h/x",
            "postgresql://u:a@{}@h/x", "otp={}", "recovery_code={}", "Basic {}",
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----\n{}",
        ]
    ),
)  # fmt: skip
def test_secrets_inside_texts(secret: str, form: str) -> None:
    assert secret not in redact("before " + form.format(secret))


@given(NUMBERS, st.integers(-40, 5))
def test_a_number_at_the_cut_does_not_lose_its_shape(number: str, offset: int) -> None:
    text = ("x" * 30 + " ") * (MAX_TEXT // 31 + 1)
    text = text[: MAX_TEXT + offset] + number + " tail" * 10
    assert digits(number)[:6] not in digits(redact(text))


@given(NUMBERS)
def test_numbers_as_keys_numbers_and_floats(number: str) -> None:
    plain = digits(number)
    for value in ({number: 1}, {"n": int(plain)}, [{"a": (number,)}], {number}, float(plain)):
        assert plain[:10] not in digits(json.dumps(redact_value(value), default=str).replace("e+", ""))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_can_be_logged(value: Any) -> None:
    json.dumps(redact_value(value), default=str)


def test_hostile_values_end() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert redact_value(Hostile()) == HIDDEN
    loop: list[Any] = []
    loop += [loop] * 50
    wide = {str(number): "13800138000" for number in range(100_000)}
    started = time.monotonic()
    redact_value(loop)
    assert "13800138000" not in json.dumps(redact_value(wide))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "piece", ["a", "a.", "1", "1 ", "+", "@", "a@", "://a:", "x://", "password=", "eyJ", "eyJa.", "-", "{'", "Bearer ",
              "-----BEGIN PRIVATE KEY-----", "0a", "％", "cookie:", "token"],
)  # fmt: skip
def test_no_text_is_slow(piece: str) -> None:
    """Regular expressions that go back and forth would let a stranger's text stop the worker."""
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    "text",
    [
        "loan 01a20e27-2fdd-7548-82e5-9ad20c036a79 closed",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c0f00a08123",
        "GET /api/v1/lending/loans/01a20e27-2fdd-7548-82e5-9ad20c036a79 200 in 12 ms",
        "127.0.0.1:5432 refused",
        "2026-11-24T15:32:05.118023Z",
        "job 1234567 failed after 3 runs, amount_minor=300000",
        "停机 3 天，概率 0.97",
    ],
)
def test_what_we_need_to_read_stays(text: str) -> None:
    assert redact(text) == text


@given(st.uuids())
def test_every_id_stays(one: UUID) -> None:
    assert redact(f"{one}") == f"{one}"
    assert redact_value([one]) == [str(one)]
