"""`python -m throughline.lab.drills NAME`: play a drill in the running sandbox and write its report."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from throughline.kernel.i18n import pick
from throughline.kernel.settings import settings
from throughline.lab.drills import report
from throughline.lab.drills.play import MEANT, play
from throughline.lab.story.client import StoryError

FAILED = 1


def main() -> int:
    """Exit status 0: within the tolerances; 1: not, or it could not be played."""
    parser = argparse.ArgumentParser(prog="throughline drill", description="Rehearse a failure.")
    parser.add_argument("drill", choices=sorted(MEANT))
    parser.add_argument("--url", default=str(settings().base_url))
    parser.add_argument("--loans", type=int, default=2, choices=range(1, 21), metavar="1-20")
    parser.add_argument("--tolerances", type=Path)
    parser.add_argument("--to", type=Path, default=settings().home / "drills")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        limits = report.tolerances(given.tolerances.read_text(encoding="utf-8") if given.tolerances else None)
        found = play(given.drill, given.url, settings().home, given.loans, _say)
    except (StoryError, report.TolerancesWrong) as error:
        _say(f"✗ {error}")
        return FAILED
    except KeyboardInterrupt:
        _say("stopped; the failure is taken back")
        return FAILED
    document = report.judged(found, limits.get(given.drill, {}))
    for row in document["measures"]:
        mark = {True: "✓", False: "✗", None: " "}[row["kept"]]
        value = "–" if row["value"] is None else row["value"]
        _say(
            f"{mark} {pick(row['name'], 'en'):<52}{value!s:>10}  {row['tolerance'] if row['tolerance'] is not None else ''}"
        )
    _say(f"report: {report.write(given.to, document)}")
    return 0 if document["kept"] else FAILED


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
