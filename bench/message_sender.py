"""How many messages a second go out over an SMPP route with their receipts booked, and how soon the next route carries
them when a link is cut; beside the session alone in the same run.

    python bench/message_sender.py [--messages 2000] [--trials 40]

The embedded PostgreSQL, one sender in this process, npm's `smpp` server as in the tests. Messages are asked for before
the clock starts ("planning" is measured by itself); a message counts when its receipt is booked. Ceiling of the first
figure: the SMPP session alone, nothing stored. A trial of the second: traffic of 50 messages a second over the first of
two bound routes, whose link the server cuts and refuses; the time until the second server has the first new text, by
the servers' clocks. Its ceiling: the time of one empty round of the sender.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from support.installation import fresh

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from messaging.people import Borrower, register, wish
from messaging_smpp import node_smsc
from messaging_smpp.node_smsc import NodeSmsc, running
from messaging_smpp.recorder import Recorder, route
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.settings import forget
from throughline.messaging import service
from throughline.messaging.channels.smpp import Outgoing, SmppSession
from throughline.messaging.sender.loop import Sender

WITHIN_S = 600
RATE_PER_S = 50


def set_up(*rows: tuple[str, NodeSmsc, int]) -> None:
    """Routes over these SMSCs, in this order."""
    file = Path(os.environ["THROUGHLINE_HOME"]) / f"routes-{time.monotonic_ns()}.json"
    made = [
        {
            "name": name, "channel": "sms", "adapter": "smpp", "priority": number, "window": window,
            "options": {"host": "127.0.0.1", "port": smsc.port, "system_id": "bench", "password": "secret",
                        "tls": False, "submit_timeout_s": 5},
        }
        for number, (name, smsc, window) in enumerate(rows, 1)
    ]  # fmt: skip
    file.write_text(json.dumps({"routes": made}), encoding="utf-8")
    os.environ["THROUGHLINE_MESSAGING_ROUTES_FILE"] = str(file)
    forget()


def ask(where: Database, people: list[Borrower], count: int) -> float:
    """Ask for messages, one transaction each; how many a second."""
    began_s = time.perf_counter()
    for one in itertools.islice(itertools.cycle(people), count):
        where.run(
            lambda session, one=one: service.request(session, wish(one, klass="reminder"), now=clock.now())
        )
    return count / (time.perf_counter() - began_s)


@asynccontextmanager
async def sending(where: Database) -> AsyncIterator[Sender]:
    """A sender at work."""
    sender, stop = Sender(where), asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    try:
        yield sender
    finally:
        stop.set()
        await task


async def until_sql(where: Database, sql: str, wanted: int, *, pause_s: float = 0.1) -> None:
    def count() -> int:
        with where.transaction() as session:
            return int(session.execute(text(sql)).scalar_one())

    async with asyncio.timeout(WITHIN_S):
        while await asyncio.to_thread(count) < wanted:
            await asyncio.sleep(pause_s)


async def throughput(where: Database, count: int) -> dict[str, Any]:
    """Messages that wait, sent and receipted."""
    people = [register(where) for _ in range(200)]
    async with running(node_smsc.node()) as smsc:
        await smsc.set(receipts=1)
        set_up(("main", smsc, 50))
        planned_per_s = ask(where, people, count)
        cpu_s, began_s = time.process_time(), time.perf_counter()
        async with sending(where):
            await until_sql(where, "SELECT count(*) FROM msg_attempt WHERE state = 'delivered'", count)
            took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        texts = (await smsc.report())["texts"]
        assert len(texts) == count
    return {
        "planned_per_s": round(planned_per_s),
        "sent_and_receipted_per_s": round(count / took_s),
        "our_cpu_ms_per_message": round(cpu_s / count * 1000, 2),
    }


async def bare(count: int) -> int:
    """The session alone: messages a second with their receipts."""
    sink = Recorder()
    async with asyncio.timeout(WITHIN_S), running(node_smsc.node()) as smsc:
        await smsc.set(receipts=1)
        made = SmppSession(route(smsc.port, window=50, slot_wait_s=60, submit_timeout_s=30), sink)
        made.open()
        assert await made.wait_bound(10)
        began_s = time.perf_counter()
        left = iter(range(count))

        async def hand_over() -> None:
            for n in left:
                await made.submit(Outgoing(f"{n}", "8613800000000", f"token {n}"))

        await asyncio.gather(*(hand_over() for _ in range(50)))
        await sink.until(lambda: len(sink.receipts) == count, within_s=WITHIN_S)
        took_s = time.perf_counter() - began_s
        await made.close(5)
    return round(count / took_s)


async def failover(where: Database, trials: int) -> dict[str, Any]:
    """From the cut of the first link to the first new text at the second server, in milliseconds."""
    people = [register(where) for _ in range(50)]
    waits = []
    for _ in range(trials):
        with where.transaction() as session:
            session.execute(text("DELETE FROM msg_route"))
            session.execute(text("UPDATE msg_attempt SET superseded_at = now() WHERE state = 'prepared'"))
        async with running(node_smsc.node()) as first, running(node_smsc.node()) as second:
            set_up(("first", first, 10), ("second", second, 10))
            async with sending(where) as sender:
                while not all(one.adapter and one.adapter.up for one in sender.outlets.by_name.values()):
                    await asyncio.sleep(0.02)
                traffic = asyncio.create_task(asyncio.to_thread(_traffic, where, people, 2.0))
                await asyncio.sleep(0.7)
                await first.set(bind=0x0E)
                await first.kill_links()
                await traffic
            killed = (await first.report())["killed"]
            after = [one["at"] for one in (await second.report())["texts"] if one["at"] >= killed]
            waits.append(min(after) - killed)
    waits.sort()
    return {
        "trials": trials,
        "p50_ms": waits[len(waits) // 2],
        "p99_ms": waits[min(len(waits) - 1, int(len(waits) * 0.99))],
        "max_ms": waits[-1],
    }


def _traffic(where: Database, people: list[Borrower], seconds: float) -> None:
    ends_s, next_s = time.monotonic() + seconds, time.monotonic()
    for one in itertools.cycle(people):
        if time.monotonic() >= ends_s:
            return
        where.run(
            lambda session, one=one: service.request(session, wish(one, klass="reminder"), now=clock.now())
        )
        next_s += 1 / RATE_PER_S
        time.sleep(max(0.0, next_s - time.monotonic()))


async def empty_round(where: Database) -> float:
    """Milliseconds of a round that finds nothing, the median of 50."""
    sender, took = Sender(where), []
    for _ in range(50):
        began_s = time.perf_counter()
        await sender.round()
        took.append(time.perf_counter() - began_s)
    await sender.close()
    return round(statistics.median(took) * 1000, 1)


def main() -> None:
    """Print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--trials", type=int, default=40)
    options = parser.parse_args()
    missing = node_smsc.missing()
    if missing:
        sys.stderr.write(f"!!! SKIPPED: {missing}\n")
        return
    with fresh() as where:
        print(json.dumps({"ceiling_session_alone_per_s": asyncio.run(bare(options.messages))}))
        print(json.dumps(asyncio.run(throughput(where, options.messages))))
        print(json.dumps({"ceiling_empty_round_ms": asyncio.run(empty_round(where))}))
        print(json.dumps({"failover": asyncio.run(failover(where, options.trials))}))


if __name__ == "__main__":
    main()
