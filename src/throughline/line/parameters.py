"""Parameters of the filter by version: rates, prior, likelihoods, heartbeats. Reviewed data, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import yaml

from throughline.line.state import INDEX, STATES

Floats = npt.NDArray[np.float64]
PARAMS = "2026-2"
MAX_BYTES = 256 * 1024
_EXACT = 1e-9  # how well the eigenvalues must give the matrix back


class ParamsError(ValueError):
    """The parameters can't be used; the message names the member and says what to do."""


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Signs of life of the app over mobile data. `weight`: by state, the share of them that gets through."""

    weight: Floats
    cumulative: Floats  # activity from local midnight to each full hour, 25 numbers, the last about 24
    offset_h: float
    first_gap_h: float
    learning: float
    longest_gap_h: float
    silence_odds: float
    alive_odds: float
    alive_h: float
    suspicion_odds: float

    def activity(self, at_s: Floats) -> Floats:
        """Hours of usual activity since the epoch, so that a difference is what a silence is worth."""
        hours = at_s / 3600 + self.offset_h
        days, hour = np.divmod(hours, 24)
        whole = hour.astype(np.int64)
        low = self.cumulative[whole]
        activity: Floats = (
            days * self.cumulative[24] + low + (hour - whole) * (self.cumulative[whole + 1] - low)
        )
        return activity


@dataclass(frozen=True, slots=True)
class Params:
    """A version, ready for use. With Q the rates by hour, exp(Q·t) is `right` · diag(exp(`roots`·t)) · `left`."""

    version: str
    right: npt.NDArray[np.complex128] | Floats
    left: npt.NDArray[np.complex128] | Floats
    roots: npt.NDArray[np.complex128] | Floats
    prior: Floats
    jump: Floats
    likelihood: Mapping[tuple[str, str], Floats]
    memory_h: float
    heartbeats: Heartbeats


@lru_cache(maxsize=8)
def params(version: str = PARAMS) -> Params:
    """The shipped parameters of a version."""
    return parse_params(files("throughline.line").joinpath(f"params/{version}.yaml").read_bytes())


def parse_params(text: bytes) -> Params:
    """Parameters from the text of such a file. Raises `ParamsError`."""
    if len(text) > MAX_BYTES:
        raise ParamsError(f"expected at most {MAX_BYTES} bytes")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"expected YAML: {error}") from None
    if not isinstance(document, dict):
        raise ParamsError("expected the members of the shipped file")
    return read_params(document)


def read_params(document: Mapping[str, Any]) -> Params:
    """Parameters from the document of a file like params/2026-2.yaml. Raises `ParamsError`."""
    try:
        return _read(document)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ParamsError(
            f"a member is missing or of another kind than in the shipped file: {error}"
        ) from None


def _read(document: Mapping[str, Any]) -> Params:
    q = np.zeros((len(STATES), len(STATES)))
    for row in document["rates"]:
        rate = float(row["rate"])
        if not 0 < rate < 1_000:
            raise ParamsError(
                f"rates: {row['from']} to {row['to']}: expected more than 0 an hour, got {rate}"
            )
        q[INDEX[row["from"]], INDEX[row["to"]]] += rate
    np.fill_diagonal(q, -q.sum(axis=1))
    roots, right = np.linalg.eig(q)
    try:
        left = np.linalg.inv(right)
    except np.linalg.LinAlgError:
        left = np.zeros_like(right)
    if np.abs((right * roots) @ left - q).max() > _EXACT or np.linalg.cond(right) > 1e9:
        raise ParamsError("rates: two ways out have the same rate; make them differ by a thousandth")
    prior = _by_state(document["prior"])
    grades = {str(grade): float(ratio) for grade, ratio in document["grades"].items()}
    if any(not 1 <= ratio <= 1e6 for ratio in grades.values()):
        raise ParamsError("grades: expected ratios from 1 to 1,000,000")
    likelihood = {
        (str(meaning), grade): 1 + (ratio - 1) * _by_state(fits)
        for meaning, fits in document["fits"].items()
        for grade, ratio in grades.items()
    }
    return Params(
        str(document["version"]),
        right,
        left,
        roots,
        prior / prior.sum(),
        _by_state(document["jump"]),
        likelihood,
        float(document["memory_h"]),
        _heartbeats(document["heartbeat"]),
    )


def _by_state(document: Mapping[str, Any] | list[str]) -> Floats:
    """A number for each state; a list stands for ones."""
    chosen = dict.fromkeys(document, 1.0) if isinstance(document, list) else dict(document)
    if unknown := chosen.keys() - INDEX.keys():
        raise ParamsError(f"unknown states {sorted(unknown)}; expected some of {list(STATES)}")
    numbers = np.array([float(chosen.get(name, 0.0)) for name in STATES])
    if (numbers < 0).any():
        raise ParamsError("a share or probability below 0")
    return numbers


def _heartbeats(document: Mapping[str, Any]) -> Heartbeats:
    day = np.array([float(hour) for hour in document["day"]])
    if len(day) != 24 or (day < 0).any() or day.sum() <= 0:
        raise ParamsError("heartbeat.day: expected 24 numbers, one an hour, not below 0")
    # Winter time of the zone is good enough for a profile by hours.
    offset = datetime(2026, 1, 1, tzinfo=ZoneInfo(str(document["zone"]))).utcoffset()
    return Heartbeats(
        _by_state(document["states"]),
        np.concatenate([[0.0], np.cumsum(day / day.mean())]),
        offset.total_seconds() / 3600 if offset else 0.0,
        float(document["first_gap_h"]),
        float(document["learning"]),
        float(document["longest_gap_h"]),
        float(document["silence_odds"]),
        float(document["alive_odds"]),
        float(document["alive_h"]),
        float(document["suspicion_odds"]),
    )
