"""A witness for other logs (C2SP tlog-witness v1.0.0): cosigns only heads that extend what it cosigned before.

It runs by itself on another party's machine: its state is one SQLite file, its key one file, and it knows
nothing of the platform's database. A new head is stored before it is cosigned, in one atomic step with
the comparison, so two requests at once cannot roll it back.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from throughline.kernel.logging import get_logger
from throughline.notary import checkpoint, merkle, note, policy, witness_wire
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.encoding import Malformed, ProofError
from throughline.notary.note import COSIGNATURE_V1, Signer, VerifierKey

log = get_logger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS head (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, checkpoint TEXT NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: str = ""
    media_type: str = "text/plain; charset=utf-8"


class Witness:
    """The rules of add-checkpoint over one state file. `logs` are the keys that are trusted, each for its name."""

    def __init__(self, state_file: Path, signer: Signer, logs: Iterable[VerifierKey]) -> None:
        if signer.verifier.type != COSIGNATURE_V1:
            raise ValueError("a witness signs with a key of type 0x04")
        self._state_file = state_file
        self._signer = signer
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        with self._transaction() as state:
            state.execute(_SCHEMA)

    @property
    def verifier(self) -> VerifierKey:
        """The key that goes into policies."""
        return self._signer.verifier

    def add_checkpoint(self, body: bytes) -> Reply:
        """Check a request in the order of the specification and answer it."""
        try:
            request = witness_wire.parse_request(body)
            head, parsed = checkpoint.parse(request.checkpoint.encode("utf-8"))
        except Malformed as error:
            return Reply(400, f"{error}\n")
        if head.origin not in self._logs:
            return Reply(404, "this log is not known here\n")
        try:
            note.verify(parsed, self._logs[head.origin])
        except ProofError as error:
            return Reply(403, f"{error}\n")
        if request.old_size > head.size:
            return Reply(400, "the old size is above the checkpoint's\n")
        with self._transaction() as state:
            refusal = _advance(state, head, request)
        if refusal is not None:
            if refusal.status != 409 or refusal.media_type != witness_wire.SIZE_TYPE:
                log.warning("checkpoint refused", origin=head.origin, size=head.size, status=refusal.status)
            return refusal
        return Reply(200, self._signer.sign(parsed.text, time_s=int(time.time())).line())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        state = sqlite3.connect(self._state_file, timeout=10, isolation_level=None)
        try:
            state.execute("PRAGMA synchronous = FULL")
            state.execute("BEGIN IMMEDIATE")
            yield state
            state.execute("COMMIT")
        finally:
            state.close()  # an open transaction is rolled back


def _advance(
    state: sqlite3.Connection, head: Checkpoint, request: witness_wire.AddCheckpoint
) -> Reply | None:
    """Move the stored head, or say why not."""
    row = state.execute("SELECT size, root FROM head WHERE origin = ?", (head.origin,)).fetchone()
    known_size, known_root = row or (0, merkle.EMPTY_ROOT)
    if request.old_size != known_size:
        return Reply(409, f"{known_size}\n", witness_wire.SIZE_TYPE)
    if head.size == known_size and head.root != known_root:
        return Reply(409, "another root of the same size was seen\n")
    try:
        if known_size == 0:
            if request.path:
                raise ProofError("from size 0 the proof must be empty")
        else:
            merkle.verify_consistency(known_size, head.size, known_root, head.root, request.path)
    except ProofError as error:
        return Reply(422, f"{error}\n")
    state.execute(
        """
        INSERT INTO head (origin, size, root, checkpoint) VALUES (?, ?, ?, ?) ON CONFLICT (origin)
        DO UPDATE SET size = excluded.size, root = excluded.root, checkpoint = excluded.checkpoint
        """,
        (head.origin, head.size, head.root, request.checkpoint),
    )
    return None


def build(witness: Witness) -> Starlette:
    """The witness as an ASGI application with the one endpoint POST /add-checkpoint."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > witness_wire.MAX_REQUEST_BYTES:
                return Response("the request is too long\n", 400, media_type="text/plain")
        reply = await run_in_threadpool(witness.add_checkpoint, body)
        return Response(reply.body, reply.status, media_type=reply.media_type)

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


def open_key(path: Path, name: str) -> Signer:
    """The witness's key from its file (mode 0600), made at first use. `Malformed` if it has another name."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        signer = Signer.parse(path.read_text(encoding="utf-8").strip())
        if signer.verifier.name != name:
            raise Malformed(f"{path} holds the key of {signer.verifier.name}, not of {name}") from None
        return signer
    signer = Signer(name, Ed25519PrivateKey.generate(), COSIGNATURE_V1)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(signer.private_text() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    return signer


def open_witness(home: Path, name: str, logs_file: Path) -> Witness:
    """The witness that lives in a folder. `logs_file` is a C2SP policy; its `log` lines are the logs it serves."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Witness(
        home / "witness.sqlite",
        open_key(home / "witness.key", name),
        policy.parse(logs_file.read_bytes()).logs,
    )


def serve(home: Path, name: str, logs_file: Path, *, host: str, port: int) -> None:
    """Serve the witness until SIGTERM or SIGINT. Wrong files raise before the port is opened."""
    from granian.constants import Interfaces
    from granian.server import Server

    open_witness(home, name, logs_file)
    # The server's worker is another process: it gets its folder through the environment.
    os.environ.update(
        THROUGHLINE_WITNESS_HOME=str(home.absolute()),
        THROUGHLINE_WITNESS_NAME=name,
        THROUGHLINE_WITNESS_LOGS=str(logs_file.absolute()),
    )
    Server(
        "throughline.notary.witness_server:from_environment",
        factory=True,
        interface=Interfaces.ASGI,
        address=host,
        port=port,
        workers=1,
    ).serve()


def from_environment() -> Starlette:
    """The application of a server's worker, from the variables that `serve` set."""
    return build(
        open_witness(
            Path(os.environ["THROUGHLINE_WITNESS_HOME"]),
            os.environ["THROUGHLINE_WITNESS_NAME"],
            Path(os.environ["THROUGHLINE_WITNESS_LOGS"]),
        )
    )
