"""How long things may take, and when a try is repeated. Pure."""

from __future__ import annotations

from datetime import timedelta

# A call may take 30 s: after this its process is dead or has lost the database.
LEASE = timedelta(seconds=90)
# Twelve tries take about as long as the wait for a receipt; where no other way is left, 48 take some hours.
MAX_TRIES = 12
MAX_TRIES_OF_LAST = 48
MAX_COPIES = 2  # that may all have arrived, because nobody told us how the sends ended
BASE = timedelta(seconds=2)
LONGEST = timedelta(minutes=5)
ASK_AGAIN = timedelta(seconds=60)
PATIENCE = timedelta(
    minutes=3
)  # with a provider that does not answer our questions, where another way is planned
LOOK_AT_HELD = timedelta(hours=1)


def back_off(tries: int, chance: float, *, throttled: bool) -> timedelta:
    """The wait before the next try: full jitter over a doubling span; after a throttle half of it is fixed.

    `chance` is from 0 to 1; `tries` counts those that are over, from 1.
    """
    span = min(LONGEST, BASE * float(2 ** min(tries, 10)))
    return span / 2 + span / 2 * chance if throttled else span * chance
