"""Identifiers: UUIDv7 (RFC 9562, section 5.7), made in Python because PostgreSQL 16 and 17 cannot.

Ordered by time, so that a primary key index grows at its right edge.
"""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last: tuple[int, int] = (0, 0)  # (milliseconds, counter) of the newest id of this process


def new_id() -> UUID:
    """A new UUIDv7, strictly increasing within this process.

    48 bits of Unix milliseconds, a 12-bit counter seeded at random in each millisecond (method 1 of
    RFC 9562, section 6.2), 62 random bits.
    """
    global _last
    with _lock:
        millis = time.time_ns() // 1_000_000
        last_millis, counter = _last
        if millis <= last_millis:
            # The clock stands still or went back: stay on the last millisecond and count on.
            millis, counter = last_millis, counter + 1
            if counter > 0xFFF:
                millis, counter = millis + 1, 0
        else:
            counter = secrets.randbits(11)  # the upper half stays free for counting
        _last = (millis, counter)
    value = (millis & (2**48 - 1)) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)
