"""How well the filter of lines and its planner do on made-up populations, and how fast `line replay` is.

    python bench/line_replay.py [--lines 4000] [--days 60] [--seeds 2] [--speed-lines 6000]

The populations come from `throughline.lab.lines`, which shares no code and no numbers with the filter. Three
kinds of feeds, each with rates as the generator has them and wrong by half both ways; beside each figure is a
filter that was given the generator's mean rates, as the ceiling. The speed is that of the command, from files,
beside reading the same files as JSON in this process.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from throughline.lab.lines.judge import Verdict, judge
from throughline.lab.lines.population import Feeds, Habits, Population, populate
from throughline.line.backtest.engine import Question
from throughline.line.backtest.reading import Shapes, read_events, read_oracle, read_roster
from throughline.line.backtest.replay import replay
from throughline.line.parameters import Params, params, read_params
from throughline.line.planner import Policy

KINDS = {
    "push, 11 queries": (Feeds(), 11),
    "vendor, 21 queries": (Feeds(push=None, status=False, vendor=True), 21),
    "status daily, 31 queries": (Feeds(push=None), 31),
}
FACTORS = (1.0, 1.5, 0.5)


def knowing(habits: Habits) -> Params:
    """The filter with the generator's mean rates in place of its own."""
    text = files("throughline.line").joinpath("params/2026-3.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    month = 720.0
    two_way = habits.two_way_h * 1.38  # mean of a log-normal with sigma 0.8
    true = {
        ("active", "out_suspended"): habits.arrears_stops / month,
        ("active", "suspended"): habits.other_stops / month,
        ("active_on", "cancelled_1"): habits.cancellations / month,
        ("active_off", "cancelled_1"): habits.cancellations / month * 1.001,
        ("active_on", "active_off"): habits.off_spells / month,
        ("out_suspended_on", "out_suspended_off"): habits.off_spells / month,
        ("active_off", "active_on"): 1 / (habits.off_h * 1.28),
        ("out_suspended_off", "out_suspended_on"): 1 / (habits.off_h * 1.28),
        ("out_suspended", "suspended"): (1 - habits.one_way_paid) / habits.one_way_h,
        ("out_suspended", "active"): habits.one_way_paid / habits.one_way_h,
        ("suspended", "active_on"): (1 - habits.never_paid) / two_way,
    }
    for row in document["rates"]:
        pair = (row["from"], row["to"])
        stem = (
            row["from"].removesuffix("_on").removesuffix("_off"),
            row["to"].removesuffix("_on").removesuffix("_off"),
        )
        row["rate"] = true.get(pair, true.get(stem, row["rate"]))
    return read_params(document)


def wrong(number: int, member: str, expected: str) -> None:
    """The generator writes no wrong rows."""
    raise SystemExit(f"row {number}: {member}: {expected}")


def judged(made: Population, budget: int, by: Params, every_s: float | None) -> Verdict:
    """Replay a population in this process."""
    roster = read_roster(_lines(made.roster), wrong)
    shapes = Shapes()
    until = made.until.timestamp()
    seen = read_events(_lines(made.events), roster, shapes, until, wrong)
    oracle = read_oracle(_lines(made.oracle), roster, shapes, wrong)
    question = Question(until, Policy(budget), every_s, by)
    return judge(made, map(json.loads, replay(roster, seen, shapes, oracle, question)))


def show(name: str, one: Verdict) -> None:
    """A line of the table."""

    def text(value: float | None, digits: int = 3) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    print(
        f"{name:44} {text(one.precision):>6} {text(one.recall_6h):>6} {text(one.recall_24h):>6} "
        f"{text(one.latency_p50_h, 1):>6} {text(one.latency_p90_h, 1):>6} {text(one.recovery_p50_h, 1):>5} "
        f"{text(one.recovery_p95_h, 1):>5} {one.queries_a_line_month:>5.1f} {one.most_in_30_days:>3} "
        f"{text(one.calibration_error, 4):>7} {text(one.brier, 5):>8} {text(one.honest_flagged, 4):>7} "
        f"{text(one.evaders_caught, 2):>5} {one.alarms:>5} {one.outages:>5}",
        flush=True,
    )


def table(lines: int, days: int, seeds: int) -> None:
    """Precision, recall and the rest for each kind of feeds and each error of the rates."""
    print(
        f"{'':44} {'prec.':>6} {'rec6h':>6} {'rec24':>6} {'p50 h':>6} {'p90 h':>6} {'back':>5} {'p95':>5} "
        f"{'q/mon':>5} {'max':>3} {'calib.':>7} {'brier':>8} {'honest':>7} {'fakes':>5} {'alarm':>5} {'outag':>5}"
    )
    for name, (feeds, budget) in KINDS.items():
        for factor in FACTORS:
            habits = Habits().wrong_by(factor)
            for seed in range(1, seeds + 1):
                made = populate(lines, days, seed, habits=habits, feeds=feeds)
                label = f"{name}, rates x {factor}, seed {seed}"
                show(label, judged(made, budget, params(), 21_600.0))
                show("   ceiling: true mean rates known", judged(made, budget, knowing(habits), None))


def speed(lines: int, days: int) -> None:
    """The command on files, beside reading them."""
    made = populate(lines, days, 99)
    with tempfile.TemporaryDirectory() as folder:
        names = {name: Path(folder) / f"{name}.jsonl" for name in ("roster", "events", "oracle")}
        for name, path in names.items():
            path.write_bytes(_lines(getattr(made, name)).getvalue())
        begun = time.perf_counter()
        for path in names.values():
            with path.open("rb") as stream:
                for text in stream:
                    json.loads(text)
        ceiling = time.perf_counter() - begun
        count = len(made.events)
        until = made.until.isoformat()
        del made
        command = [sys.executable, "-m", "throughline", "line", "replay", "--json", "--until", until,
                   "--query-budget", "11", *(f"--{name}={path}" for name, path in names.items())]  # fmt: skip
        begun = time.perf_counter()
        with (Path(folder) / "out").open("wb") as out:
            running = subprocess.Popen(command, stdout=out)
            most = 0
            while running.poll() is None:
                most = max(most, _held(running.pid))
                time.sleep(0.1)
        if running.returncode:
            raise SystemExit(f"line replay ended with {running.returncode}")
        took = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"line replay: {lines} lines, {count} events in {took:.1f} s: {count / took:,.0f} events/s (target 100,000)"
    )
    print(
        f"  CPU {used.ru_utime + used.ru_stime:.1f} s, largest memory of all its processes {most / 1e6:.0f} MB"
    )
    print(f"  ceiling: reading the same files with json.loads and no more: {count / ceiling:,.0f} events/s")


def _held(process: int) -> int:
    """Bytes that a process and its children hold, what they share counted once. (The largest memory that the
    system tells of a child includes that of its parent before the child began.)"""
    held = 0
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                held += int(line.split()[1]) * 1024
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except OSError:  # it has just ended
        return held
    return held + sum(_held(int(child)) for child in children)


def _lines(rows: Iterable[Any]) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def main() -> None:
    """Run what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--lines", type=int, default=4_000)
    asked.add_argument("--days", type=int, default=60)
    asked.add_argument("--seeds", type=int, default=2)
    asked.add_argument("--speed-lines", type=int, default=6_000)
    options = asked.parse_args()
    if options.speed_lines:
        speed(options.speed_lines, options.days)
    if options.lines:
        table(options.lines, options.days, options.seeds)


if __name__ == "__main__":
    main()
