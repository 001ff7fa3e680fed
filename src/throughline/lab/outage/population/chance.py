"""Random numbers by name: each subject of each cell of borrowers has a stream of its own.

So a change of one subject moves no other, and cells can be computed in any order and on any core.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def stream(seed: int, cell: int, subject: str) -> np.random.Generator:
    """The stream of a subject in a cell; cell -1 is what all cells share."""
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence([seed, cell + 1, zlib.crc32(subject.encode())]))
    )


def lognormal(
    chance: np.random.Generator, median: float, sigma: float, size: int | tuple[int, ...]
) -> Floats:
    """Durations around a median with a long tail."""
    drawn: Floats = median * np.exp(chance.normal(0.0, sigma, size))
    return drawn
