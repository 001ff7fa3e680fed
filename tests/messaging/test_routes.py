"""Several routes for a channel, against two providers: what fails is left, probed and taken again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from messaging.people import Borrower, register, states
from messaging.sms_provider import ACCOUNT, SmsProvider
from support.callers import browsing
from support.sending import send
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.http import Caller
from throughline.messaging import jobs, receipts, registry
from throughline.messaging.api import router
from throughline.messaging.models import MsgRoute, MsgRouteEvent
from throughline.messaging.plan import Channel
from throughline.messaging.receipts import Receipt
from throughline.messaging.routes import book
from throughline.messaging.routes.config import RoutesWrong, routes
from throughline.messaging.sender.loop import Sender
from throughline.messaging.service import IntentStory

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]


@pytest.fixture(scope="module")
def other_provider() -> Iterator[SmsProvider]:
    provider = SmsProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def other(other_provider: SmsProvider) -> Iterator[SmsProvider]:
    other_provider.calm()
    yield other_provider
    other_provider.calm()


def row(name: str, url: str, account: Path, priority: int, **more: Any) -> dict[str, Any]:
    options = {"url": url, "account_file": str(account)}
    return {
        "name": name,
        "channel": "sms",
        "adapter": "aliyun-sms",
        "priority": priority,
        "options": options,
    } | more


@pytest.fixture
def two(use: Callable[..., Path], tmp_path: Path, sms: SmsProvider, other: SmsProvider) -> None:
    """Routes `first` and `second`; the second is a standby."""
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    use([row("first", sms.url, account, 1), row("second", other.url, account, 2)])


def share(database: Database, name: str) -> tuple[str, int]:
    with database.transaction() as session:
        found = session.get(MsgRoute, name)
        return (found.phase, found.share_percent) if found is not None else ("healthy", 100)


def test_a_dead_provider_is_left_and_each_message_goes_out_once_by_the_other(
    database: Database, two: None, sms: SmsProvider, other: SmsProvider, ask: Ask, story: Story
) -> None:
    sms.mode, sms.status = "ServiceUnavailable", 503
    made = [ask(register(database), klass="reminder") for _ in range(15)]
    send(database)
    assert len({one["OutId"] for one in other.accepted}) == len(other.accepted) == 15
    for intent_id in made:
        assert states(story(intent_id))[0] == ("sms", "sent")
        assert story(intent_id).steps[0].attempts[-1].route == "second"


def test_a_provider_that_is_silent_falls_and_is_taken_again_by_steps(
    database: Database,
    two: None,
    sms: SmsProvider,
    other: SmsProvider,
    ask: Ask,
    demo_clock: Callable[..., Any],
) -> None:
    sms.mode = "swallow"
    for _ in range(12):
        ask(register(database), klass="reminder")
    send(database)
    assert share(database, "first") == ("resting", 0)
    with database.transaction() as session:
        fall = session.scalars(select(MsgRouteEvent).where(MsgRouteEvent.route == "first")).first()
        assert fall is not None
        assert fall.why in {"failures-in-a-row", "no-answers"}
    sms.calm()
    calls = len(other.accepted)
    for _ in range(3):
        ask(register(database), klass="reminder")
    send(database)
    assert (sms.calls, len(other.accepted)) == (0, calls + 3)
    demo_clock(seconds=6)  # it has rested: one message tries it
    for _ in range(3):
        ask(register(database), klass="reminder")
    send(database)
    assert sms.calls == 1
    assert share(database, "first")[0] in {"waiting", "climbing"}
    for _ in range(3):
        demo_clock(minutes=2)
        send(database)
    for _ in range(20):
        ask(register(database), klass="reminder")
    send(database)
    assert share(database, "first") == ("healthy", 100)
    assert sms.calls >= 10


def test_a_route_that_takes_everything_and_delivers_nothing_falls(
    database: Database,
    use: Callable[..., Path],
    tmp_path: Path,
    sms: SmsProvider,
    other: SmsProvider,
    ask: Ask,
    demo_clock: Callable[..., Any],
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    use([row("first", sms.url, account, 1), row("second", other.url, account, 2)])
    for _ in range(4):
        for _ in range(9):
            ask(register(database), klass="reminder")
        send(database)
    assert sms.calls >= 30
    for one in other.accepted:  # the standby's few arrive
        receipt = Receipt(one["OutId"], "biz", True, "DELIVRD", None)
        database.run(lambda session, said=receipt: receipts.take(session, "second", said, now=clock.now()))  # type: ignore[misc]
    demo_clock(minutes=6)  # and no receipt of the first has come
    ask(register(database), klass="reminder")
    send(database)
    with database.transaction() as session:
        fallen = session.get_one(MsgRoute, "first")
        assert (fallen.share_percent, fallen.why) == (0, "receipts")


def test_what_must_not_be_sent_twice_does_not_try_a_route_that_has_rested(
    database: Database,
    two: None,
    sms: SmsProvider,
    other: SmsProvider,
    ask: Ask,
    demo_clock: Callable[..., Any],
) -> None:
    database.run(lambda session: book.trip(session, "first", "link", now=clock.now()))
    demo_clock(seconds=6)
    ask(register(database), klass="contract")
    send(database)
    assert (sms.calls, len(other.accepted)) == (0, 1)
    ask(register(database), klass="reminder")
    send(database)
    assert sms.calls == 1


def test_the_only_route_is_used_even_after_it_has_fallen(
    database: Database,
    use: Callable[..., Path],
    tmp_path: Path,
    sms: SmsProvider,
    phone_only: Borrower,
    ask: Ask,
    story: Story,
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    use([row("only", sms.url, account, 1)])
    database.run(lambda session: book.trip(session, "only", "failures-in-a-row", now=clock.now()))
    intent_id = ask(phone_only)
    send(database)
    assert states(story(intent_id))[0] == ("sms", "sent")


def test_a_route_carries_its_classes_only(
    database: Database,
    use: Callable[..., Path],
    tmp_path: Path,
    sms: SmsProvider,
    other: SmsProvider,
    ask: Ask,
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    use([row("codes", sms.url, account, 1, classes=["otp", "safety"]), row("rest", other.url, account, 2)])
    ask(register(database), klass="reminder")
    send(database)
    assert (sms.calls, other.calls) == (0, 1)


def test_a_full_window_and_a_rate_hold_back(
    database: Database, use: Callable[..., Path], tmp_path: Path, sms: SmsProvider, ask: Ask
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    use([row("slow", sms.url, account, 1, window=2, rate_per_s=3)])
    for _ in range(6):
        ask(register(database), klass="reminder")

    async def one_round() -> int:
        sender = Sender(database)
        try:
            return await sender.round()
        finally:
            await sender.settle()
            await sender.close()

    assert asyncio.run(one_round()) <= 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "routes-0.json"),
        ('{"routes": []}', "routes"),
        ('{"routes": [{"name": "A b", "channel": "sms", "adapter": "aliyun-sms"}]}', "name"),
        ('{"routes": [{"name": "a", "channel": "pigeon", "adapter": "x"}]}', "channel"),
        ('{"routes": [{"name": "a", "channel": "sms", "adapter": "x"}]}', "aliyun-sms"),
        ('{"routes": [{"name": "a", "channel": "sms", "adapter": "smtp"}]}', "carries email"),
        (
            '{"routes": [{"name": "a", "channel": "sms", "adapter": "aliyun-sms"},'
            ' {"name": "a", "channel": "sms", "adapter": "aliyun-sms"}]}',
            "same name",
        ),
        ('{"routes": [{"name": "a", "channel": "sms", "adapter": "aliyun-sms", "window": 0}]}', "window"),
    ],
)
def test_a_file_that_can_not_be_used_says_what_to_change(
    content: str, said: str, use: Callable[..., Path]
) -> None:
    use([]).write_text(content, encoding="utf-8")
    with pytest.raises(RoutesWrong, match=said):
        registry.check()


def test_a_route_without_its_account_says_so_and_the_others_work(
    database: Database, use: Callable[..., Path], tmp_path: Path, sms: SmsProvider, ask: Ask
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    use([row("lost", sms.url, tmp_path / "nowhere.json", 1), row("good", sms.url, account, 2)])
    assert "nowhere.json" in registry.missing(routes()[0])
    assert registry.missing(routes()[1]) == ""
    ask(register(database), klass="reminder")
    send(database)
    assert len(sms.accepted) == 1
    assert registry.routes_of(Channel.SMS, "reminder")[0].name == "lost"


def test_when_no_route_takes_it_the_next_way_begins(
    borrower: Borrower, ask: Ask, story: Story, demo_clock: Callable[..., Any]
) -> None:
    intent_id = ask(borrower, klass="continuity")
    demo_clock(minutes=16)  # and no sender has been at work
    jobs.sweep(0)
    assert states(story(intent_id)) == [("sms", "failed"), ("email", "ready")]
    reason = story(intent_id).steps[0].reason
    assert reason is not None
    assert reason["en"].startswith("No route has taken it in time")


def test_staff_see_how_routes_stand(database: Database, two: None) -> None:
    database.run(lambda session: book.trip(session, "first", "link", now=clock.now()))
    with browsing(router) as browse:
        staff = browse(Caller(kind="staff", scopes=frozenset({"messaging:read"})))
        rows = staff.get("/api/v1/message-routes").json()["items"]
        assert [(one["name"], one["phase"], one["share_percent"]) for one in rows] == [
            ("first", "resting", 0),
            ("second", "healthy", 100),
        ]
        events = staff.get("/api/v1/message-routes/first/events").json()["items"]
        assert [(one["why"], one["share_percent"]) for one in events] == [("link", 0)]
        assert staff.get("/api/v1/message-routes/nobody").status_code == 404
