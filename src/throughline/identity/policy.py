"""The assurance policy: which action needs what, by the standing of the borrower's number. Pure.

The table is data (`policy.yaml`); this file reads it strictly and evaluates it. The state of a line only
ever subtracts trust: whatever is permitted with some standing is permitted with the standing `ok` too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from throughline.identity.levels import LABELS, Level

Group = tuple[str, ...]  # one of these is enough


class Standing(StrEnum):
    """What we know of a borrower's number, as columns of the table."""

    OK = "ok"
    SUSPENDED = "suspended"
    CHANGED = "changed"
    RECYCLED = "recycled"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a person brings to an action: the level reached for it, and facts that hold."""

    level: Level
    facts: frozenset[str] = frozenset()

    def has(self, token: str) -> bool:
        """Whether one token of the table is satisfied."""
        return self.level >= Level.of(token) if token in LABELS else token in self.facts


@dataclass(frozen=True, slots=True)
class Hold:
    """Hours that an effect waits, and after what."""

    hours: int
    when: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `needs[standing]` is None where the action is refused."""

    action: str
    needs: dict[Standing, tuple[Group, ...] | None]
    conditions: frozenset[str]
    hold: Hold | None
    extra_hold_hours: dict[Standing, int]
    notify: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, its version, and the standings of line states."""

    version: int
    effective_from: date
    standings: dict[str, Standing]
    rules: dict[str, Rule]


class PolicyBroken(ValueError):
    """The table is not what its header says; the text names the place."""


def read(text: str) -> Policy:
    """A policy from its YAML. Raises `PolicyBroken` on a missing column or an unknown word."""
    document = yaml.safe_load(text)
    states = {
        state: Standing(standing) for standing, names in document["standings"].items() for state in names
    }
    rules = {name: _rule(name, row) for name, row in document["actions"].items()}
    return Policy(document["version"], document["effective_from"], states, rules)


def _rule(name: str, row: dict[str, Any]) -> Rule:
    if set(row) - {"needs", "conditions", "hold", "extra_hold_hours", "notify"}:
        raise PolicyBroken(f"{name}: unknown members")
    if set(row["needs"]) != {standing.value for standing in Standing}:
        raise PolicyBroken(f"{name}: a column is missing or unknown")
    return Rule(
        action=name,
        needs={Standing(column): _needs(name, cell) for column, cell in row["needs"].items()},
        conditions=frozenset(row["conditions"]),
        hold=Hold(**row["hold"]) if row["hold"] else None,
        extra_hold_hours={Standing(column): h for column, h in row.get("extra_hold_hours", {}).items()},
        notify=tuple(row["notify"]),
    )


def _needs(name: str, cell: object) -> tuple[Group, ...] | None:
    if cell == "refused":
        return None
    if not isinstance(cell, list) or not all(isinstance(group, list) and group for group in cell):
        raise PolicyBroken(f"{name}: a cell is a list of lists, or `refused`")
    return tuple(tuple(group) for group in cell)


@lru_cache(maxsize=1)
def current() -> Policy:
    """The policy that ships with this version of the platform."""
    return read((files("throughline.identity") / "policy.yaml").read_text(encoding="utf-8"))


def standing_of(line_state: str) -> Standing:
    """The standing of a number in that line state; what we do not know counts as suspended."""
    return current().standings.get(line_state, Standing.SUSPENDED)


def standings(line_state: str, *, number_changed: bool = False) -> tuple[Standing, ...]:
    """All columns that apply: that of the line's state, and `changed` beside it."""
    return (standing_of(line_state), *((Standing.CHANGED,) if number_changed else ()))


def permits(action: str, columns: Iterable[Standing], evidence: Evidence) -> bool:
    """Whether the evidence is enough for the action in all these columns. An unknown action is refused."""
    rule = current().rules.get(action)
    if rule is None or not rule.conditions <= evidence.facts:
        return False
    return all(_cell_permits(rule.needs[column], evidence) for column in columns)


def _cell_permits(cell: tuple[Group, ...] | None, evidence: Evidence) -> bool:
    if cell is None:
        return False
    # Re-proofing outranks everything: bound to the action, it satisfies any cell.
    if evidence.level is Level.RP:
        return True
    return all(any(evidence.has(token) for token in group) for group in cell)


def required_level(action: str, line_state: str, *, number_changed: bool = False) -> Level | None:
    """The least level with which the action can be done at all; None if it is refused or unknown.

    Facts that the cell also asks for (a second factor, an aged account) are checked by `permits`.
    """
    rule = current().rules.get(action)
    if rule is None:
        return None
    level = Level.P
    for column in standings(line_state, number_changed=number_changed):
        cell = rule.needs[column]
        if cell is None:
            return None
        for group in cell:
            least = min((Level.of(token) for token in group if token in LABELS), default=Level.P)
            facts = any(token not in LABELS for token in group)
            level = max(level, Level.P if facts else least)
    return level


def hold_hours(action: str, columns: Iterable[Standing], circumstances: Iterable[str]) -> int:
    """For how many hours the effect waits: `circumstances` are the table's words under `when` that apply now.

    0 where the table has no hold; then nothing may add one: repayment is never on hold.
    """
    rule = current().rules[action]
    if rule.hold is None:
        return 0
    base = rule.hold.hours if rule.hold.when in {"always", *circumstances} else 0
    return max([base, *(rule.extra_hold_hours.get(column, 0) for column in columns)])


def exported() -> dict[str, Any]:
    """The table as JSON, for auditors and for the enumeration test."""
    policy = current()
    return {
        "version": policy.version,
        "effective_from": policy.effective_from.isoformat(),
        "standings": {state: standing.value for state, standing in policy.standings.items()},
        "actions": {
            name: {
                "needs": {
                    column.value: "refused" if cell is None else [list(group) for group in cell]
                    for column, cell in rule.needs.items()
                },
                "conditions": sorted(rule.conditions),
                "hold": {"hours": rule.hold.hours, "when": rule.hold.when} if rule.hold else None,
                "extra_hold_hours": {column.value: h for column, h in rule.extra_hold_hours.items()},
                "notify": list(rule.notify),
            }
            for name, rule in policy.rules.items()
        },
    }
