"""An outage as a picture: when the line was dark, when each installment fell due, what was protected. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH = 1000  # units of the drawing; the browser scales it
MARGIN_DAYS = 2
MOST_TICKS = 9


@dataclass(frozen=True, slots=True)
class Span:
    """Days of one row, both inside; `last` None: to the end of the picture."""

    first: date
    last: date | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of the picture: its bar, and where the due date stands (protections only)."""

    x: float
    width: float
    due_x: float | None
    open: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """The whole picture: the dark time, one bar for each protection, today, and labelled days."""

    dark: Bar
    protections: tuple[Bar, ...]
    today_x: float
    ticks: tuple[tuple[float, date], ...]
    height: int


def draw(dark: Span, protections: Sequence[tuple[Span | None, date]], today: date) -> Strip:
    """Lay an outage out on one scale of days. Each protection: its window (None if refused), its due date."""
    days = [dark.first, today, *(due for _, due in protections)]
    for span in (dark, *(span for span, _ in protections if span)):
        days += [span.first, span.last or today]
    first, last = min(days) - timedelta(days=MARGIN_DAYS), max(days) + timedelta(days=MARGIN_DAYS + 1)
    scale = WIDTH / (last - first).days

    def at(day: date) -> float:
        return round((day - first).days * scale, 1)

    def bar(span: Span | None, due: date | None) -> Bar:
        middle = round(at(due) + scale / 2, 1) if due else None
        if span is None:
            return Bar(0, 0, middle, open=False)
        end = (
            at(span.last + timedelta(days=1)) if span.last else at(max(today, span.first) + timedelta(days=1))
        )
        return Bar(at(span.first), round(max(end - at(span.first), scale), 1), middle, open=span.last is None)

    step = max(1, -(-(last - first).days // MOST_TICKS))
    ticks = tuple(
        (at(day), day)
        for day in (first + timedelta(days=step * nr) for nr in range(1, MOST_TICKS + 1))
        if day < last - timedelta(days=step // 2)
    )
    rows = tuple(bar(span, due) for span, due in protections)
    return Strip(bar(dark, None), rows, round(at(today) + scale / 2, 1), ticks, 34 * (1 + len(rows)) + 28)
