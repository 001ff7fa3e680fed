"""SMS over the shape of Tencent Cloud SMS: what each answer, refusal, silence and hostile byte becomes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.tencent_provider import (
    APP_ID,
    SECRET_ID,
    SECRET_KEY,
    SIGN_NAME,
    TEMPLATE_IDS,
    TencentProvider,
)
from support.blocking import Blocking
from throughline.kernel import clock
from throughline.messaging.channels import tencent_sms
from throughline.messaging.channels.tc3_signature import CONTENT_TYPE, authorization, signed_headers
from throughline.messaging.channels.tencent_sms import MAX_ANSWER_BYTES, MOST_STATUSES, TencentSms
from throughline.messaging.channels.tencent_verdicts import verdict_of
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Finding, Outbound, Question, SubmitResult, Verdict

TEXT = Outbound(
    "c0ffee", "+8613800000001", "zh-CN", "", template="catch_up.zh-CN", params={"b": "三 \"'\\", "a": "2"}
)


@pytest.fixture(scope="module")
def provider() -> Iterator[TencentProvider]:
    made = TencentProvider()
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def calm(provider: TencentProvider) -> Iterator[None]:
    provider.calm()
    yield
    provider.calm()


def application(url: str, *, secret: str = SECRET_KEY) -> Blocking:
    return Blocking(TencentSms(
        url, secret_id=SECRET_ID, secret_key=secret, app_id=APP_ID, sign_name=SIGN_NAME, region="ap-guangzhou",
        template_ids=TEMPLATE_IDS, call_timeout_s=0.5,
    ))  # fmt: skip


def question(ref: str = "c0ffee", provider_ref: str | None = None) -> Question:
    return Question(ref, provider_ref, "+8613800000001", clock.now())


BODY = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
AT = datetime(2019, 2, 25, 16, 44, 25, tzinfo=UTC)


def test_the_signature_is_that_of_the_vendors_published_example() -> None:
    """The example of "Signature v3" in the vendor's documentation, as it stands now and as it stood until 2022."""
    now = signed_headers(
        host="cvm.tencentcloudapi.com", service="cvm", action="DescribeInstances", version="2017-03-12",
        region="ap-guangzhou", body=BODY, secret_id="AKID" + "*" * 32, secret_key="*" * 32, at=AT,
    )  # fmt: skip
    assert now["authorization"] == (
        f"TC3-HMAC-SHA256 Credential=AKID{'*' * 32}/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host;x-tc-action, "
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )
    assert now["x-tc-timestamp"] == "1551113065"
    before = authorization(
        {"content-type": CONTENT_TYPE, "host": "cvm.tencentcloudapi.com"}, BODY, service="cvm",
        secret_id="AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", secret_key="Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", at=AT,
    )  # fmt: skip
    assert before.endswith("Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168")


def test_a_text_is_signed_its_values_are_in_order_and_it_carries_our_reference(
    provider: TencentProvider,
) -> None:
    result = application(provider.url).submit(TEXT)
    assert result == SubmitResult(Verdict.ACCEPTED, provider.serial("c0ffee"), "Ok")
    assert provider.accepted == [
        {
            "PhoneNumberSet": ["+8613800000001"],
            "SmsSdkAppId": APP_ID,
            "SignName": "不断线",
            "TemplateId": "1103",
            "TemplateParamSet": ["三 \"'\\", "2"],
            "SessionContext": "c0ffee",
        }
    ]


def test_a_wrong_secret_and_a_text_without_registration(provider: TencentProvider) -> None:
    result = application(provider.url, secret="another-secret").submit(TEXT)
    assert (result.verdict, result.code) == (Verdict.REJECTED_RETRY, "AuthFailure.SignatureFailure")
    unknown = Outbound("c0ffee", "+8613800000001", "zh-CN", "", template="else.zh-CN")
    assert application(provider.url).submit(unknown) == SubmitResult(Verdict.NOT_SENT, code="no-template-id")
    assert provider.accepted == []


def test_what_never_left_and_what_is_left_open(provider: TencentProvider) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
        assert application(nobody).submit(TEXT).verdict is Verdict.NOT_SENT
    provider.mode = "mute"
    assert application(provider.url).submit(TEXT).verdict is Verdict.UNKNOWN
    assert len(provider.accepted) == 1


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (200, "Ok", Verdict.ACCEPTED),
        (500, "Ok", Verdict.UNKNOWN),
        (200, "OK", Verdict.UNKNOWN),
        (200, "LimitExceeded.PhoneNumberDailyLimit", Verdict.THROTTLED),
        (200, "RequestLimitExceeded", Verdict.THROTTLED),
        (429, "", Verdict.THROTTLED),
        (200, "FailedOperation.InsufficientBalanceInSmsPackage", Verdict.REJECTED_RETRY),
        (200, "FailedOperation.TemplateIncorrectOrUnapproved", Verdict.REJECTED_RETRY),
        (200, "UnauthorizedOperation.SerivceSuspendDueToArrears", Verdict.REJECTED_RETRY),
        (200, "AuthFailure.SignatureExpire", Verdict.REJECTED_RETRY),
        (200, "InternalError.SigVerificationFail", Verdict.REJECTED_RETRY),
        (200, "FailedOperation.PhoneNumberInBlacklist", Verdict.REJECTED_FINAL),
        (200, "FailedOperation.ContainSensitiveWord", Verdict.REJECTED_FINAL),
        (200, "InvalidParameterValue.IncorrectPhoneNumber", Verdict.REJECTED_FINAL),
        (200, "UnsupportedOperation.UnsuportedRegion", Verdict.REJECTED_FINAL),
        (200, "FailedOperation.OtherError", Verdict.UNKNOWN),
        (200, "InternalError.Timeout", Verdict.UNKNOWN),
        (200, "InternalError.SendAndRecvFail", Verdict.UNKNOWN),
        (200, "SomethingNew.OfTomorrow", Verdict.UNKNOWN),
        (503, "FailedOperation.ContainSensitiveWord", Verdict.UNKNOWN),
        (502, "", Verdict.UNKNOWN),
        (404, "", Verdict.UNKNOWN),
        (200, "", Verdict.UNKNOWN),
    ],
)
def test_what_an_answer_means(status: int, code: str, verdict: Verdict) -> None:
    assert verdict_of(status, code) is verdict


