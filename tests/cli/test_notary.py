"""`throughline notary`: receipts and logs are checked with no database and no home."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kernel_ops import places
from notary.test_verify import CARRIER, LOG, REGULATOR, Receipt
from throughline.notary import merkle, tiles
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.encoding import to_base64


@pytest.fixture
def nowhere() -> dict[str, str]:
    """An environment in which any attempt to reach a database or to write into a home would fail."""
    return places.environment(
        Path("/proc/no-such-home"), THROUGHLINE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x", LANG="C"
    )


def files_of(receipt: Receipt, folder: Path) -> list[str]:
    paths = [folder / name for name in ("receipt.proof", "record.json", "policy")]
    for path, content in zip(paths, receipt.files(), strict=True):
        path.write_bytes(content)
    return [str(paths[0]), "--record", str(paths[1]), "--policy", str(paths[2])]


@pytest.mark.parametrize(
    ("receipt", "code"),
    [
        (Receipt(), 0),
        (Receipt(cosigners=((CARRIER, 1_770_000_000),)), 4),
        (Receipt(policy="nonsense"), 2),
    ],
)
def test_a_receipt_is_checked_anywhere(
    receipt: Receipt, code: int, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    arguments = files_of(receipt, tmp_path)
    shown = places.command("notary", "verify", *arguments, env=nowhere)
    assert shown.returncode == code, shown.stderr
    assert shown.stdout.strip()
    as_json = places.command("notary", "verify", *arguments, "--json", "--lang", "zh", env=nowhere)
    assert as_json.returncode == code
    assert json.loads(as_json.stdout)["exit_code"] == code
    assert any("\u4e00" <= sign <= "\u9fff" for sign in as_json.stderr)


def test_a_changed_record_is_not_proved(tmp_path: Path, nowhere: dict[str, str]) -> None:
    arguments = files_of(Receipt(), tmp_path)
    record = tmp_path / "record.json"
    record.write_text(record.read_text().replace("17400", "17401"))
    assert places.command("notary", "verify", *arguments, env=nowhere).returncode == 3


def test_checking_a_receipt_loads_no_database_code(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom throughline.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "heavy = {'sqlalchemy', 'psycopg', 'fastapi', 'procrastinate'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    arguments = files_of(Receipt(), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code, "notary", "verify", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def log_folder(tmp_path: Path) -> Path:
    """A log of 300 leaves as files, as any server may publish it."""
    entries = [f"leaf {number}".encode() for number in range(300)]
    store = tiles.grow(0, lambda level, n: b"", [merkle.leaf_hash(entry) for entry in entries])
    node = tiles.node_reader(lambda level, n: store[level, n])
    head = Checkpoint(LOG.verifier.name, len(entries), merkle.root(len(entries), node))
    folder = tmp_path / "log"
    folder.mkdir()
    signed = head.signed(LOG) + REGULATOR.sign(head.text(), time_s=1_770_000_000).line()
    (folder / "checkpoint").write_text(signed)
    for (level, n), content in store.items():
        width = len(content) // 32
        path = folder / tiles.tile_path(tiles.TilePath(level, n, width))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_proofs_are_made_and_checked(log_folder: Path, nowhere: dict[str, str]) -> None:
    made = places.command(
        "notary", "log", "prove", str(log_folder), "--size", "300", "--index", "17", env=nowhere
    )
    assert made.returncode == 0, made.stderr
    grown = places.command(
        "notary", "log", "prove", str(log_folder), "--size", "300", "--from", "256", env=nowhere
    )
    assert grown.returncode == 0, grown.stderr
    spoilt = json.dumps(json.loads(made.stdout) | {"index": 18})
    for command, good in (("check-inclusion", made.stdout), ("check-consistency", grown.stdout)):
        checked = places.command("notary", "log", command, "-", "--json", env=nowhere, input=good + good)
        assert checked.returncode == 0, checked.stdout
        assert len(checked.stdout.splitlines()) == 2
    words = ("notary", "log", "check-inclusion", "-")
    assert places.command(*words, env=nowhere, input=made.stdout + spoilt).returncode == 3
    assert places.command(*words, env=nowhere, input="{}\n" + spoilt).returncode == 2
    assert (
        places.command("notary", "log", "prove", str(log_folder), "--size", "3", env=nowhere).returncode == 2
    )


def test_a_checkpoint_is_shown(log_folder: Path, nowhere: dict[str, str]) -> None:
    words = ("notary", "log", "checkpoint", str(log_folder / "checkpoint"))
    shown = places.command(*words, "--key", str(LOG.verifier), "--key", str(REGULATOR.verifier), env=nowhere)
    assert shown.returncode == 0, shown.stderr
    assert LOG.verifier.name in shown.stdout
    assert places.command(*words, "--key", str(CARRIER.verifier), env=nowhere).returncode in {2, 3}


def test_a_witness_cosigns(tmp_path: Path, nowhere: dict[str, str]) -> None:
    policy = tmp_path / "logs"
    policy.write_text(f"log {LOG.verifier}\nquorum none\n")
    port = places.free_port()
    words = ["notary", "witness", "serve", "--home", str(tmp_path / "witness"), "--name", "w.example"]
    process = subprocess.Popen(
        [sys.executable, "-m", "throughline", *words, "--logs", str(policy), "--port", str(port)],
        env=nowhere,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        head = Checkpoint(LOG.verifier.name, 1, merkle.leaf_hash(b"leaf"))
        body = "old 0\n\n" + head.signed(LOG)

        def ask() -> httpx.Response | None:
            try:
                return httpx.post(f"http://127.0.0.1:{port}/add-checkpoint", content=body, trust_env=False)
            except httpx.HTTPError:
                return None

        answer = places.wait_for(ask)
        assert answer.status_code == 200
        assert answer.text.startswith("— w.example ")
        assert to_base64(head.root) in head.text()
    finally:
        process.terminate()
        process.wait(20)
