"""`python -m throughline.web.status probe | export`: the process outside that looks and keeps the copy."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from throughline.continuity.status import tasks
from throughline.continuity.status.settings import load_settings
from throughline.continuity.status.sink import DirectorySink
from throughline.kernel.i18n import pick
from throughline.kernel.logging import configure
from throughline.kernel.settings import settings
from throughline.web.status.prober import CHANGE_S, Prober

FAILED = 1


def main() -> int:
    """Exit status 0: all works, or told to stop; 1: a task is down (`probe --once`), or the copy was not written."""
    given = _arguments()
    configure("probe")
    config = load_settings()
    base = given.url or str(config.probe_url or f"http://{settings().host}:{settings().port}")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = given.to if given.what == "export" else config.site_dir
    loop = given.every is not None
    prober = Prober(config, base, sink=DirectorySink(folder) if loop or given.what == "export" else None)
    try:
        if given.what == "export":
            return _export(prober, stop, given.every)
        if loop:
            prober.run(stop, interval_s=given.every)
            return 0
        return _once(prober, config.interval_s)
    finally:
        prober.close()


def _once(prober: Prober, interval_s: int) -> int:
    seen = prober.round(interval_s=interval_s)
    for one in seen:
        sys.stdout.write(
            f"{pick(tasks.name_of(one.component), 'en'):<24}{one.state:<10}{one.took_ms:>6} ms  {one.reason}\n"
        )
    return FAILED if any(one.state == tasks.DOWN for one in seen) else 0


def _export(prober: Prober, stop: threading.Event, every_s: int | None) -> int:
    done = prober.export(force=True)
    if every_s is None:
        return 0 if done else FAILED
    waited_s = 0.0
    while not stop.wait(min(CHANGE_S, every_s)):
        waited_s += min(CHANGE_S, every_s)
        prober.export(force=waited_s >= every_s)
        waited_s = 0.0 if waited_s >= every_s else waited_s
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="throughline", description="Look at the platform from outside.")
    what = parser.add_subparsers(dest="what", required=True)
    probe = what.add_parser("probe")
    export = what.add_parser("export")
    export.add_argument("--to", type=Path, required=True)
    for one in (probe, export):
        one.add_argument("--every", type=int)
        one.add_argument("--url")
    given = parser.parse_args()
    if given.every is not None and not 1 <= given.every <= 3_600:
        parser.error("--every is from 1 to 3600 seconds")
    return given


if __name__ == "__main__":
    sys.exit(main())
