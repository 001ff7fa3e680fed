"""Asking a witness over HTTP (C2SP tlog-witness)."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from throughline.notary.encoding import Malformed
from throughline.notary.note import Signature
from throughline.notary.witness_wire import (
    MAX_ANSWER_BYTES,
    SIZE_TYPE,
    AddCheckpoint,
    parse_signatures,
    parse_size,
)

TIMEOUT_S = 10  # for each step of the connection
TOTAL_S = 30  # for the whole answer, however slowly it drips


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The witness cosigned; whose signatures these are and whether they hold is still to be checked."""

    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class KnownSize:
    """The witness last cosigned another size than was said."""

    size: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No usable answer: refused, unreachable, or not in the protocol's form. `reason` is short, for the log."""

    reason: str


Answer = Cosigned | KnownSize | Failed


def add_checkpoint(prefix: str, request: AddCheckpoint) -> Answer:
    """Submit a checkpoint to the witness at a submission prefix. Never raises for what the other side does."""
    url = prefix.rstrip("/") + "/add-checkpoint"
    deadline = time.monotonic() + TOTAL_S
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", url, content=request.text().encode("utf-8")) as response,
        ):
            body = b""
            for chunk in response.iter_bytes(4096):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                    return Failed("the answer is too long")
            return _read(response.status_code, response.headers.get("content-type", ""), body)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return Failed(type(error).__name__)


def _read(status: int, content_type: str, body: bytes) -> Answer:
    try:
        if status == 200:
            return Cosigned(parse_signatures(body))
        # A 409 without that type is the other conflict: same size, another root.
        if status == 409 and content_type.partition(";")[0].strip() == SIZE_TYPE:
            return KnownSize(parse_size(body))
    except Malformed as error:
        return Failed(str(error))
    return Failed(f"status {status}")
