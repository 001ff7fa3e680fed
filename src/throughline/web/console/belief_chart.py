"""What was believed of a line over time as a picture: stacked probabilities, changes and evidence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 1000, 200  # units of the drawing; the browser scales it
MOST_TICKS = 8
# From the bottom: what is well, what is not known to be, what is dark.
ORDER = (
    "active",
    "out_suspended",
    "device_off",
    "suspended",
    "pre_cancelled",
    "cancelled",
    "reassigned",
)


@dataclass(frozen=True, slots=True)
class Band:
    """One state: the outline of its area as `points` of an SVG polygon."""

    state: str
    points: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An observation or a change at a place; `dark`: it speaks for a line that can receive nothing."""

    x: float
    at: datetime
    what: str
    dark: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture. `ticks` are labelled instants."""

    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, datetime], ...]


def draw(
    series: Sequence[tuple[datetime, Mapping[str, float]]], marks: Sequence[tuple[datetime, str, bool]]
) -> Chart | None:
    """Lay a belief out between its first and last instant; None if there are not two of them.

    `series`: probabilities by public state, oldest first. `marks`: what happened, and whether it is dark.
    """
    if len(series) < 2 or series[-1][0] <= series[0][0]:
        return None
    first, last = series[0][0], series[-1][0]
    span_s = (last - first).total_seconds()

    def x(at: datetime) -> float:
        return round((at - first).total_seconds() / span_s * WIDTH, 1)

    below = [0.0] * len(series)
    bands = []
    for state in ORDER:
        above = [
            low + max(0.0, chances.get(state, 0.0)) for low, (_, chances) in zip(below, series, strict=True)
        ]
        if any(high - low > 0.002 for low, high in zip(below, above, strict=True)):
            edge = [(x(at), _y(high)) for (at, _), high in zip(series, above, strict=True)]
            back = [(x(at), _y(low)) for (at, _), low in zip(series, below, strict=True)]
            bands.append(Band(state, " ".join(f"{left},{top}" for left, top in (*edge, *reversed(back)))))
        below = above
    step_s = span_s / MOST_TICKS
    ticks = tuple(
        (x(at), at) for at in (first + timedelta(seconds=step_s * (nr + 0.5)) for nr in range(MOST_TICKS))
    )
    shown = tuple(Mark(x(at), at, what, dark) for at, what, dark in marks if first <= at <= last)
    return Chart(tuple(bands), shown, ticks)


def _y(chance: float) -> float:
    return round(HEIGHT * (1 - min(chance, 1.0)), 1)
