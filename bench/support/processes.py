"""What a process and all that it started have used, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """CPU of a tree of processes in seconds, and the largest resident memory of one of them in MB."""

    cpu_s: float
    peak_mb: float


def used(root: int) -> Used:
    """What the process and its descendants have used until now, those that have ended included."""
    children: dict[int, list[int]] = {}
    stats: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name of a process may hold spaces: what counts comes after its bracket.
            stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
    for pid, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(pid)
    ticks, peak, todo = 0, 0.0, [root]
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        if pid in stats:
            ticks += sum(int(one) for one in stats[pid][11:15])  # own time and that of ended children
            peak = max(peak, _peak_mb(pid))
    return Used(ticks / _TICKS, peak)


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0)
