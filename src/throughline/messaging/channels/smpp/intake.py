"""What comes in from an SMSC, read and handed to the sink; what the sink came to is the answer to the SMSC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from throughline.kernel.logging import get_logger
from throughline.messaging.channels.smpp import receipt
from throughline.messaging.channels.smpp.bodies import DataMessage, Message
from throughline.messaging.channels.smpp.content import Content, content, decoded
from throughline.messaging.channels.smpp.handing import handed
from throughline.messaging.channels.smpp.pdu import Pdu
from throughline.messaging.channels.smpp.reassembly import Reassembly, TextKey
from throughline.messaging.channels.smpp.settings import SmppRoute
from throughline.messaging.channels.smpp.sink import EventSink, Inbound
from throughline.messaging.channels.smpp.status import Status
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.channels.smpp.udh import PartOf

log = get_logger(__name__)

_KIND_BITS = 0x3C  # of esm_class
_RECEIPTS = frozenset({0x04, 0x20})
_INTERMEDIATE = 0x20


class Intake:
    """Of a whole session: the parts of a text may come over several connections."""

    def __init__(self, route: SmppRoute, sink: EventSink, clock: Callable[[], float]) -> None:
        self._route, self._sink, self._clock = route, sink, clock
        self._zone = ZoneInfo(route.receipt_zone)
        self._texts = Reassembly(time_limit_s=route.text_time_limit_s, max_texts=route.max_unfinished_texts)

    async def take(self, pdu: Pdu | None, frame: bytes, why: str = "") -> Status:
        """Hand one delivery to the sink; the status that answers it. `pdu` None: it can't be read, and says `why`."""
        if pdu is None or not isinstance(pdu.body, Message | DataMessage):
            return await self._taken(self._sink.unreadable(frame, why))
        try:
            held = content(pdu.body, default=self._route.default_alphabet)
            report = self._receipt(pdu.body, held, frame) if self._is_receipt(pdu.body, held) else None
            whole = None if report else self._whole(pdu.body, held)
        except Exception as error:
            # An error of ours: unanswered it would come again for ever.
            log.error(  # noqa: TRY400  by its type alone, as everywhere
                "a delivery could not be read", route=self._route.name, error=type(error).__name__
            )
            return await self._taken(self._sink.unreadable(frame, type(error).__name__))
        if report:
            return await self._taken(self._sink.receipt(report))
        return await self._inbound(pdu.body, held, whole)

    def _is_receipt(self, body: Message | DataMessage, held: Content) -> bool:
        if body.esm_class & _KIND_BITS in _RECEIPTS or Tag.RECEIPTED_MESSAGE_ID in body.tlvs:
            return True
        return self._route.unmarked_receipts and receipt.looks_like_receipt(held.text or "")

    def _receipt(self, body: Message | DataMessage, held: Content, frame: bytes) -> receipt.Receipt:
        # Receipts are ASCII by the book, whatever their data_coding says; some SMSCs mean the UCS-2 that they name.
        text = held.text if body.data_coding == 8 and b"\0" in held.raw else held.raw.decode("latin-1")
        return receipt.parse(
            text or "",
            body.tlvs,
            dialect=self._route.id_dialect,
            zone=self._zone,
            intermediate=body.esm_class & _KIND_BITS == _INTERMEDIATE,
            source=body.source,
            destination=body.destination,
            raw=frame,
        )

    def _whole(self, body: Message | DataMessage, held: Content) -> str | None:
        """The whole text that this PDU is, or completes."""
        if held.part is None or held.text is None:
            return held.text
        raw = self._texts.add(_key(body, held.part), held.part.number, held.raw, now_s=self._clock())
        return None if raw is None else decoded(raw, body.data_coding, default=self._route.default_alphabet)

    async def _inbound(self, body: Message | DataMessage, held: Content, whole: str | None) -> Status:
        message = Inbound(
            body.source, body.destination, held.text, whole, held.part, body.data_coding, held.raw
        )
        status = await self._taken(self._sink.inbound(message))
        if held.part is not None and whole is not None and status is Status.ROK:
            self._texts.confirm(_key(body, held.part))
        return status

    async def _taken(self, handing: Awaitable[None]) -> Status:
        return Status.ROK if await handed(self._route, handing) else Status.RX_T_APPN


def _key(body: Message | DataMessage, part: PartOf) -> TextKey:
    return TextKey(body.source, body.destination, body.data_coding, part.reference, part.total)
