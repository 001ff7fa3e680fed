"""Whole numbers, amounts and dates as ASCII, many at once.

Each text is made of fields of fixed width, padded with NUL bytes; `packed` takes these out. So a table
of millions of rows is written without making an object for each cell.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_GROUP = 10_000  # four decimal digits, one machine word of ASCII
_MAX_FRACTION = 4  # digits after the point of any currency
_MAX_TABLE_DAYS = 100_000  # some 270 years, a megabyte; farther dates are rare enough to be made anew
_EPOCH = date(1970, 1, 1).toordinal()


@cache
def _groups() -> npt.NDArray[np.uint32]:
    """Texts of four digits by number: first those with nothing before them and 0 as "0", then those with
    nothing before them and 0 as nothing, then those that follow other digits."""
    numbers = range(_GROUP)
    alone = [str(nr) for nr in numbers]
    first = ["", *alone[1:]]
    inner = [f"{nr:04d}" for nr in numbers]
    return np.array([*alone, *first, *inner], "S4").view(np.uint32)


@cache
def _fractions() -> tuple[npt.NDArray[np.uint64], Ints]:
    """Texts of the digits after a point, and where those of each number of digits begin."""
    made = [""]
    begins = [0]
    for digits in range(1, _MAX_FRACTION + 1):
        begins.append(len(made))
        made += [f".{nr:0{digits}d}" for nr in range(10**digits)]
    return np.array(made, "S8").view(np.uint64), np.array(begins, np.int64)


def whole(numbers: Ints) -> list[npt.NDArray[np.generic]]:
    """Fields of numbers that are not negative."""
    words = _groups()
    highest = int(numbers.max(initial=0))
    if highest < _GROUP:
        return [words[numbers]]
    groups = []
    while highest:
        rest = numbers // _GROUP
        groups.append((rest, numbers - rest * _GROUP))
        numbers, highest = rest, highest // _GROUP
    fields = []
    for place, (above, group) in enumerate(groups):
        bare = 0 if place == 0 else _GROUP
        fields.append(words[group + np.where(above > 0, 2 * _GROUP, bare)])
    return [*reversed(fields)]


def amounts(minor: Ints, digits: Ints) -> list[npt.NDArray[np.generic]]:
    """Fields of amounts in minor units of currencies with that many digits."""
    words, begins = _fractions()
    if len(digits) and digits.min() == digits.max():
        # One currency, the usual case: dividing by one number is several times faster.
        scale: Ints | int = 10 ** int(digits[0])
        begin: Ints | int = int(begins[digits[0]])
    else:
        scale, begin = 10**digits, begins[digits]
    units = minor // scale
    return [*whole(units), words[minor - units * scale + begin]]


class Days:
    """Dates by ordinal, from a table that grows to the days that were asked for."""

    def __init__(self) -> None:
        self._first = self._end = date(2026, 1, 1).toordinal()
        self._words = np.empty(0, "S10")

    def fields(self, ordinals: Ints) -> list[npt.NDArray[np.generic]]:
        """ISO dates, ten bytes each."""
        if not len(ordinals):
            return [np.empty(0, "S10")]
        first = min(int(ordinals.min()), self._first)
        end = max(int(ordinals.max()) + 1, self._end)
        if end - first > _MAX_TABLE_DAYS:
            days, places = np.unique(ordinals, return_inverse=True)
            return [_iso(days)[places]]
        if (first, end) != (self._first, self._end):
            self._first, self._end = first, end
            self._words = _iso(np.arange(first, end))
        return [self._words[ordinals - first]]


def _iso(ordinals: Ints) -> npt.NDArray[np.bytes_]:
    return np.datetime_as_string((ordinals - _EPOCH).astype("datetime64[D]")).astype("S10")


def side_by_side(columns: list[list[npt.NDArray[np.generic]] | bytes], rows: int) -> Bytes:
    """Fields and constant bytes one after the other: a matrix of bytes with a line for each row."""
    fields: list[tuple[str, npt.NDArray[np.generic] | bytes]] = []
    for column in columns:
        for one in [column] if isinstance(column, bytes) else column:
            fields.append((f"S{len(one)}" if isinstance(one, bytes) else one.dtype.str, one))
    table = np.empty(rows, [(f"f{nr}", kind) for nr, (kind, _) in enumerate(fields)])
    for nr, (_, values) in enumerate(fields):
        table[f"f{nr}"] = values
    return table.view(np.uint8).reshape(rows, table.dtype.itemsize)


def packed(matrix: Bytes) -> bytes:
    """The bytes of all lines without the padding."""
    return matrix.tobytes().translate(None, b"\0")
