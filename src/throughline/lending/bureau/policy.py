"""The guard's numbers as dated data: a new one takes effect by its date, not by new code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files

import yaml

ANYWHERE = "*"
# Messages that tell a borrower what will be reported, and of a delay that is reported if it stays.
NOTICE_TEMPLATES = ("negative_report_ahead", "installment_overdue")


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One number in force for a place from a day to another, both inside."""

    id: str
    name: str
    place: str
    valid_from: date
    valid_until: date | None
    value: int
    cite: str

    def in_force(self, on: date) -> bool:
        """Whether it counts on a day."""
        return self.valid_from <= on and (self.valid_until is None or on <= self.valid_until)


@lru_cache(maxsize=1)
def rows() -> tuple[PolicyRow, ...]:
    """All rows."""
    text = files("throughline.lending.bureau").joinpath("policy.yaml").read_text(encoding="utf-8")
    return tuple(
        PolicyRow(row["id"], row["name"], row["place"], row["from"], row["until"], row["value"], row["cite"])
        for row in yaml.safe_load(text)["rows"]
    )


def in_force(name: str, place: str, on: date) -> PolicyRow:
    """The row of a name for a place (a jurisdiction, such as "CN" or "CN-31") on a day, else that of everywhere.

    Raises LookupError when there is none: a fault of the file.
    """
    found = [row for row in rows() if row.name == name and row.in_force(on)]
    for wanted in (place, place.partition("-")[0], ANYWHERE):
        for row in found:
            if row.place == wanted:
                return row
    raise LookupError(f"no {name} is in force on {on}")
