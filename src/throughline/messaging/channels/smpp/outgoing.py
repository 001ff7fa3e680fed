"""A text as the submit_sm PDUs of a route."""

from __future__ import annotations

import re

from throughline.messaging.channels.smpp.bodies import Message
from throughline.messaging.channels.smpp.settings import SmppRoute
from throughline.messaging.channels.smpp.sink import Outgoing
from throughline.messaging.channels.smpp.text import parts

_NUMBER = re.compile(r"\+?[0-9]{3,20}", re.ASCII)
_SOURCE = re.compile(r"[\x20-\x7e]{0,20}")
_DAY_S = 86_400
MAX_VALIDITY_S = 99 * _DAY_S + _DAY_S - 1


def messages(outgoing: Outgoing, route: SmppRoute, reference: int) -> list[Message]:
    """The bodies of all parts. Raises `ValueError` (`TextTooLong` and `NoAlphabet` among them) without showing the
    number or the text."""
    if not _NUMBER.fullmatch(outgoing.destination):
        raise ValueError("the destination is no number")
    if not outgoing.text:
        raise ValueError("the text is empty")
    source = route.source_address if outgoing.source is None else outgoing.source
    if not _SOURCE.fullmatch(source):
        raise ValueError("the source is no address")
    return [
        Message(
            service_type=route.service_type,
            source_ton=route.source_ton,
            source_npi=route.source_npi,
            source=source,
            dest_ton=route.dest_ton,
            dest_npi=route.dest_npi,
            destination=outgoing.destination.removeprefix("+"),
            esm_class=part.esm_class,
            validity_period="" if outgoing.validity_s is None else relative(outgoing.validity_s),
            registered_delivery=int(route.receipts),
            data_coding=part.data_coding,
            short_message=part.short_message,
            tlvs=part.tlvs,
        )
        for part in parts(
            outgoing.text,
            alphabets=route.alphabets,
            joining=route.joining,
            reference=reference,
            max_parts=route.max_parts,
        )
    ]


def relative(seconds: int) -> str:
    """A duration as SMPP 3.4 writes it (section 7.1.1.1), from a second to 99 days. Raises `ValueError`."""
    if not 1 <= seconds <= MAX_VALIDITY_S:
        raise ValueError("validity_s must be from a second to 99 days")
    days, rest = divmod(seconds, _DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"0000{days:02d}{hours:02d}{minutes:02d}{rest:02d}000R"
