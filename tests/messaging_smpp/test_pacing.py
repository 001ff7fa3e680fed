"""Timing without a clock: the bucket, the signs of life, the waits between tries, the window, bytes that wait."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging_smpp.recorder import scenario
from throughline.messaging.channels.smpp import window as window_module
from throughline.messaging.channels.smpp.pacing import Backoff, Beat, Heartbeat, TokenBucket
from throughline.messaging.channels.smpp.stream import Stream
from throughline.messaging.channels.smpp.window import Window

GAPS = st.lists(st.floats(0, 2), min_size=1, max_size=60)


@given(GAPS, st.floats(0.5, 50), st.floats(1, 20))
def test_no_stretch_of_time_has_more_than_the_rate(gaps: list[float], rate: float, burst: float) -> None:
    bucket, now_s, used = TokenBucket(rate, burst=burst, now_s=0), 0.0, []
    for gap_s in gaps:
        now_s += gap_s / 4
        wait_s = bucket.take(now_s, within_s=3)
        if wait_s is not None:
            assert 0 <= wait_s <= 3
            used.append(now_s + wait_s)
    for first, begins_s in enumerate(used):
        for count, ends_s in enumerate(used[first:], 1):
            assert count <= burst + (ends_s - begins_s) * rate + 1e-6


def test_a_bucket_gives_nothing_away_that_comes_too_late() -> None:
    bucket = TokenBucket(10, burst=1, now_s=0)
    assert bucket.take(0, within_s=0) == 0
    assert bucket.take(0, within_s=0.05) is None
    assert bucket.take(0, within_s=0.2) == pytest.approx(0.1)
    assert bucket.take(0, within_s=0.1) is None
    assert bucket.take(-5, within_s=0.2) == pytest.approx(0.2)  # a clock that steps back takes nothing away


@given(GAPS, st.booleans())
def test_silence_is_seen_within_the_interval_and_the_limit(gaps: list[float], busy: bool) -> None:
    heart, now_s, enquiries = Heartbeat(idle_s=5, busy_s=1, limit_s=1, now_s=0), 0.0, 0
    for gap_s in gaps:  # while it answers at once it lives, however often it is looked at
        now_s += gap_s
        beat, _ = heart.look(now_s, busy=busy)
        assert beat is not Beat.DEAD
        if beat is Beat.ENQUIRE:
            enquiries += 1
            heart.asked(now_s)
            heart.heard(now_s)
            heart.answered()
    assert enquiries <= now_s + 1
    silent_s = now_s
    for _ in range(20):
        beat, wait_s = heart.look(now_s, busy=busy)
        if beat is Beat.DEAD:
            break
        assert wait_s <= 1
        if beat is Beat.ENQUIRE:
            heart.asked(now_s)
        else:
            assert wait_s > 0
        now_s += wait_s
    assert beat is Beat.DEAD
    assert now_s - silent_s <= (2 if busy else 6) + 1e-9


def test_other_pdus_are_a_sign_of_life_but_not_for_ever() -> None:
    heart = Heartbeat(idle_s=5, busy_s=1, limit_s=1, now_s=0)
    heart.asked(1)
    for tenth in range(10, 59):
        heart.heard(tenth / 10)
        assert heart.look(tenth / 10, busy=True)[0] is Beat.WAIT
    heart.heard(6)
    assert heart.look(6, busy=True)[0] is Beat.DEAD


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_waits_between_tries_grow_to_a_cap(chances: list[float]) -> None:
    drawn = iter(chances)
    backoff = Backoff(0.5, 30, lambda: next(drawn))
    for tries, chance in enumerate(chances):
        assert backoff.next_s() == pytest.approx(chance * min(30, 0.5 * 2**tries))
    backoff.reset()
    assert Backoff(0.5, 30, lambda: 1.0).next_s() == 0.5


@scenario
async def test_slots_are_given_in_order_and_shut_out_nobody() -> None:
    window = Window(1)
    assert await window.take(1)
    assert not await window.take(0.01)
    order: list[int] = []

    async def taker(name: int) -> None:
        if await window.take(5):
            order.append(name)

    takers = [asyncio.create_task(taker(name)) for name in range(4)]
    await asyncio.sleep(0)
    takers[1].cancel()
    for _ in range(3):
        window.give_back()
    await asyncio.gather(*takers, return_exceptions=True)
    assert order == [0, 2, 3]
    window.give_back()
    window.give_back()
    assert [await window.take(0) for _ in range(2)] == [True, True]


@scenario
async def test_a_slot_given_to_somebody_who_was_called_off_is_not_lost() -> None:
    window = Window(1)
    assert await window.take(1)
    taker = asyncio.create_task(window.take(5))
    await asyncio.sleep(0)
    window.give_back()
    taker.cancel()  # in the very moment
    await asyncio.gather(taker, return_exceptions=True)
    assert await window.take(0.1)


@scenario
async def test_a_window_that_is_shut_tells_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_WAITING", 2)
    window = Window(1)
    assert await window.take(1)
    takers = [asyncio.create_task(window.take(60)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not await window.take(60)  # too many wait
    window.shut()
    assert await asyncio.gather(*takers) == [False, False]
    assert not await window.take(60)


@scenario
async def test_bytes_that_would_wait_are_not_written_and_nothing_leaves_after_the_end() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ends: list[str] = []
    stream = Stream(lambda _: None, ends.append)
    await asyncio.get_running_loop().create_connection(lambda: stream, sock=ours)
    assert stream.clear
    written = 0
    while stream.clear:  # until the kernel takes no more
        assert stream.write(bytes(1024))
        written += 1
        assert written < 10_000
    assert not await stream.wait_clear(0.01)
    theirs.setblocking(False)
    waiting = asyncio.create_task(stream.wait_clear(5))
    got = 0
    while got < written * 1024:
        got += len(await asyncio.get_running_loop().sock_recv(theirs, 65536))
    assert await waiting
    theirs.close()
    while not ends:
        stream.write(b"x")
        await asyncio.sleep(0.001)
    assert not stream.write(b"x")
    assert not stream.clear
    assert len(ends) == 1


@scenario
async def test_a_write_into_a_broken_connection_has_not_left() -> None:
    ours, theirs = socket.socketpair()
    stream = Stream(lambda _: None, lambda _: None)
    await asyncio.get_running_loop().create_connection(lambda: stream, sock=ours)
    theirs.close()
    # The loop has not yet seen the end; the kernel refuses the first byte.
    assert not stream.write(b"x")
