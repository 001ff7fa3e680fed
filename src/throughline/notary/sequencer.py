"""The sequencer: one loop that turns committed records into leaves, tiles and signed checkpoints.

It holds a session advisory lock on the very connection on which it writes, so a sequencer that has lost
the lock cannot commit. One transaction does all of a batch; only what is committed is served. The queue
is taken by `leaf_index IS NULL`, never by a mark of the highest id seen: a transaction with a lower id
may commit later.
"""

from __future__ import annotations

import os
import random
import threading
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from throughline.kernel.clock import real_now
from throughline.kernel.db import Database, database, libpq_url
from throughline.kernel.logging import get_logger
from throughline.notary import keys, merkle, store, tiles, witnessing
from throughline.notary.adapters import witness_client
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.encoding import HASH_BYTES
from throughline.notary.note import Signer
from throughline.notary.witnessing import LogBehind

log = get_logger(__name__)

TICK_S = 0.2
BATCH = 10_000  # leaves in one transaction
LOCK_KEY = 7_416_231_988  # any fixed number, ours
STATEMENT_TIMEOUT_S = 30


class LogDamaged(RuntimeError):
    """The tiles do not give the root that was signed: never sign on, restore."""


def run_sequencer(stop: threading.Event) -> None:
    """Grow the log until `stop` is set. Safe to run several times at once: one works, the others wait.

    A lost connection is opened again with 1 to 5 s between tries. Raises `LogBehind` or `LogDamaged` when
    signing on could fork the log.
    """
    signed = 0  # size of the largest checkpoint that this process knows to be committed
    while not stop.is_set():
        try:
            with connect(database()) as connection:
                signed = _serve(connection, stop, signed)
        except (psycopg.OperationalError, OperationalError, InterfaceError, UniqueViolation) as error:
            log.warning("the sequencer starts again", error=type(error).__name__)
            stop.wait(random.uniform(1, 5))  # noqa: S311 - not a secret


def connect(where: Database) -> Connection[TupleRow]:
    """A direct connection of the sequencer's own: no pool may hand its advisory lock to somebody else."""
    return psycopg.connect(
        libpq_url(where.url),
        autocommit=True,
        connect_timeout=10,
        keepalives_idle=10,
        application_name=f"sequencer:{os.getpid()}",
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000} -c timezone=UTC"
        # A machine that vanished gives its lock back within half a minute.
        " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
    )


def _serve(connection: Connection[TupleRow], stop: threading.Event, signed: int) -> int:
    while not _locked(connection):
        if stop.wait(1):
            return signed
    with database().transaction() as session:
        signer = keys.log_signer(keys.log_origin(session))
    while not _may_sign(signer.verifier.name, signed):
        log.warning("the sequencer waits: too many witnesses give no answer")
        if stop.wait(5):
            return signed
    log.info("the sequencer works", origin=signer.verifier.name)
    while not stop.is_set():
        moved, size = sequence(connection, signer)
        signed = max(signed, size)
        if moved < BATCH:
            stop.wait(TICK_S)
    return signed


def _locked(connection: Connection[TupleRow]) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
    return row is not None and bool(row[0])


def _may_sign(origin: str, signed: int) -> bool:
    # Asked on every new connection: after a start, a failover or a restore the database may have gone back.
    def held(session: Session) -> tuple[int, str | None]:
        newest = store.newest_checkpoint(session)
        return (newest.size, newest.note) if newest else (0, None)

    size, note = database().run(held)
    if size < signed:
        raise LogBehind(f"size {signed} was committed, the database holds {size}: data was lost")
    known = witnessing.rules()
    request = witnessing.probe(origin, note)
    answers = [
        (witness, witness_client.add_checkpoint(url, request)) for witness, url in witnessing.reachable(known)
    ]
    return witnessing.may_sign(known, answers, size)


