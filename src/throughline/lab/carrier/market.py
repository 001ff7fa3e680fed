"""The carriers of this world, their number segments, and the registry of ported numbers that they share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from throughline.kernel.clock import now
from throughline.lab.simulator import Ledger

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS ported (phone TEXT PRIMARY KEY, carrier TEXT NOT NULL, at TEXT NOT NULL);"
)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier. `base` is the path before its addresses, `segments` the prefixes of the numbers that it was given.

    One carrier has no segments: every number that nobody else was given is its own.
    """

    name: str
    base: str
    segments: tuple[str, ...]


# Segments of China Unicom that nobody's examples use.
CARRIERS = (
    Carrier("simulator", "", ()),
    Carrier("southern", "/southern", ("+86166", "+86175", "+86176")),
)


class Market:
    """Who serves a number: the registry `home`/lab/ported.sqlite, then the segments."""

    def __init__(self, home: Path) -> None:
        self._ledger = Ledger(home / "lab" / "ported.sqlite", _SCHEMA)

    def carrier_of(self, phone: str) -> str:
        """The carrier that serves a number now."""
        rows = self._ledger.rows("SELECT carrier FROM ported WHERE phone = ?", (phone,))
        return str(rows[0]["carrier"]) if rows else given_to(phone)

    def is_ported(self, phone: str) -> bool:
        """Whether the number is served by another carrier than the one that it was given to."""
        return self.carrier_of(phone) != given_to(phone)

    def port(self, phone: str, carrier: str) -> None:
        """Move a number."""
        with self._ledger.transaction() as db:
            db.execute("INSERT OR REPLACE INTO ported VALUES (?, ?, ?)", (phone, carrier, now().isoformat()))


def given_to(phone: str) -> str:
    """The carrier that the number plan gave a number to."""
    for carrier in CARRIERS:
        if carrier.segments and phone.startswith(carrier.segments):
            return carrier.name
    return next(one.name for one in CARRIERS if not one.segments)
