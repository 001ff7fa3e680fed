"""How the tests are spread over several workers: what stays together, and what begins first."""

from __future__ import annotations

import os

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

# The files of these folders run one after another on one worker, so that they can share a platform; not those
# that have one of their own.
TOGETHER = ("tests/system",)
APART = ("tests/system/test_story_killed.py", "tests/system/test_outage_cases.py")
# What takes longest, longest first (`pytest --durations=0` tells): a long file that begins last holds up the end.
LONGEST = (
    "tests/system/test_outage_cases.py",
    "tests/system/test_story_killed.py",
    "tests/system",
    "tests/line/test_carrier_faults.py",
    "tests/cli/test_up.py",
    "tests/web/test_openapi.py",
    "tests/book/test_commands.py",
    "tests/lab_carrier/test_contract.py",
    "tests/lending/test_nightly.py",
    "tests/line/test_privacy.py",
    "tests/kernel_ops/test_supervisor.py",
    "tests/cli/test_commands.py",
    "tests/line/test_fit.py",
)


def group_of(nodeid: str) -> str:
    """The file of a test, or the folder that stays together."""
    file = nodeid.split("::", 1)[0]
    if file in APART:
        return file
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def workers() -> int:
    """One more than there are cores, for much of a test is waiting; not so many that memory runs short."""
    return min(os.cpu_count() or 1, 7) + 1


class LongestFirst(LoadFileScheduling):
    """File by file to whoever is free, those of `LONGEST` before all others."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=_rank), last=False)
        super()._assign_work_unit(node)


def _rank(group: str) -> int:
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)