def sequence(connection: Connection[TupleRow], signer: Signer, limit: int = BATCH) -> tuple[int, int]:
    """Sequence up to `limit` waiting records in one transaction; returns how many, and the log's size.

    Raises `LogDamaged` if what is stored does not give the root that was signed before.
    """
    with connection.transaction(), connection.cursor() as cursor:
        # The lock makes a second writer wait and then see this one's work.
        cursor.execute("SELECT size, root FROM notary_head WHERE id = 1 FOR UPDATE")
        head = cursor.fetchone()
        if head is None:
            return 0, 0
        old_size, old_root = head
        cursor.execute(
            "SELECT record_id, entry FROM notary_queue WHERE leaf_index IS NULL ORDER BY record_id LIMIT %s",
            (limit,),
        )
        waiting: list[tuple[UUID, bytes]] = [(record_id, entry) for record_id, entry in cursor.fetchall()]
        if not waiting:
            return 0, old_size
        edge = _edge(cursor, old_size)
        if merkle.root(old_size, tiles.node_reader(lambda level, n: edge[level, n])) != old_root:
            raise LogDamaged(f"the tiles of size {old_size} do not give the root that was signed")
        hashes = [merkle.leaf_hash(entry) for _, entry in waiting]
        grown = tiles.grow(old_size, lambda level, n: edge[level, n], hashes)
        size = old_size + len(waiting)
        everything = edge | grown
        root = merkle.root(size, tiles.node_reader(lambda level, n: everything[level, n]))
        _write_leaves(cursor, old_size, waiting, hashes)
        cursor.executemany(
            """
            INSERT INTO notary_tile (level, n, width, data) VALUES (%s, %s, %s, %s)
            ON CONFLICT (level, n) DO UPDATE SET width = excluded.width, data = excluded.data
            """,
            [(level, n, len(data) // HASH_BYTES, data) for (level, n), data in grown.items()],
        )
        text = Checkpoint(signer.verifier.name, size, root).signed(signer)
        cursor.execute(
            "INSERT INTO notary_checkpoint (size, root, note, signed_at) VALUES (%s, %s, %s, %s)",
            (size, root, text, real_now()),
        )
        cursor.execute(
            "UPDATE notary_head SET size = %s, root = %s WHERE id = 1 AND size = %s", (size, root, old_size)
        )
        if cursor.rowcount != 1:
            raise LogDamaged("the head moved under the lock")
    return len(waiting), size


def _edge(cursor: psycopg.Cursor[TupleRow], size: int) -> dict[tuple[int, int], bytes]:
    """The partial tiles of a tree: its right edge, at most eight."""
    places = []
    level = 0
    while size >> (8 * level):
        if tiles.partial_width(size, level):
            places.append((level, (size >> (8 * level)) // tiles.WIDTH))
        level += 1
    cursor.execute(
        """
        SELECT t.level, t.n, t.data FROM notary_tile t
        JOIN unnest(%s::int[], %s::bigint[]) AS p(level, n) ON p.level = t.level AND p.n = t.n
        """,
        ([level for level, _ in places], [n for _, n in places]),
    )
    found = {(level, n): data for level, n, data in cursor.fetchall()}
    if set(found) != set(places):
        raise LogDamaged(f"tiles of size {size} are missing")
    return found


def _write_leaves(
    cursor: psycopg.Cursor[TupleRow],
    first: int,
    waiting: list[tuple[UUID, bytes]],
    hashes: list[bytes],
) -> None:
    with cursor.copy('COPY notary_leaf ("index", entry, hash) FROM STDIN (FORMAT BINARY)') as copy:
        copy.set_types(["int8", "bytea", "bytea"])
        for nr, ((_, entry), leaf) in enumerate(zip(waiting, hashes, strict=True)):
            copy.write_row((first + nr, entry, leaf))
    cursor.execute(
        """
        UPDATE notary_queue q SET leaf_index = v.leaf_index
        FROM unnest(%s::uuid[], %s::bigint[]) AS v(record_id, leaf_index)
        WHERE q.record_id = v.record_id AND q.leaf_index IS NULL
        """,
        ([record_id for record_id, _ in waiting], list(range(first, first + len(waiting)))),
    )
    if cursor.rowcount != len(waiting):
        raise LogDamaged("a record was sequenced by somebody else under the lock")
