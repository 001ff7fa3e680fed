"""HTTP of the notary on a real database: the public log, the borrower's receipts, staff's view; the log tools."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from throughline.kernel import http
from throughline.kernel.db import Database
from throughline.kernel.http import Caller
from throughline.notary import api, keys, logtools, sequencer, service, tiles, verify
from throughline.notary.encoding import ProofError

NOW = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
BORROWER, OTHER = uuid4(), uuid4()
SIZE = 300


def who(request: Request) -> Caller:
    """The caller by a header: signing in is another package's work."""
    kind, _, rest = request.headers.get("x-test-caller", "public").partition(" ")
    if kind == "borrower":
        return Caller("borrower", UUID(rest))
    return Caller(kind, uuid4(), scopes=frozenset(rest.split()))


ME = {"x-test-caller": f"borrower {BORROWER}"}
STAFF = {"x-test-caller": "staff notary:read"}


@pytest.fixture(scope="module")
def web(database: Database) -> Iterator[TestClient]:
    app = FastAPI()
    http.install(app, authenticate=who)
    app.include_router(api.public_router)
    app.include_router(api.router)
    with TestClient(app) as client:
        yield client


@pytest.fixture(scope="module")
def record_ids(database: Database, web: TestClient) -> list[UUID]:
    """300 records of one borrower in the log, in three checkpoints."""
    assert web.get("/notary/checkpoint").status_code == 404
    assert web.get("/notary/policy").status_code == 404
    ids = []
    for _ in range(3):
        with database.transaction() as session:
            for nr in range(SIZE // 3):
                ids.append(service.commit(session, BORROWER, "test.fact", {"nr": nr}, now=NOW).record_id)
            signer = keys.log_signer(keys.log_origin(session))
        with sequencer.connect(database) as connection:
            sequencer.sequence(connection, signer)
    return ids


def test_the_log_is_served_as_tiles(web: TestClient, record_ids: list[UUID]) -> None:
    checkpoint = web.get("/notary/checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.text.split("\n")[1] == str(SIZE)
    for path, length in (
        ("tile/0/000", 8192), ("tile/0/001.p/44", 44 * 32), ("tile/1/000.p/1", 32), ("tile/entries/000", 256 * 35),
        ("tile/entries/001.p/44", 44 * 35), ("tile/0/000.p/100", 3200), ("tile/entries/000.p/100", 3500),
    ):  # fmt: skip
        answer = web.get(f"/notary/{path}")
        assert (answer.status_code, len(answer.content)) == (200, length)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001", "tile/0/001.p/45", "tile/0/002", "tile/1/000", "tile/2/000", "tile/64/000", "tile/00/000", "tile/-1/000",
        "tile/x/000", "tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256", "tile/entries/001", "tile/entries/002",
        "tile/entries/x", "tile/0/..%2F..%2Fcheckpoint", "tile/0/x001/x234/067", "tile/99999999999999999999/000",
    ],
)  # fmt: skip
def test_what_the_log_does_not_have(web: TestClient, record_ids: list[UUID], path: str) -> None:
    answer = web.get(f"/notary/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_borrower_reads_own_records_and_no_others(web: TestClient, record_ids: list[UUID]) -> None:
    page = web.get("/api/v1/notary/records", params={"limit": 200}, headers=ME).json()
    rest = web.get(
        "/api/v1/notary/records", params={"limit": 200, "cursor": page["next_cursor"]}, headers=ME
    ).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [str(each) for each in record_ids[::-1]]
    assert rest["next_cursor"] is None
    path = f"/api/v1/notary/records/{record_ids[7]}/receipt"
    receipt = web.get(path, headers=ME).json()
    files = [receipt[name].encode() for name in ("proof", "record", "policy")]
    assert verify.verify(files[0], files[1], files[2], "en").exit_code == 0
    stranger = {"x-test-caller": f"borrower {OTHER}"}
    for headers, status in ((stranger, 404), (STAFF, 403), ({}, 401)):
        assert web.get(path, headers=headers).status_code == status
        assert web.get(path + ".zip", headers=headers).status_code == status
    unknown = web.get(f"/api/v1/notary/records/{uuid4()}/receipt", headers=ME)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "record-unknown")


