"""What the commands of lines are given: files of rows, instants, parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from throughline.cli.batch import opened
from throughline.cli.output import fail, say

if TYPE_CHECKING:
    from throughline.line.parameters import Params

MAX_PROBLEMS = 1_000
EVERY = re.compile(r"([1-9][0-9]{0,4})(m|h|d)")
SECONDS = {"m": 60, "h": 3600, "d": 86_400}


class TooMany(Exception):
    """So many rows are wrong that the files are not what they were thought to be."""


class Problems:
    """Says what is wrong, a line a problem."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, file: str) -> Callable[[int, str, str], None]:
        """Where to tell the problems of a file: line, member, what is expected."""

        def problem(number: int, member: str, expected: str) -> None:
            if self.count == MAX_PROBLEMS:
                raise TooMany
            self.count += 1
            say(f"{file}:{number}: {member}: {expected}"[:500].replace("\n", " "))

        return problem


def instant(text: str) -> float:
    """`--until` as seconds since the epoch."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        fail(f'--until {text}: expected an instant with its offset, such as "2026-03-01T00:00:00+08:00"')
    return at.timestamp()


def seconds(every: str | None) -> float | None:
    """`--every` in seconds."""
    if every is None:
        return None
    found = EVERY.fullmatch(every)
    if found is None or (86_400 % (seconds := int(found[1]) * SECONDS[found[2]]) and seconds % 86_400):
        fail(
            f"--every {every}: expected a duration such as 30m, 6h or 1d that divides a day or is whole days"
        )
    return float(seconds)


def params_of(file: str | None) -> Params:
    """The parameters of `--params`, or the shipped ones."""
    from throughline.line.parameters import PARAMS, ParamsError, params, read_params

    # Not those of an installation: the command gives the same answer everywhere.
    if file is None:
        return params(PARAMS)
    document = document_of(file, "--params")
    try:
        return read_params(document)
    except ParamsError as error:
        fail(f"--params {file}: {error}")


def document_of(file: str | None, option: str) -> dict[str, Any]:
    """The document in a file of parameters, or the shipped one."""
    from throughline.line import parameters

    if file is None:
        return parameters.document_of(parameters.shipped())
    try:
        with opened(file) as stream:
            return parameters.document_of(stream.read(parameters.MAX_BYTES + 1))
    except parameters.ParamsError as error:
        fail(f"{option} {file}: {error}")
