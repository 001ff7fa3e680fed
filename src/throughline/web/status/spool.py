"""Probes that are not delivered yet: a file of lines that outlives the prober. Nothing is lost while it has room."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from throughline.continuity.status.intake import Observation
from throughline.kernel.logging import get_logger

log = get_logger(__name__)

MOST_LINES = 500_000  # about three weeks of a minute's probes of 15 components


class Spool:
    """One prober's file. Only that prober writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, seen: list[Observation]) -> None:
        """Write them down before anybody is told."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            if not self._is_whole():
                stream.write("\n")  # a line that a crash has cut stays by itself
            for one in seen:
                stream.write(json.dumps(asdict(one) | {"at": one.at.isoformat()}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _is_whole(self) -> bool:
        with self._path.open("rb") as stream:
            if stream.seek(0, os.SEEK_END) == 0:
                return True
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"

    def all(self) -> list[Observation]:
        """What waits, oldest first; a line that was cut by a crash is passed over."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                raw = json.loads(line)
                found.append(Observation(**(raw | {"at": datetime.fromisoformat(raw["at"])})))
            except (ValueError, TypeError, KeyError):
                log.warning("a line of the spool can't be read")
        return found

    def keep(self, seen: list[Observation]) -> None:
        """Let only these wait on."""
        if len(seen) > MOST_LINES:
            log.error("the spool is full; the oldest probes are dropped", dropped=len(seen) - MOST_LINES)
            seen = seen[-MOST_LINES:]
        draft = self._path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as stream:
            for one in seen:
                stream.write(json.dumps(asdict(one) | {"at": one.at.isoformat()}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)
