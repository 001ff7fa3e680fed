"""The outage policy: what each kind of interruption means for the borrower, as dated rows in versions.

One table is the machine part of the contract's clause: the engine applies it (`continuity`), the clause is
written from it (`outage_words`), the Outage Lab prices it. A signed contract pins its version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

import rfc8785
import yaml

from throughline.kernel.i18n import Text

MEASURES = frozenset({"delinquency_pause", "penalty_pause", "interest_pause", "report_hold"})
KINDS: Mapping[str, frozenset[str]] = {
    "line": frozenset({"suspended", "pre_cancelled", "cancelled", "reassigned"}),
    "carrier": frozenset({"network", "disaster"}),
    "own": frozenset({"platform", "maintenance", "cyber", "payment_channel", "message_route"}),
    "claim": frozenset({"line_out", "phone_lost", "phone_broken", "number_changed"}),
}
LONGEST_DAYS = 365
_FIELDS = {
    "id", "from", "to", "cause", "kinds", "proof", "min_probability_percent", "lead_days", "cap_days",
    "catch_up_days", "grace_days", "reached_days", "reopen_days", "requested_cap_days", "most",
    "shift_working_days", "measures", "review_measures", "products_with_interest", "words",
}  # fmt: skip


class PolicyRefused(ValueError):
    """A policy table contradicts itself; the text names the row and the field."""


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One dated row: for interruptions that begin from `valid_from` up to and including `valid_until`.

    `proof`: "evidence" (believed with at least `min_probability_percent`) or "word" (the borrower's alone; then
    `grace_days` are given from the due date on). `lead_days`: an installment due this many days before the
    interruption still counts. `cap_days`: the longest protection of one episode; `requested_cap_days` where the
    borrower asked for the stop (停机保号). `catch_up_days`: days after the return in which nothing counts yet.
    `reached_days`: days to act once the person was reached by another route (None: does not matter).
    `reopen_days`: a new failure so soon after the return is the same episode. `most_cases` in `most_in_days`
    are automatic; beyond them a person looks, meanwhile `review_measures` hold. `shift_working_days`: the due
    date moves to so many working days after the end. `products_with_interest`: product codes for which the
    interest pause holds (None: all).
    """

    id: str
    valid_from: date
    valid_until: date | None
    cause: str
    kinds: frozenset[str]
    proof: str
    min_probability_percent: int
    lead_days: int
    cap_days: int
    catch_up_days: int
    grace_days: int | None
    reached_days: int | None
    reopen_days: int
    requested_cap_days: int | None
    most_cases: int | None
    most_in_days: int | None
    shift_working_days: int | None
    measures: frozenset[str]
    review_measures: frozenset[str]
    products_with_interest: frozenset[str] | None
    words: Text | None

    def measures_for(self, product_code: str | None) -> frozenset[str]:
        """The measures of a granted case for a loan of that product."""
        if self.products_with_interest is None or product_code in self.products_with_interest:
            return self.measures
        return self.measures - {"interest_pause"}

    def covers(self, cause: str, kind: str, began: date) -> bool:
        """Whether this row speaks about an interruption of that kind that began on that day."""
        return (
            self.cause == cause
            and kind in self.kinds
            and self.valid_from <= began
            and (self.valid_until is None or began <= self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class OutagePolicy:
    """A version of the table. `digest` is SHA-256 over its canonical JSON: the same rows give the same digest."""

    version: str
    published_on: date
    rows: tuple[OutageRow, ...]
    digest: str

    def row_for(self, cause: str, kind: str, began: date) -> OutageRow | None:
        """The row that speaks about an interruption; None: this version gives nothing for it."""
        return next((row for row in self.rows if row.covers(cause, kind, began)), None)

    def row(self, row_id: str) -> OutageRow | None:
        """A row by its id."""
        return next((row for row in self.rows if row.id == row_id), None)


def parse_policy(document: Any) -> OutagePolicy:
    """A policy from its YAML or JSON document. Raises PolicyRefused, naming the row and what is wrong."""
    if not isinstance(document, dict) or not {"version", "published_on", "rows"} <= document.keys():
        raise PolicyRefused("a policy has version, published_on and rows")
    if not isinstance(document["rows"], list) or not document["rows"]:
        raise PolicyRefused("rows: at least one row is needed")
    rows = tuple(_row(number, raw) for number, raw in enumerate(document["rows"]))
    if len({row.id for row in rows}) != len(rows):
        raise PolicyRefused("rows: two rows have the same id")
    for number, row in enumerate(rows):
        for other in rows[number + 1 :]:
            if _overlap(row, other):
                raise PolicyRefused(f"{other.id} overlaps {row.id}: the same kind, the same days")
    canonical = rfc8785.dumps(_plain(document["rows"]))
    return OutagePolicy(
        str(document["version"]),
        _date("published_on", document["published_on"]),
        rows,
        hashlib.sha256(canonical).hexdigest(),
    )


def _row(number: int, raw: Any) -> OutageRow:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        raise PolicyRefused(f"rows[{number}]: a row is a mapping with an id")
    name = raw["id"]
    unknown = raw.keys() - _FIELDS
    if unknown:
        raise PolicyRefused(f"{name}: unknown fields {sorted(unknown)}")
    cause, proof = str(raw.get("cause")), str(raw.get("proof", "evidence"))
    if cause not in KINDS:
        raise PolicyRefused(f"{name}: cause is one of {sorted(KINDS)}")
    kinds, measures = _set(name, raw, "kinds"), _set(name, raw, "measures")
    review = _set(name, raw, "review_measures", needed=False)
    if not kinds or not kinds <= KINDS[cause]:
        raise PolicyRefused(f"{name}: kinds of {cause} are {sorted(KINDS[cause])}")
    if not measures <= MEASURES or not review <= MEASURES:
        raise PolicyRefused(f"{name}: measures are {sorted(MEASURES)}")
    if proof not in {"evidence", "word"} or (proof == "word") != (cause == "claim"):
        raise PolicyRefused(f"{name}: proof is `word` for a claim and `evidence` for everything else")
    most = raw.get("most") or {}
    shift = _days(name, raw, "shift_working_days", None)
    if shift is not None and not {"penalty_pause", "delinquency_pause"} <= measures:
        raise PolicyRefused(f"{name}: a due date moves only together with the two pauses")
    grace = _days(name, raw, "grace_days", None)
    if (grace is None) != (proof == "evidence"):
        raise PolicyRefused(f"{name}: grace_days belong to proof `word`, and must stand there")
    interest = raw.get("products_with_interest")
    return OutageRow(
        id=name,
        valid_from=_date(f"{name}.from", raw.get("from")),
        valid_until=None if raw.get("to") is None else _date(f"{name}.to", raw["to"]),
        cause=cause,
        kinds=kinds,
        proof=proof,
        min_probability_percent=_number(name, raw, "min_probability_percent", 0, 100, 0),
        lead_days=_number(name, raw, "lead_days", 0, 60, None),
        cap_days=_number(name, raw, "cap_days", 1, LONGEST_DAYS, None),
        catch_up_days=_number(name, raw, "catch_up_days", 0, 60, None),
        grace_days=grace,
        reached_days=_days(name, raw, "reached_days", None),
        reopen_days=_number(name, raw, "reopen_days", 0, 60, 0),
        requested_cap_days=_days(name, raw, "requested_cap_days", None),
        most_cases=_days(f"{name}.most", most, "cases", None),
        most_in_days=_days(f"{name}.most", most, "in_days", 180 if most else None),
        shift_working_days=shift,
        measures=measures,
        review_measures=review,
        products_with_interest=None if interest is None else frozenset(map(str, interest)),
        words=raw.get("words"),
    )


def _number(name: str, raw: Mapping[str, Any], field: str, low: int, high: int, usual: int | None) -> int:
    value = raw.get(field, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise PolicyRefused(f"{name}: {field} is a whole number from {low} to {high}")
    return value


def _days(name: str, raw: Mapping[str, Any], field: str, usual: int | None) -> int | None:
    if raw.get(field, usual) is None:
        return None
    return _number(name, raw, field, 0, LONGEST_DAYS, usual)


def _set(name: str, raw: Mapping[str, Any], field: str, *, needed: bool = True) -> frozenset[str]:
    value = raw.get(field, None if needed else [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise PolicyRefused(f"{name}: {field} is a list of names")
    return frozenset(value)


def _date(name: str, value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise PolicyRefused(f"{name}: a date such as 2026-11-30 is needed") from None


def _overlap(one: OutageRow, other: OutageRow) -> bool:
    apart = (one.valid_until is not None and one.valid_until < other.valid_from) or (
        other.valid_until is not None and other.valid_until < one.valid_from
    )
    return not apart and one.cause == other.cause and bool(one.kinds & other.kinds)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


@lru_cache(maxsize=1)
def shipped() -> tuple[OutagePolicy, ...]:
    """The versions of this release, oldest first."""
    folder = files("throughline.contracts").joinpath("data/outage")
    found = [
        parse_policy(yaml.safe_load(one.read_text(encoding="utf-8")))
        for one in folder.iterdir()
        if one.name.endswith(".yaml")
    ]
    return tuple(sorted(found, key=lambda policy: (policy.published_on, policy.version)))


def newest() -> OutagePolicy:
    """The version that new contracts pin."""
    return shipped()[-1]


def version(name: str) -> OutagePolicy | None:
    """A version by its name."""
    return next((policy for policy in shipped() if policy.version == name), None)
