"""The bodies of PDUs as frozen dataclasses, and how each lies on the wire (SMPP 3.4, section 4).

Limits of strings count the NUL. Where real peers write longer than the book allows (passwords, ids), the limit is
theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MAX_SHORT_MESSAGE_BYTES = 254


@dataclass(frozen=True, slots=True)
class Text:
    """A string with NUL of at most `limit` bytes."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Integer:
    """An unsigned integer of `size` bytes."""

    name: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Bytes behind one byte that counts them, at most `limit`."""

    name: str
    limit: int


Field = Text | Integer | Counted


@dataclass(frozen=True, slots=True)
class Bind:
    """bind_transmitter, bind_receiver, bind_transceiver. The password is never printed."""

    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, slots=True)
class BindAnswer:
    """Their answers."""

    system_id: str = ""
    tlvs: Mapping[int, bytes] = field(default_factory=dict)
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Message:
    """submit_sm and deliver_sm. Addresses and content are never printed."""

    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = field(default="", repr=False)
    dest_ton: int = 0
    dest_npi: int = 0
    destination: str = field(default="", repr=False)
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    tail: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class DataMessage:
    """data_sm: a message whose content is a parameter. Addresses and content are never printed."""

    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = field(default="", repr=False)
    dest_ton: int = 0
    dest_npi: int = 0
    destination: str = field(default="", repr=False)
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    tail: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class MessageAnswer:
    """submit_sm_resp, deliver_sm_resp, data_sm_resp."""

    message_id: str = ""
    tlvs: Mapping[int, bytes] = field(default_factory=dict)
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Query:
    """query_sm."""

    message_id: str
    source_ton: int = 0
    source_npi: int = 0
    source: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """query_sm_resp."""

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True)
class Empty:
    """enquire_link, unbind, their answers, generic_nack."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """The body of a command that we do not know."""

    raw: bytes = field(default=b"", repr=False)


NOTHING = Empty()
Body = Bind | BindAnswer | Message | DataMessage | MessageAnswer | Query | QueryAnswer | Empty | Opaque

_ADDRESSES = (
    Text("service_type", 6),
    Integer("source_ton"),
    Integer("source_npi"),
    Text("source", 65),
    Integer("dest_ton"),
    Integer("dest_npi"),
    Text("destination", 65),
    Integer("esm_class"),
)
_ID = Text("message_id", 65)

LAYOUTS: Mapping[type[Body], tuple[Field, ...]] = MappingProxyType(
    {
        Bind: (
            Text("system_id", 65),
            Text("password", 65),
            Text("system_type", 13),
            Integer("interface_version"),
            Integer("addr_ton"),
            Integer("addr_npi"),
            Text("address_range", 41),
        ),
        BindAnswer: (Text("system_id", 65),),
        Message: (
            *_ADDRESSES,
            Integer("protocol_id"),
            Integer("priority_flag"),
            Text("schedule_delivery_time", 17),
            Text("validity_period", 17),
            Integer("registered_delivery"),
            Integer("replace_if_present"),
            Integer("data_coding"),
            Integer("sm_default_msg_id"),
            # Some peers fill all 255 bytes that the counter allows; we never write more than 254.
            Counted("short_message", 255),
        ),
        DataMessage: (*_ADDRESSES, Integer("registered_delivery"), Integer("data_coding")),
        MessageAnswer: (_ID,),
        Query: (_ID, Integer("source_ton"), Integer("source_npi"), Text("source", 65)),
        QueryAnswer: (_ID, Text("final_date", 17), Integer("message_state"), Integer("error_code")),
        Empty: (),
    }
)
WITH_TLVS: frozenset[type[Body]] = frozenset({BindAnswer, Message, DataMessage, MessageAnswer})
