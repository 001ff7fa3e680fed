"""When an attempt with an open end is asked about, and when it is sent once more. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from throughline.payments.states import State

_DELAYS_S = (5, 15, 30, 60, 120, 300, 600, 1800)
_THEN_S = 3600
_JITTER = 0.2

MAX_SENDS = 5
SENT_IS_LOST_AFTER = timedelta(seconds=60)  # a call ends after 15 s at the latest
SHOWN_AFTER = timedelta(hours=2)  # on the operations board
OWNED_AFTER = timedelta(hours=24)  # a person takes it


def next_query_in(queries: int, chance: float) -> timedelta:
    """How long to wait before the query after `queries` of them.

    5 s, 15 s, 30 s, 1, 2, 5, 10, 30 min, then hourly with ± 20 % jitter; `chance` is a number in [0, 1).
    """
    if queries < len(_DELAYS_S):
        return timedelta(seconds=_DELAYS_S[queries])
    return timedelta(seconds=_THEN_S * (1 + _JITTER * (2 * chance - 1)))


def may_send_again(
    state: State, *, sent_at: datetime, sends: int, one_order: bool, lag_s: float, now: datetime
) -> bool:
    """Whether a "not found" allows the same request with the same reference once more.

    Only when the rail treats a repeat as one order (`one_order`), the end is unknown and the provider
    has had `lag_s`, the time it may need to find what it has taken. This heals a crash between the
    commit of "sent" and the socket.
    """
    ripe = now - sent_at >= timedelta(seconds=lag_s)
    return state is State.UNKNOWN and one_order and sends < MAX_SENDS and ripe
