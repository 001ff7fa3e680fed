"""The session against a peer that does what the test says: verdicts, the window, answers, ends."""

from __future__ import annotations

import asyncio
import time

import pytest

from messaging_smpp.raw_smsc import (
    BINDS,
    DATA_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    GENERIC_NACK,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    RawSmsc,
    delivery,
    listening,
    pdu,
)
from messaging_smpp.recorder import Recorder, scenario, session
from throughline.messaging.channels.smpp import Fault, LinkState, MessageState, Outgoing
from throughline.messaging.channels.smpp.binding import Binding
from throughline.messaging.channels.smpp.flight import Flight, Waiting
from throughline.messaging.channels.smpp.link import Link
from throughline.messaging.channels.smpp.pdu import Pdu
from throughline.messaging.ports import Verdict

HELLO = Outgoing("ref-1", "+8613800000000", "Hello")
STOP_S = 0.3
"""How long a peer waits for what must not come."""


async def nobody_comes(smsc: RawSmsc) -> None:
    """No client connects any more."""
    with pytest.raises(TimeoutError):
        await smsc.accept(STOP_S)


@scenario
async def test_a_text_is_accepted() -> None:
    async with (
        listening() as smsc,
        session(Recorder(), smsc.port, source_address="1069", source_ton=5) as made,
    ):
        peer = await smsc.accept()
        bind = await peer.bound()
        assert bind.body == b"lender\0secret\0\0\x34\0\0\0"
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        submit = await peer.read()
        assert submit.body == (
            b"\0\5\0"
            + b"1069\0"
            + b"\1\1"
            + b"8613800000000\0"
            + b"\0\0\0"
            + b"\0\0"
            + b"\1\0\0\0"
            + b"\5Hello"
        )
        peer.answer(submit, 0, b"abc\0")
        result = await sending
        assert (result.verdict, result.provider_ref) == (Verdict.ACCEPTED, "abc")
        [part] = result.parts
        assert (part.status, part.message_id, part.fault) == (0, "abc", Fault.NONE)
        assert 0 < part.latency_s < 5


@pytest.mark.parametrize(
    ("status", "verdict", "fault"),
    [
        (0x58, Verdict.THROTTLED, Fault.THROTTLE),
        (0x14, Verdict.REJECTED_RETRY, Fault.QUEUE),
        (0x08, Verdict.REJECTED_RETRY, Fault.SYSTEM),
        (0x0B, Verdict.REJECTED_FINAL, Fault.NUMBER),
        (0x01, Verdict.REJECTED_FINAL, Fault.CONTENT),
        (0x0A, Verdict.REJECTED_FINAL, Fault.ACCOUNT),
        (0xC3, Verdict.REJECTED_FINAL, Fault.PROTOCOL),
        (0xFF, Verdict.UNKNOWN, Fault.SYSTEM),
        (0x451, Verdict.REJECTED_RETRY, Fault.OTHER),
        (0x452, Verdict.REJECTED_FINAL, Fault.OTHER),
    ],
)
@pytest.mark.parametrize("nack", [False, True])
@scenario
async def test_a_refusal_has_its_verdict(status: int, verdict: Verdict, fault: Fault, nack: bool) -> None:
    own = {0x451: Verdict.REJECTED_RETRY}
    async with listening() as smsc, session(Recorder(), smsc.port, verdicts=own) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        submit = await peer.read()
        peer.send(pdu(GENERIC_NACK if nack else SUBMIT_SM_RESP, submit.sequence, b"", status))
        [part] = (await sending).parts
        assert (part.verdict, part.fault, part.status) == (verdict, fault, status)
        assert part.provider_ref is None


@scenario
async def test_an_answer_that_says_yes_without_a_readable_id_is_yes() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for body in (b"", b"no end", b"\0", b"\x07\0"):
            sending = asyncio.create_task(made.submit(HELLO))
            peer.answer(await peer.read(), 0, body)
            result = await sending
            assert (result.verdict, result.provider_ref) == (Verdict.ACCEPTED, None)


