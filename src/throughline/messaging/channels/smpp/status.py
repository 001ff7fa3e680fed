"""What a peer's command_status means for a message: the reviewed table (SMPP 3.4, section 5.1.3).

A status other than 0 is a refusal: nothing was taken, so another try can't double. Which refusals are worth one was
decided by asking what would have to change first: the peer's state (again), or the message or our contract (final).
A route may put its provider's own codes beside the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType

from throughline.messaging.ports import Verdict


class Status(IntEnum):
    """The statuses that have a meaning for us, by their names in the book less `ESME_`."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RINVPRTFLG = 0x06
    RINVREGDLVFLG = 0x07
    RSYSERR = 0x08
    RINVSRCADR = 0x0A
    RINVDSTADR = 0x0B
    RINVMSGID = 0x0C
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RMSGQFUL = 0x14
    RINVSERTYP = 0x15
    RINVESMCLASS = 0x43
    RSUBMITFAIL = 0x45
    RINVSRCTON = 0x48
    RINVSRCNPI = 0x49
    RINVDSTTON = 0x50
    RINVDSTNPI = 0x51
    RINVSYSTYP = 0x53
    RTHROTTLED = 0x58
    RINVSCHED = 0x61
    RINVEXPIRY = 0x62
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RX_R_APPN = 0x66
    RQUERYFAIL = 0x67
    RINVOPTPARSTREAM = 0xC0
    ROPTPARNOTALLWD = 0xC1
    RINVPARLEN = 0xC2
    RMISSINGOPTPARAM = 0xC3
    RINVOPTPARAMVAL = 0xC4
    RDELIVERYFAILURE = 0xFE
    RUNKNOWNERR = 0xFF


class Fault(StrEnum):
    """Where the fault of a refusal lies. `number` and `content` say nothing about the health of a route."""

    NONE = "none"
    THROTTLE = "throttle"
    QUEUE = "queue"  # the peer has no room
    SYSTEM = "system"  # the peer is not well
    NUMBER = "number"
    CONTENT = "content"
    ACCOUNT = "account"  # our contract, source address or service type
    PROTOCOL = "protocol"  # a setting or an error of ours
    OTHER = "other"  # not in the table


@dataclass(frozen=True, slots=True)
class Meaning:
    """The verdict on the message and where the fault lies."""

    verdict: Verdict
    fault: Fault


_FINAL, _AGAIN = Verdict.REJECTED_FINAL, Verdict.REJECTED_RETRY

MEANINGS: Mapping[int, Meaning] = MappingProxyType(
    {
        Status.ROK: Meaning(Verdict.ACCEPTED, Fault.NONE),
        Status.RTHROTTLED: Meaning(Verdict.THROTTLED, Fault.THROTTLE),
        Status.RMSGQFUL: Meaning(_AGAIN, Fault.QUEUE),
        Status.RSYSERR: Meaning(_AGAIN, Fault.SYSTEM),
        Status.RSUBMITFAIL: Meaning(_AGAIN, Fault.SYSTEM),
        Status.RX_T_APPN: Meaning(_AGAIN, Fault.SYSTEM),
        Status.RQUERYFAIL: Meaning(_AGAIN, Fault.SYSTEM),
        # The session is not what the peer thinks it is: another one may be.
        Status.RINVBNDSTS: Meaning(_AGAIN, Fault.SYSTEM),
        Status.RALYBND: Meaning(_AGAIN, Fault.SYSTEM),
        Status.RBINDFAIL: Meaning(_AGAIN, Fault.ACCOUNT),
        Status.RINVPASWD: Meaning(_AGAIN, Fault.ACCOUNT),
        Status.RINVSYSID: Meaning(_AGAIN, Fault.ACCOUNT),
        Status.RINVDSTADR: Meaning(_FINAL, Fault.NUMBER),
        Status.RINVDSTTON: Meaning(_FINAL, Fault.NUMBER),
        Status.RINVDSTNPI: Meaning(_FINAL, Fault.NUMBER),
        Status.RDELIVERYFAILURE: Meaning(_FINAL, Fault.OTHER),
        Status.RINVMSGLEN: Meaning(_FINAL, Fault.CONTENT),
        Status.RX_P_APPN: Meaning(_FINAL, Fault.CONTENT),
        Status.RX_R_APPN: Meaning(_FINAL, Fault.CONTENT),
        Status.RINVSRCADR: Meaning(_FINAL, Fault.ACCOUNT),
        Status.RINVSRCTON: Meaning(_FINAL, Fault.ACCOUNT),
        Status.RINVSRCNPI: Meaning(_FINAL, Fault.ACCOUNT),
        Status.RINVSERTYP: Meaning(_FINAL, Fault.ACCOUNT),
        Status.RINVSYSTYP: Meaning(_FINAL, Fault.ACCOUNT),
        Status.RINVCMDLEN: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVCMDID: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVPRTFLG: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVREGDLVFLG: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVMSGID: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVESMCLASS: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVSCHED: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVEXPIRY: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVOPTPARSTREAM: Meaning(_FINAL, Fault.PROTOCOL),
        Status.ROPTPARNOTALLWD: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVPARLEN: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RMISSINGOPTPARAM: Meaning(_FINAL, Fault.PROTOCOL),
        Status.RINVOPTPARAMVAL: Meaning(_FINAL, Fault.PROTOCOL),
        # By its name the peer itself does not know what happened.
        Status.RUNKNOWNERR: Meaning(Verdict.UNKNOWN, Fault.SYSTEM),
    }
)
_UNLISTED = Meaning(_FINAL, Fault.OTHER)

CREDENTIALS = frozenset({Status.RBINDFAIL, Status.RINVPASWD, Status.RINVSYSID})
"""Answers to a bind after which trying again can only lock the account."""


def meaning(status: int, own: Mapping[int, Verdict] = MappingProxyType({})) -> Meaning:
    """What a status says; `own` are the verdicts of a provider's codes, which go before the table."""
    listed = MEANINGS.get(status, _UNLISTED)
    return Meaning(own[status], listed.fault) if status and status in own else listed


def name(status: int) -> str:
    """The name in the book, or the number: `ESME_RTHROTTLED`, `0x0451`."""
    return f"ESME_{Status(status).name}" if status in MEANINGS else f"0x{status:04X}"