def test_a_receipt_that_is_not_ready(web: TestClient, database: Database) -> None:
    given = database.run(lambda session: service.commit(session, OTHER, "test.fact", {}, now=NOW))
    answer = web.get(
        f"/api/v1/notary/records/{given.record_id}/receipt", headers={"x-test-caller": f"borrower {OTHER}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "receipt-pending")


def test_the_zip_proves_itself_on_a_bare_machine(
    web: TestClient, record_ids: list[UUID], tmp_path: Path
) -> None:
    answer = web.get(f"/api/v1/notary/records/{record_ids[150]}/receipt.zip", headers=ME)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "verify.py",
            "receipt.tlog-proof",
            "--record",
            "record.json",
            "--policy",
            "policy.txt",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "警告" in done.stdout
    again = web.get(f"/api/v1/notary/records/{record_ids[150]}/receipt.zip", headers=ME)
    assert again.content == answer.content


def test_staff_read_the_standing_and_the_list(web: TestClient, record_ids: list[UUID]) -> None:
    stands = web.get("/api/v1/notary/standing", headers=STAFF).json()
    assert stands["size"] == SIZE
    assert stands["quorum"] == "none"
    listed = web.get(f"/api/v1/notary/borrowers/{BORROWER}/records", headers=STAFF).json()
    assert len(listed["items"]) == 50
    for path in ("/api/v1/notary/standing", f"/api/v1/notary/borrowers/{BORROWER}/records"):
        assert web.get(path, headers={"x-test-caller": "staff lending:read"}).status_code == 403
        assert web.get(path, headers=ME).status_code == 403
        assert web.get(path).status_code == 401


# --- the log tools, on this very log as files --------------------------------------------------------


@pytest.fixture
def folder(web: TestClient, record_ids: list[UUID], tmp_path: Path) -> Path:
    """A mirror of the served log."""
    paths = [tiles.tile_path(tile) for tile in tiles.tiles_of(SIZE)]
    paths += ["checkpoint", "tile/entries/000", "tile/entries/001.p/44"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(web.get(f"/notary/{path}").content)
    return tmp_path


@pytest.fixture
def log_key(database: Database) -> str:
    with database.transaction() as session:
        return str(keys.log_signer(keys.log_origin(session)).verifier)


def test_all_tiles_lead_to_the_checkpoint(folder: Path, log_key: str) -> None:
    outcome = logtools.log_tiles(str(folder), [log_key], "en")
    assert outcome.exit_code == 0, outcome
    assert outcome.document["tiles"] == 3
    assert outcome.document["size"] == SIZE
    assert logtools.log_tiles(str(folder), [], "zh").document["signers"] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [("tile/0/000", 3), ("tile/0/001.p/44", 3), ("tile/1/000.p/1", 3), ("tile/entries/000", 3), ("tile/entries/001.p/44", 3)],
)  # fmt: skip
def test_a_changed_byte_in_any_tile_is_found(folder: Path, log_key: str, path: str, code: int) -> None:
    data = bytearray((folder / path).read_bytes())
    data[20] ^= 1
    (folder / path).write_bytes(bytes(data))
    assert logtools.log_tiles(str(folder), [log_key], "en").exit_code == code
    (folder / path).write_bytes(bytes(data[:-1]))
    assert logtools.log_tiles(str(folder), [log_key], "en").exit_code in {2, 3}
    (folder / path).unlink()
    assert logtools.log_tiles(str(folder), [log_key], "en").exit_code == 3


def test_a_checkpoint_is_shown_and_verified(folder: Path, log_key: str) -> None:
    file = folder / "checkpoint"
    outcome = logtools.log_checkpoint(file, [log_key], "en")
    assert (outcome.exit_code, outcome.document["size"]) == (0, SIZE)
    assert logtools.log_checkpoint(file, [], "en").exit_code == 3
    assert logtools.log_checkpoint(file, ["nonsense"], "en").exit_code == 2
    assert logtools.log_checkpoint(folder / "nothing", [log_key], "zh").exit_code == 2
    file.write_text(file.read_text().replace("\n300\n", "\n301\n"))
    assert logtools.log_checkpoint(file, [log_key], "en").exit_code == 3


def test_proofs_from_tiles_are_checked_line_by_line(folder: Path) -> None:
    inclusion = [logtools.log_prove(str(folder), SIZE, index=nr) for nr in (0, 255, 256, 299)]
    consistency = [logtools.log_prove(str(folder), SIZE, old_size=nr) for nr in (1, 100, 256, 299, 300)]
    for check, items in (
        (logtools.log_check_inclusion, inclusion),
        (logtools.log_check_consistency, consistency),
    ):
        lines = [json.dumps(item).encode() + b"\n" for item in items]
        assert [code for code, _ in check(lines)] == [0] * len(lines)
        wrong = [
            json.dumps({**items[1], "root": items[1]["proof"][0]}).encode(),
            b"nonsense",
            b"[]",
            b"\n",
            lines[0],
        ]
        verdicts = list(check(wrong))
        assert [code for code, _ in verdicts] == [3, 2, 2, 0]
        assert "error" in verdicts[1][1]
        assert logtools.overall(code for code, _ in verdicts) == 2
        for name in items[0]:
            for value in (-1, True, "x", 1.5, {}, 1 << 63):
                assert next(check([json.dumps({**items[1], name: value}).encode()]))[0] == 2
    with pytest.raises(ValueError, match="is not in a tree"):
        logtools.log_prove(str(folder), SIZE, index=SIZE)
    with pytest.raises(ProofError):
        logtools.log_prove(str(folder), SIZE + 200, index=0)


def test_a_partial_tile_may_be_replaced_by_the_full_one(folder: Path, log_key: str) -> None:
    """A checkpoint of 100 is checked although only the full tiles of 300 are there."""
    first = logtools.log_prove(str(folder), 100, index=5)
    assert next(logtools.log_check_inclusion([json.dumps(first).encode()]))[0] == 0