@scenario
async def test_answers_that_answer_nothing_are_passed_over() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        submit = await peer.read()
        peer.send(pdu(SUBMIT_SM_RESP, submit.sequence + 77, b"other\0"))
        peer.send(pdu(ENQUIRE_LINK_RESP, submit.sequence))
        peer.send(pdu(GENERIC_NACK, 0, b"", 3))
        peer.send(pdu(0x8000_0999, submit.sequence, b"noise"))
        peer.answer(submit, 0, b"mine\0")
        peer.answer(submit, 0, b"again\0")
        assert (await sending).provider_ref == "mine"
        assert made.bound


@scenario
async def test_without_a_link_nothing_is_sent() -> None:
    async with listening() as smsc:
        port = smsc.port
    sink = Recorder()
    async with session(sink, port) as made:
        refused = await sink.saw(LinkState.REFUSED)
        assert refused.why == "not reached: ConnectionRefusedError"
        result = await made.submit(HELLO)
        assert (result.verdict, result.parts[0].why) == (Verdict.NOT_SENT, "not bound")


@pytest.mark.parametrize(
    "bad",
    [
        Outgoing("r", "none", "Hello"),
        Outgoing("r", "8613800000000", ""),
        Outgoing("r", "8613800000000", "a" * 2000),
        Outgoing("r", "8613800000000", "\ud83d"),
        Outgoing("r", "8613800000000", "Hello", source="1069\0"),
        Outgoing("r", "8613800000000", "Hello", validity_s=0),
    ],
)
@scenario
async def test_what_can_never_be_sent_is_refused_for_good(bad: Outgoing) -> None:
    async with listening() as smsc, session(Recorder(), smsc.port) as made:
        await smsc.bound()
        result = await made.submit(bad)
        assert result.verdict is Verdict.REJECTED_FINAL
        assert result.parts[0].why
        assert bad.destination not in result.parts[0].why


@scenario
async def test_no_answer_in_time_is_unknown_and_the_late_answer_is_told() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, window=1, submit_timeout_s=0.05) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        result = await made.submit(HELLO)
        assert (result.verdict, result.parts[0].why) == (Verdict.UNKNOWN, "no answer in time")
        # Its slot is kept: a loss of the link now can't double more than the window.
        crowded = await made.submit(HELLO)
        assert (crowded.verdict, crowded.parts[0].why) == (Verdict.NOT_SENT, "window")
        peer.answer(await peer.read(), 0, b"late\0")
        await sink.until(lambda: bool(sink.lates))
        [late] = sink.lates
        assert (late.client_ref, late.part, late.of) == ("ref-1", 1, 1)
        assert (late.result.verdict, late.result.provider_ref) == (Verdict.ACCEPTED, "late")
        sending = asyncio.create_task(made.submit(HELLO))
        peer.answer(await peer.read())
        assert (await sending).verdict is Verdict.ACCEPTED


@scenario
async def test_a_slot_without_an_answer_is_free_again_after_its_time() -> None:
    quick = {"window": 1, "submit_timeout_s": 0.02, "late_answer_s": 0.05, "enquire_busy_s": 0.05}
    async with listening() as smsc, session(Recorder(), smsc.port, slot_wait_s=5, **quick) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        answering = asyncio.create_task(peer.read(skip=frozenset({SUBMIT_SM, ENQUIRE_LINK})))
        assert (await made.submit(HELLO)).verdict is Verdict.UNKNOWN
        assert (await made.submit(HELLO)).verdict is Verdict.UNKNOWN
        answering.cancel()


@scenario
async def test_whoever_sends_may_be_called_off_and_the_answer_counts() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        submit = await peer.read()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        peer.answer(submit, 0, b"mine\0")
        await sink.until(lambda: bool(sink.lates))
        assert sink.lates[0].result.provider_ref == "mine"


@scenario
async def test_an_answer_and_a_calling_off_in_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        submit = await peer.read()
        answered = Flight.answered

        def and_off(flight: Flight, answer: Pdu, now_s: float) -> Waiting | None:
            found = answered(flight, answer, now_s)
            sending.cancel()
            return found

        monkeypatch.setattr(Flight, "answered", and_off)
        peer.answer(submit, 0, b"mine\0")
        await asyncio.gather(sending, return_exceptions=True)
        assert sending.cancelled()
        await sink.until(lambda: bool(sink.lates))
        assert [late.result.provider_ref for late in sink.lates] == ["mine"]


