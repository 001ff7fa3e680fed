"""Witnesses: the rules of tlog-witness, races, and the whole way with real witness processes over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from throughline.kernel import settings as kernel_settings
from throughline.kernel.clock import real_now
from throughline.kernel.db import Database
from throughline.notary import jobs, keys, merkle, note, policy, sequencer, service, tiles, verify, witnessing
from throughline.notary.adapters.witness_client import Failed, KnownSize, add_checkpoint
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.encoding import Malformed
from throughline.notary.merkle import leaf_hash
from throughline.notary.models import Cosignature, Head, WitnessState
from throughline.notary.note import COSIGNATURE_V1, Note, Signer
from throughline.notary.standing import observe, standing
from throughline.notary.witness_server import Reply, Witness, build, open_key
from throughline.notary.witness_wire import AddCheckpoint, parse_request, parse_signatures, parse_size
from throughline.notary.witnessing import LogBehind

NOW = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
LOG = Signer("log.example/main", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
STRANGER = Signer("log.example/main", Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32))
ME = Signer("witness.example/w1", Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32), COSIGNATURE_V1)


class Tree:
    """A log in memory."""

    def __init__(self, seed: bytes = b"") -> None:
        self.leaves = [leaf_hash(seed + nr.to_bytes(4, "big")) for nr in range(300)]
        grown = tiles.grow(0, lambda level, n: b"", self.leaves)
        self.node = tiles.node_reader(lambda level, n: grown[level, n])

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(LOG.verifier.name, size, merkle.root(size, self.node))

    def request(self, old: int, size: int, signer: Signer = LOG) -> bytes:
        path = tuple(merkle.consistency_path(old, size, self.node)) if 0 < old <= size else ()
        return AddCheckpoint(old, path, self.head(size).signed(signer)).text().encode()


TREE, OTHER_TREE = Tree(), Tree(b"other")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "state.sqlite", ME, [LOG.verifier])


def cosigned(reply: Reply, size: int) -> bool:
    text_of = TREE.head(size).text()
    held = note.verify(Note(text_of, parse_signatures(reply.body.encode())), [ME.verifier])
    return reply.status == 200 and abs((held[0].time_s or 0) - time.time()) < 60


def test_it_cosigns_what_extends(witness: Witness) -> None:
    for old, size in ((0, 5), (5, 8), (8, 8), (8, 300)):
        assert cosigned(witness.add_checkpoint(TREE.request(old, size)), size)


def test_the_table_of_answers(witness: Witness) -> None:
    witness.add_checkpoint(TREE.request(0, 8))
    foreign = Checkpoint("unknown.example", 9, bytes(32))
    foreign_signer = Signer("unknown.example", Ed25519PrivateKey.from_private_bytes(bytes([4]) * 32))
    whole = TREE.request(8, 20)
    head, path = TREE.head(20).signed(LOG), merkle.consistency_path(8, 20, TREE.node)
    cases: list[tuple[int, bytes]] = [
        (404, AddCheckpoint(0, (), foreign.signed(foreign_signer)).text().encode()),
        (403, TREE.request(8, 20, STRANGER)),
        (403, whole.replace(LOG.sign(TREE.head(20).text()).line().encode(), LOG.sign("x\n").line().encode())),
        (400, b""),
        (400, b"old 8\n"),
        (400, whole.replace(b"old 8", b"old 08")),
        (400, whole.replace(b"old 8", b"Old 8")),
        (400, whole[:-1]),
        (400, TREE.request(21, 20)),
        (422, AddCheckpoint(8, tuple(path[:-1]), head).text().encode()),
        (422, AddCheckpoint(8, (*path, bytes(32)), head).text().encode()),
        (422, AddCheckpoint(8, tuple(path), OTHER_TREE.head(20).signed(LOG)).text().encode()),
        (422, AddCheckpoint(8, (bytes(32),), TREE.head(8).signed(LOG)).text().encode()),
        (409, OTHER_TREE.request(8, 8)),
    ]
    for status, body in cases:
        reply = witness.add_checkpoint(body)
        assert (reply.status, body) == (status, body)
        assert reply.media_type != "text/x.tlog.size"
    for old in (0, 5, 9):
        reply = witness.add_checkpoint(TREE.request(old, 20))
        assert (reply.status, reply.body, reply.media_type) == (409, "8\n", "text/x.tlog.size")
    # Nothing of this moved it.
    assert cosigned(witness.add_checkpoint(whole), 20)


def test_from_nothing_the_proof_is_empty(witness: Witness) -> None:
    body = AddCheckpoint(0, (bytes(32),), TREE.head(5).signed(LOG)).text().encode()
    assert witness.add_checkpoint(body).status == 422
    # The empty tree asks for a size and forks nothing.
    assert witness.add_checkpoint(TREE.request(0, 0)).status == 200
    false = Checkpoint(LOG.verifier.name, 0, bytes(32)).signed(LOG)
    assert witness.add_checkpoint(AddCheckpoint(0, (), false).text().encode()).status == 409
    assert witness.add_checkpoint(TREE.request(0, 5)).status == 200
    assert witness.add_checkpoint(TREE.request(0, 0)).body == "5\n"


def test_two_requests_at_once_never_roll_it_back(witness: Witness) -> None:
    witness.add_checkpoint(TREE.request(0, 1))
    replies: list[int] = []

    def push(size: int) -> None:
        replies.append(witness.add_checkpoint(TREE.request(1, size)).status)

    threads = [threading.Thread(target=push, args=(size,)) for size in range(2, 18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [200] + [409] * 15


def test_it_remembers_across_a_restart(tmp_path: Path) -> None:
    signer = open_key(tmp_path / "witness.key", "witness.example/w1")
    assert (tmp_path / "witness.key").stat().st_mode & 0o077 == 0
    assert Witness(tmp_path / "s", signer, [LOG.verifier]).add_checkpoint(TREE.request(0, 5)).status == 200
    again = open_key(tmp_path / "witness.key", "witness.example/w1")
    assert again.verifier == signer.verifier
    assert Witness(tmp_path / "s", again, [LOG.verifier]).add_checkpoint(TREE.request(0, 5)).body == "5\n"
    with pytest.raises(Malformed):
        open_key(tmp_path / "witness.key", "another.example")


def test_the_application_limits_what_it_reads(witness: Witness) -> None:
    client = TestClient(build(witness))
    assert client.post("/add-checkpoint", content=TREE.request(0, 5)).status_code == 200
    assert client.post("/add-checkpoint", content=b"x" * 1_000_000).status_code == 400
    assert client.get("/add-checkpoint").status_code == 405
    assert client.post("/elsewhere").status_code == 404


@given(st.binary(max_size=300))
def test_any_bytes_are_a_bad_request(witness: Witness, body: bytes) -> None:
    assert witness.add_checkpoint(body).status == 400


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_no_changed_request_moves_it_elsewhere(witness: Witness, at: int, value: int) -> None:
    whole = TREE.request(0, 5)
    body = bytearray(whole)
    body[at % len(body)] = value
    if bytes(body) != whole:
        assert witness.add_checkpoint(bytes(body)).status in {400, 403, 404, 409, 422}


def test_the_wire_forms() -> None:
    request = parse_request(TREE.request(5, 20))
    assert (request.old_size, request.text().encode()) == (5, TREE.request(5, 20))
    assert parse_size(b"12\n") == 12
    for bad in (b"", b"12", b"012\n", b"12\n\n", b"-1\n", b"1" * 40 + b"\n"):
        with pytest.raises(Malformed):
            parse_size(bad)
    for bad in (b"", b"\n", b"x\n", ME.sign("a\n", time_s=1).line().encode()[:-1]):
        with pytest.raises(Malformed):
            parse_signatures(bad)


# --- the whole way ----------------------------------------------------------------------------------

SERVE = """
import sys
from pathlib import Path
from throughline.notary.witness_server import serve
serve(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), host="127.0.0.1", port=int(sys.argv[4]))
"""


@dataclass
class Outsider:
    """A witness in a process of its own."""

    name: str
    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def vkey(self) -> str:
        return str(open_key(self.home / "witness.key", self.name).verifier)

    def start(self, logs: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.home), self.name, str(logs), str(self.port)],
            env=os.environ.copy(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the witness does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def outsiders(tmp_path_factory: pytest.TempPathFactory, database: Database) -> Iterator[list[Outsider]]:
    """Two living witnesses and one that is never there; two of three are the quorum."""
    found = []
    for name in ("regulator.example", "carrier.example", "peer.example"):
        home = tmp_path_factory.mktemp(name)
        found.append(Outsider(name, home, free_port()))
    database.run(keys.log_origin)
    with database.transaction() as session:
        log_key = keys.log_signer(keys.log_origin(session)).verifier
    logs = tmp_path_factory.mktemp("logs") / "logs.txt"
    logs.write_text(f"log {log_key}\nquorum none\n", encoding="utf-8")
    rules = tmp_path_factory.mktemp("policy") / "policy.txt"
    lines = [f"witness {each.name} {each.vkey} {each.url}" for each in found]
    names = " ".join(each.name for each in found)
    rules.write_text("\n".join([*lines, f"group two 2 {names}", "quorum two\n"]), encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_NOTARY_POLICY_FILE", str(rules))
    kernel_settings.load.cache_clear()
    with ExitStack() as stack:
        for each in found[:2]:
            stack.callback(each.stop)
            each.start(logs)
        yield found
    patch.undo()
    kernel_settings.load.cache_clear()


def commit(database: Database, times: int = 1) -> list[service.Promise]:
    return [
        database.run(lambda session: service.commit(session, uuid4(), "test.fact", {"n": 1}, now=NOW))
        for _ in range(times)
    ]


def grow(database: Database) -> None:
    with database.transaction() as session:
        signer = keys.log_signer(keys.log_origin(session))
    with sequencer.connect(database) as connection:
        sequencer.sequence(connection, signer)


@contextmanager
def sequencing() -> Iterator[None]:
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            sequencer.run_sequencer(stop)
        except LogBehind as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    if errors:
        raise errors[0]


def collect(database: Database, run_jobs: Callable[..., int]) -> None:
    database.run(
        lambda session: session.execute(
            update(WitnessState).values(next_try_at=real_now() - timedelta(seconds=1))
        )
    )
    jobs.collect_cosignatures(0)
    run_jobs()


def test_before_its_first_signature_the_sequencer_asks(database: Database, outsiders: list[Outsider]) -> None:
    promises = commit(database)
    with sequencing():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with database.transaction() as session:
                if service.record_view(session, promises[0].record_id).leaf_index is not None:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("the log does not grow")


def test_cosignatures_reach_the_receipt(
    database: Database, outsiders: list[Outsider], run_jobs: Callable[..., int]
) -> None:
    first = commit(database)[0]
    grow(database)
    with database.transaction() as session:
        early = service.receipt(session, first.record_id)
    assert early is not None
    assert (
        verify.verify(early.proof.encode(), early.record.encode(), early.policy.encode(), "en").exit_code == 4
    )
    collect(database, run_jobs)
    with database.transaction() as session:
        receipt = service.receipt(session, first.record_id)
        stands = standing(session)
        states = {row.key_name: row.state for row in session.scalars(select(WitnessState))}
        observe(session)
    assert receipt is not None
    outcome = verify.verify(receipt.proof.encode(), receipt.record.encode(), receipt.policy.encode(), "en")
    assert outcome.exit_code == 0
    assert {each["name"] for each in outcome.document["witnesses"]} == {
        "regulator.example",
        "carrier.example",
    }
    assert stands.witnessed_size == stands.size
    assert states == {"regulator.example": "current", "carrier.example": "current", "peer.example": "failing"}
    # The receipt keeps the earliest checkpoint that met the quorum, however far the log grows.
    commit(database, 3)
    grow(database)
    collect(database, run_jobs)
    with database.transaction() as session:
        assert service.receipt(session, first.record_id) == receipt


def test_sizes_in_between_are_skipped_and_a_wrong_guess_is_corrected(
    database: Database, outsiders: list[Outsider], run_jobs: Callable[..., int]
) -> None:
    for _ in range(3):
        commit(database, 2)
        grow(database)
    database.run(lambda session: session.execute(update(WitnessState).values(known_size=1)))
    collect(database, run_jobs)
    with database.transaction() as session:
        size = session.execute(select(Head.size)).scalar_one()
        sizes = session.scalars(
            select(Cosignature.size).where(Cosignature.cosigner == "carrier.example")
        ).all()
    assert size in sizes
    assert size - 2 not in sizes


def test_the_sequencer_stops_when_a_witness_knows_more(
    database: Database, outsiders: list[Outsider], run_jobs: Callable[..., int]
) -> None:
    """The database was restored to an older state; signing on would fork the log."""
    with database.transaction() as session:
        before = session.execute(select(Head)).scalar_one()
        older = session.execute(
            text("SELECT size, root FROM notary_checkpoint WHERE size < :size ORDER BY size DESC LIMIT 1"),
            {"size": before.size},
        ).one()
    undo = [
        "DELETE FROM notary_cosignature WHERE size > :size",
        "DELETE FROM notary_checkpoint WHERE size > :size",
        "UPDATE notary_queue SET leaf_index = NULL WHERE leaf_index >= :size",
        "DELETE FROM notary_leaf WHERE index >= :size",
        "UPDATE notary_tile SET width = :size, data = substring(data FOR CAST(32 * :size AS int)) WHERE level = 0",
        "UPDATE notary_head SET size = :size, root = :root",
    ]
    saved = _dump(database)

    def restore(session: Session) -> None:
        for statement in undo:
            session.execute(text(statement), {"size": older.size, "root": older.root})

    database.run(restore)
    commit(database)
    with pytest.raises(LogBehind, match="data was lost"), sequencing():
        time.sleep(3)
    with database.transaction() as session:
        assert session.execute(select(Head.size)).scalar_one() == older.size
    # The job that asks for cosignatures sees it too, and says so.
    database.run(lambda session: session.execute(update(WitnessState).values(known_size=0)))
    collect(database, run_jobs)
    with database.transaction() as session:
        assert {row.state for row in standing(session).witnesses} == {"ahead", "failing"}
    _load(database, saved)


def _dump(database: Database) -> dict[str, list[dict[str, object]]]:
    tables = ("notary_head", "notary_tile", "notary_leaf", "notary_checkpoint", "notary_cosignature")
    with database.transaction() as session:
        return {
            table: [dict(row._mapping) for row in session.execute(text(f"SELECT * FROM {table}"))]
            for table in tables
        }


def _load(database: Database, saved: dict[str, list[dict[str, object]]]) -> None:
    def restore(session: Session) -> None:
        for table in reversed(saved):
            session.execute(text(f"DELETE FROM {table}"))
        for table, rows in saved.items():
            for row in rows:
                names = ", ".join(f'"{name}"' for name in row)
                places = ", ".join(f":{name}" for name in row)
                session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)
        session.execute(
            text("UPDATE notary_queue q SET leaf_index = l.index FROM notary_leaf l WHERE l.entry = q.entry")
        )

    database.run(restore)


def test_silent_witnesses_that_could_be_the_quorum_hold_the_sequencer(outsiders: list[Outsider]) -> None:
    rules = witnessing.rules()
    one, two, three = rules.witnesses.values()
    silent = Failed("unreachable")
    assert witnessing.may_sign(rules, [(one, KnownSize(5)), (two, KnownSize(5)), (three, silent)], 5)
    assert not witnessing.may_sign(rules, [(one, KnownSize(5)), (two, silent), (three, silent)], 5)
    with pytest.raises(LogBehind):
        witnessing.may_sign(rules, [(one, KnownSize(6)), (two, silent), (three, silent)], 5)
    assert witnessing.may_sign(policy.parse(b"quorum none\n"), [], 5)


def test_a_witness_that_does_not_speak_the_protocol_is_a_failure() -> None:
    request = AddCheckpoint(0, (), TREE.head(5).signed(LOG))
    assert isinstance(add_checkpoint(f"http://127.0.0.1:{free_port()}", request), Failed)
    assert isinstance(add_checkpoint("not a url", request), Failed)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            for reply in (
                b"garbage",
                b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n",
                b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            ):
                connection, _ = server.accept()
                connection.recv(65_536)
                connection.sendall(reply)
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        for _ in range(3):
            assert isinstance(add_checkpoint(f"http://127.0.0.1:{port}", request), Failed)
        thread.join()
