"""The numbers by which a route is judged. Where they come from is said in docs/routes.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds end in `_s`, shares are of 1.

    Submits: `tau_s` is the memory of the moving share of failures; a route trips at `fail_share` of at least
    `least_samples`, at `in_a_row` failures, or when `most_stale` submits wait longer than the stale limit, which
    follows the slowest answers between `stale_least_s` and `stale_most_s`.
    Receipts: of the messages of the last `receipt_window_s`, those without a receipt after `receipt_slow_s` are late;
    a route is sick at `late_share` of `least_receipts` that its siblings do not share (`z`), without siblings at
    `alone_share`.
    Reaction: a tripped route rests `rest_s` times its recent trips, then one message probes it, then it climbs by
    `ramp` with `ramp_step_s` between steps; at least `between_moves_s`, times the recent trips, lie between a fall
    and the next climb. Trips older than `forget_s` do not count.
    """

    tau_s: float = 10.0
    fail_share: float = 0.5
    least_samples: int = 20
    in_a_row: int = 5
    most_stale: int = 3
    stale_least_s: float = 1.0
    stale_most_s: float = 5.0
    receipt_window_s: float = 900.0
    receipt_slow_s: float = 300.0
    late_share: float = 0.15
    alone_share: float = 0.9
    least_receipts: int = 30
    z: float = 3.0
    rest_s: float = 5.0
    longest_rest_s: float = 300.0
    ramp: tuple[float, ...] = (0.1, 0.5, 1.0)
    ramp_step_s: float = 30.0
    between_moves_s: float = 60.0
    forget_s: float = 900.0
    standby_share: float = 0.02


LIMITS = Limits()