def test_the_code_of_the_message_and_that_of_the_call(provider: TencentProvider) -> None:
    channel = application(provider.url)
    provider.mode = "LimitExceeded.PhoneNumberThirtySecondLimit"
    assert channel.submit(TEXT) == SubmitResult(Verdict.THROTTLED, code=provider.mode)
    provider.mode = "error:RequestLimitExceeded"
    assert channel.submit(TEXT) == SubmitResult(Verdict.THROTTLED, code="RequestLimitExceeded")


def _said(**status: Any) -> bytes:
    return json.dumps({"Response": {"SendStatusSet": [status]}}).encode()


OK_TWICE = json.dumps({"Response": {"SendStatusSet": [{"Code": "Ok"}, {"Code": "Ok"}]}}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        (200, b""), (200, b"{"), (200, b"null"), (200, b"[]"), (200, b'{"Response": 3}'), (200, b"\xff\xfe"),
        (200, b"[" * 100_000), (200, b'{"Response": {"SendStatusSet": {}}}'), (200, OK_TWICE),
        (200, b'{"Response": {"SendStatusSet": []}}'), (200, b'{"Response": {"SendStatusSet": [7]}}'),
        (200, b'{"Response": {"Error": "no"}}'), (200, b'{"Response": {"Error": {"Code": ["Ok"]}}}'),
        (200, _said(Code="Ok" * 80)), (200, _said(Code="Ok\u0000")), (301, b""), (502, b"<html>"),
        (200, b" " * (MAX_ANSWER_BYTES + 1)),
    ],
)  # fmt: skip
def test_hostile_answers_leave_a_doubt(provider: TencentProvider, raw: tuple[int, bytes]) -> None:
    provider.raw = raw
    assert application(provider.url).submit(TEXT).verdict is Verdict.UNKNOWN
    assert application(provider.url).query(question()) in {None, Finding(None)}


def test_a_hostile_reference_is_no_reference(provider: TencentProvider) -> None:
    for ref in (7, "", "x" * 101, "a\nb", "号"):
        provider.raw = (200, _said(Code="Ok", SerialNo=ref))
        assert application(provider.url).submit(TEXT) == SubmitResult(Verdict.ACCEPTED, None, "Ok")


def test_asking_finds_a_message_by_our_reference_or_the_providers(provider: TencentProvider) -> None:
    channel = application(provider.url)
    channel.submit(TEXT)
    serial = provider.serial("c0ffee")
    assert channel.query(question()) == Finding(None)  # its end is not known there
    provider.reports["c0ffee"] = ("SUCCESS", "DELIVRD")
    assert channel.query(question()) == Finding(AttemptState.DELIVERED, "DELIVRD", serial)
    provider.reports["c0ffee"] = ("FAIL", "UNDELIV")
    assert channel.query(question()) == Finding(AttemptState.FAILED, "UNDELIV", serial)
    provider.with_context = False
    assert channel.query(question()) == Finding(None)
    assert channel.query(question(provider_ref=serial)) == Finding(AttemptState.FAILED, "UNDELIV", serial)
    provider.reports["c0ffee"] = ("PERHAPS", "")
    assert channel.query(question(provider_ref=serial)) is None


def test_asking_is_bounded(provider: TencentProvider) -> None:
    channel = application(provider.url)
    old = Question("c0ffee", None, "+8613800000001", clock.now() - timedelta(days=30))
    assert channel.query(old) == Finding(None)
    [asked] = provider.asked
    assert 0 < clock.real_now().timestamp() - asked["BeginTime"] < timedelta(days=7).total_seconds()
    assert (asked["Offset"], asked["Limit"], asked["PhoneNumber"]) == (0, 100, "+8613800000001")
    full = {"Response": {"PullSmsSendStatusSet": [{"SerialNo": str(n)} for n in range(MOST_STATUSES)]}}
    provider.raw = (200, json.dumps(full).encode())
    assert channel.query(question()) is None
    provider.raw = (200, b'{"Response": {"Error": {"Code": "InternalError"}, "PullSmsSendStatusSet": []}}')
    assert channel.query(question()) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["SerialNo", "SessionContext", "ReportStatus", "Description"])


@given(st.lists(JSON | st.dictionaries(FIELDS, JSON | st.just("c0ffee")), max_size=5))
def test_reading_statuses_never_raises(rows: list[Any]) -> None:
    found = tencent_sms._found(rows, question())
    assert found is None or found.state in {None, AttemptState.DELIVERED, AttemptState.FAILED}
