"""Memory and processor time of processes, read from /proc while they run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

LOOK_S = 5
TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Usage:
    """What the worker processes and the database server use. Memory in MB, processor time in seconds."""

    home: Path
    workers: list[int]
    postgres_mb: int = 0  # peak of all processes together; shared pages count once
    backend_mb: int = 0  # peak of the largest process without shared pages
    _next_look: float = 0.0
    _before: tuple[float, float] = field(default=(0.0, 0.0))

    def start(self) -> None:
        """Count processor time from now on."""
        self._before = self._cpu_s()

    def look(self) -> None:
        """Take the server's memory into its peak, at most every few seconds: the kernel counts pages for it."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_S
        sizes = [_rollup(pid) for pid in self._server()]
        self.postgres_mb = max(self.postgres_mb, sum(shared for shared, _ in sizes) // 1024)
        self.backend_mb = max(self.backend_mb, max((own for _, own in sizes), default=0) // 1024)

    def report(self) -> dict[str, object]:
        """The figures so far, while the processes still live."""
        now = self._cpu_s()
        return {
            "worker_peak_mb": [_peak_mb(pid) for pid in self.workers],
            "postgres_peak_mb": self.postgres_mb,
            "postgres_largest_process_mb": self.backend_mb,
            "workers_cpu_s": round(now[0] - self._before[0], 1),
            "postgres_cpu_s": round(now[1] - self._before[1], 1),
            "load_average": [round(one, 1) for one in os.getloadavg()],
        }

    def _cpu_s(self) -> tuple[float, float]:
        """Of the workers and of the server. Ended children of the server count by their parent's account."""
        workers = sum(sum(_times(pid)[:2]) for pid in self.workers)
        server = self._server()
        return workers, sum(sum(_times(pid)[:2]) for pid in server) + sum(_times(server[0])[2:])

    def _server(self) -> list[int]:
        """The postmaster and its children."""
        note = next(self.home.rglob("postmaster.pid"))
        first = int(note.read_text(encoding="utf-8").split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii")
        return [first, *map(int, children.split())]


def _times(pid: int) -> tuple[float, float, float, float]:
    """User, system, and those of ended children; nothing for a process that is gone."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0, 0.0, 0.0, 0.0
    user, system, child_user, child_system = (int(one) / TICKS_S for one in parts[11:15])
    return user, system, child_user, child_system


def _rollup(pid: int) -> tuple[int, int]:
    """Proportional and private memory in kB; nothing for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return 0, 0
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def _peak_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))
