"""Home regions of numbers by the number plan: a lender's table of segments, read once and checked.

A region is where a segment of numbers was given out, never where a phone is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from throughline.line.settings import load_settings

MAX_ROWS = 1_000_000
MAX_REGION = 40


class SegmentsError(ValueError):
    """The table can't be used; the message names the file and the row."""


def region_of(number: str) -> str | None:
    """The home region of a number in E.164 by its longest segment; None: nobody said."""
    file = load_settings().segments_file
    return None if file is None else found(_table(file), number)


def found(table: Mapping[str, str], number: str) -> str | None:
    """The region of the longest segment that a number begins with. Pure."""
    return next((table[number[:end]] for end in range(len(number), 1, -1) if number[:end] in table), None)


def parse(rows: Iterable[list[str]]) -> dict[str, str]:
    """Segments in E.164 (+861380000) and their regions from rows of two columns. Raises `SegmentsError`."""
    table: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise SegmentsError(f"expected at most {MAX_ROWS} rows")
        if number == 1 and [one.strip() for one in row] == ["segment", "region"]:
            continue
        if len(row) != 2:
            raise SegmentsError(f"row {number}: expected a segment and a region")
        segment, region = row[0].strip(), row[1].strip()
        if not (
            segment[:1] == "+" and 2 <= len(segment) <= 15 and segment[1:].isascii() and segment[1:].isdigit()
        ):
            raise SegmentsError(f"row {number}: expected a segment like +861380000")
        if not 0 < len(region) <= MAX_REGION or not region.isprintable():
            raise SegmentsError(f"row {number}: expected a region of 1 to {MAX_REGION} characters")
        if table.setdefault(segment, region) != region:
            raise SegmentsError(f"row {number}: the segment stands in two regions")
    return table


@lru_cache(maxsize=2)
def _table(file: Path) -> dict[str, str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return parse(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error, SegmentsError) as error:
        raise SegmentsError(f"THROUGHLINE_LINE_SEGMENTS_FILE {file}: {error}") from error