@scenario
async def test_an_error_that_nobody_foresaw_is_a_link_that_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink, failures = Recorder(), iter([RuntimeError("looking"), RuntimeError("binding")])
    watch, bind = Link.watch, Binding._bind

    async def failing_watch(link: Link) -> None:
        for error in failures:
            raise error
        await watch(link)

    async def failing_bind(binding: Binding, link: Link) -> None:
        if len(sink.links) == 2:
            raise next(failures)
        await bind(binding, link)

    monkeypatch.setattr(Link, "watch", failing_watch)
    monkeypatch.setattr(Binding, "_bind", failing_bind)
    async with listening() as smsc, session(sink, smsc.port) as made:
        await smsc.bound()
        await smsc.accept()
        await smsc.bound()
        await sink.saw(LinkState.BOUND, times=2)
        assert made.bound
        assert [event.state for event in sink.links] == [
            LinkState.BOUND,
            LinkState.LOST,
            LinkState.REFUSED,
            LinkState.BOUND,
        ]


@scenario
async def test_a_lost_link_leaves_what_was_on_its_way_unknown() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, window=3) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = [asyncio.create_task(made.submit(HELLO)) for _ in range(5)]
        for _ in range(3):
            await peer.read()
        peer.close()
        results = await asyncio.gather(*sending)
        assert sorted(result.verdict for result in results) == [Verdict.NOT_SENT] * 2 + [Verdict.UNKNOWN] * 3
        lost = await sink.saw(LinkState.LOST)
        assert lost.in_flight == 3
        assert lost.again_in_s is not None
        again = await smsc.bound()
        assert await made.wait_bound(5)
        late = asyncio.create_task(made.submit(HELLO))
        again.answer(await again.read())
        assert (await late).verdict is Verdict.ACCEPTED


@scenario
async def test_parts_go_one_after_another_until_one_is_not_accepted() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for answers, verdict in (
            ([0, 0, 0], Verdict.ACCEPTED),
            ([0x58], Verdict.THROTTLED),
            ([0, 0x58], Verdict.UNKNOWN),  # a fragment is out
            ([0, 0x0B], Verdict.REJECTED_FINAL),
        ):
            sending = asyncio.create_task(made.submit(Outgoing("r", "8613800000000", "a" * 400)))
            headers = []
            for status in answers:
                submit = await peer.read()
                headers.append(submit.body.split(b"\x05\x00\x03", 1)[1][:3])
                peer.answer(submit, status)
            result = await sending
            assert result.verdict is verdict
            assert [header[1:] for header in headers] == [bytes([3, n]) for n in range(1, len(answers) + 1)]
            assert len({header[0] for header in headers}) == 1
            assert len(result.parts) == len(answers)


@pytest.mark.parametrize("status", [0x0D, 0x0E, 0x0F])
@pytest.mark.parametrize("bind", ["transceiver", "pair"])
@scenario
async def test_a_refused_account_stops_everything(status: int, bind: str) -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, bind=bind) as made:
        await (await smsc.accept()).bound(status)
        stopped = await sink.saw(LinkState.STOPPED)
        assert stopped.status == status
        assert stopped.again_in_s is None
        if bind == "pair":  # its second bind was on its way
            assert await (await smsc.accept()).ended() is not None
        await nobody_comes(smsc)
        assert made.stopped
        assert not await made.wait_bound(0.1)
        assert (await made.submit(HELLO)).verdict is Verdict.NOT_SENT


@pytest.mark.parametrize("status", [0x05, 0x08, 0x64, 0x451])
@scenario
async def test_another_refusal_of_a_bind_is_tried_again(status: int) -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        for _ in range(3):
            await (await smsc.accept()).bound(status)
        await smsc.bound()
        assert await made.wait_bound(5)
        assert [event.status for event in sink.links[:3]] == [status] * 3


@scenario
async def test_a_pair_of_binds_is_one_session() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, bind="pair") as made:
        peers = {}
        for _ in range(2):
            connection = await smsc.accept()
            peers[(await connection.bound()).command_id] = connection
        assert await made.wait_bound(5)
        receiver, transmitter = peers[1], peers[2]
        sending = asyncio.create_task(made.submit(HELLO))
        transmitter.answer(await transmitter.read(), 0, b"1\0")
        assert (await sending).provider_ref == "1"
        receiver.deliver(delivery(b"id:1 stat:DELIVRD"))
        assert (await receiver.read()).command_id == DELIVER_SM_RESP
        assert sink.receipts[0].ref == "1"
        receiver.close()
        await sink.saw(LinkState.LOST)
        assert not made.bound
        connection = await smsc.accept()
        assert (await connection.bound()).command_id == 1
        assert await made.wait_bound(5)


