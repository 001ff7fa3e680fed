"""Receipts: in any order, twice, of strangers, broken. The hook answers as the provider expects."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from messaging.people import Borrower, register
from messaging.sms_provider import CALLBACK_TOKEN, SmsProvider
from throughline.kernel import http
from throughline.kernel.db import Database
from throughline.messaging import api, hooks
from throughline.messaging.models import MsgReceipt
from throughline.messaging.receipts import read_report
from throughline.messaging.service import IntentStory

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]


@pytest.fixture
def push() -> Callable[..., Any]:
    app = FastAPI()
    http.install(app, authenticate=lambda request: http.PUBLIC)
    app.include_router(api.hooks_router)
    client = TestClient(app, raise_server_exceptions=False)

    def post(body: Any, *, token: str = CALLBACK_TOKEN) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(f"/hooks/messaging/sms/{token}", content=content)

    return post


def element(out_id: str, *, success: bool = True, code: str = "DELIVERED", **changes: Any) -> dict[str, Any]:
    return {
        "phone_number": "13800000001",
        "send_time": "2026-11-26 10:00:00",
        "report_time": "2026-11-26 10:00:05",
        "success": success,
        "err_code": code,
        "err_msg": "用户接收成功",
        "sms_size": "1",
        "biz_id": "932702304080415357^0",
        "out_id": out_id,
        **changes,
    }


def _ends(chosen: IntentStory) -> tuple[str, str, str]:
    step = chosen.steps[0]
    return chosen.intent.state, step.state, step.attempts[0].state


def test_every_order_ends_alike(
    database: Database,
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    push: Callable[..., Any],
    run_jobs: Callable[..., int],
) -> None:
    said = [
        {"success": True},
        {"success": False, "code": "UNDELIV"},
        {"success": False, "code": "EXPIRED"},
        {"success": True},
    ]
    orders = list(permutations(range(4)))[::5]
    intents = [ask(register(database)) for _ in orders]
    run_jobs(rounds=1, timers=False)
    ends = set()
    for intent_id, order in zip(intents, orders, strict=True):
        out_id = story(intent_id).steps[0].attempts[0].id.hex
        for index in order:
            assert push([element(out_id, **said[index])]).status_code == 200
        ends.add(_ends(story(intent_id)))
    assert ends == {("delivered", "delivered", "delivered")}
    with database.transaction() as session:
        assert session.execute(select(func.count()).select_from(MsgReceipt)).scalar_one() == 3 * len(orders)


def test_a_receipt_before_our_own_answer_is_kept(
    phone_only: Borrower,
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    push: Callable[..., Any],
    run_jobs: Callable[..., int],
) -> None:
    intent_id = ask(phone_only)
    sms.mode = "mute"
    run_jobs(rounds=1, timers=False)  # the call runs into its time limit
    push([element(sms.accepted[0]["OutId"])])
    assert _ends(story(intent_id)) == ("delivered", "delivered", "delivered")


def test_the_answer_and_the_door(
    push: Callable[..., Any], phone_only: Borrower, ask: Ask, story: Story
) -> None:
    assert push([]).json() == {"code": 0, "msg": "成功"}
    assert push([], token="x" * len(CALLBACK_TOKEN)).status_code == 401
    assert push([], token="错").status_code == 401
    assert push(b"[" + b" " * hooks.MAX_REPORT_BYTES + b"]").status_code == 413
    # A reference that is ours but was never sent is no receipt of ours.
    intent_id = ask(phone_only)
    prepared = story(intent_id).steps[0].attempts[0].id.hex
    assert push([element(prepared), element("0" * 32)]).status_code == 200
    assert story(intent_id).steps[0].state == "ready"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"{}", b'"x"', b"[[[[1]]]]", b"[null, 1, {}]", b"\xff\xfe", b"[" * 20_000,
        b'[{"out_id": 1, "success": true}]', b'[{"out_id": "a", "success": "true"}]', b'[{"success": true}]',
        b'[{"out_id": "a\\u0000b", "success": true}]', b"[NaN, Infinity]", b"[1e999999]",
    ],
)  # fmt: skip
def test_whatever_can_not_be_read_is_acknowledged(push: Callable[..., Any], body: bytes) -> None:
    assert push(body).json() == {"code": 0, "msg": "成功"}


def test_one_broken_element_does_not_cost_the_others(
    phone_only: Borrower,
    sms: SmsProvider,
    ask: Ask,
    story: Story,
    push: Callable[..., Any],
    run_jobs: Callable[..., int],
) -> None:
    intent_id = ask(phone_only)
    run_jobs(rounds=1, timers=False)
    good = element(sms.accepted[0]["OutId"], report_time="0000-00-00 99:99:99", biz_id=None, err_msg=["?"])
    assert push([None, {"out_id": {}}, good, element("x" * 5000)]).status_code == 200
    assert _ends(story(intent_id)) == ("delivered", "delivered", "delivered")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["out_id", "success", "err_code", "biz_id", "report_time"])


@given(st.lists(st.dictionaries(FIELDS, JSON) | JSON, max_size=5))
def test_reading_a_report_never_raises(document: list[Any]) -> None:
    good, malformed = read_report(json.dumps(document).encode())
    assert len(good) + malformed == len(document)
    assert all(receipt.client_ref.isascii() and len(receipt.client_ref) <= 64 for receipt in good)


@given(st.binary(max_size=200))
def test_reading_bytes_never_raises(body: bytes) -> None:
    read_report(body)
