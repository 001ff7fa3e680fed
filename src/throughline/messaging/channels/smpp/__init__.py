"""Our own SMPP 3.4 client: a session that binds, sends within a window, hears receipts, and says what it does not know.

It knows no database. Whoever owns a session gives it an `EventSink`. Public: `SmppSession`, `SmppRoute`, `EventSink`
and what passes between them (`Outgoing`, `TextResult`, `PartResult`, `LateAnswer`, `Receipt`, `Inbound`,
`PartOf`, `LinkEvent`, `LinkState`), `MessageState` with `attempt_state`, `Fault`.
"""

from __future__ import annotations

from throughline.messaging.channels.smpp.receipt import Receipt
from throughline.messaging.channels.smpp.session import SmppSession
from throughline.messaging.channels.smpp.settings import SmppRoute
from throughline.messaging.channels.smpp.sink import (
    EventSink,
    Inbound,
    LateAnswer,
    LinkEvent,
    LinkState,
    Outgoing,
    PartResult,
    TextResult,
)
from throughline.messaging.channels.smpp.states import MessageState, attempt_state
from throughline.messaging.channels.smpp.status import Fault
from throughline.messaging.channels.smpp.udh import PartOf

__all__ = [
    "EventSink",
    "Fault",
    "Inbound",
    "LateAnswer",
    "LinkEvent",
    "LinkState",
    "MessageState",
    "Outgoing",
    "PartOf",
    "PartResult",
    "Receipt",
    "SmppRoute",
    "SmppSession",
    "TextResult",
    "attempt_state",
]
