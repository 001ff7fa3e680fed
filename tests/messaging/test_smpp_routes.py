"""SMS over SMPP routes, sender and ledger included, against an SMSC that we did not write. Texts are counted there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from messaging.people import Borrower, register, states
from messaging_smpp.node_smsc import NodeSmsc, running
from throughline.kernel.db import Database
from throughline.messaging.models import MsgInbound, MsgReceipt, MsgRoute
from throughline.messaging.sender.loop import Sender
from throughline.messaging.service import IntentStory
from throughline.parties import service as parties

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]
Use = Callable[[list[dict[str, Any]]], Path]
WITHIN_S = 30.0


# The SMSC's ids begin anew with each process of it, so each test has a route of its own name.
def row(name: str, smsc: NodeSmsc, priority: int, **more: Any) -> dict[str, Any]:
    options = {
        "host": "127.0.0.1", "port": smsc.port, "system_id": "lender", "password": "secret", "tls": False,
        "reconnect_base_s": 0.1, "reconnect_cap_s": 0.5,
    }  # fmt: skip
    return {
        "name": name,
        "channel": "sms",
        "adapter": "smpp",
        "priority": priority,
        "options": options,
    } | more


@contextlib.asynccontextmanager
async def sending(database: Database) -> AsyncIterator[Sender]:
    """A sender at work, as its process runs it."""
    sender, stop = Sender(database), asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    try:
        yield sender
    finally:
        stop.set()
        await task


async def until(look: Callable[[], Any]) -> None:
    """Wait until something holds, in the database mostly."""
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(look):
            await asyncio.sleep(0.05)


async def bound(sender: Sender, *names: str) -> None:
    def stand() -> bool:
        adapters = [sender.outlets.by_name[name].adapter for name in names]
        return all(one is not None and one.up for one in adapters)

    await until(stand)


def test_a_text_arrives_and_its_receipt_ends_the_message(
    database: Database,
    use: Use,
    node: str,
    ask: Ask,
    story: Story,
) -> None:
    async def scenario() -> None:
        async with running(node) as smsc:
            await smsc.set(receipts=2)
            use([row("smsc-1", smsc, 1)])
            made = [ask(register(database), klass="reminder") for _ in range(20)]
            async with sending(database):
                await until(lambda: all(states(story(one))[0] == ("sms", "delivered") for one in made))
            report = await smsc.report()
            assert len(report["texts"]) == 20
            assert all(one["text"].startswith("您有一条新消息") for one in report["texts"])

    asyncio.run(scenario())


def test_a_receipt_that_comes_before_the_answer_waits_for_its_message(
    database: Database,
    use: Use,
    node: str,
    phone_only: Borrower,
    ask: Ask,
    story: Story,
) -> None:
    async def scenario() -> None:
        async with running(node) as smsc:
            await smsc.set(receipts=1, early=True, late_ms=400)
            use([row("smsc-2", smsc, 1)])
            intent_id = ask(phone_only)
            async with sending(database):
                await until(lambda: states(story(intent_id))[0] == ("sms", "delivered"))
        with database.transaction() as session:
            assert session.scalars(select(MsgReceipt.id).where(MsgReceipt.attempt_id.is_(None))).all() == []

    asyncio.run(scenario())


def test_a_link_that_is_cut_moves_the_traffic_and_nothing_is_lost_or_doubled(
    database: Database,
    use: Use,
    node: str,
    ask: Ask,
    story: Story,
) -> None:
    async def scenario() -> None:
        async with running(node) as first, running(node) as second:
            use([row("first", first, 1), row("second", second, 2)])
            async with sending(database) as sender:
                await bound(sender, "first", "second")
                made = [ask(register(database), klass="contract") for _ in range(15)]
                await until(lambda: all(states(story(one))[0][1] == "sent" for one in made))
                await first.set(bind=0x0D)  # the account is refused when it comes back
                await first.kill_links()
                more = [ask(register(database), klass="contract") for _ in range(15)]
                await until(lambda: all(states(story(one))[0][1] == "sent" for one in more))
            texts = [one["to"] for smsc in (first, second) for one in (await smsc.report())["texts"]]
            assert len(texts) == len(set(texts)) == 30
        with database.transaction() as session:
            fallen = session.get_one(MsgRoute, "first")
            assert (fallen.share_percent, fallen.why) == (0, "link")

    asyncio.run(scenario())


def test_answers_that_are_lost_leave_unknown_and_the_class_decides(
    database: Database,
    use: Use,
    node: str,
    ask: Ask,
    story: Story,
    phone_only: Borrower,
) -> None:
    async def scenario() -> None:
        async with running(node) as smsc:
            await smsc.set(lose=True)
            use([row("smsc-3", smsc, 1)])
            never = ask(phone_only, klass="contract")
            async with sending(database):
                await until(lambda: states(story(never))[0] == ("sms", "unknown"))
            assert len((await smsc.report())["texts"]) == 1

    asyncio.run(scenario())


def test_an_answer_that_comes_late_is_believed(
    database: Database,
    use: Use,
    node: str,
    ask: Ask,
    story: Story,
    phone_only: Borrower,
) -> None:
    async def scenario() -> None:
        async with running(node) as smsc:
            await smsc.set(late_ms=1_500, receipts=0)
            use([row("smsc-4", smsc, 1)])
            intent_id = ask(phone_only, klass="contract")
            async with sending(database):
                await until(lambda: states(story(intent_id))[0] == ("sms", "unknown"))
                await until(lambda: states(story(intent_id))[0] == ("sms", "sent"))
            assert len((await smsc.report())["texts"]) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "meaning", "frozen"),
    [
        ("我不是本人，打错了", "wrong_person", True),
        ("Paid.", "paid", False),
        ("stop bothering", "other", False),
    ],
)
def test_what_people_answer(
    text: str, meaning: str, frozen: bool, database: Database, use: Use, node: str, ask: Ask, story: Story,
    phone_only: Borrower,
) -> None:  # fmt: skip
    async def scenario() -> None:
        async with running(node) as smsc:
            use([row("smsc-5", smsc, 1)])
            intent_id = ask(phone_only, klass="reminder")
            async with sending(database):
                await until(lambda: states(story(intent_id))[0] == ("sms", "sent"))
                (sent,) = (await smsc.report())["texts"]
                content = {"message": text} if not text.isascii() else text
                await smsc.deliver(
                    source_addr=sent["to"], destination_addr="1069", short_message=content,
                    data_coding=0 if text.isascii() else 8,
                )  # fmt: skip
                await until(lambda: database.run(kept))

    def kept(session: Any) -> bool:
        rows = session.scalars(select(MsgInbound).where(MsgInbound.borrower_id == phone_only.id)).all()
        return [one.meaning for one in rows] == [meaning]

    asyncio.run(scenario())
    with database.transaction() as session:
        point = parties.contact_point(session, phone_only.phone)
        assert (point.frozen_at is not None) is frozen


def test_an_account_that_is_refused_leaves_the_route_and_the_rest_works(
    database: Database,
    use: Use,
    node: str,
    ask: Ask,
    story: Story,
) -> None:
    async def scenario() -> None:
        async with running(node) as refused, running(node) as good:
            await refused.set(bind=0x0E)
            use([row("refused", refused, 1), row("good", good, 2)])
            intent_id = ask(register(database), klass="reminder")
            async with sending(database):
                await until(lambda: states(story(intent_id))[0] == ("sms", "sent"))
            assert len((await refused.report())["binds"]) == 1  # no knocking with a wrong password
            assert len((await good.report())["texts"]) == 1

    asyncio.run(scenario())
