"""The text of the C2SP tlog-witness protocol (v1.0.0): requests and answers of add-checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from throughline.notary.encoding import Malformed, from_base64_hash, from_decimal, to_base64, to_text
from throughline.notary.merkle import MAX_PATH
from throughline.notary.note import MAX_NOTE_BYTES, MAX_SIGNATURES, Signature, parse_signature

SIZE_TYPE = "text/x.tlog.size"
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 64 * 64
MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size that the witness last cosigned, the proof from there, the checkpoint verbatim."""

    old_size: int
    path: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """The request body."""
        return "\n".join([f"old {self.old_size}", *map(to_base64, self.path)]) + "\n\n" + self.checkpoint


def parse_request(data: bytes) -> AddCheckpoint:
    """Read a request body; the checkpoint in it is not looked at. `Malformed` (a 400) otherwise."""
    text = to_text(data, MAX_REQUEST_BYTES, "request")
    head, divider, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    old = lines.pop(0)
    if not divider or not old.startswith("old "):
        raise Malformed("request: not an old size, a proof and a checkpoint")
    if len(lines) > MAX_PATH:
        raise Malformed(f"request: more than {MAX_PATH} hashes")
    path = tuple(from_base64_hash(line, "proof hash") for line in lines)
    return AddCheckpoint(from_decimal(old.removeprefix("old "), "old size"), path, checkpoint)


def parse_size(data: bytes) -> int:
    """Read the body of a 409 answer: the size in decimal and a newline."""
    text = to_text(data, 32, "size")
    if not text.endswith("\n"):
        raise Malformed("size: no newline at the end")
    return from_decimal(text[:-1], "size")


def parse_signatures(data: bytes) -> tuple[Signature, ...]:
    """Read the body of a 200 answer: one or more signature lines."""
    text = to_text(data, MAX_ANSWER_BYTES, "cosignatures")
    if not text.endswith("\n"):
        raise Malformed("cosignatures: no newline at the end")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise Malformed("cosignatures: too many lines")
    return tuple(parse_signature(line) for line in lines)
