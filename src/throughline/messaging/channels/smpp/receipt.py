"""Delivery receipts in every dialect (SMPP 3.4, Appendix B, and what SMSCs make of it).

A receipt is a text of which each vendor has its own form, or parameters beside it, or both. Nothing in it can raise:
what can't be read stays as it came and is named in `flaws`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from throughline.messaging.channels.smpp import ids, states, tlv
from throughline.messaging.channels.smpp.ids import IdDialect
from throughline.messaging.channels.smpp.states import MessageState
from throughline.messaging.channels.smpp.tlv import Tag

MAX_TEXT_CHARS = 1000
_KEY = re.compile(
    r"(?<![A-Za-z0-9])"
    r"((?:message|msg)?[ _-]?id|sub|dlvrd|submit[ _-]?date|done[ _-]?date|stat(?:us)?|err(?:or)?|text)"
    r"[ \t]{0,8}[:=]",
    re.IGNORECASE,
)
_LONG = ("submit date", "done date", "stat", "err")
_DATE_FORMS = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}
_ERROR = re.compile(r"[\x21-\x7e]{1,32}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an SMSC says of a message.

    `ref` is the id as `PartResult.provider_ref` has it under the route's dialect, `other_refs` are other readings of
    the same id, to be tried when it is not found. `err` is the SMSC's own code as written. Dates are in the route's
    zone. `raw` is the whole PDU. `flaws` say what could not be read; without `ref` or `state` the receipt is
    `malformed`, and only `raw` is left to look at.
    """

    ref: str | None
    state: MessageState | None
    other_refs: tuple[str, ...] = ()
    err: str = ""
    network_error: str = ""
    submitted_at: datetime | None = None
    done_at: datetime | None = None
    source: str = field(default="", repr=False)
    destination: str = field(default="", repr=False)
    intermediate: bool = False
    flaws: tuple[str, ...] = ()
    raw: bytes = field(default=b"", repr=False)

    @property
    def malformed(self) -> bool:
        """Whether it can't be used: no id, or no state."""
        return self.ref is None or self.state is None


def fields_of(text: str) -> dict[str, str]:
    """The fields of a receipt's text by their names in Appendix B, whatever their order and case.

    Of a field that comes twice the first counts, so that the text of the message, which stands last, can't overwrite
    what the SMSC wrote before it.
    """
    found: dict[str, str] = {}
    text = text[:MAX_TEXT_CHARS]
    keys = list(_KEY.finditer(text))
    ends = [*(key.start() for key in keys[1:]), len(text)]
    for key, end in zip(keys, ends, strict=False):
        value = text[key.end() : end]
        found.setdefault(_name(key[1].lower()), value.strip(" \t\r\n\0,;|"))
    return found


def _name(key: str) -> str:
    if key.endswith("id"):
        return "id"
    return next((name for name in _LONG if key.startswith(name[:4])), key)


def looks_like_receipt(text: str) -> bool:
    """Whether a text without the receipt's mark has an id and a state as only receipts have them."""
    found = fields_of(text)
    return "id" in found and states.by_word(_word(found.get("stat", ""))) is not None


def parse(
    text: str,
    tlvs: Mapping[int, bytes],
    *,
    dialect: IdDialect = IdDialect.SAME,
    zone: tzinfo = UTC,
    intermediate: bool = False,
    source: str = "",
    destination: str = "",
    raw: bytes = b"",
) -> Receipt:
    """The receipt that a text and its parameters hold. Parameters go before the text. Never raises."""
    found = fields_of(text)
    flaws: list[str] = []
    ref, others = _ids(found, tlvs, dialect, flaws)
    return Receipt(
        ref=ref,
        state=_state(found, tlvs, flaws),
        other_refs=others,
        err=_err(found, flaws),
        network_error=tlvs.get(Tag.NETWORK_ERROR_CODE, b"")[:8].hex(),
        submitted_at=_date(found, "submit date", zone, flaws),
        done_at=_date(found, "done date", zone, flaws),
        source=source,
        destination=destination,
        intermediate=intermediate,
        flaws=tuple(flaws),
        raw=raw,
    )


def _ids(
    found: Mapping[str, str], tlvs: Mapping[int, bytes], dialect: IdDialect, flaws: list[str]
) -> tuple[str | None, tuple[str, ...]]:
    told = tlvs.get(Tag.RECEIPTED_MESSAGE_ID)
    from_tlv = told.split(b"\0", 1)[0].decode("latin-1") if told is not None else ""
    from_text = _word(found.get("id", ""))
    if told is not None and ids.plain(from_tlv) is None:
        flaws.append("receipted_message_id can't be read")
    readings = [ids.of_answer(from_tlv, dialect), ids.of_receipt(from_text, dialect)]
    ref = next((reading for reading in readings if reading), None)
    if ref is None:
        flaws.append("no id")
    every = (*readings, *ids.alternatives(from_tlv), *ids.alternatives(from_text))
    return ref, tuple(dict.fromkeys(other for other in every if other and other != ref))


def _state(found: Mapping[str, str], tlvs: Mapping[int, bytes], flaws: list[str]) -> MessageState | None:
    word = _word(found.get("stat", ""))
    by_text = states.by_word(word)
    if Tag.MESSAGE_STATE in tlvs:
        by_tlv = states.by_number(tlv.number(tlvs, Tag.MESSAGE_STATE))
        if by_tlv is not None:
            if by_text not in {None, by_tlv}:
                flaws.append("message_state and stat differ")
            return by_tlv
        flaws.append("message_state has no meaning")
    if by_text is None:
        flaws.append("stat has no meaning" if word else "no stat")
    return by_text


def _err(found: Mapping[str, str], flaws: list[str]) -> str:
    word = _word(found.get("err", ""))
    if word and not _ERROR.fullmatch(word):
        flaws.append("err can't be read")
        return ""
    return word


def _date(found: Mapping[str, str], name: str, zone: tzinfo, flaws: list[str]) -> datetime | None:
    digits = _word(found.get(name, ""))
    if not digits.strip("0"):
        return None  # missing, or zeros: the SMSC does not know
    form = _DATE_FORMS.get(len(digits))
    try:
        if form is None or not digits.isascii() or not digits.isdigit():
            raise ValueError
        return datetime.strptime(digits, form).replace(tzinfo=zone)
    except ValueError:
        flaws.append(f"{name} can't be read")
        return None


def _word(value: str) -> str:
    """The first word of a value, without quotes around it."""
    words = value.split(maxsplit=1)
    return words[0].strip("\"',;|\0") if words else ""