@scenario
async def test_a_receipt_is_acknowledged_after_the_sink_and_only_then() -> None:
    opened = asyncio.Event()

    async def wait() -> None:
        await opened.wait()

    sink = Recorder(wait)
    async with listening() as smsc, session(sink, smsc.port):
        peer = await smsc.bound()
        number = peer.deliver(delivery(b"id:1 stat:DELIVRD err:000"))
        peer.send(pdu(ENQUIRE_LINK, 99))
        assert (
            await peer.read()
        ).command_id == ENQUIRE_LINK_RESP  # the link lives while the sink takes its time
        assert not sink.receipts
        opened.set()
        answer = await peer.read()
        assert (answer.command_id, answer.sequence, answer.status) == (DELIVER_SM_RESP, number, 0)
        assert sink.receipts[0].state is MessageState.DELIVERED


@scenario
async def test_when_the_sink_fails_the_receipt_is_asked_for_again() -> None:
    failures = iter([RuntimeError("no database"), None])

    async def fail_once() -> None:
        error = next(failures)
        if error:
            raise error

    sink = Recorder(fail_once)
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        for status in (0x64, 0):
            peer.deliver(delivery(b"id:1 stat:DELIVRD"))
            assert (await peer.read()).status == status
        assert len(sink.receipts) == 1
        assert made.bound


@scenario
async def test_a_sink_that_takes_too_long_is_a_sink_that_fails() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async with listening() as smsc, session(Recorder(forever), smsc.port, sink_timeout_s=0.05) as made:
        peer = await smsc.bound()
        peer.deliver(delivery(b"id:1 stat:DELIVRD"))
        assert (await peer.read()).status == 0x64
        assert made.bound


@scenario
async def test_texts_of_people_and_receipts_are_told_apart() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port):
        peer = await smsc.bound()
        look = b"id:1 stat:DELIVRD"
        peer.deliver(delivery(b"STOP", esm_class=0))
        peer.deliver(delivery(look, esm_class=0))  # a person can write that
        peer.deliver(delivery(look, esm_class=0, tlvs=b"\x00\x1e\x00\x02" + b"9\0"))
        peer.deliver(delivery(look, esm_class=0x20))
        data = b"\0\0\0" + b"1380\0" + b"\0\0" + b"1069\0" + b"\4\0\0" + b"\x04\x24\x00\x11" + look
        peer.deliver(data, DATA_SM)
        for _ in range(5):
            assert (await peer.read()).status == 0
        assert [message.text for message in sink.texts] == ["STOP", "id:1 stat:DELIVRD"]
        assert [(one.ref, one.intermediate) for one in sink.receipts] == [
            ("9", False),
            ("1", True),
            ("1", False),
        ]
        assert sink.texts[0].source == "1380"


@scenario
async def test_unmarked_receipts_are_taken_where_the_route_says_so() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, unmarked_receipts=True):
        peer = await smsc.bound()
        peer.deliver(delivery(b"id:1 stat:DELIVRD", esm_class=0))
        await peer.read()
        assert sink.receipts


@scenario
async def test_parts_of_a_text_come_over_two_links_and_make_it_whole() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port):
        peer = await smsc.bound()
        peer.deliver(delivery(b"\5\0\3\7\2\2world", esm_class=0x40))
        await peer.read()
        peer.close()
        peer = await smsc.bound()
        for _ in range(2):
            peer.deliver(delivery(b"\5\0\3\7\2\1Hello ", esm_class=0x40))
            await peer.read()
        assert [message.whole for message in sink.texts] == [None, "Hello world", None]
        assert [message.text for message in sink.texts] == ["world", "Hello ", "Hello "]


