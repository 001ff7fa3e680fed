"""What Tencent Cloud SMS pushes: shuffled, tripled, early, of strangers, broken; and what people answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from messaging.people import Borrower, register
from messaging.sms_provider import CALLBACK_TOKEN as OTHER_TOKEN
from messaging.tencent_provider import ACCOUNT, CALLBACK_TOKEN, TencentProvider
from support.sending import send
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.messaging import api, heard, hooks, inbound, registry
from throughline.messaging.models import MsgInbound, MsgReceipt
from throughline.messaging.routes.config import routes
from throughline.messaging.service import IntentStory
from throughline.messaging.tencent_pushes import read_answers, read_states
from throughline.parties import service as parties

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]
Push = Callable[..., Any]
TAKEN = {"result": 0, "errmsg": "OK"}


@pytest.fixture(scope="module")
def tencent_provider() -> Iterator[TencentProvider]:
    provider = TencentProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def tencent(
    tencent_provider: TencentProvider, use: Callable[..., Path], tmp_path: Path
) -> Iterator[TencentProvider]:
    """The provider, and it is the only route."""
    tencent_provider.calm()
    write(tmp_path / "tencent.json", ACCOUNT)
    use([row("tencent", tencent_provider.url, tmp_path / "tencent.json")])
    yield tencent_provider
    tencent_provider.calm()


def write(file: Path, account: dict[str, Any]) -> Path:
    file.write_text(json.dumps(account), encoding="utf-8")
    return file


def row(name: str, url: str, account: Path, **more: Any) -> dict[str, Any]:
    options = {"url": url, "account_file": str(account)}
    return {"name": name, "channel": "sms", "adapter": "tencent-sms", "options": options} | more


@pytest.fixture
def push() -> Push:
    app = FastAPI()
    http.install(app, authenticate=lambda request: http.PUBLIC)
    app.include_router(api.hooks_router)
    client = TestClient(app, raise_server_exceptions=False)

    def post(body: Any, *, token: str = CALLBACK_TOKEN, end: str = "") -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(f"/hooks/messaging/tencent-sms/{token}{end}", content=content)

    return post


def element(sid: str, *, success: bool = True, code: str = "DELIVRD", **changes: Any) -> dict[str, Any]:
    return {
        "user_receive_time": "2026-11-26 10:00:05",
        "nationcode": "86",
        "mobile": "13800000001",
        "report_status": "SUCCESS" if success else "FAIL",
        "errmsg": code,
        "description": "用户短信送达成功",
        "sid": sid,
        **changes,
    }


def ends(told: IntentStory) -> tuple[str, str, str]:
    return told.intent.state, told.steps[0].state, told.steps[0].attempts[0].state


def rows_of(database: Database) -> int:
    with database.transaction() as session:
        found = select(func.count()).select_from(MsgReceipt).where(MsgReceipt.route == "tencent")
        return session.execute(found).scalar_one()


def ref_of(tencent: TencentProvider, told: IntentStory) -> tuple[str, str]:
    ours = told.steps[0].attempts[0].id.hex
    return tencent.serial(ours), ours


@pytest.mark.parametrize("with_ext", ["always", "never", "sometimes"])
def test_shuffled_and_tripled_ends_as_in_order(
    with_ext: str, database: Database, tencent: TencentProvider, ask: Ask, story: Story, push: Push
) -> None:
    chance = random.Random(7)
    said = [{"success": True}, {"success": False, "code": "UNDELIV"}, {"success": False, "code": "EXPIRED"}]
    made = [ask(register(database), klass="reminder") for _ in range(6)]
    send(database)
    before, told = rows_of(database), []
    for intent_id in made:
        sid, ours = ref_of(tencent, story(intent_id))
        for one in said * 3:
            ext = with_ext == "always" or (with_ext == "sometimes" and chance.random() < 0.5)
            told.append(element(sid, **one, **({"ext": ours} if ext else {})))
    chance.shuffle(told)
    while told:
        batch, told = told[:7], told[7:]
        assert push(batch).json() == TAKEN
    assert {ends(story(one)) for one in made} == {("delivered", "delivered", "delivered")}
    assert rows_of(database) - before == 3 * len(made)


def test_a_failure_tells_line_in_the_vendors_own_words(
    database: Database, tencent: TencentProvider, phone_only: Borrower, ask: Ask, story: Story, push: Push
) -> None:
    intent_id = ask(phone_only, klass="reminder")
    send(database)
    sid, _ = ref_of(tencent, story(intent_id))
    push([element(sid, success=False, code="UNDELIV")])
    assert ends(story(intent_id))[1:] == ("failed", "failed")
    with database.transaction() as session:
        [event] = session.scalars(
            select(OutboxEvent).where(
                OutboxEvent.aggregate_id == intent_id, OutboxEvent.type == "messaging.contact_signals.v1"
            )
        )
    [signal] = event.payload["signals"]
    assert (signal["provider"], signal["code"]) == ("tencent.sms", "UNDELIV")


def test_a_state_that_is_early_finds_its_message_by_our_reference_at_once(
    tencent: TencentProvider, database: Database, phone_only: Borrower, ask: Ask, story: Story, push: Push
) -> None:
    intent_id = ask(phone_only, klass="reminder")
    tencent.mode = "mute"
    send(database)  # the call runs into its time limit
    sid, ours = ref_of(tencent, story(intent_id))
    push([element(sid, ext=ours)])
    assert ends(story(intent_id)) == ("delivered", "delivered", "delivered")


def test_without_our_reference_an_early_state_waits_until_the_provider_was_asked(
    tencent: TencentProvider,
    database: Database,
    phone_only: Borrower,
    ask: Ask,
    story: Story,
    push: Push,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    intent_id = ask(phone_only, klass="reminder")
    tencent.mode = "mute"
    send(database)
    sid, ours = ref_of(tencent, story(intent_id))
    for _ in range(3):
        push([element(sid)])
    assert ends(story(intent_id))[1:] == ("unknown", "unknown")
    tencent.calm_mode()
    tencent.reports[ours] = ("SUCCESS", "DELIVRD")
    demo_clock(seconds=61)  # a second copy may follow after 60 s: the provider is asked first
    run_jobs(rounds=3)
    assert ends(story(intent_id)) == ("delivered", "delivered", "delivered")
    assert (len(tencent.accepted), len(tencent.asked)) == (1, 1)
    for receipt_id in database.run(lambda session: heard.waiting(session, now=clock.now())):
        database.run(lambda session, one=receipt_id: heard.match(session, one, now=clock.now()))
    [receipt] = story(intent_id).steps[0].attempts[0].receipts
    assert (receipt.provider_ref, receipt.delivered) == (sid, True)


def test_the_door_and_its_answer(tencent: TencentProvider, push: Push) -> None:
    assert push([]).json() == TAKEN
    for end, good in (("", []), ("/replies", {})):
        assert push(good, end=end).json() == TAKEN
        assert push(good, end=end, token="x" * len(CALLBACK_TOKEN)).status_code == 401
        assert push(good, end=end, token=OTHER_TOKEN).status_code == 401  # of another vendor's hook
        assert push(good, end=end, token="错").status_code == 401
        assert push(b"[" + b" " * hooks.MAX_REPORT_BYTES + b"]", end=end).status_code == 413


def test_tokens_belong_to_their_route(
    tencent: TencentProvider, use: Callable[..., Path], tmp_path: Path, push: Push
) -> None:
    second = write(tmp_path / "second.json", ACCOUNT | {"callback_token": "token-of-the-second-one"})
    account, url = tmp_path / "tencent.json", tencent.url
    use([row("a", url, account), row("b", url, second), row("gone", url, tmp_path / "nowhere.json")])
    assert registry.route_of_token("tencent-sms", CALLBACK_TOKEN) == "a"
    assert registry.route_of_token("tencent-sms", "token-of-the-second-one") == "b"
    assert registry.route_of_token("aliyun-sms", CALLBACK_TOKEN) is None
    assert push([], token="y" * 20).status_code == 503  # it may be that of the account that is missing


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"template_ids": {"new_message.en": "1"}}, "lacks catch_up.en, catch_up.zh-CN"),
        ({"template_ids": {"new_message.en": "x"}}, "NoSmsAccount|ValidationError"),
        ({"secret_key": ""}, "ValidationError"),
        ({"app_id": "a"}, "ValidationError"),
    ],
)
def test_what_an_account_lacks_is_named_without_its_secret(
    changes: dict[str, Any], said: str, use: Callable[..., Path], tmp_path: Path
) -> None:
    file = write(tmp_path / "wrong.json", ACCOUNT | changes)
    use([row("wrong", "http://127.0.0.1:9", file)])
    with pytest.raises(registry.NotSetUp, match=said) as caught:
        registry.adapter(routes()[0], registry.Nobody())
    assert "secret" not in str(caught.value)


def test_all_doors_are_declared_alike() -> None:
    app = FastAPI()
    app.include_router(api.hooks_router)
    doors = app.openapi()["paths"]
    assert len(doors) == 3
    assert {frozenset(door["post"]["responses"]) for door in doors.values()} == {
        frozenset({"200", "401", "413", "422", "503"})
    }
    assert all(door["post"]["requestBody"]["required"] for door in doors.values())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"{}", b'"x"', b"[[[[1]]]]", b"[null, 1, {}]", b"\xff\xfe", b"[" * 20_000,
        b'[{"sid": 1, "report_status": "SUCCESS"}]', b'[{"sid": "a", "report_status": true}]',
        b'[{"report_status": "SUCCESS"}]', b'[{"sid": "a\\u0000b", "report_status": "SUCCESS"}]',
        b"[NaN, Infinity]", b"[1e999999]",
    ],
)  # fmt: skip
def test_whatever_can_not_be_read_is_acknowledged(tencent: TencentProvider, push: Push, body: bytes) -> None:
    assert push(body).json() == TAKEN
    assert push(body, end="/replies").json() == TAKEN


def test_broken_and_foreign_elements_do_not_cost_the_others(
    tencent: TencentProvider, database: Database, phone_only: Borrower, ask: Ask, story: Story, push: Push
) -> None:
    intent_id = ask(phone_only, klass="reminder")
    send(database)
    sid, _ = ref_of(tencent, story(intent_id))
    good = element(sid, user_receive_time="0000-00-00 99:99:99", description=["?"], ext={"a": 1})
    assert (
        push([None, {"sid": {}}, element("a-stranger", ext="f" * 32), good, element("x" * 5000)]).json()
        == TAKEN
    )
    assert ends(story(intent_id)) == ("delivered", "delivered", "delivered")


def test_what_people_answer_is_kept_and_a_wrong_person_freezes(
    tencent: TencentProvider, database: Database, phone_only: Borrower, push: Push
) -> None:
    with database.transaction() as session:
        number = parties.contact_point(session, phone_only.phone)
        assert number.frozen_at is None
    mobile = _mobile(database, phone_only)
    said = {
        "extend": "",
        "mobile": mobile,
        "nationcode": "86",
        "sign": "不断线",
        "text": "",
        "time": 1457336869,
    }
    for text in ("Paid.", "我不是本人，打错了", "\ud800"):
        assert push({**said, "text": text}, end="/replies").json() == TAKEN
    assert push([{**said, "text": "?"}, None, {**said, "mobile": "+1;"}], end="/replies").json() == TAKEN
    with database.transaction() as session:
        found = session.scalars(select(MsgInbound).where(MsgInbound.borrower_id == phone_only.id)).all()
        assert sorted(one.meaning for one in found) == ["other", "other", "paid", "wrong_person"]
        assert parties.contact_point(session, phone_only.phone).frozen_at is not None


def _mobile(database: Database, borrower: Borrower) -> str:
    from throughline.parties.purposes import Purpose

    with database.transaction() as session:
        value = parties.contact_value(
            session, borrower.phone, Purpose.CONTINUITY, now=clock.now(), reader="test"
        )
    return value.removeprefix("+86")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["sid", "ext", "report_status", "errmsg", "user_receive_time", "mobile", "text"])
KNOWN = st.sampled_from(["SUCCESS", "FAIL", "86", "13800000001"])


@given(st.lists(st.dictionaries(FIELDS, JSON | KNOWN) | JSON, max_size=5))
def test_reading_never_raises_and_counts_everything(document: list[Any]) -> None:
    body = json.dumps(document).encode()
    states_, malformed = read_states(body)
    assert len(states_) + malformed == len(document)
    assert all(0 < len(one.provider_ref) <= 100 and len(one.client_ref) <= 64 for one in states_)
    answers, unread = read_answers(body)
    assert len(answers) + unread == len(document)
    assert all(len(one.text) <= inbound.MOST_CHARS for one in answers)


@given(st.binary(max_size=200))
def test_reading_bytes_never_raises(body: bytes) -> None:
    read_states(body)
    read_answers(body)
