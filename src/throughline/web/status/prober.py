"""The prober: looks, hands over what it saw, and keeps the public copy fresh, also while the platform is down.

It is a process of its own that needs neither the database nor the platform; it may run on another machine.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from throughline.continuity.status import overlay
from throughline.continuity.status.intake import Observation
from throughline.continuity.status.settings import StatusSettings
from throughline.continuity.status.sink import StatusSink
from throughline.kernel import clock
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.web.status import looking, render
from throughline.web.status.spool import Spool

log = get_logger(__name__)

BATCH = 500
MOST_SINCE = 50_000
FRESH_S = 60  # an older document comes out of the memory of a platform that has lost its database
CHANGE_S = 10  # between two looks whether the page has changed
START_S = 90  # a prober that starts together with the platform gives it so long to be there


class Prober:
    """One prober with its spool, its key and, if it exports, its sink."""

    def __init__(self, config: StatusSettings, base_url: str, *, sink: StatusSink | None) -> None:
        self._config = config
        self._base = base_url.rstrip("/")
        self._sink = sink
        self._spool = Spool(config.spool_file)
        self._document: dict[str, Any] | None = _read(_last(config))
        self._since = self._spool.all()[-MOST_SINCE:]  # seen since the platform told us the document
        self._digest = ""
        self._http = httpx.Client(timeout=config.probe_timeout_s, trust_env=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def round(self, *, interval_s: int) -> list[Observation]:
        """Look once, hand over, export; returns what was seen."""
        seen = looking.look(
            self._base,
            looking.parts(),
            timeout_s=self._config.probe_timeout_s,
            slow_ms=self._config.slow_ms,
            interval_s=interval_s,
            at=clock.now(),
        )
        self._spool.add(seen)
        self._since = (self._since + seen)[-MOST_SINCE:]
        self.deliver()
        self.export(force=True)
        return seen

    def deliver(self) -> bool:
        """Hand over what waits; True when nothing waits any more."""
        waiting = self._spool.all()
        key = _key(self._config)
        if key is None:
            log.warning("probes wait: there is no key to hand them over with")
            return False
        while waiting:
            some = waiting[:BATCH]
            if not self._post(some, key):
                break
            waiting = waiting[len(some) :]
        self._spool.keep(waiting)
        return not waiting

    def export(self, *, force: bool) -> bool:
        """Bring the copy up to date; without `force` only if something has changed. Returns whether it was written."""
        document = self._current()
        digest = digest_of(document)
        if self._sink is None or (not force and digest == self._digest):
            return False
        try:
            self._sink.put(render.copy_of(document))
        except OSError:
            log.exception("the public copy could not be written")
            return False
        self._digest = digest
        return True

    def run(self, stop: threading.Event, *, interval_s: int) -> None:
        """Look every `interval_s` seconds until told to stop."""
        self._await_platform(stop)
        next_round = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if now >= next_round:
                next_round = max(next_round + interval_s, now)
                self._safely(interval_s)
            else:
                self.export(force=False)
            stop.wait(max(0.1, min(CHANGE_S, next_round - time.monotonic())))

    def _safely(self, interval_s: int) -> None:
        try:
            self.round(interval_s=interval_s)
        except Exception:
            # The one who watches must not fall with what it watches.
            log.exception("a round of probes failed")

    def _await_platform(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + START_S
        while not stop.is_set() and time.monotonic() < deadline:
            try:
                if self._http.get(f"{self._base}/readyz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            stop.wait(1)

    def _post(self, some: list[Observation], key: str) -> bool:
        body = {
            "source": self._config.probe_source,
            "observations": [
                {
                    "component": one.component,
                    "at": one.at.isoformat(),
                    "state": one.state,
                    "reason": one.reason,
                    "took_ms": one.took_ms,
                    "interval_s": one.interval_s,
                }
                for one in some
            ],
        }
        try:
            answer = self._http.post(
                f"{self._base}/api/v1/status/probes", json=body, headers={"Authorization": f"Bearer {key}"}
            )
        except httpx.HTTPError as error:
            log.warning("probes wait: the platform does not answer", error=type(error).__name__)
            return False
        if answer.status_code == 422:
            # It will never be taken: too old after a long cut, or of a component that no longer exists.
            log.error("probes were refused and are dropped", count=len(some))
            return True
        if not answer.is_success:
            log.warning("probes wait: the platform refused them", status=answer.status_code)
        return answer.is_success

    def _current(self) -> dict[str, Any]:
        """The platform's own document; while it gives none, the last one with what we saw since laid over it."""
        told = self._told()
        if told is not None:
            return told
        return overlay.lay_over(
            self._document or _empty(),
            self._since,
            failures=self._config.failures,
            now=clock.now(),
            made_at=clock.real_now(),
        )

    def _told(self) -> dict[str, Any] | None:
        try:
            answer = self._http.get(f"{self._base}/status.json")
            answer.raise_for_status()
            document = dict(answer.json())
            age = clock.real_now() - datetime.fromisoformat(document["made_at"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None
        if age.total_seconds() > FRESH_S:
            return None
        self._document, self._since = document, []
        draft = _last(self._config).with_suffix(".new")
        draft.write_bytes(answer.content)
        draft.replace(_last(self._config))
        return document


def digest_of(document: Mapping[str, Any]) -> str:
    """Says whether something has changed that a reader would want to know at once: states and incidents."""
    told = [document["state"], document["incidents"]]
    told += [[row["id"], row["state"], row["parts"]] for row in document["tasks"]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _empty() -> dict[str, Any]:
    config = settings()
    names = {"zh-CN": config.lender_name, "en": config.lender_name_en}
    return overlay.empty(names, config.zone, str(config.base_url).rstrip("/"))


def _key(config: StatusSettings) -> str | None:
    if config.probe_key is not None:
        return config.probe_key.get_secret_value()
    try:
        return str(json.loads(config.key_file.read_text(encoding="utf-8"))["api_key"])
    except (OSError, ValueError, KeyError):
        return None


def _last(config: StatusSettings) -> Path:
    return config.spool_file.with_name("status-last.json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
