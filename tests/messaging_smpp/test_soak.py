"""Faults by chance for a long time: whatever the SMSC does, what is said of each message is true.

SOAK_SMPP_ROUNDS says how many faults (40 unless set), SOAK_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
from collections import Counter
from pathlib import Path

import pytest

from messaging_smpp.node_smsc import NodeSmsc, running
from messaging_smpp.recorder import Recorder, session
from throughline.messaging.channels.smpp import Outgoing, SmppSession
from throughline.messaging.ports import Verdict

log = logging.getLogger(__name__)
ROUNDS = int(os.environ.get("SOAK_SMPP_ROUNDS", "40"))
ROUND_LIMIT_S = 30
WELL = {
    "submit": 0,
    "times": -1,
    "silent": False,
    "lose": False,
    "late_ms": 0,
    "receipts": 1,
    "early": False,
    "bind": 0,
}


async def fault(smsc: NodeSmsc, chance: random.Random) -> None:
    """One thing that goes wrong, for a moment."""
    what = chance.choice(["kill", "freeze", "silent", "lose", "late", "throttle", "refuse", "none", "early"])
    if what == "kill":
        await smsc.kill_links()
    elif what == "freeze":
        smsc.freeze()
        await asyncio.sleep(chance.random() * 2)
        smsc.thaw()
    elif what == "refuse":
        await smsc.set(bind=0x08)
        await smsc.kill_links()
    else:
        modes: dict[str, dict[str, object]] = {
            "silent": {"silent": True}, "lose": {"lose": True}, "late": {"late_ms": 700},
            "throttle": {"submit": 0x58, "times": 20}, "none": {}, "early": {"early": True, "receipts": 2},
        }  # fmt: skip
        await smsc.set(**modes[what])
    await asyncio.sleep(chance.random())
    await smsc.set(**WELL)


@pytest.mark.soak
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("bind", ["transceiver", "pair"])
def test_faults_by_chance(node: str, certificate: Path, bind: str, sealed: bool) -> None:
    asyncio.run(_faults(node, certificate if sealed else None, bind))


async def _faults(node: str, certificate: Path | None, bind: str) -> None:
    seed = os.environ.get("SOAK_SEED") or secrets.token_hex(4)
    log.info("seed %s", seed)
    chance, sink, said = random.Random(seed), Recorder(), dict[str, Verdict]()
    settings: dict[str, object] = {"bind": bind, "window": 8, "submit_timeout_s": 0.5, "late_answer_s": 3}
    if certificate:
        settings |= {"tls": True, "tls_ca_file": certificate, "tls_server_name": "smsc.test"}
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))

    async def keep_sending(made: SmppSession, name: int, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            number += 1
            outgoing = Outgoing(f"{name}-{number}", "8613800000000", f"token {name} {number}")
            verdict = (await made.submit(outgoing)).verdict
            said[outgoing.text] = verdict
            if verdict is not Verdict.ACCEPTED:
                await asyncio.sleep(0.02)

    arguments = [str(certificate)] if certificate else []
    async with running(node, *arguments) as smsc, session(sink, smsc.port, **settings) as made:
        await smsc.set(**WELL)
        over = asyncio.Event()
        sending = [asyncio.create_task(keep_sending(made, name, over)) for name in range(12)]
        for _ in range(ROUNDS):
            async with asyncio.timeout(ROUND_LIMIT_S):
                await fault(smsc, chance)
                assert await made.wait_bound(ROUND_LIMIT_S)
        over.set()
        await asyncio.gather(*sending)
        arrived = Counter(one["text"] for one in (await smsc.report())["texts"])
    by_verdict = {verdict: {text for text, each in said.items() if each is verdict} for verdict in Verdict}
    assert set(arrived.values()) <= {1}
    assert by_verdict[Verdict.ACCEPTED] <= set(arrived)
    assert set(arrived) <= by_verdict[Verdict.ACCEPTED] | by_verdict[Verdict.UNKNOWN]
    assert not by_verdict[Verdict.REJECTED_FINAL]
    assert len(by_verdict[Verdict.ACCEPTED]) > ROUNDS
    assert {late.client_ref for late in sink.lates} <= {
        text.removeprefix("token ").replace(" ", "-") for text in by_verdict[Verdict.UNKNOWN]
    }
    assert not failures
    log.info("%s, %s late answers, %s events", Counter(said.values()), len(sink.lates), len(sink.links))
