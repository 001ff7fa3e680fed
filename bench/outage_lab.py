"""How long the Outage Lab takes, and what it holds in memory.

    python bench/outage_lab.py [--borrowers 20000] [--months 6] [--seed 1]

The command as a person runs it, beside two ceilings of the same run in this process: making the lives and their
evidence alone, and one plain pass over the evidence as arrays (sorting it by receipt). On a machine shared with other
work the seconds of the processor say more than those of the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from throughline.lab.outage.population.habits import World
from throughline.lab.outage.population.lives import CELL, lives_of


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--borrowers", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    before = os.times()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "throughline", "lab", "run", "--out", folder]
        for name in ("borrowers", "months", "seed"):
            command += [f"--{name}", str(getattr(asked, name))]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = [0]
        watch = threading.Thread(target=_watch, args=(running, most), daemon=True)
        watch.start()
        if running.wait():
            raise SystemExit(f"lab run ended with {running.returncode}")
        watch.join()
        size = sum(one.stat().st_size for one in Path(folder).iterdir())
    took = time.perf_counter() - begun
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    making, passing, events = _ceilings(asked.borrowers, asked.months, asked.seed)
    print(f"{asked.borrowers} borrowers, {asked.months} months, seed {asked.seed}: {events} observations")
    print(f"lab run: {took:.1f} s, processor {used:.1f} s, {most[0] / 1024:.0f} MB in all processes together")
    print(
        f"  100,000 borrowers at this pace of the processor on 2 cores: {used / asked.borrowers * 1e5 / 2:.0f} s"
    )
    print(f"ceiling, the lives and their evidence alone (one process): processor {making:.1f} s")
    print(f"ceiling, one sort of the evidence as arrays (one process): processor {passing:.1f} s")
    print(f"report and document: {size / 1024:.0f} KB")


def _ceilings(borrowers: int, months: int, seed: int) -> tuple[float, float, int]:
    """Processor seconds of making everything that is judged, and of one pass over it."""
    making = passing = 0.0
    events = 0
    for cell in range(-(-borrowers // CELL)):
        begun = _processor()
        heard = lives_of(seed, cell, min(CELL, borrowers - cell * CELL), months, World()).heard
        making += _processor() - begun
        begun = _processor()
        np.lexsort((heard.said, heard.observed_s, heard.received_s, heard.who))
        passing += _processor() - begun
        events += len(heard.who)
    return making, passing, events


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _watch(running: subprocess.Popen[bytes], most: list[int]) -> None:
    """The most that the processes hold together, in KB; what they share is counted once for each."""
    while running.poll() is None:
        most[0] = max(most[0], sum(map(_held, _family(running.pid))))
        time.sleep(0.2)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            text = Path(f"/proc/{one}/task/{one}/children").read_text()
        except OSError:
            continue
        found += map(int, text.split())
    return found


def _held(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    main()
