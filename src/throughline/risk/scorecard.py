"""The scorecard: facts to points, points to a probability of default, and the reasons behind them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from importlib.resources import files
from math import exp, log
from typing import Any

# Points scale: 600 points are odds of 50 good to 1 bad, 20 points double the odds (docs/risk.md).
ANCHOR_SCORE = 600
ANCHOR_ODDS = 50
DOUBLE_ODDS_POINTS = 20


@dataclass(frozen=True, slots=True)
class Bin:
    """Values below `below` (None: all others) get these points."""

    below: Decimal | None
    points: int


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One column of the card. Its reason is told by its group."""

    name: str
    group: str
    bins: tuple[Bin, ...]

    @property
    def best(self) -> int:
        return max(one.points for one in self.bins)

    def points(self, value: Decimal) -> int:
        for one in self.bins:
            if one.below is None or value < one.below:
                return one.points
        raise ValueError(f"{self.name}: no bin for {value}")


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A card by version."""

    version: str
    base_points: int
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """The points, the probability of default, and by group how many points were lost to the best bin."""

    points: int
    pd: Decimal
    lost_by_group: tuple[tuple[str, int], ...]


def parse(document: Mapping[str, Any]) -> Scorecard:
    """A card from its JSON. ValueError for bins out of order or without an open end."""
    characteristics = []
    for row in document["characteristics"]:
        bins = tuple(
            Bin(None if one["below"] is None else Decimal(one["below"]), one["points"]) for one in row["bins"]
        )
        edges = [one.below for one in bins[:-1] if one.below is not None]
        if bins[-1].below is not None or len(edges) < len(bins) - 1 or edges != sorted(set(edges)):
            raise ValueError(f"{row['name']}: bins must rise and end open")
        characteristics.append(Characteristic(row["name"], row["group"], bins))
    return Scorecard(document["version"], document["base_points"], tuple(characteristics))


@lru_cache(maxsize=8)
def shipped(version: str) -> Scorecard:
    """A card of this package by its version."""
    text = files("throughline.risk").joinpath(f"data/{version}.json").read_text(encoding="utf-8")
    return parse(json.loads(text))


def score(card: Scorecard, facts: Mapping[str, Decimal]) -> Score:
    """Points and probability for complete facts. KeyError names a missing one."""
    total = card.base_points
    lost: dict[str, int] = {}
    for characteristic, points in points_of(card, facts):
        total += points
        lost[characteristic.group] = lost.get(characteristic.group, 0) + characteristic.best - points
    # Ties go by the name of the group, so that the same facts always give the same first reason.
    ranked = tuple(
        sorted(((group, n) for group, n in lost.items() if n > 0), key=lambda item: (-item[1], item[0]))
    )
    return Score(total, probability(total), ranked)


def points_of(card: Scorecard, facts: Mapping[str, Decimal]) -> list[tuple[Characteristic, int]]:
    """What each characteristic gave. KeyError names a missing fact."""
    return [(one, one.points(facts[one.name])) for one in card.characteristics]


def probability(points: int) -> Decimal:
    """Probability of default of a score, six decimals: 600 points are 1 in 51."""
    log_odds = log(ANCHOR_ODDS) + (points - ANCHOR_SCORE) * log(2) / DOUBLE_ODDS_POINTS
    return Decimal(repr(1 / (1 + exp(log_odds)))).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
