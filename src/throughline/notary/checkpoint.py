"""Checkpoints (C2SP tlog-checkpoint v1.0.0): origin, tree size and root as a signed note."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from throughline.notary import note
from throughline.notary.encoding import (
    Malformed,
    ProofError,
    from_base64_hash,
    from_decimal,
    to_base64,
)
from throughline.notary.note import ED25519, Note, Signer, Verified, VerifierKey


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says. It counts only once a known log's signature has been verified."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text. No extension lines: monitors cannot audit them and ML-DSA does not sign them."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    def signed(self, signer: Signer) -> str:
        """The checkpoint as a note with the log's signature. The log's key name is the origin."""
        if signer.verifier.name != self.origin or signer.verifier.type != ED25519:
            raise ValueError("a log signs with the Ed25519 key that has its origin's name")
        return note.format_note(self.text(), [signer.sign(self.text())])


def parse_text(text: str) -> Checkpoint:
    """Read a checkpoint's note text. Extension lines of other logs are passed over, but not empty ones."""
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < 3 or not all(lines):
        raise Malformed("checkpoint: not at least three lines, none of them empty")
    return Checkpoint(
        lines[0],
        from_decimal(lines[1], "checkpoint size"),
        from_base64_hash(lines[2], "checkpoint root"),
    )


def parse(data: bytes) -> tuple[Checkpoint, Note]:
    """Read a checkpoint with its signatures; nothing is verified yet."""
    parsed = note.parse(data)
    return parse_text(parsed.text), parsed


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose log signature holds, with the cosignatures that hold."""

    checkpoint: Checkpoint
    log: VerifierKey
    cosignatures: tuple[Verified, ...]


def open_checkpoint(
    data: bytes, logs: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = ()
) -> Opened:
    """Parse and verify a checkpoint. `Malformed` or `ProofError` (no signature of a log with that origin)."""
    content, parsed = parse(data)
    # A log's key counts only for the origin that is its name: else one log could speak for another.
    own = [key for key in logs if key.name == content.origin]
    if not own:
        raise ProofError(f"the log {content.origin} is not one that is trusted here")
    held = note.verify(parsed, [*own, *witnesses])
    signers = [each.key for each in held if each.key in own]
    if not signers:
        raise ProofError("the log itself has not signed the checkpoint")
    return Opened(content, signers[0], tuple(each for each in held if each.key not in own))
