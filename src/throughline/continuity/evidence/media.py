"""What a file is, by its content alone: a name and a type that somebody sends prove nothing. Pure.

Pictures are taken apart and only what draws them is kept, so that a photo brings no place of the person with it
and nothing hides behind its end. A PDF is kept as it is, whatever is in it: it is never opened here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from throughline.continuity.evidence import jpeg, png
from throughline.kernel.errors import Invalid, Problem
from throughline.kernel.i18n import N_

Kind = Literal["carrier_notice", "repair_receipt", "police_report", "letter", "other"]
MediaType = Literal["image/jpeg", "image/png", "application/pdf"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ENDINGS: dict[str, str] = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
MOST_BYTES = 3 * 1024 * 1024
MOST_WORDS = 500
_PDF = re.compile(rb"%PDF-[12]\.\d")
_PDF_END_BYTES = 2_048


class EvidenceType(Problem):
    """The content is none of the types that are taken."""

    status = 415
    code = "evidence-type"
    title = N_(
        "The file is no whole JPEG, PNG or PDF. A photo or a screenshot of the paper is enough; "
        "please take it again and send that"
    )


class EvidenceEmpty(Invalid):
    """There is nothing in the file."""

    code = "evidence-empty"
    title = N_("The file is empty. Please choose it again")


class EvidenceKind(Invalid):
    """It is not said what the file shows."""

    code = "evidence-kind"
    title = N_("Please choose what the file shows")


class EvidenceWords(Invalid):
    """The words are too long."""

    code = "evidence-words"
    title = N_("Please write at most 500 characters")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to hand in. `content` is what is kept of it, `sent` what the borrower sent: they know its hash."""

    kind: Kind
    media_type: MediaType
    content: bytes = field(repr=False)
    sent: bytes = field(repr=False)
    words: str = field(repr=False)


def looked_at(kind: str, words: str, sent: bytes) -> NewFile:
    """A file as it came, known and cleaned. Raises EvidenceKind, EvidenceWords, EvidenceEmpty, EvidenceType."""
    known = next((one for one in KINDS if one == kind), None)
    if known is None:
        raise EvidenceKind(EvidenceKind.title, field="kind")
    words = "".join(char for char in words if char.isprintable() or char == "\n").strip()
    if len(words) > MOST_WORDS:
        raise EvidenceWords(EvidenceWords.title, field="words")
    if not sent:
        raise EvidenceEmpty(EvidenceEmpty.title, field="file")
    found = _known(sent)
    if found is None:
        raise EvidenceType(EvidenceType.title, field="file")
    return NewFile(known, *found, sent, words)


def _known(sent: bytes) -> tuple[MediaType, bytes] | None:
    picture = jpeg.cleaned(sent)
    if picture is not None:
        return "image/jpeg", picture
    picture = png.cleaned(sent)
    if picture is not None:
        return "image/png", picture
    if _PDF.match(sent) and b"%%EOF" in sent[-_PDF_END_BYTES:]:
        return "application/pdf", sent
    return None
