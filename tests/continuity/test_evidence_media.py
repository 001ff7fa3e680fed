"""What a file is by its content, and what is kept of it: pure."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuity.papers import HTML, PLACE, SVG, chunk, exif, jpeg, pdf, png, segment
from throughline.continuity.evidence import jpeg as jpeg_file
from throughline.continuity.evidence import media, numbers
from throughline.continuity.evidence import png as png_file
from throughline.continuity.reports import LONGEST_PAST, OPEN_FOR
from throughline.continuity.reviews import LONGEST_BY_HAND

BOMB = zlib.compress(bytes(30_000_000), 9)
COMMENT = 0xFE


def kept(sent: bytes) -> media.NewFile:
    return media.looked_at("other", "", sent)


@pytest.mark.parametrize(
    ("sent", "media_type"),
    [
        (jpeg(), "image/jpeg"),
        (png(), "image/png"),
        (pdf(), "application/pdf"),
        (pdf(BOMB), "application/pdf"),
    ],
)
def test_types_are_known_by_their_content(sent: bytes, media_type: str) -> None:
    found = kept(sent)
    assert (found.media_type, found.content, found.sent) == (media_type, sent, sent)


@pytest.mark.parametrize(
    "sent",
    [
        HTML,
        SVG,
        b"GIF89a" + bytes(40),
        b"PK\x03\x04" + bytes(40),
        b"MZ" + bytes(40),
        b" " + pdf(),
        HTML + pdf(),
        b"%PDF-1.7 with no end",
        jpeg()[:-2],
        jpeg()[:40],
        b"\xff\xd8\xff" + HTML,
        b"\xff\xd8\xff\xd9",
        jpeg(size=(0, 16)),
        jpeg(size=(65_535, 65_535)),
        png()[:-4],
        png().replace(b"IDAT", b"IDAX"),
        png(size=(100_000, 100_000)),
        png(chunk(b"EVIL", b"")),
        b"\x89PNG\r\n\x1a\n" + HTML,
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IEND", b""),
    ],
)
def test_what_is_no_whole_picture_or_letter_is_refused(sent: bytes) -> None:
    with pytest.raises(media.EvidenceType):
        kept(sent)


@pytest.mark.parametrize("order", ["II", "MM"])
def test_a_photo_brings_no_place_and_nothing_behind_its_end(order: str) -> None:
    sent = jpeg(
        segment(0xE1, exif(6, order)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PLACE),
        segment(0xED, PLACE),
        segment(COMMENT, HTML),
        segment(0xE2, b"MPF\0" + PLACE),
        segment(0xE2, b"ICC_PROFILE\0\x01\x01profile"),
        tail=HTML + jpeg(segment(0xE1, exif(1))),
    )
    found = kept(sent).content
    assert PLACE not in found
    assert HTML not in found
    assert b"ICC_PROFILE" in found
    assert exif(6, "MM")[: len(b"Exif\0\0MM\0*\0\0\0\x08")] in found  # which way up it is stays
    assert b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06" in found
    assert b"".join((segment(0xDB, b"\0" + bytes(range(1, 65))), b"")) in found
    assert jpeg_file.cleaned(found) == found  # clean is clean


def test_a_picture_in_several_scans_stays_whole() -> None:
    second = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x77\xff\xd0\x78"
    sent = jpeg(scan=b"\x12\xff\x00\x34" + segment(0xC4, b"\0" + bytes(17)) + second)
    assert kept(sent).content == sent


@pytest.mark.parametrize("broken", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(9)])
def test_exif_that_is_none_says_nothing(broken: bytes) -> None:
    assert kept(jpeg(segment(0xE1, broken))).content == jpeg()


def test_a_screenshot_brings_no_texts_and_nothing_behind_its_end() -> None:
    sent = png(
        chunk(b"tEXt", b"Comment\0" + PLACE),
        chunk(b"eXIf", PLACE),
        chunk(b"tIME", bytes(7)),
        chunk(b"sRGB", b"\0"),
        tail=HTML + pdf(),
    )
    assert kept(sent).content == png(chunk(b"sRGB", b"\0"))


@given(st.binary(max_size=300), st.integers(0, 400), st.binary(max_size=6))
def test_no_bytes_break_it_and_what_is_kept_is_stable(noise: bytes, at: int, put: bytes) -> None:
    for whole, cleaned in ((jpeg(segment(0xE1, exif(3))), jpeg_file.cleaned), (png(), png_file.cleaned)):
        for sent in (noise, whole[:at] + put + whole[at:], whole[:8] + noise, whole + noise):
            found = cleaned(sent)
            assert found is None or (cleaned(found) == found and len(found) <= len(sent))


def test_kind_words_and_emptiness() -> None:
    with pytest.raises(media.EvidenceKind):
        media.looked_at("selfie", "", png())
    with pytest.raises(media.EvidenceWords):
        media.looked_at("letter", "好" * 501, png())
    with pytest.raises(media.EvidenceEmpty):
        media.looked_at("letter", "", b"")
    found = media.looked_at("letter", "  第一行\r\n第二行\0\x1b ", png())
    assert found.words == "第一行\n第二行"


def test_the_numbers_are_dated_and_possible() -> None:
    on = max(row.valid_from for row in numbers.rows())
    for name in ("answer_days", "accept_days", "keep_accepted_days", "keep_refused_days"):
        assert numbers.days(name, on) > 0
    with pytest.raises(LookupError):
        numbers.days("answer_days", on.replace(year=2000))
    # What is accepted at the last moment can still be recorded, since the first day of the longest report.
    oldest = LONGEST_PAST + OPEN_FOR
    assert oldest.days + numbers.days("accept_days", on) <= LONGEST_BY_HAND.days
