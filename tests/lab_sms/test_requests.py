"""What the provider takes and what it refuses: signatures, numbers, templates, faults."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from lab_sms.client import Client
from lab_sms.running import Simulator
from support.blocking import Blocking
from throughline.lab.sms import signature, texts
from throughline.lab.sms.answers import Refused
from throughline.lab.sms.keys import ensure_keys
from throughline.messaging.channels.aliyun_sms import AliyunSms
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Outbound, Question, Verdict
from throughline.messaging.settings import MessagingSettings
from throughline.messaging.templates import templates


def test_the_vendors_own_example_is_signed_rightly() -> None:
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
        "authorization": "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
        "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
    }
    query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    at = datetime(2023, 10, 26, 10, 25, tzinfo=UTC)
    nonce = signature.check(
        "POST", "/", query, headers, b"", key_id="YourAccessKeyId", key_secret="YourAccessKeySecret", at=at
    )
    assert nonce == "3156853299f313e23d1673dc12e1703d"
    with pytest.raises(Refused, match="SignatureDoesNotMatch"):
        signature.check(
            "GET", "/", query, headers, b"", key_id="YourAccessKeyId", key_secret="YourAccessKeySecret", at=at
        )


@pytest.mark.parametrize("how", [{"form": True}, {"method": "GET"}, {}])
def test_a_signed_message_is_taken(
    centre: Simulator, client: Client, phone: str, how: dict[str, str]
) -> None:
    wish = {
        "PhoneNumbers": phone,
        "SignName": client.account["sign_name"],
        "TemplateCode": "SMS_480000003",
        "TemplateParam": '{"count": "3 +&~*"}',
        "OutId": "a b+c",
    }
    answer = client.call("SendSms", wish, **how)  # type: ignore[arg-type]
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"Code", "Message", "BizId", "RequestId"}
    assert body["Code"] == "OK"
    [message] = centre.messages(phone=f"86{phone}")
    assert message["text"].startswith("【不断线】您有 3 +&~* 条新消息")
    assert (message["phone"], message["template"]) == (f"86{phone}", "SMS_480000003")
    assert (message["out_id"], message["biz_id"]) == ("a b+c", body["BizId"])
    assert centre.messages(phone=f"+86 {phone}") == centre.messages(phone=phone) != []


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["Code"]


def test_wrong_signatures_are_refused(centre: Simulator, client: Client, phone: str) -> None:
    wish = {"PhoneNumber": phone}
    call = client.call
    assert _code(call("SendSms", wish, secret="wrong")) == (400, "SignatureDoesNotMatch")
    # Something is changed on the way.
    changed = {"x-acs-action": "QuerySendDetails"}
    assert _code(call("SendSms", wish, changed=changed)) == (400, "SignatureDoesNotMatch")
    changed = {"x-acs-content-sha256": "0" * 64}
    assert _code(call("SendSms", wish, changed=changed)) == (400, "SignatureDoesNotMatch")
    assert _code(call("SendSms", wish, changed={"x-acs-more": "1"})) == (400, "IncompleteSignature")
    assert _code(call("SendSms", wish, changed={"authorization": "Bearer x"})) == (400, "IncompleteSignature")
    stranger = Client(centre)
    stranger.account = {**client.account, "access_key_id": "LTAInobody"}
    assert _code(stranger.call("SendSms", wish)) == (404, "InvalidAccessKeyId.NotFound")
    old = datetime.now(UTC) - timedelta(minutes=16)
    assert _code(call("SendSms", wish, at=old)) == (400, "InvalidTimeStamp.Expired")
    assert _code(call("Nothing", wish)) == (404, "InvalidAction.NotFound")
    assert _code(call("SendSms", wish, version="2016-01-01")) == (400, "InvalidVersion")
    assert _code(centre.http.post("/")) == (400, "IncompleteSignature")
    assert centre.messages(phone=phone) == []


def test_a_nonce_is_good_once(client: Client, phone: str) -> None:
    nonce = uuid4().hex
    wish = {"PhoneNumber": phone, "SendDate": "20260101", "PageSize": "1", "CurrentPage": "1"}
    assert _code(client.call("QuerySendDetails", wish, nonce=nonce)) == (200, "OK")
    assert _code(client.call("QuerySendDetails", wish, nonce=nonce)) == (400, "SignatureNonceUsed")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"PhoneNumbers": "12345"}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"PhoneNumbers": "8612345678901"}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"PhoneNumbers": ""}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"TemplateCode": "SMS_1"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ({"SignName": "别人"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ({"TemplateParam": "{}"}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ({"TemplateParam": ""}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ({"TemplateParam": '{"count": 3}'}, "isv.INVALID_JSON_PARAM"),
        ({"TemplateParam": "{"}, "isv.INVALID_JSON_PARAM"),
        ({"TemplateParam": '{"count": "https://a.example"}'}, "isv.PARAM_NOT_SUPPORT_URL"),
        ({"TemplateParam": '{"count": "%s"}' % ("9" * 36)}, "isv.PARAM_LENGTH_LIMIT"),
        ({"TemplateParam": '{"count": "\\ud800"}'}, "isv.INVALID_PARAMETERS"),
    ],
)
def test_business_refusals_come_with_200(
    client: Client, phone: str, changed: dict[str, str], code: str
) -> None:
    answer = client.send(phone, **changed)
    assert _code(answer) == (200, code)
    assert "BizId" not in answer.json()


def test_the_registered_texts_are_those_that_the_platform_sends() -> None:
    codes = MessagingSettings.model_fields["sms_template_codes"].default
    outside = {one.outside.name: one.outside for one in templates().values()}
    ours = {
        code: outside[name.split(".")[0]].sms[name.split(".")[1]].replace("{", "${")
        for name, code in codes.items()
    }
    assert ours == texts.REGISTERED


def test_another_template_can_be_registered(centre: Simulator, client: Client, phone: str) -> None:
    assert centre.http.post("/control/templates", json={"code": "SMS_7"}).status_code == 422
    wish = {"code": "SMS_7", "text": "Hello ${name}"}
    assert centre.http.post("/control/templates", json=wish).status_code == 201
    assert client.send(phone, TemplateCode="SMS_7", TemplateParam='{"name": "<b>"}').json()["Code"] == "OK"
    assert centre.messages(phone=phone)[0]["text"] == "【不断线】Hello <b>"


def test_the_same_reference_twice_is_two_messages(centre: Simulator, client: Client, phone: str) -> None:
    first, second = client.send(phone, "r1").json(), client.send(phone, "r1").json()
    assert first["BizId"] != second["BizId"]
    assert [one["biz_id"] for one in centre.messages(phone=phone)] == [first["BizId"], second["BizId"]]


def test_too_many_of_one_template_a_day(centre: Simulator, client: Client, phone: str) -> None:
    centre.http.post("/control/settings", json={"daily_limit": 2})
    codes = [client.send(phone).json()["Code"] for _ in range(3)]
    centre.http.post("/control/settings", json={"daily_limit": 50})
    assert codes == ["OK", "OK", "isv.BUSINESS_LIMIT_CONTROL"]


def test_faults_of_the_answer(centre: Simulator, client: Client, phone: str) -> None:
    centre.fault("throttle")
    assert _code(client.send(phone)) == (400, "Throttling.User")
    centre.fault("refuse")
    assert _code(client.send(phone)) == (200, "isv.BLACK_KEY_CONTROL_LIMIT")
    centre.fault("refuse", code="isv.AMOUNT_NOT_ENOUGH")
    assert _code(client.send(phone)) == (200, "isv.AMOUNT_NOT_ENOUGH")
    centre.fault("error_500")
    assert _code(client.send(phone)) == (500, "InternalError")
    centre.fault("query_error")
    assert client.details(phone, "20260101")["Code"] == "ServiceUnavailable"
    assert centre.messages(phone=phone) == []
    centre.fault("error_500", taken=True)
    assert client.send(phone, "kept-1").status_code == 500
    centre.fault("lost_answer")
    with pytest.raises(httpx.TransportError):
        client.send(phone, "kept-2")
    assert [one["out_id"] for one in centre.messages(phone=phone)] == ["kept-1", "kept-2"]
    assert centre.http.post("/control/faults", json={"name": "nonsense"}).status_code == 422


def test_the_platforms_own_client_is_understood(centre: Simulator, client: Client, phone: str) -> None:
    account = client.account
    channel = Blocking(
        AliyunSms(
            centre.url,
            key_id=account["access_key_id"],
            key_secret=account["access_key_secret"],
            sign_name=account["sign_name"],
            call_timeout_s=20,
        )
    )
    message = Outbound(
        client_ref=uuid4().hex,
        address=f"+86{phone}",
        locale="zh-CN",
        text="",
        subject="",
        template_code="SMS_480000001",
        params={},
    )
    at = datetime.now(UTC)
    result = channel.submit(message)
    assert result.verdict is Verdict.ACCEPTED
    found = channel.query(Question(message.client_ref, result.provider_ref, message.address, at))
    assert found is not None
    assert found.state in {AttemptState.ACCEPTED, AttemptState.DELIVERED}
    nothing = channel.query(Question("no-such-reference", None, message.address, at))
    assert nothing is not None
    assert nothing.state is None
    centre.fault("lost_answer")
    assert channel.submit(message).verdict is Verdict.UNKNOWN


def test_a_killed_provider_has_what_it_took(make_centre: Callable[..., Simulator], tmp_path: Path) -> None:
    centre = make_centre(tmp_path)
    client = Client(centre)
    biz_ids = [client.send("13900001111", f"r{n}").json()["BizId"] for n in range(5)]
    nonce = uuid4().hex
    client.call("QuerySendDetails", {}, nonce=nonce)
    centre.kill()
    centre.start()
    assert [one["biz_id"] for one in centre.messages(phone="13900001111")] == biz_ids
    assert _code(client.call("QuerySendDetails", {}, nonce=nonce)) == (400, "SignatureNonceUsed")
    assert Client(centre).account == client.account


def test_the_account_is_private_and_stays(tmp_path: Path) -> None:
    path = ensure_keys(tmp_path)
    before = path.read_bytes()
    assert ensure_keys(tmp_path).read_bytes() == before
    assert path == tmp_path / "lab" / "keys" / "sms" / "account.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(before).keys() == {
        "access_key_id",
        "access_key_secret",
        "sign_name",
        "callback_token",
    }
