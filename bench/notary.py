"""How fast the log grows: records a second from commit and from the queue, beside what COPY alone can do.

    python bench/notary.py [--records 20000]

All three figures come from the same run on the same disk, so their ratio says more than each of them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
from support.installation import fresh

from throughline.kernel.clock import real_now
from throughline.kernel.db import Database, libpq_url
from throughline.kernel.ids import new_id
from throughline.notary import keys, merkle, proof, sequencer, service, verify


def ceiling(where: Database, rows: int) -> float:
    """COPY rows/s into a table like `notary_leaf`, one transaction, dropped afterwards."""
    entries = [(nr, os.urandom(33), os.urandom(32)) for nr in range(rows)]
    with psycopg.connect(libpq_url(where.url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_leaf (index bigint PRIMARY KEY, entry bytea, hash bytea)")
        started = time.perf_counter()
        with cursor.copy("COPY bench_leaf FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "bytea", "bytea"])
            for row in entries:
                copy.write_row(row)
        connection.commit()
        spent_s = time.perf_counter() - started
        cursor.execute("DROP TABLE bench_leaf")
    return rows / spent_s


def committed(where: Database, records: int) -> float:
    """service.commit calls a second, 100 in a transaction: sealing, signing the promise, two rows."""
    borrower, now = uuid4(), datetime.now(UTC)
    started = time.perf_counter()
    for _ in range(records // 100):
        with where.transaction() as session:
            for nr in range(100):
                service.commit(session, borrower, "bench.fact", {"nr": nr, "amount_minor": 17_400}, now=now)
    return records / (time.perf_counter() - started)


def queued(where: Database, records: int) -> None:
    """Fill the queue as commits do, without the cost of sealing."""
    with psycopg.connect(libpq_url(where.url)) as connection, connection.cursor() as cursor:
        ids = [new_id() for _ in range(records)]
        with cursor.copy("COPY notary_record (id, borrower_id, kind, recorded_at) FROM STDIN") as copy:
            for record_id in ids:
                copy.write_row((record_id, uuid4(), "bench.fact", real_now()))
        with cursor.copy(
            "COPY notary_queue (record_id, borrower_id, entry, promised_by, promise) FROM STDIN"
        ) as copy:
            for record_id in ids:
                copy.write_row((record_id, uuid4(), os.urandom(33), real_now(), ""))


def sequenced(where: Database, batch: int) -> tuple[float, int]:
    """Records a second from the queue into signed checkpoints, in batches."""
    with where.transaction() as session:
        signer = keys.log_signer(keys.log_origin(session))
    moved = 0
    with sequencer.connect(where) as connection:
        started = time.perf_counter()
        while count := sequencer.sequence(connection, signer, batch)[0]:
            moved += count
        return moved / (time.perf_counter() - started), moved


def receipts(where: Database) -> dict[str, float]:
    """Milliseconds to make and to verify a receipt, and its size."""
    with where.transaction() as session:
        given = service.commit(session, uuid4(), "bench.fact", {"nr": 1}, now=datetime.now(UTC))
    sequenced(where, 10)
    with where.transaction() as session:
        started = time.perf_counter()
        found = service.receipt(session, given.record_id)
        made_s = time.perf_counter() - started
    if found is None:
        raise RuntimeError("the record was not sequenced")
    files = found.proof.encode(), found.record.encode(), found.policy.encode()
    started = time.perf_counter()
    for _ in range(100):
        verify.verify(*files, "en")
    spent_s = (time.perf_counter() - started) / 100
    return {
        "receipt_bytes": len(files[0]),
        "receipt_hashes": len(proof.parse(files[0]).path),
        "receipt_make_ms": round(made_s * 1000, 2),
        "receipt_verify_ms": round(spent_s * 1000, 2),
    }


def main() -> None:
    """Run and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    records = parser.parse_args().records
    with fresh() as where:
        measure(where, records)


def measure(where: Database, records: int) -> None:
    """Run all parts against one empty database."""
    result: dict[str, float] = {"records": records, "copy_rows_per_s": round(ceiling(where, records))}
    result["commit_per_s"] = round(committed(where, min(records, 2_000)))
    sequenced(where, sequencer.BATCH)
    queued(where, records)
    rate, moved = sequenced(where, sequencer.BATCH)
    result |= {"sequenced": moved, "sequence_per_s": round(rate)}
    queued(where, 500)
    result["sequence_per_s_in_tens"] = round(sequenced(where, 10)[0])
    leaves = [os.urandom(32) for _ in range(4096)]
    started = time.perf_counter()
    for leaf in leaves:
        merkle.node_hash(leaf, leaf)
    result["node_hashes_per_s"] = round(len(leaves) / (time.perf_counter() - started))
    print(json.dumps(result | receipts(where), indent=1))


if __name__ == "__main__":
    main()
