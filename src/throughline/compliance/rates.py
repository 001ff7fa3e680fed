"""Published reference rates that rules refer to."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

# One-year loan prime rate (LPR), by the day from which it held, as a fraction. Source: announcements of the
# National Interbank Funding Centre on the 20th of a month; the platform's note assumes 3.0 % for 2026.
_LPR_1Y: tuple[tuple[date, Decimal], ...] = (
    (date(2019, 8, 20), Decimal("0.0425")),
    (date(2019, 11, 20), Decimal("0.0415")),
    (date(2020, 2, 20), Decimal("0.0405")),
    (date(2020, 4, 20), Decimal("0.0385")),
    (date(2021, 12, 20), Decimal("0.0380")),
    (date(2022, 1, 20), Decimal("0.0370")),
    (date(2022, 8, 22), Decimal("0.0365")),
    (date(2023, 6, 20), Decimal("0.0355")),
    (date(2023, 8, 21), Decimal("0.0345")),
    (date(2024, 7, 22), Decimal("0.0335")),
    (date(2024, 10, 21), Decimal("0.0310")),
    (date(2025, 5, 20), Decimal("0.0300")),
)


def lpr_one_year(on: date) -> Decimal:
    """The one-year LPR published for a day, as a fraction. ValueError before August 2019."""
    for since, rate in reversed(_LPR_1Y):
        if since <= on:
            return rate
    raise ValueError(f"no one-year LPR is recorded for {on}")