@scenario
async def test_the_whole_text_comes_again_when_the_sink_failed() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port):
        peer = await smsc.bound()
        peer.deliver(delivery(b"\5\0\3\7\2\2world", esm_class=0x40))
        await peer.read()

        async def fail() -> None:
            raise RuntimeError("no database")

        sink.gate = fail
        peer.deliver(delivery(b"\5\0\3\7\2\1Hello ", esm_class=0x40))
        assert (await peer.read()).status == 0x64
        sink.gate = None
        peer.deliver(delivery(b"\5\0\3\7\2\1Hello ", esm_class=0x40))
        assert (await peer.read()).status == 0
        assert sink.texts[-1].whole == "Hello world"


@scenario
async def test_a_state_is_asked_for() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port, source_address="1069") as made:
        assert await made.query("00A1") is None  # not bound
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for body, status, state in (
            (b"00A1\0\0\2\0", 0, MessageState.DELIVERED),
            (b"00A1\0\0\x63\0", 0, None),
            (b"", 0x67, None),
            (b"", 0, None),
        ):
            asking = asyncio.create_task(made.query("00A1"))
            query = await peer.read()
            assert query.body == b"00A1\0\0\0" + b"1069\0"
            peer.answer(query, status, body)
            assert await asking is state


@scenario
async def test_the_peers_own_questions_are_answered() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        peer.send(pdu(0x0000_0102, 5, b"alert"))  # has no answer
        peer.send(pdu(0x0000_0777, 6, b"what"))
        peer.send(pdu(SUBMIT_SM, 7, b"broken"))
        peer.send(pdu(ENQUIRE_LINK, 8))
        answers = [await peer.read() for _ in range(3)]
        assert [(one.command_id, one.sequence, one.status) for one in answers] == [
            (GENERIC_NACK, 6, 3),
            (GENERIC_NACK, 7, 2),
            (ENQUIRE_LINK_RESP, 8, 0),
        ]
        assert made.bound
        peer.send(pdu(UNBIND, 9))
        answer = await peer.read()
        assert (answer.command_id, answer.sequence) == (UNBIND | 0x8000_0000, 9)
        assert (await sink.saw(LinkState.LOST)).why == "unbound by the peer"
        await smsc.bound()
        assert await made.wait_bound(5)


@scenario
async def test_closing_waits_for_what_is_on_its_way_and_unbinds() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        submit = await peer.read()
        closing = asyncio.create_task(made.close(5))
        await asyncio.sleep(0)
        assert (await made.submit(HELLO)).verdict is Verdict.NOT_SENT
        peer.answer(submit, 0, b"1\0")
        assert (await sending).verdict is Verdict.ACCEPTED
        unbind = await peer.read()
        assert unbind.command_id == UNBIND
        peer.answer(unbind, 0, b"")
        await closing
        assert await peer.ended() == b""
        await sink.saw(LinkState.CLOSED)
        await nobody_comes(smsc)


@scenario
async def test_closing_does_not_wait_for_ever() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port, answer_limit_s=0.1) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(HELLO))
        await peer.read()
        async with asyncio.timeout(3):
            await made.close(0.1)
        assert (await sending).verdict is Verdict.UNKNOWN


@scenario
async def test_closing_before_anything_stands() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port) as made:
        await smsc.accept()  # and never answers the bind
        async with asyncio.timeout(3):
            await made.close(5)


@scenario
async def test_the_rate_is_kept() -> None:
    changes = {"rate_per_s": 20, "window": 100, "slot_wait_s": 0.12}
    async with listening() as smsc, session(Recorder(), smsc.port, **changes) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)

        async def answer() -> None:
            while True:
                peer.answer(await peer.read())

        answering = asyncio.create_task(answer())
        begun_s = time.monotonic()
        results = await asyncio.gather(*(made.submit(HELLO) for _ in range(20)))
        took_s = time.monotonic() - begun_s
        answering.cancel()
        sent = [result for result in results if result.verdict is Verdict.ACCEPTED]
        # Two at once, and what 20 a second let through.
        assert 2 <= len(sent) <= 2 + 20 * took_s + 1
        assert {result.parts[0].why for result in results if result not in sent} == {"rate"}


@scenario
async def test_every_bind_is_a_bind() -> None:
    async with listening() as smsc, session(Recorder(), smsc.port):
        assert (await (await smsc.accept()).bound()).command_id in BINDS
