"""How fast `throughline lending schedules` makes schedules of 12 installments on one core.

    python bench/schedules.py [--loans 200000]

The command runs as a user runs it, start included, pinned to one core. Beside it, on the same core in the
same run: `copy_s` writes as many bytes as the command did, nothing computed; `plain_loans_per_s` is
`build_schedule` loan by loan, nothing read or written. `checked` loans of the answer are compared with
it. Target: 25,000 loans/s, memory under 1 GB.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path

from support import loans as table
from throughline.kernel.money import from_minor
from throughline.lending.bulk.columns import document
from throughline.lending.reading_json import Node
from throughline.lending.schedule import Schedule, build_schedule
from throughline.lending.terms_json import read_terms

BLOCK = 32 * 1024 * 1024


def commanded(source: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of the command as a process of its own."""
    command = [sys.executable, "-m", "throughline", "lending", "schedules", str(source), "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    spent_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the command ended with {process.returncode}")
    return spent_s, used.ru_maxrss / 1024


def copied(source: Path, out: Path) -> float:
    """Seconds to write the bytes of a file that the cache already holds."""
    started = time.perf_counter()
    with source.open("rb") as reading, out.open("wb") as writing:
        while block := reading.read(BLOCK):
            writing.write(block)
    return time.perf_counter() - started


def planned(row: dict[str, str]) -> Schedule:
    """The schedule of one row, by the function that all loans share."""
    cells = {name: text for name, text in row.items() if name not in {"loan_id", "currency"}}
    return build_schedule(read_terms(Node("$", document(cells.items())), row["currency"]), ())


def checked(rows: list[dict[str, str]], out: Path, chosen: set[str]) -> int:
    """How many chosen loans stand in the answer as `build_schedule` has them; raises for a difference."""
    wanted = {row["loan_id"]: row for row in rows if row["loan_id"] in chosen}
    same = 0
    with out.open(newline="") as file:
        for loan, found in groupby(csv.DictReader(file), key=lambda row: row["loan_id"]):
            if loan not in wanted:
                continue
            made = [
                (row["due_date"], row["principal"], row["interest"], row["balance"], row["due"])
                for row in found
            ]
            expected = [
                (
                    str(one.due_date),
                    *(
                        from_minor(amount, "CNY")
                        for amount in (
                            one.principal_minor,
                            one.interest_minor,
                            one.balance_minor,
                            one.principal_minor + one.interest_minor,
                        )
                    ),
                )
                for one in planned(wanted[loan]).installments
            ]
            if made != expected:
                raise RuntimeError(f"loan {loan} differs")
            same += 1
    return same


def main() -> None:
    """Run and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=200_000)
    parser.add_argument("--parquet", action="store_true", help="write Parquet; nothing is compared then")
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})  # processes that we start inherit it
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "loans.csv"
        out = Path(folder) / ("out.parquet" if options.parquet else "out.csv")
        table.write(source, options.loans)
        spent_s, memory_mb = commanded(source, out)
        copy_s = copied(out, Path(folder) / "copy")
        with source.open(newline="") as file:
            rows = list(csv.DictReader(file))
        few = random.Random(1).sample(rows, min(len(rows), 2_000))
        started = time.perf_counter()
        for row in few:
            planned(row)
        plain_s = time.perf_counter() - started
        result = {
            "loans": options.loans,
            "cores": 1,
            "command_s": round(spent_s, 2),
            "loans_per_s": round(options.loans / spent_s),
            "peak_memory_mb": round(memory_mb),
            "bytes_written": out.stat().st_size,
            "copy_s": round(copy_s, 2),
            "plain_loans_per_s": round(len(few) / plain_s),
        }
        if not options.parquet:
            result["checked"] = checked(rows, out, {row["loan_id"] for row in few})
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
