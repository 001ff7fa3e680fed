"""A process of the burst test: `burst_process.py send FOLDER` takes signals in, batch by batch, from the first again
after a kill; `burst_process.py work FOLDER` is a worker."""

from __future__ import annotations

import random
import sys
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from throughline.kernel import clock, rooms, worker
from throughline.kernel.db import database
from throughline.line import service
from throughline.line.signals import Signal

BATCH = 1_000
MANY = 40


def signals_of(number: int, base: datetime, many: int) -> list[Signal]:
    """The signals of a line by its number: heartbeats, receipts, and for some a stop that the carrier confirms."""
    chance = random.Random(number)
    made = []
    for place in range(many):
        at = base + timedelta(minutes=place * 30 + chance.randint(0, 29))
        if place >= many - 3 and number % 5 == 0:
            flags = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}
            made.append(Signal(at, "camara.subscription-status", "carrier", None, flags))
        elif place % 4 == 0:
            made.append(Signal(at, "sms.receipt", "cn.gateway", "DELIVRD", {"nr": place}))
        else:
            made.append(Signal(at, "app.heartbeat", "app", None, {"transport": "cellular", "nr": place}))
    return made


def send(folder: Path) -> None:
    watched = [UUID(one) for one in (folder / "lines").read_text().split()]
    base = datetime.fromisoformat((folder / "base").read_text())
    pairs = [
        (line_id, signal)
        for number, line_id in enumerate(watched)
        for signal in signals_of(number, base, MANY)
    ]
    random.Random(9).shuffle(pairs)
    for first in range(0, len(pairs), BATCH):
        batch = pairs[first : first + BATCH]
        database().run(lambda session, batch=batch: service.take_in(session, batch, now=clock.now()))


if __name__ == "__main__":
    rooms.load_all()
    if sys.argv[1] == "send":
        send(Path(sys.argv[2]))
    else:
        worker.run(["default", "system", "outbox"], concurrency=4)
