"""Keeping the embedded server alive while the platform runs: a server that died is started again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from throughline.kernel import postgres
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import Settings

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
PATIENCE_S = 60


@contextmanager
def watched(settings: Settings) -> Iterator[None]:
    """Watch the server from a thread while the body runs. It keeps its port: its clients know it."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_EVERY_S):
            if postgres.is_alive(settings):
                continue
            log.warning("the database died; it is started again")
            try:
                postgres.start(settings, patience_s=PATIENCE_S, may_move=False)
            except Exception:
                log.exception("the database could not be started again; the next look tries anew")
            else:
                log.info("the database is back")

    thread = threading.Thread(target=watch, name="postgres-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(PATIENCE_S + 15)
