"""What becomes of a message: the carrier's line, receipts until they are acknowledged, details, the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lab_sms.client import Client
from lab_sms.hook import Hook
from lab_sms.running import Simulator, free_port, until
from throughline.messaging.receipts import read_report

_ZONE = ZoneInfo("Asia/Shanghai")


def _state(centre: Simulator, phone: str) -> Any:
    return centre.messages(phone=phone)[-1]["state"]


def test_a_receipt_says_delivered(centre: Simulator, client: Client, hook: Hook, phone: str) -> None:
    biz_id = client.send(phone, "plain").json()["BizId"]
    [receipt] = until(lambda: hook.receipts("plain"))
    sent, reported = receipt.pop("send_time"), receipt.pop("report_time")
    assert receipt == {
        "phone_number": phone,
        "success": True,
        "err_code": "DELIVERED",
        "err_msg": "用户接收成功",
        "sms_size": "1",
        "biz_id": biz_id,
        "out_id": "plain",
    }
    assert sent <= reported
    assert abs(datetime.strptime(reported, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE) - datetime.now(UTC)) < (
        timedelta(minutes=2)
    )
    path, body = next((path, body) for path, body in hook.taken if b'"plain"' in body)
    assert path == f"/hooks/messaging/sms/{client.account['callback_token']}"
    assert read_report(body)[1] == 0  # the platform can read every element
    [row] = client.details(phone, datetime.now(_ZONE).strftime("%Y%m%d"))["SmsSendDetailDTOs"][
        "SmsSendDetailDTO"
    ]
    assert (row["SendStatus"], row["ErrCode"], row["OutId"], row["PhoneNum"]) == (
        3,
        "DELIVERED",
        "plain",
        phone,
    )
    assert row.keys() == {
        "PhoneNum", "SendStatus", "ErrCode", "TemplateCode", "Content", "SendDate", "ReceiveDate", "OutId",
    }  # fmt: skip


def test_where_the_cells_are_down_no_message_arrives(
    centre: Simulator, client: Client, carrier: Simulator, hook: Hook, phone: str
) -> None:
    prefix = f"+86{phone[:9]}"
    carrier.http.put(f"/control/outages/{prefix}").raise_for_status()
    try:
        client.send(phone, "dark")
        [receipt] = until(lambda: hook.receipts("dark"))
        assert (receipt["success"], receipt["err_code"]) == (False, "MI:0024")
    finally:
        carrier.http.delete(f"/control/outages/{prefix}").raise_for_status()
    client.send(phone, "light")
    [receipt] = until(lambda: hook.receipts("light"))
    assert receipt["success"]


@pytest.mark.parametrize(
    ("line", "code"),
    [("suspended", "MI:0013"), ("off", "MI:0024"), ("cancelled", "MK:0001"), ("out_suspended", "DELIVERED")],
)
def test_the_line_decides(
    centre: Simulator, client: Client, carrier: Simulator, hook: Hook, phone: str, line: str, code: str
) -> None:
    carrier.http.put(f"/control/numbers/+86{phone}", json={"state": line}).raise_for_status()
    client.send(phone, f"line-{line}")
    [receipt] = until(lambda: hook.receipts(f"line-{line}"))
    assert (receipt["err_code"], receipt["success"]) == (code, code == "DELIVERED")
    assert (f"+86{phone}" in centre.http.get("/").text) is (code == "DELIVERED")
    assert len(centre.messages(phone=phone)) == 1
    carrier.http.put(f"/control/numbers/+86{phone}", json={"state": "active"}).raise_for_status()
    client.send(phone, f"back-{line}")
    assert until(lambda: hook.receipts(f"back-{line}"))[0]["success"] is True


def test_the_codes_of_a_dead_line_can_be_changed(
    centre: Simulator, client: Client, carrier: Simulator, hook: Hook, phone: str
) -> None:
    carrier.http.put(f"/control/numbers/+86{phone}", json={"state": "suspended"}).raise_for_status()
    centre.http.post("/control/settings", json={"err_codes": {"suspended": "UNDELIV"}})
    client.send(phone, "other-code")
    [receipt] = until(lambda: hook.receipts("other-code"))
    centre.http.post("/control/settings", json={"err_codes": {}})
    assert receipt["err_code"] == "UNDELIV"


def test_a_receipt_is_repeated_until_it_is_acknowledged(
    make_centre: Callable[..., Simulator], tmp_path: Path, hook: Hook
) -> None:
    hook.answers[:] = [(500, b"{}"), (200, b'{"code": 1}')]
    # Nobody listens at the carrier's address: the line counts as in service.
    centre = make_centre(tmp_path, THROUGHLINE_LAB_CARRIER_URL=f"http://127.0.0.1:{free_port()}")
    Client(centre).send("13900002222", "stubborn")
    until(lambda: len(hook.receipts("stubborn")) >= 2)
    centre.kill()  # what was not acknowledged is still due after kill -9
    centre.start()
    until(lambda: len(hook.receipts("stubborn")) == 3)
    assert {one["success"] for one in hook.receipts("stubborn")} == {True}
    # A later one is acknowledged at once, the first does not come again.
    Client(centre).send("13900002222", "after")
    until(lambda: hook.receipts("after"))
    assert len(hook.receipts("stubborn")) == 3


def test_receipts_misbehave_on_command(centre: Simulator, client: Client, hook: Hook, phone: str) -> None:
    def send(out_id: str, fault: str = "", **more: Any) -> None:
        # One after the other, so that a fault meets the message that it is meant for.
        if fault:
            centre.fault(fault, **more)
        client.send(phone, out_id)
        until(lambda: _state(centre, phone) == "delivered")

    send("twice", "duplicate_receipt")
    until(lambda: len(hook.receipts("twice")) == 2)
    before = len(hook.taken)
    send("broken", "garbled_receipt")
    until(lambda: len(hook.taken) > before)
    assert read_report(hook.taken[before][1]) == ([], 1)
    send("never", "no_receipt")
    send("late", "late_receipt", after_s=3600)
    send("proof")
    until(lambda: hook.receipts("proof"))
    assert [hook.receipts(one) for one in ("broken", "never", "late")] == [[], [], []]


def test_details_come_in_pages_and_by_biz_id(client: Client, phone: str) -> None:
    biz_ids = [client.send(phone, f"p{n}").json()["BizId"] for n in range(3)]
    day = datetime.now(_ZONE).strftime("%Y%m%d")
    page = client.details(phone, day, PageSize="2", CurrentPage="2")
    assert page["TotalCount"] == "3"
    assert [row["OutId"] for row in page["SmsSendDetailDTOs"]["SmsSendDetailDTO"]] == ["p0"]
    one = client.details(phone, day, BizId=biz_ids[1])
    assert [row["OutId"] for row in one["SmsSendDetailDTOs"]["SmsSendDetailDTO"]] == ["p1"]
    assert client.details(phone, "20200101")["TotalCount"] == "0"
    assert client.details(phone, day, PageSize="51")["Code"] == "isv.INVALID_PARAMETERS"


def test_the_page_is_escaped(centre: Simulator, client: Client, phone: str) -> None:
    centre.http.post("/control/templates", json={"code": "SMS_8", "text": "<script>${x}</script>"})
    client.send(phone, TemplateCode="SMS_8", TemplateParam='{"x": "<img src=1>"}')
    until(lambda: _state(centre, phone) == "delivered")
    page = centre.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;script&gt;&lt;img src=1&gt;" in page.text
    assert "<script" not in page.text
    assert "<img" not in page.text
