"""States of a message by SMPP 3.4 (section 5.2.28) in all the spellings that SMSCs have for them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from throughline.messaging.lattice import AttemptState


class MessageState(IntEnum):
    """By the number of the parameter `message_state`."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8


_SPELLINGS: Mapping[MessageState, str] = MappingProxyType(
    {
        MessageState.ENROUTE: "ENROUTE EN_ROUTE BUFFERED BUFFRED SCHEDULED PENDING",
        MessageState.DELIVERED: "DELIVRD DELIVERED DELIVERD DELIVERY DELIVRED DELIVERY_SUCCESS SUCCESS",
        MessageState.EXPIRED: "EXPIRED EXPIRD",
        MessageState.DELETED: "DELETED DELETD CANCELLED CANCELED",
        MessageState.UNDELIVERABLE: "UNDELIV UNDELIVERABLE UNDELIVERED UNDELIVRD UNDELIVERD FAILED FAILURE FAIL"
        " DELIVERY_FAILURE",
        MessageState.ACCEPTED: "ACCEPTD ACCEPTED ACCEPT ACCEPTE ACKED",
        MessageState.UNKNOWN: "UNKNOWN UNKNOWNN UNKNWN",
        MessageState.REJECTED: "REJECTD REJECTED REJECT REJCTED",
    }
)
_BY_NUMBER = {state.value: state for state in MessageState}
_BY_SPELLING = {spelling: state for state, all_ in _SPELLINGS.items() for spelling in all_.split()}

_ATTEMPTS: Mapping[MessageState, AttemptState] = MappingProxyType(
    {
        MessageState.ENROUTE: AttemptState.ACCEPTED,
        MessageState.ACCEPTED: AttemptState.ACCEPTED,
        MessageState.DELIVERED: AttemptState.DELIVERED,
        MessageState.EXPIRED: AttemptState.EXPIRED,
        MessageState.DELETED: AttemptState.FAILED,
        MessageState.UNDELIVERABLE: AttemptState.FAILED,
        MessageState.REJECTED: AttemptState.FAILED,
    }
)


def by_number(number: int | None) -> MessageState | None:
    """The state of a `message_state`; None for a number that has no meaning in 3.4."""
    return _BY_NUMBER.get(number) if number is not None else None


def by_word(word: str) -> MessageState | None:
    """The state that `stat` of a receipt spells, in letters or as its number."""
    if word.isascii() and word.isdigit():
        return by_number(int(word)) if len(word) <= 3 else None
    return _BY_SPELLING.get(word.upper().replace("-", "_"))


def attempt_state(state: MessageState, *, intermediate: bool = False) -> AttemptState | None:
    """What a state makes of an attempt; None for `UNKNOWN`, which tells nothing. A failure in a notice of the way
    (`intermediate`) is not the end: the SMSC goes on trying."""
    found = _ATTEMPTS.get(state)
    if intermediate and found in {AttemptState.EXPIRED, AttemptState.FAILED}:
        return AttemptState.ACCEPTED
    return found
