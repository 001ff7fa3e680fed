"""The two ways out against real peers: what each answer, refusal and silence becomes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from messaging.mail_server import MailServer
from messaging.sms_provider import KEY_ID, KEY_SECRET, SIGN_NAME, SmsProvider
from support.blocking import Blocking
from throughline.kernel import clock
from throughline.messaging.channels.acs_signature import canonical_query, signed_headers
from throughline.messaging.channels.aliyun_sms import AliyunSms, verdict_of
from throughline.messaging.channels.smtp import SmtpMail
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Finding, Outbound, Question, SubmitResult, Verdict

MAIL = Outbound("c0ffee", "wang@example.com", "zh-CN", "您好：\n请登录查看。", "您有一条新消息")
TEXT = Outbound(
    "c0ffee", "+8613800000001", "zh-CN", "", template_code="SMS_1", params={"count": "3", "记号": "a b*~+/="}
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def relay(port: int, *, starttls: bool = False) -> Blocking:
    return Blocking(SmtpMail(
        "127.0.0.1", port, sender="no-reply@lender.example", id_host="lender.example", starttls=starttls, timeout_s=1
    ))  # fmt: skip


def account(url: str, *, secret: str = KEY_SECRET) -> Blocking:
    return Blocking(AliyunSms(url, key_id=KEY_ID, key_secret=secret, sign_name=SIGN_NAME, call_timeout_s=0.5))


@pytest.fixture
def hang_up() -> Iterator[int]:
    """A server that closes every connection at once."""
    import threading

    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


def test_mail_is_plain_text_in_utf8_and_names_our_reference(mail: MailServer) -> None:
    result = relay(mail.port).submit(MAIL)
    assert (result.verdict, result.provider_ref) == (Verdict.ACCEPTED, "2.0.0 OK: queued as 4711")
    [letter] = mail.mails
    assert letter["Message-ID"] == "<c0ffee@lender.example>"
    assert (letter["To"], letter["Subject"]) == ("wang@example.com", "您有一条新消息")
    assert letter.get_content_type() == "text/plain"
    assert letter.get_content().splitlines() == ["您好：", "请登录查看。"]


@pytest.mark.parametrize(
    ("reply", "verdict", "code", "dead"),
    [
        ("550 5.1.1 no such user", Verdict.REJECTED_FINAL, "550", True),
        ("550 no such user", Verdict.REJECTED_FINAL, "550", True),
        ("550 5.7.1 refused by policy", Verdict.REJECTED_FINAL, "550", False),
        ("554 5.7.1 spam", Verdict.REJECTED_FINAL, "554", False),
        ("552 5.2.2 mailbox full", Verdict.REJECTED_FINAL, "552", False),
        ("451 4.3.0 try later", Verdict.REJECTED_RETRY, "451", False),
        ("421 4.7.0 too many", Verdict.THROTTLED, "421", False),
    ],
)
def test_mail_refusals(mail: MailServer, reply: str, verdict: Verdict, code: str, dead: bool) -> None:
    mail.mode = reply
    assert relay(mail.port).submit(MAIL) == SubmitResult(verdict, code=code, dead=dead)
    assert mail.mails == []


def test_mail_silence_after_data_is_unknown(mail: MailServer) -> None:
    mail.mode = "silent"
    assert relay(mail.port).submit(MAIL).verdict is Verdict.UNKNOWN
    assert len(mail.mails) == 1


def test_mail_that_never_left(mail: MailServer, hang_up: int) -> None:
    assert relay(free_port()).submit(MAIL).verdict is Verdict.NOT_SENT
    assert relay(hang_up).submit(MAIL).verdict is Verdict.NOT_SENT
    # Without TLS at the relay nothing is sent in the clear.
    assert relay(mail.port, starttls=True).submit(MAIL).verdict is Verdict.NOT_SENT
    assert mail.mails == []


def test_sms_is_signed_and_carries_our_reference(sms: SmsProvider) -> None:
    assert account(sms.url).submit(TEXT) == SubmitResult(Verdict.ACCEPTED, "biz1", "OK")
    [sent] = sms.accepted
    assert sent == {
        "PhoneNumbers": "13800000001",
        "SignName": "不断线",
        "TemplateCode": "SMS_1",
        "TemplateParam": '{"count": "3", "记号": "a b*~+/="}',
        "OutId": "c0ffee",
    }


def test_sms_with_a_wrong_secret_is_not_taken(sms: SmsProvider) -> None:
    result = account(sms.url, secret="another-secret").submit(TEXT)
    assert (result.verdict, result.code) == (Verdict.REJECTED_RETRY, "SignatureDoesNotMatch")
    assert sms.accepted == []


def test_sms_that_never_left_and_sms_in_silence(sms: SmsProvider, hang_up: int) -> None:
    assert account(f"http://127.0.0.1:{free_port()}").submit(TEXT).verdict is Verdict.NOT_SENT
    assert account(f"http://127.0.0.1:{hang_up}").submit(TEXT).verdict is Verdict.UNKNOWN
    sms.mode = "mute"
    assert account(sms.url).submit(TEXT).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (200, "OK", Verdict.ACCEPTED),
        (200, "isv.BUSINESS_LIMIT_CONTROL", Verdict.THROTTLED),
        (400, "Throttling.User", Verdict.THROTTLED),
        (429, "", Verdict.THROTTLED),
        (400, "isv.MOBILE_NUMBER_ILLEGAL", Verdict.REJECTED_FINAL),
        (200, "isv.SMS_TEMPLATE_ILLEGAL", Verdict.REJECTED_FINAL),
        (200, "isv.AMOUNT_NOT_ENOUGH", Verdict.REJECTED_RETRY),
        (503, "ServiceUnavailable", Verdict.REJECTED_RETRY),
        (200, "isp.SYSTEM_ERROR", Verdict.UNKNOWN),
        (500, "InternalError", Verdict.UNKNOWN),
        (502, "", Verdict.UNKNOWN),
        (200, "", Verdict.UNKNOWN),
        (500, "OK", Verdict.UNKNOWN),
    ],
)
def test_what_an_answer_of_the_sms_provider_means(status: int, code: str, verdict: Verdict) -> None:
    assert verdict_of(status, code) is verdict


def test_asking_about_an_sms(sms: SmsProvider) -> None:
    channel = account(sms.url)
    question = Question("c0ffee", None, "+8613800000001", clock.now())
    assert channel.query(question) == Finding(None)
    channel.submit(TEXT)
    assert channel.query(question) == Finding(AttemptState.ACCEPTED)
    sms.states["c0ffee"] = 3
    assert channel.query(question) == Finding(AttemptState.DELIVERED, "DELIVERED")
    sms.states["c0ffee"] = 2
    assert channel.query(question) == Finding(AttemptState.FAILED)
    sms.blind = True
    assert channel.query(question) is None


def test_the_query_is_in_order_and_strictly_encoded() -> None:
    assert canonical_query({"b": "a b*~", "A": "不"}) == "A=%E4%B8%8D&b=a%20b%2A~"


def test_the_signature_is_that_of_the_vendors_published_example() -> None:
    """The fixed example of "V3 request structure & signature" in the vendor's documentation."""
    query = canonical_query(
        {
            "RegionId": "cn-shanghai",
            "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        }
    )
    headers = signed_headers(
        host="ecs.cn-shanghai.aliyuncs.com", action="RunInstances", version="2014-05-26", query=query,
        key_id="YourAccessKeyId", key_secret="YourAccessKeySecret",
        at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC), nonce="3156853299f313e23d1673dc12e1703d",
    )  # fmt: skip
    assert headers["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"
        "x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )
