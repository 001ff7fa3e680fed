"""How many messages a second one SMPP session hands over with their receipts, beside bare frames in the same run.

    python bench/smpp_session.py [--messages 10000] [--windows 4,10,50]

The other side is npm's `smpp` server as in the tests; each message gets an answer and a receipt, and counts when the
receipt is with the sink. Ceiling: frames of the same sizes with the same window between two bare asyncio protocols,
nothing encoded, decoded or waited for. What arrived is counted at the server. Both sides share the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path

from support import frames

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from messaging_smpp import node_smsc
from messaging_smpp.recorder import Recorder, route
from throughline.messaging.channels.smpp import Outgoing, SmppSession
from throughline.messaging.ports import Verdict

# Of the PDUs of this run: a text of 20 letters, an id of 10 digits, a receipt with its parameters.
SIZES = frames.Sizes(submit=66, answer=27, receipt=168, ack=17)
LIMIT_S = 600


async def session_run(count: int, window: int) -> dict[str, object]:
    """One run against the server."""
    sink = Recorder()
    async with asyncio.timeout(LIMIT_S), node_smsc.running(node_smsc.node()) as smsc:
        await smsc.set(receipts=1)
        made = SmppSession(
            route(smsc.port, window=window, slot_wait_s=60, submit_timeout_s=30, inbound_limit=10_000), sink
        )
        made.open()
        assert await made.wait_bound(10)
        left = iter(range(count))
        latencies: list[float] = []

        async def sender() -> None:
            for n in left:
                result = await made.submit(Outgoing(f"{n}", "8613800000000", f"token {n:014d}"))
                assert result.verdict is Verdict.ACCEPTED, result
                latencies.append(result.parts[0].latency_s)

        begun_s, cpu_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(sender() for _ in range(window)))
        await sink.until(lambda: len(sink.receipts) == count, within_s=LIMIT_S)
        took_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
        arrived = [one["text"] for one in (await smsc.report())["texts"]]
        assert len(arrived) == len(set(arrived)) == count
        await made.close(5)
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "messages_per_s": round(count / took_s),
        "answer_p50_ms": round(cuts[49] * 1000, 2),
        "answer_p99_ms": round(cuts[98] * 1000, 2),
        "our_cpu_us_per_message": round(cpu_s / count * 1e6),
    }


def main() -> None:
    """Print one line for each window."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--windows", default="4,10,50")
    options = parser.parse_args()
    missing = node_smsc.missing()
    if missing:
        sys.stderr.write(f"!!! SKIPPED: {missing}\n")
        return
    for window in map(int, options.windows.split(",")):
        figures = asyncio.run(session_run(options.messages, window))
        bare_s = asyncio.run(frames.measured(SIZES, options.messages, window))
        figures |= {
            "ceiling_per_s": round(options.messages / bare_s),
            "messages": options.messages,
            "load_average": [round(one, 1) for one in os.getloadavg()],
        }
        print(json.dumps({"window": window} | figures))


if __name__ == "__main__":
    main()
