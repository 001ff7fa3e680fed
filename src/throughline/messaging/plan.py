"""Which address each step of a message goes to. Steps are taken in order, never all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from throughline.messaging.standing import obstacle
from throughline.parties.contact import ContactKind
from throughline.parties.records import ContactPoint


class Channel(StrEnum):
    """A way to the person. The in-app inbox is not one: it is written for every intent at once."""

    SMS = "sms"
    EMAIL = "email"


_ORDER = ((Channel.SMS, ContactKind.PHONE), (Channel.EMAIL, ContactKind.EMAIL))


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: a channel and the address it goes to."""

    channel: Channel
    contact_point_id: UUID


def steps_for(points: Sequence[ContactPoint], *, now: datetime) -> tuple[PlannedStep, ...]:
    """SMS first, then e-mail; for each the person's first address that works, else their first one.

    A number that stopped keeps its place in the plan only when there is no other: its step is then held.
    """
    found = []
    for channel, kind in _ORDER:
        own = [point for point in points if point.kind is kind and point.owner == "self"]
        usable = [point for point in own if obstacle(point, now=now) is None]
        if own:
            found.append(PlannedStep(channel, (usable or own)[0].id))
    return tuple(found)
