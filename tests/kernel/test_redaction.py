"""Attacks on the redactor: personal data in every place and shape that a log line can have."""

from __future__ import annotations

import io
import json
import logging
import re
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from throughline.kernel import logging as our_logging
from throughline.kernel.ids import new_id
from throughline.kernel.redaction import redact, redact_value

SECRETS = [
    "13800138000",
    "+8613800138000",
    "+86 138 0013 8000",
    "138-0013-8000",
    "11010119900307123X",
    "110101199003071233",
    "6222020200112233445",
    "6222 0202 0011 2233 445",
    "zhang.san@example.com",
]
_DIGITS = re.compile(r"[^0-9Xx]")


def _leaks(secret: str, text: str) -> bool:
    if "@" in secret:
        return secret in text
    return _DIGITS.sub("", secret) in _DIGITS.sub("", text)


@given(
    st.sampled_from(SECRETS),
    st.sampled_from(
        ["", "用户", "手机号：", "phone=", "(", '"', "called ", "https://x.example/?q=", "，", "姓名张三"]
    ),
    st.sampled_from(["", "。", ")", " said", '"', "，停机", "&b=1", "\n"]),
)
def test_no_shape_gets_through(secret: str, before: str, after: str) -> None:
    assert not _leaks(secret, redact(before + secret + after))


@given(
    st.sampled_from(SECRETS),
    st.recursive(
        st.just("HERE"),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
        ),
        max_leaves=4,
    ),
)
def test_nested_values_are_searched(secret: str, shape: object) -> None:
    filled = json.loads(json.dumps(shape).replace("HERE", secret))
    assert not _leaks(secret, json.dumps(redact_value(filled), ensure_ascii=False))


@pytest.mark.parametrize(
    "name",
    ["password", "Authorization", "set-cookie", "id_number", "phone", "user_email", "access_token", "client_secret",
     "recovery_code", "holder_name", "account_no", "api-key", "X-Api-Key"],
)  # fmt: skip
def test_fields_are_hidden_by_name(name: str) -> None:
    assert redact_value({name: "short"}) == {name: "[hidden]"}


def test_passwords_in_urls_and_tokens_are_hidden() -> None:
    assert (
        redact("postgresql://user:hunter2@127.0.0.1:5432/x") == "postgresql://user:[hidden]@127.0.0.1:5432/x"
    )
    assert "abc123def" not in redact("Authorization: Bearer abc123def456")
    assert "eyJhbGciOiJIUzI1" not in redact("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln")


@given(st.uuids(version=4) | st.builds(new_id))
def test_ids_stay_readable(one: UUID) -> None:
    assert redact(f"loan {one} closed") == f"loan {one} closed"
    assert redact_value({"loan_id": UUID(int=one.int), "amount_minor": 300_000}) == {
        "loan_id": str(one),
        "amount_minor": 300_000,
    }


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_whole_pipe_hides_what_an_exception_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, log_format: str
) -> None:
    from throughline.kernel import settings

    monkeypatch.setenv("THROUGHLINE_LOG_FORMAT", log_format)
    settings.forget()
    output = io.StringIO()
    monkeypatch.setattr("sys.stderr", output)
    before = logging.getLogger().handlers[:], structlog.get_config()
    try:
        our_logging.configure("test")
        id_number = "110101199003071233"
        try:
            raise ValueError(f"no such person: {id_number}")
        except ValueError as error:
            our_logging.get_logger("a").error(
                "failed", exc_info=error, phone="13800138000", what={"email": "a@b.cn"}
            )
            logging.getLogger("library").exception("boom for %s", "13800138000")
    finally:
        logging.getLogger().handlers = before[0]
        structlog.configure(**before[1])
        settings.forget()
    text = output.getvalue()
    assert "failed" in text
    assert "boom" in text
    assert "no such person" in text
    for secret in (id_number, "13800138000", "a@b.cn"):
        assert secret not in text
