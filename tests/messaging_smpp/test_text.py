"""Texts into parts and parts into texts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.messaging.channels.smpp import gsm7, udh
from throughline.messaging.channels.smpp.bodies import DataMessage, Message
from throughline.messaging.channels.smpp.content import content, decoded
from throughline.messaging.channels.smpp.reassembly import MAX_TEXT_PARTS, Reassembly, TextKey
from throughline.messaging.channels.smpp.text import Alphabet, Joining, NoAlphabet, Part, TextTooLong, parts
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.channels.smpp.udh import PartOf

BASIC = gsm7.decode(bytes(code for code in range(128) if code != gsm7.ESCAPE))
EXTENSION = "\f^{}\\[~]|€"
GSM = st.text(st.sampled_from(BASIC + EXTENSION), max_size=800)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


def message_of(part: Part) -> Message:
    return Message(
        esm_class=part.esm_class,
        data_coding=part.data_coding,
        short_message=part.short_message,
        tlvs=part.tlvs,
    )


def joined(made: list[Part]) -> str:
    """The text of parts that came in any order."""
    texts, whole = Reassembly(), None
    for part in random.Random(7).sample(made, len(made)):
        held = content(message_of(part))
        assert held.text is not None
        if held.part is None:
            return held.text
        key = TextKey("1", "2", part.data_coding, held.part.reference, held.part.total)
        whole = texts.add(key, held.part.number, held.raw, now_s=0) or whole
    assert whole is not None
    found = decoded(whole, made[0].data_coding)
    assert found is not None
    return found


def test_the_alphabet_is_whole() -> None:
    assert len(set(BASIC)) == 127
    assert gsm7.septets(EXTENSION) == [
        b"\x1b" + bytes([code]) for code in b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65"
    ]
    assert gsm7.septets("@£$") == [b"\0", b"\1", b"\2"]
    assert gsm7.septets("ç") is None


@given(GSM)
def test_gsm_text_comes_back(text: str) -> None:
    codes = gsm7.septets(text)
    assert codes is not None
    assert gsm7.decode(b"".join(codes)) == text


@given(st.binary(max_size=300))
def test_any_bytes_are_some_text(noise: bytes) -> None:
    gsm7.decode(noise)
    for coding in range(256):
        decoded(noise, coding)


@given(st.one_of(GSM, ANY), st.sampled_from([Joining.UDH, Joining.SAR]), st.integers(0, 255))
def test_a_text_in_parts_is_the_text_again(text: str, joining: Joining, reference: int) -> None:
    made = parts(text, joining=joining, reference=reference, max_parts=255)
    assert joined(made) == text
    for part in made:
        assert len(part.short_message) <= (160 if part.data_coding == 0 else 140)
        assert part.total == len(made)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("a" * 306, [153, 153]),
        ("a" * 307, [153, 153, 1]),
        ("€" * 80, [160]),
        ("€" * 81, [152, 10]),  # an escape is not parted from what it escapes
        ("a" + "€" * 80, [153, 8]),
        ("汉" * 70, [140]),
        ("汉" * 71, [134, 8]),
        ("😀" * 35, [140]),
        ("😀" * 36, [132, 12]),  # 33 pairs and not 33.5
        ("汉" + "😀" * 35, [134, 8]),
    ],
)
def test_where_a_text_is_cut(text: str, sizes: list[int]) -> None:
    made = parts(text)
    assert [len(part.short_message) - (6 if len(made) > 1 else 0) for part in made] == sizes


def test_the_first_alphabet_with_all_characters_is_taken() -> None:
    both = (Alphabet.GSM7, Alphabet.LATIN1, Alphabet.UCS2)
    assert [parts(text, alphabets=both)[0].data_coding for text in ("a€", "ç", "汉")] == [0, 3, 8]
    with pytest.raises(NoAlphabet):
        parts("汉", alphabets=(Alphabet.GSM7, Alphabet.LATIN1))
    with pytest.raises(NoAlphabet):
        parts("\ud83d")


def test_there_is_a_limit_of_parts() -> None:
    assert len(parts("a" * 1530, max_parts=10)) == 10
    with pytest.raises(TextTooLong):
        parts("a" * 1531, max_parts=10)
    with pytest.raises(TextTooLong):
        parts("a" * 1531, max_parts=10, joining=Joining.PAYLOAD)


def test_a_payload_is_one_part() -> None:
    [part] = parts("汉" * 200, joining=Joining.PAYLOAD)
    assert part.short_message == b""
    assert content(message_of(part)).text == "汉" * 200
    data = DataMessage(data_coding=8, tlvs=part.tlvs)
    assert content(data).text == "汉" * 200


def test_headers_of_parts() -> None:
    part = PartOf(7, 3, 2)
    assert udh.header(part) == b"\5\0\3\7\3\2"
    assert udh.split(udh.header(part) + b"x") == (part, b"x")
    assert udh.split(b"\6\x08\4\1\2\3\1x") == (PartOf(0x102, 3, 1), b"x")
    # Another header in front of it; a port header alone; parts that can't be.
    assert udh.split(b"\x0b\5\4\1\2\3\4\0\3\7\3\2x") == (part, b"x")
    assert udh.split(b"\6\5\4\1\2\3\4x") == (None, b"x")
    for total, number in ((0, 0), (2, 0), (2, 3), (1, 1)):
        assert udh.split(bytes([5, 0, 3, 7, total, number]) + b"x") == (None, b"x")


@given(st.binary(max_size=300))
def test_any_header_is_read_or_is_none(noise: bytes) -> None:
    part, rest = udh.split(noise)
    assert noise.endswith(rest)
    assert part is None or part.sound


def test_what_is_not_text_has_none() -> None:
    for coding in (2, 4, 0xF4, 0xF5, 5, 13):
        assert decoded(b"abc", coding) is None
    assert decoded(b"\0", 0) == "@"
    assert decoded(b"\0", 0xF1) == "@"
    assert decoded(b"\xe4", 0, default=Alphabet.LATIN1) == "ä"
    assert decoded(b"\x6c\x49\xd8", 8) == "汉�"
    assert decoded(b"a\xff", 1) == "a�"
    assert decoded(b"5\x1be\r\n", 1) == "5€\r\n"  # septets that are called IA5
    assert gsm7.decode(b"a\x1bz\x1b\x1b\x1b") == "az "


def test_sar_parameters_of_a_wrong_size_are_no_part() -> None:
    tlvs = {Tag.SAR_MSG_REF_NUM: b"", Tag.SAR_TOTAL_SEGMENTS: b"\2", Tag.SAR_SEGMENT_SEQNUM: b"\1"}
    assert content(Message(short_message=b"a", tlvs=tlvs)).part is None


def key(
    reference: int = 7, total: int = 2, source: str = "1", destination: str = "2", coding: int = 0
) -> TextKey:
    return TextKey(source, destination, coding, reference, total)


def test_doubled_parts_and_a_text_that_was_taken() -> None:
    texts = Reassembly()
    assert texts.add(key(), 2, b"b", now_s=0) is None
    assert texts.add(key(), 2, b"b", now_s=1) is None
    assert texts.add(key(), 1, b"a", now_s=2) == b"ab"
    assert texts.add(key(), 1, b"a", now_s=3) == b"ab"  # nobody has confirmed it
    texts.confirm(key())
    assert texts.add(key(), 2, b"b", now_s=4) is None
    # Another person, another number of ours, another length, another alphabet: other texts.
    for other in (key(source="3"), key(destination="4"), key(total=3), key(coding=8)):
        assert texts.add(other, 1, b"a", now_s=5) is None


def test_a_reference_that_comes_round_begins_anew() -> None:
    texts = Reassembly()
    texts.add(key(), 1, b"old", now_s=0)
    assert texts.add(key(), 1, b"new", now_s=1) is None
    assert texts.add(key(), 2, b"!", now_s=2) == b"new!"


def test_a_character_may_be_cut_in_two() -> None:
    texts, smile = Reassembly(), "😀".encode("utf-16-be")
    assert texts.add(key(coding=8), 1, smile[:2], now_s=0) is None
    whole = texts.add(key(coding=8), 2, smile[2:], now_s=0)
    assert whole is not None
    assert decoded(whole, 8) == "😀"


def test_unfinished_texts_have_a_time_and_a_number() -> None:
    texts = Reassembly(time_limit_s=10, max_texts=3)
    texts.add(key(1), 1, b"a", now_s=0)
    assert texts.add(key(1), 2, b"b", now_s=10) is None  # too late for the first
    for reference in range(50):
        texts.add(key(reference), 1, b"a", now_s=11)
    assert len(texts) == 3
    assert texts.add(key(9, MAX_TEXT_PARTS + 1), 1, b"a", now_s=12) is None
    assert texts.add(key(9), 3, b"a", now_s=12) is None
    assert texts.add(key(9), 1, b"a" * 1001, now_s=12) is None
    assert len(texts) == 3
