"""What carriers do and when, as dated data with its sources: carriers/*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

OTHER = "other"  # the file for carriers that have none
FACTS = frozenset(
    {
        "stop_after_deadline_days",
        "one_way_to_two_way_h",
        "pre_cancellation_days",  # after the two-way stop
        "cancellation_days",  # the same, by the carrier's own terms
        "cancellation_least_days",  # the same, the earliest that is allowed
        "quarantine_days",  # after cancellation, before somebody else has the number
        "restored_h",
        "penalty_percent_a_day",
    }
)


class CarrierDataError(ValueError):
    """A file of carriers can't be used; the message names the file and the place."""


class Trust(StrEnum):
    """How far a fact can be relied on, the most first."""

    REGULATION = "regulation"
    NOTICE = "notice"
    CONTRACT = "contract"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Fact:
    """One number, in the unit of its name, with where it stands and when that was looked up."""

    value: float
    trust: Trust
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class CarrierRules:
    """What holds for a carrier on a day."""

    carrier: str
    country: str
    facts: Mapping[str, Fact]

    @property
    def number_is_safe_for(self) -> timedelta:
        """How long a number that can receive nothing is surely still its owner's, from when it stopped.

        Until it may be cancelled; where nobody says when that is, it may be at once, and only the time until
        somebody else has it counts. A weak source never makes it longer than what is allowed at the earliest.
        """
        least, own = self.facts.get("cancellation_least_days"), self.facts.get("cancellation_days")
        if own is not None and own.trust is not Trust.WEAK:
            return timedelta(days=own.value)
        known = [one.value for one in (least, own) if one is not None]
        return timedelta(days=min(known) if known else self.facts["quarantine_days"].value)


@dataclass(frozen=True, slots=True)
class _Period:
    begins: date
    rules: CarrierRules


def proof_is_good_for(carrier: str, day: date) -> timedelta:
    """How long a number is surely still its owner's after they proved it, if nothing is heard of it.

    They may have given it back the day after, so the time before somebody else gets it is all there is. A notice or
    a weak source never makes it longer than the shortest that is known anywhere.
    """
    own = rules_of(carrier, day).facts["quarantine_days"]
    if own.trust in {Trust.REGULATION, Trust.CONTRACT}:
        return timedelta(days=own.value)
    return timedelta(days=min(own.value, rules_of(OTHER, day).facts["quarantine_days"].value))


def rules_of(carrier: str, day: date) -> CarrierRules:
    """What holds for a carrier on a day; for an unknown one the strictest of what is known elsewhere."""
    known = _carriers()
    periods = known.get(carrier.casefold()) or known[OTHER]
    for period in reversed(periods):
        if period.begins <= day:
            return period.rules
    return periods[0].rules  # of a day before all that is known the oldest says most


@lru_cache(maxsize=1)
def _carriers() -> dict[str, tuple[_Period, ...]]:
    found: dict[str, tuple[_Period, ...]] = {}
    folder = files("throughline.line").joinpath("carriers")
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.name.endswith(".yaml"):
            for name, periods in parse_carrier(entry.name, entry.read_text(encoding="utf-8")).items():
                if name in found:
                    raise CarrierDataError(f"{entry.name}: names: {name} stands in another file as well")
                found[name] = periods
    if OTHER not in found:
        raise CarrierDataError(f"expected a file for the carrier {OTHER}")
    return found


def parse_carrier(file: str, text: str) -> dict[str, tuple[_Period, ...]]:
    """The periods of a file's carrier by each of its names. Raises `CarrierDataError`."""
    try:
        document = yaml.safe_load(text)
        periods = tuple(_period(document, row) for row in document["periods"])
        names = [str(name).casefold() for name in document["names"]]
    except CarrierDataError as error:
        raise CarrierDataError(f"{file}: {error}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CarrierDataError(
            f"{file}: a member is missing or of another kind than elsewhere: {error}"
        ) from None
    begins = [one.begins for one in periods]
    if not periods or begins != sorted(set(begins)):
        raise CarrierDataError(f"{file}: periods: expected at least one, each later than the one before")
    return dict.fromkeys(names, periods)


def _period(document: Mapping[str, Any], row: Mapping[str, Any]) -> _Period:
    begins = row["from"]
    if type(begins) is not date:
        raise CarrierDataError(f"from: expected a date, got {begins!r}")
    if unknown := row["facts"].keys() - FACTS:
        raise CarrierDataError(f"facts: unknown {sorted(unknown)}; expected some of {sorted(FACTS)}")
    facts = {name: _fact(name, one) for name, one in row["facts"].items()}
    if "quarantine_days" not in facts:
        raise CarrierDataError("facts: expected quarantine_days, without which no number is ever safe")
    return _Period(begins, CarrierRules(str(document["carrier"]), str(document["country"]), facts))


def _fact(name: str, row: Mapping[str, Any]) -> Fact:
    value, as_of, source = float(row["value"]), row["as_of"], str(row["source"])
    if not 0 < value < 10_000:
        raise CarrierDataError(f"{name}: expected a number above 0 and below 10,000, got {value}")
    if type(as_of) is not date or not 0 < len(source) <= 500:
        raise CarrierDataError(f"{name}: expected a date as_of and a source of at most 500 characters")
    return Fact(value, Trust(row["trust"]), as_of, source)
