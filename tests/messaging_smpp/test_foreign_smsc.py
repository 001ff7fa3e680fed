"""The session against an SMSC that we did not write. What arrived is counted there, not here."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from messaging_smpp.node_smsc import running
from messaging_smpp.recorder import Recorder, scenario, session
from throughline.messaging.channels.smpp import LinkState, MessageState, Outgoing, SmppSession, TextResult
from throughline.messaging.channels.smpp.ids import IdDialect
from throughline.messaging.ports import Verdict

NUMBER = "+8613800000000"


def texts(count: int, begins: int = 0) -> list[Outgoing]:
    """Texts with a mark by which each is known at the SMSC."""
    return [Outgoing(f"ref-{n}", NUMBER, f"token {n}") for n in range(begins, begins + count)]


async def send(made: SmppSession, outgoing: list[Outgoing]) -> list[TextResult]:
    """All at once, within the window."""
    return await asyncio.gather(*(made.submit(one) for one in outgoing))


@pytest.mark.parametrize("bind", ["transceiver", "pair"])
@scenario
async def test_messages_and_their_receipts(node: str, bind: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port, bind=bind, slot_wait_s=20) as made:
        await smsc.set(receipts=1)
        assert await made.wait_bound(10)
        results = await send(made, texts(300))
        assert {result.verdict for result in results} == {Verdict.ACCEPTED}
        await sink.until(lambda: len(sink.receipts) == 300)
        assert {one.ref for one in sink.receipts} == {result.provider_ref for result in results}
        assert {one.state for one in sink.receipts} == {MessageState.DELIVERED}
        report = await smsc.report()
        assert sorted(one["text"] for one in report["texts"]) == sorted(one.text for one in texts(300))
        assert report["receipts"] == {"0": 300}
        assert {one["password"] for one in report["binds"]} == {"secret"}
        assert len(report["binds"]) == (1 if bind == "transceiver" else 2)


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("Plain", 0, 1),
        ("Price: 5€ [net] {x} ~ \\ | ^", 0, 1),
        ("£¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà", 0, 1),
        ("您有一条新消息，请登录查看。", 8, 1),
        ("Smile 😀" * 8, 8, 1),
        ("0123456789" * 40, 0, 3),
        ("汉字😀" * 40, 8, 3),
    ],
)
@scenario
async def test_a_text_arrives_as_it_was_written(node: str, text: str, coding: int, parts: int) -> None:
    async with running(node) as smsc, session(Recorder(), smsc.port) as made:
        assert await made.wait_bound(10)
        result = await made.submit(Outgoing("r", NUMBER, text))
        assert result.verdict is Verdict.ACCEPTED
        got = (await smsc.report())["texts"]
        assert len(got) == len(result.parts) == parts
        assert "".join(one["text"] for one in got) == text
        assert {one["coding"] for one in got} == {coding}
        assert [one["to"] for one in got] == [NUMBER.removeprefix("+")] * parts
        if parts > 1:
            assert [one["udh"][0][-2:] for one in got] == [[parts, n] for n in range(1, parts + 1)]


@pytest.mark.parametrize("joining", ["sar", "payload"])
@scenario
async def test_a_long_text_by_parameters(node: str, joining: str) -> None:
    async with running(node) as smsc, session(Recorder(), smsc.port, joining=joining) as made:
        assert await made.wait_bound(10)
        assert (await made.submit(Outgoing("r", NUMBER, "0123456789" * 40))).verdict is Verdict.ACCEPTED
        got = (await smsc.report())["texts"]
        assert "".join(one["text"] for one in got) == "0123456789" * 40
        assert [one["sar"] for one in got] == ([1, 2, 3] if joining == "sar" else [None])


@scenario
async def test_a_refused_password_is_tried_once(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc:
        await smsc.set(bind=0x0E)
        async with session(sink, smsc.port) as made:
            assert (await sink.saw(LinkState.STOPPED)).status == 0x0E
            assert not await made.wait_bound(0.2)
            report = await smsc.report()
            assert len(report["binds"]) == report["connections"] == 1


@scenario
async def test_a_bind_refused_for_now_is_tried_until_it_stands(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc:
        await smsc.set(bind=0x08)
        async with session(sink, smsc.port) as made:
            await sink.saw(LinkState.REFUSED, times=3)
            await smsc.set(bind=0)
            assert await made.wait_bound(10)
            assert (await made.submit(texts(1)[0])).verdict is Verdict.ACCEPTED


@scenario
async def test_throttled_then_taken(node: str) -> None:
    async with running(node) as smsc, session(Recorder(), smsc.port) as made:
        assert await made.wait_bound(10)
        await smsc.set(submit=0x58, times=2)
        results = [await made.submit(one) for one in texts(3)]
        assert [one.verdict for one in results] == [Verdict.THROTTLED, Verdict.THROTTLED, Verdict.ACCEPTED]
        assert len((await smsc.report())["texts"]) == 1


@scenario
async def test_accepted_and_the_answer_lost_is_unknown_and_bounded_by_the_window(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port, window=5, submit_timeout_s=0.3) as made:
        await smsc.set(lose=True, receipts=1)
        assert await made.wait_bound(10)
        results = await send(made, texts(12))
        verdicts = [result.verdict for result in results]
        assert verdicts.count(Verdict.UNKNOWN) == 5
        assert verdicts.count(Verdict.NOT_SENT) == 7
        sent = {one["text"] for one in (await smsc.report())["texts"]}
        unknown = {
            one.text
            for one, result in zip(texts(12), results, strict=True)
            if result.verdict is Verdict.UNKNOWN
        }
        assert sent == unknown  # nothing that is said not to be sent has arrived
        await sink.until(lambda: len(sink.receipts) == 5)  # which resolves them


@scenario
async def test_answers_that_come_late_are_told(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port, submit_timeout_s=0.1) as made:
        await smsc.set(late_ms=400)
        assert await made.wait_bound(10)
        results = await send(made, texts(5))
        assert {result.verdict for result in results} == {Verdict.UNKNOWN}
        await sink.until(lambda: len(sink.lates) == 5)
        assert {late.client_ref for late in sink.lates} == {f"ref-{n}" for n in range(5)}
        assert all(
            late.result.verdict is Verdict.ACCEPTED and late.result.provider_ref for late in sink.lates
        )


@scenario
async def test_a_frozen_peer_is_seen_within_the_limits_and_nothing_is_lost_or_doubled(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port, window=4) as made:
        assert await made.wait_bound(10)
        assert (await made.submit(texts(1)[0])).verdict is Verdict.ACCEPTED
        smsc.freeze()
        began_s = time.monotonic()
        results = await send(made, texts(8, begins=1))
        assert [result.verdict for result in results].count(Verdict.UNKNOWN) == 4
        assert (await sink.saw(LinkState.LOST)).why == "no sign of life"
        # An interval and a limit of a second each; the rest is what a busy machine takes.
        assert time.monotonic() - began_s < 5
        smsc.thaw()
        assert await made.wait_bound(15)
        assert (await made.submit(texts(1, begins=9)[0])).verdict is Verdict.ACCEPTED
        arrived = [one["text"] for one in (await smsc.report())["texts"]]
        assert len(arrived) == len(set(arrived))
        said = {
            one.text
            for one, result in zip(texts(8, begins=1), results, strict=True)
            if result.verdict is Verdict.UNKNOWN
        }
        assert set(arrived) <= said | {"token 0", "token 9"}


@scenario
async def test_a_peer_that_reads_and_answers_nothing_is_a_dead_link(node: str) -> None:
    sink = Recorder()
    quick = {"enquire_busy_s": 0.2, "enquire_idle_s": 0.2, "answer_limit_s": 0.2}
    async with running(node) as smsc, session(sink, smsc.port, **quick) as made:
        assert await made.wait_bound(10)
        await smsc.set(silent=True)
        assert (await sink.saw(LinkState.LOST)).why == "no sign of life"
        await smsc.set(silent=False)
        assert await made.wait_bound(10)


@scenario
async def test_links_are_killed_over_and_over_and_the_count_is_exact(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port, window=10, slot_wait_s=1) as made:
        await smsc.set(receipts=1)
        verdicts: dict[str, Verdict] = {}

        async def one(outgoing: Outgoing) -> None:
            verdicts[outgoing.text] = (await made.submit(outgoing)).verdict

        for round_ in range(5):
            assert await made.wait_bound(10)
            sending = [asyncio.create_task(one(text)) for text in texts(100, begins=round_ * 100)]
            least = len(sink.receipts) + 5
            await sink.until(lambda least=least: len(sink.receipts) >= least)  # type: ignore[misc]
            await smsc.kill_links()
            await asyncio.gather(*sending)
        await sink.saw(LinkState.LOST, times=5)
        arrived = [one["text"] for one in (await smsc.report())["texts"]]
        by_verdict = {verdict: {text for text, v in verdicts.items() if v is verdict} for verdict in Verdict}
        assert len(arrived) == len(set(arrived))
        assert by_verdict[Verdict.ACCEPTED] <= set(arrived)
        assert set(arrived) <= by_verdict[Verdict.ACCEPTED] | by_verdict[Verdict.UNKNOWN]
        assert len(by_verdict[Verdict.UNKNOWN]) <= 5 * 10
        assert not by_verdict[Verdict.REJECTED_FINAL]


@scenario
async def test_receipts_doubled_and_before_the_answer(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port, slot_wait_s=20) as made:
        await smsc.set(receipts=2, early=True)
        assert await made.wait_bound(10)
        results = await send(made, texts(50))
        await sink.until(lambda: len(sink.receipts) == 100)
        refs = [one.ref for one in sink.receipts]
        assert all(refs.count(result.provider_ref) == 2 for result in results)
        assert made.bound


@scenario
async def test_an_id_in_hex_and_in_decimal(node: str) -> None:
    sink = Recorder()
    dialect = IdDialect.HEX_THEN_DECIMAL
    async with running(node) as smsc, session(sink, smsc.port, id_dialect=dialect) as made:
        assert await made.wait_bound(10)
        for plain in (True, False):  # the id in the text alone, and in the parameter
            await smsc.set(receipts=1, hex=True, plain=plain)
            result = await made.submit(texts(1)[0])
            before = len(sink.receipts)
            await sink.until(lambda least=before: len(sink.receipts) > least)  # type: ignore[misc]
            assert sink.receipts[-1].ref == result.provider_ref
            message_id = result.parts[0].message_id
            assert message_id is not None
            assert int(message_id, 16) == int(result.provider_ref or "")
            assert await made.query(message_id) is MessageState.DELIVERED


@scenario
async def test_texts_of_people(node: str) -> None:
    sink = Recorder()
    async with running(node) as smsc, session(sink, smsc.port) as made:
        assert await made.wait_bound(10)
        for text in ("STOP", "5€ {ok}", "退订"):
            before = len(sink.texts)
            await smsc.deliver(source_addr="8613800000000", destination_addr="1069", short_message=text)
            await sink.until(lambda least=before: len(sink.texts) > least)  # type: ignore[misc]
            assert sink.texts[-1].whole == text


@scenario
async def test_closing_unbinds(node: str) -> None:
    async with running(node) as smsc, session(Recorder(), smsc.port) as made:
        assert await made.wait_bound(10)
        sending = asyncio.create_task(send(made, texts(5)))
        await asyncio.sleep(0)
        await made.close(5)
        assert {result.verdict for result in await sending} <= {Verdict.ACCEPTED, Verdict.NOT_SENT}
        assert (await smsc.report())["unbinds"] == 1


@scenario
async def test_over_tls(node: str, certificate: Path) -> None:
    sink = Recorder()
    trusted = {"tls": True, "tls_ca_file": certificate, "tls_server_name": "smsc.test", "slot_wait_s": 20}
    async with running(node, str(certificate)) as smsc, session(sink, smsc.port, **trusted) as made:
        await smsc.set(receipts=1)
        assert await made.wait_bound(10)
        results = await send(made, texts(50))
        assert {result.verdict for result in results} == {Verdict.ACCEPTED}
        await sink.until(lambda: len(sink.receipts) == 50)
