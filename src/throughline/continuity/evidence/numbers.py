"""Numbers about evidence as dated data: a new one takes effect by its date, not by new code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files

import yaml


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One number of days, in force from a day to another, both inside."""

    id: str
    name: str
    valid_from: date
    valid_until: date | None
    days: int
    cite: str


@lru_cache(maxsize=1)
def rows() -> tuple[NumberRow, ...]:
    """All rows."""
    text = files("throughline.continuity").joinpath("data/evidence.yaml").read_text(encoding="utf-8")
    return tuple(
        NumberRow(row["id"], row["name"], row["from"], row["until"], row["value"], row["cite"])
        for row in yaml.safe_load(text)["rows"]
    )


def days(name: str, on: date) -> int:
    """The number of that name on a day. LookupError where there is none: a fault of the file."""
    for row in rows():
        if row.name == name and row.valid_from <= on and (row.valid_until is None or on <= row.valid_until):
            return row.days
    raise LookupError(f"no {name} is in force on {on}")
