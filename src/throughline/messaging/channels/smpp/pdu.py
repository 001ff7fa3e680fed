"""PDUs to bytes and back. Whatever the bytes are, `decode` returns a PDU or raises `MalformedPdu`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from throughline.messaging.channels.smpp import tlv, wire
from throughline.messaging.channels.smpp.bodies import (
    LAYOUTS,
    NOTHING,
    WITH_TLVS,
    Bind,
    BindAnswer,
    Body,
    Counted,
    DataMessage,
    Empty,
    Field,
    Integer,
    Message,
    MessageAnswer,
    Opaque,
    Query,
    QueryAnswer,
    Text,
)
from throughline.messaging.channels.smpp.commands import Command
from throughline.messaging.channels.smpp.wire import HEADER_BYTES, MAX_PDU_BYTES, MalformedPdu, Reader

_REQUESTS: Mapping[int, type[Body]] = MappingProxyType(
    {
        Command.BIND_RECEIVER: Bind,
        Command.BIND_TRANSMITTER: Bind,
        Command.BIND_TRANSCEIVER: Bind,
        Command.QUERY_SM: Query,
        Command.SUBMIT_SM: Message,
        Command.DELIVER_SM: Message,
        Command.DATA_SM: DataMessage,
        Command.ENQUIRE_LINK: Empty,
        Command.UNBIND: Empty,
    }
)
_ANSWERS: Mapping[int, Body] = MappingProxyType(
    {
        Command.GENERIC_NACK: NOTHING,
        Command.BIND_RECEIVER_RESP: BindAnswer(),
        Command.BIND_TRANSMITTER_RESP: BindAnswer(),
        Command.BIND_TRANSCEIVER_RESP: BindAnswer(),
        Command.QUERY_SM_RESP: QueryAnswer(),
        Command.SUBMIT_SM_RESP: MessageAnswer(),
        Command.DELIVER_SM_RESP: MessageAnswer(),
        Command.DATA_SM_RESP: MessageAnswer(),
        Command.ENQUIRE_LINK_RESP: NOTHING,
        Command.UNBIND_RESP: NOTHING,
    }
)
"""Each answer with the body that it has when none came."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """One protocol data unit. `status` is 0 in requests."""

    command_id: int
    sequence: int
    body: Body = NOTHING
    status: int = 0


def encode(pdu: Pdu) -> bytes:
    """The bytes of a PDU. Raises `MalformedPdu` when it does not fit the protocol's limits."""
    return frame(pdu.command_id, pdu.sequence, body_bytes(pdu.body), pdu.status)


def frame(command_id: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """The bytes of a PDU whose body is bytes already. Raises `MalformedPdu`."""
    size = HEADER_BYTES + len(body)
    if size > MAX_PDU_BYTES:
        raise MalformedPdu(f"{size} bytes are more than {MAX_PDU_BYTES}")
    return b"".join(wire.integer(part, 4) for part in (size, command_id, status, sequence)) + body


def body_bytes(body: Body) -> bytes:
    """The bytes of a body. Raises `MalformedPdu`."""
    if isinstance(body, Opaque):
        return body.raw
    written = b"".join(_written(field, getattr(body, field.name)) for field in LAYOUTS[type(body)])
    if isinstance(body, BindAnswer | Message | DataMessage | MessageAnswer):
        written += tlv.write(body.tlvs) + body.tail
    return written


def decode(data: bytes) -> Pdu:
    """The PDU of a whole frame, its length among it. Raises `MalformedPdu`."""
    if not HEADER_BYTES <= len(data) <= MAX_PDU_BYTES:
        raise MalformedPdu(f"a PDU of {len(data)} bytes")
    reader = Reader(data)
    size, command_id, status, sequence = (reader.integer(4) for _ in range(4))
    if size != len(data):
        raise MalformedPdu(f"{size} bytes are announced, {len(data)} are there")
    try:
        return Pdu(command_id, sequence, _read(command_id, status, reader), status)
    except MalformedPdu as error:
        raise MalformedPdu(error.why, command_id=command_id, sequence=sequence) from None


def _read(command_id: int, status: int, reader: Reader) -> Body:
    if command_id in _REQUESTS:
        return _fields(_REQUESTS[command_id], reader)
    if command_id not in _ANSWERS:
        return Opaque(reader.rest())
    without = _ANSWERS[command_id]
    if not reader.left:
        return without  # right in a refusal; some peers leave the body out of an answer that accepts, too
    try:
        return _fields(type(without), reader)
    except MalformedPdu:
        if status:
            return without  # a refusal says all in its status
        raise


def _fields(kind: type[Body], reader: Reader) -> Body:
    made: Callable[..., Body] = kind
    values: dict[str, Any] = {field.name: _value(field, reader) for field in LAYOUTS[kind]}
    if kind in WITH_TLVS:
        values["tlvs"], values["tail"] = tlv.read(reader)
    # What stands behind a body without optional parameters has no meaning, and is left.
    return made(**values)


def _value(field: Field, reader: Reader) -> int | str | bytes:
    match field:
        case Text(limit=limit):
            return reader.text(limit)
        case Integer(size=size):
            return reader.integer(size)
        case Counted():
            return reader.take(reader.integer(1))


def _written(field: Field, value: Any) -> bytes:
    match field:
        case Text(limit=limit):
            return wire.text(value, limit)
        case Integer(size=size):
            return wire.integer(value, size)
        case Counted(limit=limit):
            if len(value) > limit:
                raise MalformedPdu(f"{len(value)} bytes are more than {limit}")
            return wire.integer(len(value), 1) + bytes(value)
