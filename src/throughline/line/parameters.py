"""Parameters of the filter by version: rates, prior, likelihoods, heartbeats. Reviewed data, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import yaml

from throughline.line.settings import load_settings
from throughline.line.state import INDEX, NAMES, STAGES, STATES, Meaning

Floats = npt.NDArray[np.float64]
PARAMS = "2026-3"
MAX_BYTES = 256 * 1024
MAX_VERSION = 64
# Stages of a passage take these parts of its mean time: not the same, or the matrix would not come apart.
_PARTS = (0.9 / 3, 1 / 3, 1.1 / 3)
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


def params(version: str | None = None) -> Params:
    """The shipped parameters of a version; without one, those of this installation: the lender's own file
    (setting `params_file`) or the newest shipped."""
    own = None if version else load_settings().params_file
    return _of_file(own) if own else _shipped(version or PARAMS)


@lru_cache(maxsize=8)
def _shipped(version: str) -> Params:
    return parse_params(shipped(version))


@lru_cache(maxsize=8)
def _of_file(file: Path) -> Params:
    try:
        with file.open("rb") as stream:
            return parse_params(stream.read(MAX_BYTES + 1))
    except (OSError, ParamsError) as error:
        raise ParamsError(f"THROUGHLINE_LINE_PARAMS_FILE {file}: {error}") from error


def shipped(version: str = PARAMS) -> bytes:
    """The text of the shipped file of a version."""
    return files("throughline.line").joinpath(f"params/{version}.yaml").read_bytes()


def parse_params(text: bytes) -> Params:
    """Parameters from the text of such a file. Raises `ParamsError`."""
    return read_params(document_of(text))


def document_of(text: bytes) -> dict[str, Any]:
    """The document in the text of such a file, not looked at yet. Raises `ParamsError`."""
    if len(text) > MAX_BYTES:
        raise ParamsError(f"expected at most {MAX_BYTES} bytes")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"expected YAML: {error}") from None
    if not isinstance(document, dict):
        raise ParamsError("expected the members of the shipped file")
    return document


def read_params(document: Mapping[str, Any]) -> Params:
    """Parameters from the document of a file like params/2026-3.yaml. Raises `ParamsError`."""
    try:
        return _read(document)
    except ParamsError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ParamsError(
            f"a member is missing or of another kind than in the shipped file: {error}"
        ) from None


def _read(document: Mapping[str, Any]) -> Params:
    roots, right, left = decomposed(rates_of(document))
    version = str(document["version"])
    if not 0 < len(version) <= MAX_VERSION:
        raise ParamsError(f"version: expected a text of 1 to {MAX_VERSION} characters")
    prior = _by_state(document["prior"], _EVENLY)
    if not prior.sum() > 0:
        raise ParamsError("prior: expected a probability above 0 for some state")
    grades = {str(grade): float(ratio) for grade, ratio in document["grades"].items()}
    if any(not 1 <= ratio <= 1e6 for ratio in grades.values()):
        raise ParamsError("grades: expected ratios from 1 to 1,000,000")
    said = _with_later(document["fits"])
    if unknown := said.keys() ^ {one.value for one in Meaning}:
        raise ParamsError(f"fits: expected each meaning once and no other; see {sorted(map(str, unknown))}")
    likelihood = {
        (str(meaning), grade): 1 + (ratio - 1) * _by_state(fits)
        for meaning, fits in said.items()
        for grade, ratio in grades.items()
    }
    return Params(
        version,
        right,
        left,
        roots,
        prior / prior.sum(),
        _by_state(document["jump"], _FIRST),
        likelihood,
        _above(document, "memory_h", 0),
        _heartbeats(document["heartbeat"]),
    )


# Meanings that are younger than the oldest files that lenders have fitted: the shipped fits stand in for them.
LATER = ("proved", "tenure_short", "data_low", "data_left")


def _with_later(fits: Mapping[str, Any]) -> dict[str, Any]:
    if all(name in fits for name in LATER):
        return dict(fits)
    ours = document_of(shipped())["fits"]
    return {**{name: ours[name] for name in LATER}, **fits}


def rates_of(document: Mapping[str, Any]) -> Floats:
    """The rates of transition by hour (states, states), the diagonal 0."""
    rates = np.zeros((len(STATES), len(STATES)))
    for row in document["rates"]:
        origin, target, rate = row["from"], row["to"], float(row["rate"])
        if origin == target or not {origin, target} <= set(NAMES):
            raise ParamsError(f"rates: {origin} to {target}: expected two of {list(NAMES)}")
        if not 0 < rate < 1_000:
            raise ParamsError(f"rates: {origin} to {target}: expected more than 0 an hour, got {rate}")
        for one in steps_of(origin, target):
            rates[one.origin, one.target] += rate * one.factor
    return rates


@dataclass(frozen=True, slots=True)
class Step:
    """A transition between the filter's own states. Its rate is that of the passage in the file times `factor`;
    a passage takes `of` such steps."""

    origin: int
    target: int
    factor: float
    of: int


def steps_of(origin: str, target: str) -> tuple[Step, ...]:
    """What a passage in a file of parameters is made of. To the two-way stop a line goes through all stages of
    the one-way stop, so that the mean time is the inverse of the file's rate; it is paid out of each of them."""
    begins, ends = STAGES.get(origin, (origin,)), STAGES.get(target, (target,))
    if len(begins) == len(ends):
        return tuple(Step(INDEX[a], INDEX[b], 1.0, 1) for a, b in zip(begins, ends, strict=True))
    if len(ends) > 1:
        return (Step(INDEX[origin], INDEX[ends[0]], 1.0, 1),)
    if target != "suspended":
        return tuple(Step(INDEX[a], INDEX[target], 1.0, 1) for a in begins)
    chain = (*begins, target)
    return tuple(
        Step(INDEX[a], INDEX[b], 1 / part, len(begins))
        for a, b, part in zip(chain[:-1], chain[1:], _PARTS, strict=True)
    )


