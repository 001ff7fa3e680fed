"""Promises: what a borrower gets at once, before the log has grown.

A promise is a signed note by the promise key, which is not the log's key: origin, entry, and the time by
which a checkpoint will contain it. A promise past its time without inclusion proves the log's fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from throughline.notary import note
from throughline.notary.encoding import Malformed, from_base64, from_decimal, to_base64
from throughline.notary.note import Signer, VerifierKey
from throughline.notary.record import ENTRY_BYTES

HEADER = "throughline-promise/v1"


@dataclass(frozen=True, slots=True)
class PromiseTerms:
    """The log `origin` will contain `entry` in a checkpoint by `promised_by` (UTC, whole seconds)."""

    origin: str
    entry: bytes
    promised_by: datetime

    def text(self) -> str:
        """The note text that is signed; the time is in POSIX seconds."""
        return f"{HEADER}\n{self.origin}\n{to_base64(self.entry)}\n{int(self.promised_by.timestamp())}\n"

    def signed(self, signer: Signer) -> str:
        """The promise as a signed note."""
        return note.format_note(self.text(), [signer.sign(self.text())])


def key_name(origin: str) -> str:
    """The name of the promise key of a log."""
    return f"{origin}/promise"


def open_promise(data: bytes, key: VerifierKey) -> PromiseTerms:
    """Parse and verify a promise. `Malformed` or `ProofError`."""
    parsed = note.parse(data)
    lines = parsed.text.split("\n")
    if len(lines) != 5 or lines[0] != HEADER or lines[4] != "":
        raise Malformed("promise: not the four lines of throughline-promise/v1")
    entry = from_base64(lines[2], "promise entry")
    if len(entry) != ENTRY_BYTES:
        raise Malformed("promise entry: not 33 bytes")
    time_s = from_decimal(lines[3], "promise time")
    if time_s > 253_402_300_799:
        raise Malformed("promise time: beyond the year 9999")
    note.verify(parsed, [key])
    return PromiseTerms(lines[1], entry, datetime.fromtimestamp(time_s, UTC))
