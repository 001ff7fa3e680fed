"""One observation about a line, and what an observation can mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785

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