def decomposed(rates: Floats) -> tuple[Floats, Floats, Floats]:
    """Roots, right and left of the generator with these rates: it is `right` · diag(`roots`) · `left`.
    Raises `ParamsError` where it can't be taken apart."""
    q = rates.copy()
    np.fill_diagonal(q, -q.sum(axis=1))
    roots, right = np.linalg.eig(q)
    try:
        left = np.linalg.inv(right)
    except np.linalg.LinAlgError:
        left = np.zeros_like(right)
    if np.abs((right * roots) @ left - q).max() > _EXACT or np.linalg.cond(right) > 1e9:
        raise ParamsError("rates: two ways out have the same rate; make them differ by a thousandth")
    return roots, right, left


def _above(document: Mapping[str, Any], name: str, least: float) -> float:
    number = float(document[name])
    if not least < number < 1e6:
        raise ParamsError(f"{name}: expected a number above {least:g} and below 1,000,000, got {number}")
    return number


_EVERYWHERE, _EVENLY, _FIRST = (1.0, 1.0, 1.0), (1 / 3, 1 / 3, 1 / 3), (1.0, 0.0, 0.0)


def _by_state(
    document: Mapping[str, Any] | list[str], stages: tuple[float, float, float] = _EVERYWHERE
) -> Floats:
    """A number for each state; a list stands for ones. `stages`: what of a number each stage gets."""
    chosen = dict.fromkeys(document, 1.0) if isinstance(document, list) else dict(document)
    if unknown := chosen.keys() - set(NAMES):
        raise ParamsError(f"unknown states {sorted(unknown)}; expected some of {list(NAMES)}")
    numbers = np.zeros(len(STATES))
    for name, number in chosen.items():
        for state, share in zip(STAGES.get(name, (name,)), stages, strict=False):
            numbers[INDEX[state]] = float(number) * (share if name in STAGES else 1.0)
    if not ((numbers >= 0) & np.isfinite(numbers)).all():
        raise ParamsError("a share or probability below 0 or without end")
    return numbers


def document_prior(prior: Floats) -> dict[str, float]:
    """A prior by the names that files of parameters use."""
    return {name: float(sum(prior[INDEX[one]] for one in STAGES.get(name, (name,)))) for name in NAMES}


def _heartbeats(document: Mapping[str, Any]) -> Heartbeats:
    day = np.array([float(hour) for hour in document["day"]])
    if len(day) != 24 or not ((day >= 0) & (day < 1e6)).all() or day.sum() <= 0:
        raise ParamsError("heartbeat.day: expected 24 numbers, one an hour, not below 0")
    # Winter time of the zone is good enough for a profile by hours.
    offset = datetime(2026, 1, 1, tzinfo=ZoneInfo(str(document["zone"]))).utcoffset()
    return Heartbeats(
        _by_state(document["states"]),
        np.concatenate([[0.0], np.cumsum(day / day.mean())]),
        offset.total_seconds() / 3600 if offset else 0.0,
        _above(document, "first_gap_h", 0),
        _above(document, "learning", 0),
        _above(document, "longest_gap_h", 0),
        _above(document, "silence_odds", 1),
        _above(document, "alive_odds", 1),
        _above(document, "alive_h", 0),
        _above(document, "suspicion_odds", 1),
    )
