"""The sequencer as a process: killed, doubled, stopped; the log has no gap and no duplicate."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from throughline.kernel.db import Database
from throughline.notary import checkpoint, keys, merkle, sequencer, service, tiles, verify
from throughline.notary.models import Head, Leaf, QueueRow, Record, SignedCheckpoint, Tile

NOW = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
SCRIPT = """
import signal, threading
from throughline.notary.sequencer import run_sequencer
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run_sequencer(stop)
"""


@contextmanager
def running() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=subprocess.PIPE, env=os.environ.copy())
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def working(times: int = 1) -> Iterator[list[threading.Thread]]:
    """Sequencers in threads of this process: as good as processes where nothing is killed."""
    stop = threading.Event()
    threads = [threading.Thread(target=sequencer.run_sequencer, args=(stop,)) for _ in range(times)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


def write(session: Session) -> None:
    service.commit(session, uuid4(), "test.fact", {"nr": random.randrange(1_000_000)}, now=NOW)


def waiting(database: Database) -> int:
    with database.transaction() as session:
        return session.execute(
            select(func.count()).select_from(QueueRow).where(QueueRow.leaf_index.is_(None))
        ).scalar_one()


def size_of(database: Database) -> int:
    with database.transaction() as session:
        return session.execute(select(Head.size)).scalar_one_or_none() or 0


def until_larger(database: Database, size: int) -> None:
    deadline = time.monotonic() + 30
    while size_of(database) <= size:
        assert time.monotonic() < deadline, "the log does not grow"
        time.sleep(0.02)


def until_empty(database: Database, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while waiting(database):
        assert time.monotonic() < deadline, "the queue is not worked off"
        time.sleep(0.05)


def terminate_sequencers(session: Session) -> None:
    session.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sequencer:%'"
        )
    )


def assert_sound(database: Database) -> None:
    """Every record once, no gap; tiles, head and every checkpoint ever signed are of one tree."""
    with database.transaction() as session:
        head = session.execute(select(Head)).scalar_one()
        queue = session.execute(select(QueueRow.record_id, QueueRow.entry, QueueRow.leaf_index)).all()
        leaves = {row.index: row.entry for row in session.execute(select(Leaf.index, Leaf.entry))}
        stored = {
            (row.level, row.n): row.data for row in session.execute(select(Tile.level, Tile.n, Tile.data))
        }
        notes = session.scalars(select(SignedCheckpoint.note).order_by(SignedCheckpoint.size)).all()
        signer = keys.log_signer(head.origin)
    assert sorted(leaves) == list(range(head.size))
    assert sorted(row.leaf_index for row in queue) == list(range(head.size))
    assert all(leaves[row.leaf_index] == row.entry for row in queue)
    hashes = [merkle.leaf_hash(leaves[nr]) for nr in range(head.size)]
    assert stored == tiles.grow(0, lambda level, n: b"", hashes)
    node = tiles.node_reader(lambda level, n: stored[level, n])
    for note in notes:
        opened = checkpoint.open_checkpoint(note.encode(), [signer.verifier]).checkpoint
        assert merkle.root(opened.size, node) == opened.root
    assert (opened.size, opened.root) == (head.size, head.root)


@pytest.mark.chaos
def test_killed_at_any_time_it_goes_on_without_gap_or_duplicate(database: Database) -> None:
    stop = threading.Event()
    written = 0

    def business() -> None:
        nonlocal written
        while not stop.is_set():
            for _ in range(random.randrange(1, 20)):
                database.run(write)
                written += 1
            time.sleep(random.uniform(0, 0.05))

    writer = threading.Thread(target=business)
    writer.start()
    try:
        for _ in range(3):
            with running() as process:
                until_larger(database, size_of(database))
                time.sleep(random.uniform(0, 0.6))
                process.send_signal(signal.SIGKILL)
    finally:
        stop.set()
        writer.join()
    with running():
        until_empty(database)
    with database.transaction() as session:
        assert session.execute(select(func.count()).select_from(Record)).scalar_one() == written
    assert written > 100
    assert_sound(database)


def test_two_sequencers_at_once_are_harmless(database: Database) -> None:
    with working(2) as threads:
        for _ in range(60):
            database.run(write)
        until_empty(database)
        assert all(thread.is_alive() for thread in threads)
    assert_sound(database)


def test_the_second_takes_over_when_the_first_dies(database: Database) -> None:
    with running() as first:
        database.run(write)
        until_empty(database)
        with running():
            time.sleep(1)
            first.kill()
            first.wait()
            database.run(write)
            until_empty(database, 15)
    assert_sound(database)


def test_even_without_the_lock_two_writers_do_not_fork_the_log(database: Database) -> None:
    for _ in range(200):
        database.run(write)
    with database.transaction() as session:
        signer = keys.log_signer(keys.log_origin(session))
    moved: list[int] = []

    def work() -> None:
        with sequencer.connect(database) as connection:
            for _ in range(40):
                moved.append(sequencer.sequence(connection, signer, limit=7)[0])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(moved) == 200
    assert_sound(database)


def test_a_transaction_that_commits_late_is_not_left_behind(database: Database) -> None:
    """Its record id is lower than ids that are in the log already."""
    with database.transaction() as late:
        write(late)
        for _ in range(3):
            database.run(write)
        with working():
            until_empty(database)
    with working():
        until_empty(database)
    assert_sound(database)


def test_it_ends_cleanly_and_grows_across_a_tile(database: Database) -> None:
    with database.transaction() as session:
        for _ in range(700):
            write(session)
        last = service.commit(session, uuid4(), "test.last", {}, now=NOW)
    with running() as process:
        until_empty(database)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert_sound(database)
    with database.transaction() as session:
        receipt = service.receipt(session, last.record_id)
    assert receipt is not None
    outcome = verify.verify(receipt.proof.encode(), receipt.record.encode(), receipt.policy.encode(), "en")
    assert outcome.exit_code == 0
    assert len(receipt.proof) < 2048


def test_it_survives_the_loss_of_its_connection(database: Database) -> None:
    with working() as threads:
        database.run(write)
        until_empty(database)
        database.run(terminate_sequencers)
        database.run(write)
        until_empty(database)
        assert threads[0].is_alive()
    assert_sound(database)
