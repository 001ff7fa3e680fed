"""A peer that sends what no peer should: the session stays bound, or drops the link and binds again; it never falls."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
import yaml

from messaging_smpp.raw_smsc import (
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    SUBMIT_SM,
    Connection,
    delivery,
    listening,
    pdu,
)
from messaging_smpp.recorder import Recorder, scenario, session
from throughline.messaging.channels.smpp import LinkState, Outgoing, SmppSession
from throughline.messaging.channels.smpp.commands import Command
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.ports import Verdict

MALFORMED = yaml.safe_load((Path(__file__).parent / "receipts.yaml").read_text(encoding="utf-8"))["malformed"]
QUICK = {"enquire_idle_s": 0.2, "enquire_busy_s": 0.2, "answer_limit_s": 0.2}


async def still_sends(made: SmppSession, peer: Connection) -> None:
    """A message goes through."""
    sending = asyncio.create_task(made.submit(Outgoing("r", "8613800000000", "Hello")))
    peer.answer(await peer.read())
    assert (await sending).verdict is Verdict.ACCEPTED


def bytes_of(form: dict[str, object]) -> tuple[bytes, bytes]:
    """The text and the parameters of a form. What latin-1 does not have goes as UTF-8."""
    text = str(form["text"])
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raw = text.encode()
    tlvs = b""
    for name, value in dict(form.get("tlvs", {})).items():  # type: ignore[call-overload]
        data = bytes.fromhex(value)
        tlvs += Tag[name].to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
    return raw, tlvs


@scenario
async def test_malformed_receipts_are_kept_and_acknowledged() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for form in MALFORMED:
            text, tlvs = bytes_of(form)
            number = peer.deliver(delivery(text, tlvs=tlvs))
            answer = await peer.read()
            assert (answer.command_id, answer.sequence, answer.status) == (DELIVER_SM_RESP, number, 0), form[
                "name"
            ]
            assert sink.receipts[-1].malformed, form["name"]
            assert text in sink.receipts[-1].raw, form["name"]
        assert len(sink.receipts) == len(MALFORMED)
        assert made.bound
        await still_sends(made, peer)
        assert len(sink.links) == 1


@scenario
async def test_deliveries_that_are_none_are_kept_and_acknowledged() -> None:
    sink = Recorder()
    bodies = [
        b"",
        b"\0",
        b"no end anywhere" * 20,
        b"\0\1\1" + b"1" * 80 + b"\0",
        delivery(b"id:1 stat:DELIVRD")[:-5],
        delivery(b"x").replace(b"\x01x", b"\xffx"),
        delivery(b"") + b"".join(tag.to_bytes(2, "big") + b"\0\0" for tag in range(100)),
    ]
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for body in bodies:
            peer.deliver(body)
            assert (await peer.read()).status == 0
        assert [body in raw for body, (raw, _) in zip(bodies, sink.unread, strict=True)] == [True] * len(
            bodies
        )
        await still_sends(made, peer)


@scenario
async def test_bytes_come_one_by_one_and_fifty_pdus_at_once() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for byte in pdu(DELIVER_SM, 1, delivery(b"id:1 stat:DELIVRD")):
            peer.send(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert (await peer.read()).status == 0
        peer.send(b"".join(pdu(DELIVER_SM, n, delivery(b"id:%d stat:DELIVRD" % n)) for n in range(2, 52)))
        assert {(await peer.read()).sequence for _ in range(50)} == set(range(2, 52))
        assert {receipt.ref for receipt in sink.receipts} == {str(n) for n in range(1, 52)}
        assert made.bound


@scenario
async def test_three_thousand_pdus_of_noise_leave_the_session_bound() -> None:
    chance, sink = random.Random(20260601), Recorder()
    commands = [command for command in Command if command is not Command.UNBIND] + [
        0,
        0xB,
        0x102,
        0x7777,
        0x8000_7777,
    ]
    async with listening() as smsc, session(sink, smsc.port, inbound_limit=10_000) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for _ in range(3000):
            noise = chance.choice(
                [b"", chance.randbytes(chance.randrange(300)), delivery(chance.randbytes(80))]
            )
            status = chance.choice([0, 0, 0x58, chance.randrange(2**32)])
            peer.send(pdu(chance.choice(commands), chance.randrange(2**32), noise, status))
        peer.send(pdu(ENQUIRE_LINK, 0xABCDEF))
        for _ in range(4000):
            answer = await peer.read()
            if (answer.command_id, answer.sequence) == (ENQUIRE_LINK_RESP, 0xABCDEF):
                break
        assert made.bound
        assert sink.receipts
        assert sink.unread
        sending = asyncio.create_task(made.submit(Outgoing("r", "8613800000000", "Hello")))
        for _ in range(4000):
            request = await peer.read()
            if request.command_id == SUBMIT_SM:
                peer.answer(request)
                break
        assert (await sending).verdict is Verdict.ACCEPTED
        assert len(sink.links) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff" + bytes(12),
        b"\x00\x01\x00\x01" + bytes(12),
        b"\x00\x00\x00\x00" * 4,
        b"\x00\x00\x00\x0f" + bytes(12),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20),
    ],
)
@scenario
async def test_garbage_drops_the_link_and_a_new_one_is_made(garbage: bytes) -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        sending = asyncio.create_task(made.submit(Outgoing("r", "8613800000000", "Hello")))
        await peer.read()
        peer.send(garbage)
        assert (await sending).verdict is Verdict.UNKNOWN
        assert (await sink.saw(LinkState.LOST)).why.startswith("garbage: ")
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        await still_sends(made, peer)


@scenario
async def test_garbage_in_place_of_an_answer_to_the_bind() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, bind_timeout_s=0.2) as made:
        (await smsc.accept()).send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        (await smsc.accept()).close()
        await (await smsc.accept()).read()  # silence
        peer = await smsc.accept()
        peer.send(pdu(0x8000_0009, 77, b"not mine\0"))
        peer = await smsc.accept()
        bind = await peer.read()
        peer.send(pdu(0x8000_0000, bind.sequence, b"", 0x0E)[:10])  # half an answer
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        assert [event.state for event in sink.links] == [LinkState.REFUSED] * 5 + [LinkState.BOUND]
        await still_sends(made, peer)


@scenario
async def test_half_a_pdu_and_then_silence_is_a_dead_link() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, **QUICK) as made:
        peer = await smsc.bound()
        peer.send(pdu(DELIVER_SM, 1, delivery(b"id:1 stat:DELIVRD"))[:30])
        assert (await sink.saw(LinkState.LOST)).why == "no sign of life"
        await smsc.bound()
        assert await made.wait_bound(5)


@scenario
async def test_a_pdu_that_never_ends_is_a_dead_link() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, **QUICK):
        peer = await smsc.bound()
        peer.send(pdu(DELIVER_SM, 1, bytes(60_000))[:100])

        async def drip() -> None:
            while True:
                peer.send(b"\0")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert (await sink.saw(LinkState.LOST)).why == "no sign of life"
        dripping.cancel()


@scenario
async def test_a_peer_that_answers_nothing_but_talks_is_dropped_in_the_end() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, **QUICK):
        peer = await smsc.bound()

        async def talk() -> None:
            while True:
                peer.deliver(delivery(b"id:1 stat:DELIVRD"))
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(talk())
        assert (await sink.saw(LinkState.LOST)).why == "no sign of life"
        talking.cancel()
        assert len(sink.receipts) > 10  # it was not dropped at the first silence


@scenario
async def test_thousands_of_deliveries_at_once_are_all_answered() -> None:
    at_once = most = 0

    async def slow() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1

    sink = Recorder(slow)
    count = 2000
    async with listening() as smsc, session(sink, smsc.port, inbound_limit=100) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        left = {n: pdu(DELIVER_SM, n, delivery(b"id:%d stat:DELIVRD" % n)) for n in range(1, count + 1)}
        for _ in range(count):  # each round ends at least one, for the sink takes what it has room for
            if not left:
                break
            peer.send(b"".join(left.values()))
            for _ in range(len(left)):
                answer = await peer.read()
                assert answer.status in {0, 0x64}
                if answer.status == 0:
                    del left[answer.sequence]
        assert not left
        assert {receipt.ref for receipt in sink.receipts} == {str(n) for n in range(1, count + 1)}
        assert most <= 100
        await still_sends(made, peer)
        assert len(sink.links) == 1


@scenario
async def test_a_peer_that_does_not_read_its_answers_is_dropped_and_costs_little_memory() -> None:
    sink = Recorder()
    async with listening() as smsc, session(sink, smsc.port, **QUICK):
        peer = await smsc.bound()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = pdu(ENQUIRE_LINK, 1) * 4096

        async def pour() -> None:
            for _ in range(2000):
                peer.send(flood)
                await peer.writer.drain()

        pouring = asyncio.create_task(pour())
        assert (await sink.saw(LinkState.LOST)).state is LinkState.LOST
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
