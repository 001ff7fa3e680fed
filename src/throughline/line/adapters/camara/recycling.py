"""number-recycling 0.2.0: has the number gone to somebody else since a day?"""

from __future__ import annotations

from datetime import date

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject

CHECK = Operation("POST", "/number-recycling/v0.2/check", ("number-recycling:check",))


def ask(caller: Caller, subject: Subject, since: date, *, ends_at: float) -> Reply[bool]:
    """Whether the owner changed since the last day on which ours proved that the number is his.

    Also true where that day fell into a gap without a contract; so the day must be one of a proof.
    """
    body = subject.phone() | {"specifiedDate": since.isoformat()}
    return caller.call(
        CHECK,
        subject,
        body,
        lambda v: reading.flag(reading.mapping(v), "phoneNumberRecycled"),
        ends_at=ends_at,
    )
