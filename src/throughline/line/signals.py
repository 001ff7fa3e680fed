"""One observation about a line, and what it means by a reviewed table. Unknown codes are no information."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

import rfc8785
import yaml

from throughline.line.state import Meaning

MAX_ATTRIBUTES = 12


@dataclass(frozen=True, slots=True)
class Signal:
    """An observation. `attributes` holds plain values only; never a place, a call record or a name."""

    observed_at: datetime
    source: str
    provider: str | None
    code: str | None
    attributes: Mapping[str, Any]

    def sort_key(self) -> tuple[datetime, str, str, str, bytes]:
        """Total order of evidence. Signals that are equal in it are one signal."""
        return (
            self.observed_at,
            self.source,
            self.provider or "",
            self.code or "",
            rfc8785.dumps(dict(self.attributes)),
        )

    def key(self) -> str:
        """Hex name of this signal for one line."""
        instant, source, provider, code, attributes = self.sort_key()
        head = "\x00".join((instant.isoformat(), source, provider, code)).encode()
        return hashlib.sha256(head + b"\x00" + attributes).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a signal means, how strongly (a grade of the parameters), and by which table version."""

    meaning: Meaning
    grade: str
    table: str

    @property
    def authoritative(self) -> bool:
        """Grade A: sets the public state at once, and is confirmed by a query."""
        return self.grade == "A"


@dataclass(frozen=True, slots=True)
class _Row:
    source: str
    provider: str
    code: str | None
    when: Mapping[str, Any]
    reading: Reading


@lru_cache(maxsize=1)
def _tables() -> tuple[_Row, ...]:
    rows = []
    folder = files("throughline.line").joinpath("emissions")
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if not entry.name.endswith(".yaml"):
            continue
        document = yaml.safe_load(entry.read_text(encoding="utf-8"))
        for row in document["rows"]:
            rows.append(
                _Row(
                    row["source"],
                    row.get("provider", document.get("provider", "*")),
                    row.get("code"),
                    row.get("when", {}),
                    Reading(Meaning(row["meaning"]), row["grade"], document["version"]),
                )
            )
    return tuple(rows)


def read(signal: Signal) -> Reading | None:
    """The meaning of a signal by the first row that fits; None: no information."""
    for row in _tables():
        if row.source != signal.source:
            continue
        if row.provider not in {"*", signal.provider}:
            continue
        if row.code is not None and row.code != signal.code:
            continue
        if row.code is None and signal.code is not None:
            continue
        if all(signal.attributes.get(name) == value for name, value in row.when.items()):
            return row.reading
    return None
