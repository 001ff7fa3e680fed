"""`python -m throughline.lab.outage`: the lab's own program; `throughline lab run` checks what it is given and starts it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from throughline.contracts.outage import OutagePolicy, parse_policy
from throughline.lab.outage.document import document, text_of
from throughline.lab.outage.population.people import due_date
from throughline.lab.outage.report import labels, page_of, table
from throughline.lab.outage.run import Plan
from throughline.lab.outage.run import run as play

NAMES = ("ours", "ours_2")


def main() -> None:
    """Play the lab and write what came of it."""
    words = argparse.ArgumentParser(prog="throughline lab run")
    words.add_argument("--borrowers", type=int, required=True)
    words.add_argument("--months", type=int, required=True)
    words.add_argument("--seed", type=int, required=True)
    words.add_argument("--policy", nargs=2, action="append", required=True, metavar=("NAME", "FILE"))
    words.add_argument("--out", type=Path)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    read = [(file, _read(path)) for file, path in given.policy]
    for file, one in read:
        _asleep(file, one, given.months)
    plan = Plan(
        given.borrowers,
        given.months,
        given.seed,
        tuple((name, one) for name, (_, one) in zip(NAMES, read, strict=False)),
    )
    files = {name: Path(file).name for name, (file, _) in zip(NAMES, read, strict=False)}
    found = document(plan, play(plan), files)
    text = text_of(found)
    if given.out is not None:
        (given.out / "result.json").write_text(text, encoding="utf-8")
        (given.out / "report.html").write_text(page_of(found), encoding="utf-8")
        sys.stderr.write(f"{given.out / 'report.html'}, {given.out / 'result.json'}\n")
    if given.json:
        sys.stdout.write(text)
    else:
        _show(found)


def _read(path: str) -> OutagePolicy:
    return parse_policy(yaml.safe_load(Path(path).read_text(encoding="utf-8")))


def _asleep(file: str, policy: OutagePolicy, months: int) -> None:
    """Warn of rows that are not in force on any of the lab's days."""
    first, last = due_date(0), due_date(30 * months - 1)
    for row in policy.rows:
        if row.valid_from > last or (row.valid_until is not None and row.valid_until < first):
            sys.stderr.write(
                f"{file}: {row.id}: from, to: not in force on the days of the lab, {first} to {last}\n"
            )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _show(found: dict[str, Any]) -> None:
    """The table, in English as all commands are."""
    arms = labels(found, str)
    _say("  ".join([f"{'':66}", *(f"{label:>24}" for _, label in arms), f"{'difference':>20}"]))
    for row in table(found, str):
        cells = [f"{cell['value']:>24}" for cell in row["cells"][:-1]]
        _say("  ".join([f"{row['label']:66}", *cells, f"{row['cells'][-1]['value']:>20}"]).rstrip())
    for key, one in found["targets"].items():
        word = {True: "holds", False: "FALLS SHORT", None: "nothing to judge"}[one["met"]]
        _say(f"{key}: {one['value']} ({one['low']} to {one['high']}), {word}")


if __name__ == "__main__":
    main()
