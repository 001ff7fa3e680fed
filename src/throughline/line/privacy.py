"""The privacy fail-safe: when a number may be somebody else's, nothing that says anything goes to it. Pure.

A stranger who has the number answers, receives and is reachable like its owner, so a line that is well again
proves nobody. What was stopped here stays stopped until the person has proved the number anew, signed in by a
factor that needs no line. The one message that may go to such a number is the code that proves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from throughline.line.carriers import rules_of
from throughline.line.state import PublicState

STRANGER_ABOVE = 0.2  # P(reassigned)
ENDED_FROM = 0.9  # P(cancelled or reassigned): whoever has the number afterwards is somebody else
OFF_FROM = 0.5  # P(cannot receive), as an alarm that has risen goes on

REASSIGNED = "line: the number probably belongs to somebody else"
ENDED = "line: the number was cancelled"
LONG_OFF = "line: off for longer than the carrier keeps a number"


@dataclass(frozen=True, slots=True)
class Standing:
    """What messaging must know of a number. `freeze`: why nothing may be sent until it is proved anew."""

    suspended_at: datetime | None
    reassigned: Decimal
    freeze: str | None

    @property
    def theirs(self) -> bool:
        """Whether a word of somebody who knows the line keeps a proof alive: nothing speaks for a new owner."""
        return self.freeze is None and self.reassigned <= Decimal("0.05")


def standing(
    chances: dict[PublicState, float],
    since: datetime,
    *,
    carrier: str,
    before: datetime | None,
    now: datetime,
) -> Standing:
    """How a number stands by a belief whose public state began at `since`.

    `before`: since when it was off by the standing that is stored; it goes on while the line can't receive,
    whatever the state is called meanwhile (suspended, pre-cancelled, in doubt between them).
    """
    ended = chances.get(PublicState.CANCELLED, 0.0) + chances.get(PublicState.REASSIGNED, 0.0)
    off = ended + chances.get(PublicState.SUSPENDED, 0.0) + chances.get(PublicState.PRE_CANCELLED, 0.0)
    reassigned = chances.get(PublicState.REASSIGNED, 0.0)
    since = min(since, now)
    begun = None
    if off >= OFF_FROM:
        begun = since if before is None else min(since, before)
    freeze = None
    if reassigned > STRANGER_ABOVE:
        freeze = REASSIGNED
    elif ended >= ENDED_FROM:
        freeze = ENDED
    elif begun is not None and now - begun > rules_of(carrier, now.date()).number_is_safe_for:
        freeze = LONG_OFF
    return Standing(begun, Decimal(f"{min(max(reassigned, 0.0), 1.0):.4f}"), freeze)
