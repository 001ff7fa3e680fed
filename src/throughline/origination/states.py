"""The states of an application and the moves between them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an application stands. The last five are ends."""

    DRAFT = "draft"
    DECIDING = "deciding"
    REFERRED = "referred"
    OFFERED = "offered"
    SIGNING = "signing"
    DISBURSING = "disbursing"
    PAYOUT_FAILED = "payout_failed"
    DISBURSED = "disbursed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


# An offer that was confirmed may be looked at again (costs shown anew), hence signing -> offered.
MOVES: dict[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.DECIDING, State.WITHDRAWN, State.EXPIRED}),
    State.DECIDING: frozenset({State.OFFERED, State.REFERRED, State.DECLINED}),
    State.REFERRED: frozenset({State.OFFERED, State.DECLINED, State.WITHDRAWN, State.EXPIRED}),
    State.OFFERED: frozenset({State.SIGNING, State.WITHDRAWN, State.EXPIRED}),
    State.SIGNING: frozenset({State.OFFERED, State.DISBURSING, State.WITHDRAWN, State.EXPIRED}),
    State.DISBURSING: frozenset({State.DISBURSED, State.PAYOUT_FAILED}),
    State.PAYOUT_FAILED: frozenset({State.DISBURSING, State.WITHDRAWN}),
    State.DISBURSED: frozenset({State.PAYOUT_FAILED}),  # a payout may come back days later
    State.DECLINED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.EXPIRED: frozenset(),
}

OPEN = frozenset(
    {
        State.DRAFT,
        State.DECIDING,
        State.REFERRED,
        State.OFFERED,
        State.SIGNING,
        State.DISBURSING,
        State.PAYOUT_FAILED,
    }
)


def may_move(old: State, new: State) -> bool:
    """Whether an application may go from one state to the other."""
    return new in MOVES[old]
