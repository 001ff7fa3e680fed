"""How soon an ideal observer could know that a line is stopped both ways, if a vendor's one code is all there is.

    python bench/line_timing.py [--stops 400000]

No filter and no app: a line is asked about at even intervals until the vendor first says "stopped", and from then on
at every instant for nothing. The observer knows how the made-up stops go (`Habits`: their kinds, how long each lasts, with
the shape of the generator) and raises the alarm so long after the first "stopped" that 95 of 100 alarms are right;
of all such times the one with the largest recall in 24 hours is printed. Cancelled numbers have a code of their own and
are known six hours after the first answer. Beside the generator's law stands a schedule that is known to a tenth.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughline.lab.lines.population import Habits

Floats = npt.NDArray[np.float64]
RIGHT = 0.95
SOON_H = 24.0
CONFIRMED_H = 6.0
NEVER = 1e6


@dataclass(frozen=True, slots=True)
class Stops:
    """Many stops; hours since each began."""

    dark: Floats  # when nothing can be received any more, infinite if it is paid before
    ends: Floats
    gone: npt.NDArray[np.bool_]  # cancelled

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Outages of a day and more."""
        return np.isfinite(self.dark) & (self.ends - self.dark >= SOON_H)


def stops(habits: Habits, count: int, chance: np.random.Generator, *, scheduled: bool) -> Stops:
    """Stops as the generator makes them, or with a one-way time that varies by a tenth."""
    weights = np.array([habits.arrears_stops, habits.other_stops, habits.cancellations])
    kind = chance.choice(3, count, p=weights / weights.sum())
    spread = chance.uniform(0.9, 1.1, count) if scheduled else chance.gamma(4, 0.25, count)
    paid = (kind == 0) & (chance.random(count) < habits.one_way_paid)
    one_way = np.where(kind == 0, habits.one_way_h * spread * np.where(paid, 0.6, 1), 0)
    two_way = habits.two_way_h * np.exp(chance.normal(0, 0.8, count))
    two_way = np.where((kind == 2) | (chance.random(count) < habits.never_paid), NEVER, two_way)
    return Stops(np.where(paid, np.inf, one_way), np.where(paid, one_way, one_way + two_way), kind == 2)


def best(some: Stops, interval_h: float, chance: np.random.Generator) -> tuple[float, float, float]:
    """(hours after the first answer, share of right alarms, recall in 24 hours)."""
    first = chance.uniform(0, interval_h, len(some.dark))
    gone = some.gone
    found = []
    for wait in np.arange(0.0, 120.0):
        at = first + wait
        alarm = (at < some.ends) & ~gone
        right = alarm & (at >= some.dark)
        precision = (right.sum() + gone.sum()) / (alarm.sum() + gone.sum())
        soon = (right & (at - some.dark <= SOON_H)) | (gone & (first + CONFIRMED_H <= SOON_H))
        if precision >= RIGHT:
            found.append(
                (float(wait), float(precision), float((soon & some.counted).sum() / some.counted.sum()))
            )
    return max(found, key=lambda one: one[2], default=(NEVER, 0.0, 0.0))


def main() -> None:
    """Print a row for each error of the rates, law and interval."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--stops", type=int, default=400_000)
    count = asked.parse_args().stops
    for factor in (1.0, 1.5, 0.5):
        for scheduled in (False, True):
            for questions in (21, 16):
                chance = np.random.default_rng(1)
                some = stops(Habits().wrong_by(factor), count, chance, scheduled=scheduled)
                wait, precision, recall = best(some, 720 / questions, chance)
                law = "schedule known to a tenth" if scheduled else "generator's law known"
                print(
                    f"rates x {factor}, {law}, asked each {720 / questions:.1f} h: alarm after {wait:.0f} h, "
                    f"precision {precision:.3f}, recall in 24 h {recall:.3f}"
                )


if __name__ == "__main__":
    main()
