"""States of a line: those of the filter, those that the public sees, and how one follows from the other."""

from __future__ import annotations

from enum import StrEnum


class PublicState(StrEnum):
    """What we say of a line. `out_suspended` is 单停 (it still receives), `suspended` is 双停."""

    ACTIVE = "active"
    OUT_SUSPENDED = "out_suspended"
    SUSPENDED = "suspended"
    PRE_CANCELLED = "pre_cancelled"
    CANCELLED = "cancelled"
    REASSIGNED = "reassigned"
    DEVICE_OFF = "device_off"
    UNKNOWN = "unknown"


# The filter's states, in the order of its vectors. Cancellation has three stages, so that a number can't
# be resold on the first day: quarantine has a minimum, not a memoryless chance. A one-way stop has three for
# the same reason: carriers go on to the two-way stop by schedule, so how long it has lasted is evidence.
STATES = (
    "active_on",
    "active_off",
    "out_suspended_1_on",
    "out_suspended_1_off",
    "out_suspended_2_on",
    "out_suspended_2_off",
    "out_suspended_3_on",
    "out_suspended_3_off",
    "suspended",
    "pre_cancelled",
    "cancelled_1",
    "cancelled_2",
    "cancelled_3",
    "reassigned",
)
INDEX = {name: number for number, name in enumerate(STATES)}

# Names that files of parameters use, with the stages that each stands for, the first first.
STAGES = {
    "out_suspended_on": ("out_suspended_1_on", "out_suspended_2_on", "out_suspended_3_on"),
    "out_suspended_off": ("out_suspended_1_off", "out_suspended_2_off", "out_suspended_3_off"),
}
NAMES = tuple(dict.fromkeys(
    next((name for name, stages in STAGES.items() if state in stages), state) for state in STATES
))  # fmt: skip

PUBLIC_OF = (
    PublicState.ACTIVE,
    PublicState.DEVICE_OFF,
    *(PublicState.OUT_SUSPENDED,) * 6,
    PublicState.SUSPENDED,
    PublicState.PRE_CANCELLED,
    PublicState.CANCELLED,
    PublicState.CANCELLED,
    PublicState.CANCELLED,
    PublicState.REASSIGNED,
)

CANNOT_RECEIVE = frozenset(
    {PublicState.SUSPENDED, PublicState.PRE_CANCELLED, PublicState.CANCELLED, PublicState.REASSIGNED}
)
ALARM_AT = 0.9
CLEAR_AT = 0.5
SHOWN_FROM = 0.5


class Meaning(StrEnum):
    """What an observation says, whoever said it: a closed list (docs/line.md)."""

    ACTIVE = "active"
    OUT_SUSPENDED = "out_suspended"
    SUSPENDED_SOME_WAY = "suspended_some_way"
    SUSPENDED_BOTH = "suspended_both"
    NOT_ENABLED = "not_enabled"
    PRE_CANCELLED = "pre_cancelled"
    CANCELLED = "cancelled"
    UNKNOWN_NUMBER = "unknown_number"
    NUMBER_CHANGED = "number_changed"
    RECYCLED = "recycled"
    NOT_RECYCLED = "not_recycled"
    DELIVERED = "delivered"
    ABSENT = "absent"
    BARRED = "barred"
    REACHABLE = "reachable"
    OFF = "off"
    NO_RESPONSE = "no_response"
    BUSY = "busy"
    REJECTED = "rejected"
    ANSWERED = "answered"
    DATA_OK = "data_ok"
    # About the app, not the line: it is there, so its silence over mobile data counts for more; or it is gone.
    APP_ALIVE = "app_alive"
    APP_GONE = "app_gone"
    # About who has the number: the person, as they have just shown.
    PROVED = "proved"
    # The contract is younger than what we know of the number: somebody else's, or ported by the same person.
    TENURE_SHORT = "tenure_short"
    # About the axis of data alone.
    DATA_LOW = "data_low"
    DATA_LEFT = "data_left"
