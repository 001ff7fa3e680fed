"""A worker of the product with one more task, which takes its time and leaves a mark at both ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from throughline.kernel import jobs, worker
from throughline.kernel.settings import settings


@jobs.task("test.slow", queue="slow")
def slow(*, name: str, seconds: float) -> None:
    mark("started", name)
    time.sleep(seconds)
    mark("ended", name)


def mark(what: str, name: str) -> None:
    with (Path(settings().home) / "marks").open("a") as marks:
        marks.write(f"{what} {name}\n")


if __name__ == "__main__":
    worker.run(sys.argv[1].split(","), concurrency=2)
