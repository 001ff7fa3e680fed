"""Proof files (C2SP tlog-proof, header `@v1`): index, audit path and checkpoint in one text.

The format is not tagged upstream yet; it is kept behind this module.
"""

from __future__ import annotations

from dataclasses import dataclass

from throughline.notary.encoding import (
    Malformed,
    from_base64,
    from_base64_hash,
    from_decimal,
    to_base64,
    to_text,
)
from throughline.notary.merkle import MAX_PATH

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as it stands in the file. `extra` is not authenticated; None when the line is missing."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def text(self) -> str:
        """The file's text. The checkpoint stands in it verbatim, with its cosignatures."""
        head = [HEADER]
        if self.extra is not None:
            head.append(f"extra {to_base64(self.extra)}")
        head.append(f"index {self.index}")
        return "\n".join([*head, *map(to_base64, self.path)]) + "\n\n" + self.checkpoint


def parse(data: bytes) -> Proof:
    """Read a proof file strictly. The checkpoint inside is not looked at; `Malformed` for the rest."""
    text = to_text(data, MAX_PROOF_BYTES, "proof")
    # The first empty line ends the proof; later ones belong to the checkpoint.
    head, divider, checkpoint = text.partition("\n\n")
    if not divider or not checkpoint:
        raise Malformed("proof: no checkpoint after an empty line")
    lines = head.split("\n")
    if lines.pop(0) != HEADER:
        raise Malformed(f"proof: the first line is not {HEADER}")
    extra: bytes | None = None
    if lines and lines[0].startswith("extra "):
        extra = from_base64(lines.pop(0).removeprefix("extra "), "extra")
    if not lines or not lines[0].startswith("index "):
        raise Malformed("proof: no index line where it belongs")
    index = from_decimal(lines.pop(0).removeprefix("index "), "index")
    if len(lines) > MAX_PATH:
        raise Malformed(f"proof: more than {MAX_PATH} hashes")
    path = tuple(from_base64_hash(line, f"proof hash {nr}") for nr, line in enumerate(lines, 1))
    return Proof(index, path, checkpoint, extra)
