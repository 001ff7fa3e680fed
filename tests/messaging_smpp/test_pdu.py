"""The codec: what is written is read back, and hostile bytes raise one error and nothing else."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.messaging.channels.smpp import bodies, tlv
from throughline.messaging.channels.smpp.bodies import (
    Bind,
    Body,
    DataMessage,
    Empty,
    Message,
    MessageAnswer,
    Opaque,
)
from throughline.messaging.channels.smpp.commands import Command
from throughline.messaging.channels.smpp.framing import Framer
from throughline.messaging.channels.smpp.pdu import Pdu, decode, encode
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.channels.smpp.wire import HEADER_BYTES, MAX_PDU_BYTES, MalformedPdu

COMMANDS: dict[Command, type[Body]] = {
    Command.GENERIC_NACK: Empty,
    Command.BIND_RECEIVER: Bind,
    Command.BIND_RECEIVER_RESP: bodies.BindAnswer,
    Command.BIND_TRANSMITTER: Bind,
    Command.BIND_TRANSMITTER_RESP: bodies.BindAnswer,
    Command.QUERY_SM: bodies.Query,
    Command.QUERY_SM_RESP: bodies.QueryAnswer,
    Command.SUBMIT_SM: Message,
    Command.SUBMIT_SM_RESP: MessageAnswer,
    Command.DELIVER_SM: Message,
    Command.DELIVER_SM_RESP: MessageAnswer,
    Command.UNBIND: Empty,
    Command.UNBIND_RESP: Empty,
    Command.BIND_TRANSCEIVER: Bind,
    Command.BIND_TRANSCEIVER_RESP: bodies.BindAnswer,
    Command.ENQUIRE_LINK: Empty,
    Command.ENQUIRE_LINK_RESP: Empty,
    Command.DATA_SM: DataMessage,
    Command.DATA_SM_RESP: MessageAnswer,
}
WORDS = st.integers(0, 0xFFFF_FFFF)
TLVS = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=6)


def _values(kind: type[Body]) -> st.SearchStrategy[Body]:
    made: dict[str, st.SearchStrategy[Any]] = {}
    for field in bodies.LAYOUTS[kind]:
        match field:
            case bodies.Text(limit=limit):
                letters = st.characters(min_codepoint=1, max_codepoint=255)
                made[field.name] = st.text(letters, max_size=limit - 1)
            case bodies.Integer(size=size):
                made[field.name] = st.integers(0, 256**size - 1)
            case bodies.Counted(limit=limit):
                made[field.name] = st.binary(max_size=limit)
    if kind in bodies.WITH_TLVS:
        made["tlvs"], made["tail"] = TLVS, st.binary(max_size=3)
    return st.builds(kind, **made)


@st.composite
def pdus(draw: st.DrawFn) -> Pdu:
    """Any PDU that we know, and some that we do not."""
    command = draw(st.sampled_from([*COMMANDS, 0x0000_0102]))
    kind = COMMANDS.get(command) if isinstance(command, Command) else None
    body = draw(_values(kind)) if kind else Opaque(draw(st.binary(max_size=60)))
    return Pdu(int(command), draw(WORDS), body, draw(WORDS))


def test_every_command_has_a_layout() -> None:
    assert set(COMMANDS) == set(Command)
    for kind, layout in bodies.LAYOUTS.items():
        named = [field.name for field in fields(kind)]
        assert named[: len(layout)] == [field.name for field in layout]
        assert named[len(layout) :] == (["tlvs", "tail"] if kind in bodies.WITH_TLVS else [])


@given(pdus())
def test_what_is_written_is_read_back(pdu: Pdu) -> None:
    assert decode(encode(pdu)) == pdu


@given(pdus(), st.data())
def test_bytes_that_were_changed_or_cut_raise_one_error(pdu: Pdu, data: st.DataObject) -> None:
    written = bytearray(encode(pdu))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(written) - 1))
        written[at] = data.draw(st.integers(0, 255))
    cut = bytes(written[: data.draw(st.integers(0, len(written)))])
    told = len(cut).to_bytes(4, "big") + cut[4:]
    for frame in (bytes(written), cut, told):
        with contextlib.suppress(MalformedPdu):
            decode(frame)


@given(st.binary(max_size=400), st.sampled_from(Command), WORDS)
def test_noise_behind_a_header_raises_one_error_and_names_the_request(
    noise: bytes, command: Command, status: int
) -> None:
    head = (HEADER_BYTES + len(noise), command, status, 7)
    told = None
    try:
        decode(b"".join(part.to_bytes(4, "big") for part in head) + noise)
    except MalformedPdu as error:
        told = error
    assert told is None or (told.command_id, told.sequence, bool(told.why)) == (command, 7, True)


@given(st.lists(pdus(), max_size=8), st.data())
def test_a_stream_may_be_split_and_merged_in_every_way(sent: list[Pdu], data: st.DataObject) -> None:
    stream = b"".join(encode(pdu) for pdu in sent)
    framer, got = Framer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += [decode(frame) for frame in framer.feed(stream[:size])]
        stream = stream[size:]
    assert got == sent


@pytest.mark.parametrize("size", [0, 4, 15, MAX_PDU_BYTES + 1, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_length_that_no_pdu_has_ends_the_stream(size: int) -> None:
    good = encode(Pdu(Command.ENQUIRE_LINK, 1))
    frames = Framer().feed(good + size.to_bytes(4, "big") + bytes(12))
    assert next(frames) == good
    with pytest.raises(MalformedPdu):
        next(frames)


@given(st.binary(max_size=3000))
def test_noise_never_raises_anything_else_in_framing(noise: bytes) -> None:
    with contextlib.suppress(MalformedPdu):
        for frame in Framer().feed(noise):
            assert HEADER_BYTES <= len(frame) <= MAX_PDU_BYTES


def test_unknown_parameters_are_kept_and_padding_does_not_hurt() -> None:
    body = Message(source="1", tlvs={0x1400: b"vendor", Tag.MESSAGE_STATE: b"\2"}, tail=b"\0\0\0")
    read = decode(encode(Pdu(Command.DELIVER_SM, 1, body))).body
    assert read == body


def test_a_parameter_longer_than_the_pdu_is_padding_and_the_first_of_two_counts() -> None:
    plain = encode(Pdu(Command.DELIVER_SM, 1, Message()))
    more = b"\x04\x27\x00\x01\x02" + b"\x04\x27\x00\x01\x05" + b"\x00\x1e\xff\xff12"
    frame = (len(plain) + len(more)).to_bytes(4, "big") + plain[4:] + more
    body = decode(frame).body
    assert isinstance(body, Message)
    assert tlv.number(body.tlvs, Tag.MESSAGE_STATE) == 2
    assert body.tail == b"\x00\x1e\xff\xff12"


def test_too_many_parameters_are_no_pdu() -> None:
    with pytest.raises(MalformedPdu):
        encode(Pdu(Command.DELIVER_SM, 1, Message(tlvs=dict.fromkeys(range(65), b""))))
    plain = encode(Pdu(Command.DELIVER_SM, 1, Message()))
    more = b"".join(tag.to_bytes(2, "big") + b"\0\0" for tag in range(65))
    with pytest.raises(MalformedPdu):
        decode((len(plain) + len(more)).to_bytes(4, "big") + plain[4:] + more)


@pytest.mark.parametrize(
    "body",
    [
        Message(source="1" * 65),
        Message(source="a\0b"),
        Message(source="送"),
        Message(short_message=bytes(256)),
        Message(data_coding=256),
        Message(data_coding=-1),
        Message(tlvs={0x10000: b""}),
        Message(tlvs={1: bytes(0x10000)}),
        Message(tlvs={tag: bytes(40_000) for tag in (1, 2)}),
    ],
)
def test_what_does_not_fit_is_not_written(body: Message) -> None:
    with pytest.raises(MalformedPdu):
        encode(Pdu(Command.SUBMIT_SM, 1, body))


def test_a_refusal_needs_no_body_and_may_have_half_of_one() -> None:
    head = b"\x80\x00\x00\x04" + b"\x00\x00\x00\x58" + b"\x00\x00\x00\x07"
    assert decode(b"\0\0\0\x10" + head) == Pdu(Command.SUBMIT_SM_RESP, 7, MessageAnswer(), 0x58)
    assert decode(b"\0\0\0\x12" + head + b"ab").body == MessageAnswer()
    accepted = head.replace(b"\x58", b"\x00")
    assert decode(b"\0\0\0\x10" + accepted) == Pdu(Command.SUBMIT_SM_RESP, 7, MessageAnswer(), 0)
    with pytest.raises(MalformedPdu):
        decode(b"\0\0\0\x12" + accepted + b"ab")


def test_secrets_and_people_are_not_printed() -> None:
    printed = repr(Pdu(1, 1, Bind("us", "hunter2"))) + repr(
        Pdu(4, 1, Message(destination="8613800000000", short_message=b"secret", tlvs={1: b"secret"}))
    )
    assert "hunter2" not in printed
    assert "8613800000000" not in printed
    assert "secret" not in printed
