"""Receipts end to end without a database; the stand-alone verifier, run as a file, says the same."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from throughline import notary
from throughline.notary import merkle, proof, record, tiles, verify
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.note import COSIGNATURE_V1, ED25519, Signer

STANDALONE = Path(next(iter(notary.__path__))) / "standalone" / "verify.py"
SALT = bytes(range(32))
RECORD = {
    "kind": "lending.repayment",
    "schema": 1,
    "at": "2026-02-01T08:30:00Z",
    "amount_minor": 17400,
    "备注": "还款",
}


def signer(name: str, nr: int, kind: int = ED25519) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([nr]) * 32), kind)


LOG = signer("notary.lender.example/main", 1)
REGULATOR, CARRIER, OTHER = (
    signer(f"{name}.example", nr, COSIGNATURE_V1) for nr, name in enumerate("rco", 2)
)
POLICY = f"""log {LOG.verifier}
witness regulator {REGULATOR.verifier}
witness carrier {CARRIER.verifier}
witness 同业 {OTHER.verifier}
group two 2 regulator carrier 同业
quorum two
"""
LONE = f"log {LOG.verifier}\nquorum none\n"


@dataclass
class Receipt:
    """A receipt with its parts open, so that a test can spoil one."""

    size: int = 11
    index: int = 6
    record: dict[str, Any] = field(default_factory=lambda: dict(RECORD))
    cosigners: tuple[tuple[Signer, int], ...] = (
        (REGULATOR, 1_770_000_000),
        (OTHER, 1_770_000_300),
        (CARRIER, 1_770_000_060),
    )
    policy: str = POLICY

    def proof(self) -> proof.Proof:
        entries = [bytes([nr]) * 33 for nr in range(self.size)]
        entries[self.index] = record.leaf_entry(self.record, SALT)
        store = tiles.grow(0, lambda level, n: b"", [merkle.leaf_hash(entry) for entry in entries])
        node = tiles.node_reader(lambda level, n: store[level, n])
        head = Checkpoint(LOG.verifier.name, self.size, merkle.root(self.size, node))
        lines = [who.sign(head.text(), time_s=at_s).line() for who, at_s in self.cosigners]
        path = tuple(merkle.inclusion_path(self.index, self.size, node))
        return proof.Proof(self.index, path, head.signed(LOG) + "".join(lines), record.salt_extra(SALT))

    def files(self) -> tuple[bytes, bytes, bytes]:
        return self.proof().text().encode(), record.to_json(self.record).encode(), self.policy.encode()


@pytest.fixture(scope="module")
def alone() -> ModuleType:
    """The stand-alone verifier as a module of its own."""
    spec = importlib.util.spec_from_file_location("verifier_of_a_stranger", STANDALONE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def both(alone: ModuleType, files: tuple[bytes, bytes, bytes]) -> int:
    """The exit code, on which the two programs agree."""
    ours = verify.verify(*files, "en").exit_code
    try:
        theirs = alone.check(*files)[0]
    except alone.Malformed:
        theirs = 2
    except alone.NotProved:
        theirs = 3
    assert ours == theirs
    return ours


def write(folder: Path, files: tuple[bytes, bytes, bytes]) -> list[str]:
    names = [folder / name for name in ("r.tlog-proof", "record.json", "policy.txt")]
    for name, data in zip(names, files, strict=True):
        name.write_bytes(data)
    return [str(names[0]), "--record", str(names[1]), "--policy", str(names[2])]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    # -I: no PYTHONPATH and no current folder, so nothing of ours can be imported by chance.
    return subprocess.run(
        [sys.executable, "-I", str(STANDALONE), *arguments], capture_output=True, text=True, timeout=60
    )


CASES = {
    "proved": (Receipt(), 0),
    "lone install": (Receipt(policy=LONE, cosigners=()), 0),
    "one witness of two": (Receipt(cosigners=((CARRIER, 1_770_000_000),)), 4),
    "no witness of two": (Receipt(cosigners=()), 4),
    "twice the same witness": (Receipt(cosigners=((CARRIER, 1_770_000_000), (CARRIER, 1_770_000_001))), 4),
    "unknown log": (
        Receipt(policy=POLICY.replace(str(LOG.verifier), str(signer("other.example", 9).verifier))),
        3,
    ),
    "single leaf": (Receipt(size=1, index=0), 0),
}


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("case", CASES)
def test_the_file_alone_says_the_same_sentence(case: str, lang: str, tmp_path: Path) -> None:
    receipt, code = CASES[case]
    arguments = write(tmp_path, receipt.files())
    ours = verify.verify_files(Path(arguments[0]), Path(arguments[2]), Path(arguments[4]), lang)
    theirs = run([*arguments, "--lang", lang])
    assert theirs.stderr == ""
    assert (ours.exit_code, theirs.returncode) == (code, code)
    if code in {0, 4}:
        assert theirs.stdout == ours.sentence + "\n"


def test_the_sentence_says_what_by_whom_and_as_of_when() -> None:
    english = verify.verify(*Receipt().files(), "en")
    assert english.sentence == (
        "Proved: the record lending.repayment of 2026-02-01T08:30:00Z stands unchanged at index 6 of the log "
        "notary.lender.example/main and existed by 2026-02-02T02:41:00Z, witnessed by "
        "regulator (2026-02-02T02:40:00Z), carrier (2026-02-02T02:41:00Z), 同业 (2026-02-02T02:45:00Z)."
    )
    # The quorum of two was there with the second of three witnesses.
    assert english.document["time"] == "2026-02-02T02:41:00Z"
    assert "已证明" in verify.verify(*Receipt().files(), "zh").sentence


def test_a_lone_install_is_told_so_loudly() -> None:
    outcome = verify.verify(*Receipt(policy=LONE).files(), "en")
    assert outcome.exit_code == 0
    assert "WARNING" in outcome.sentence
    assert outcome.document["quorum"] == "none"
    assert outcome.document["time"] is None


def test_json_and_missing_files(tmp_path: Path) -> None:
    arguments = write(tmp_path, Receipt().files())
    answer = json.loads(run([*arguments, "--json", "--lang", "en"]).stdout)
    assert answer["exit_code"] == 0
    assert answer["time"] == "2026-02-02T02:41:00Z"
    arguments[0] = str(tmp_path / "nothing")
    assert run(arguments).returncode == 2
    assert verify.verify_files(tmp_path / "nothing", tmp_path, tmp_path, "en").exit_code == 2
    assert run(["--nonsense"]).returncode == 2


def test_a_changed_record_is_not_proved(alone: ModuleType) -> None:
    shown, _, rules = Receipt().files()
    for change in ({"amount_minor": 17401}, {"amount_minor": "17400"}, {"schema": True}, {"new": None}):
        assert both(alone, (shown, record.to_json({**RECORD, **change}).encode(), rules)) == 3
    # The same record in another JSON spelling is the same record.
    spelled = json.dumps(RECORD, ensure_ascii=True, separators=(",", ":")).encode()
    assert both(alone, (shown, spelled, rules)) == 0


def test_a_changed_proof_is_not_proved(alone: ModuleType) -> None:
    whole = Receipt().proof()
    _, content, rules = Receipt().files()
    for spoiled in (
        replace(whole, index=7), replace(whole, index=11), replace(whole, index=6 + 16), replace(whole, path=whole.path[:-1]),
        replace(whole, path=(*whole.path, bytes(32))), replace(whole, path=whole.path[::-1]), replace(whole, path=()),
        replace(whole, extra=record.salt_extra(bytes(32))), replace(whole, checkpoint=whole.checkpoint.replace("\n11\n", "\n12\n")),
    ):  # fmt: skip
        assert both(alone, (spoiled.text().encode(), content, rules)) == 3
    for extra in (None, b"", SALT, b"\x02" + SALT):
        assert both(alone, (replace(whole, extra=extra).text().encode(), content, rules)) == 2


def test_a_false_cosignature_refuses_the_whole_note(alone: ModuleType) -> None:
    whole = Receipt().proof()
    false = CARRIER.sign("another text\n", time_s=5).line()
    late = CARRIER.sign(whole.checkpoint.split("\n\n")[0] + "\n", time_s=1 << 60).line()
    _, content, rules = Receipt().files()
    for line in (false, late):
        data = replace(whole, checkpoint=whole.checkpoint + line).text().encode()
        assert both(alone, (data, content, rules)) == 3


def test_hostile_text_reaches_no_terminal() -> None:
    receipt = Receipt(record={**RECORD, "kind": "\x1b[2Jowned\u202e" + "x" * 1000})
    sentence = verify.verify(*receipt.files(), "en").sentence
    assert sentence.isprintable()
    assert len(sentence) < 700


@given(st.integers(0, 2), st.data())
def test_no_changed_byte_makes_the_programs_disagree(
    alone: ModuleType, which: int, data: st.DataObject
) -> None:
    files = list(FILES)
    spoiled = bytearray(files[which])
    at = data.draw(st.integers(0, len(spoiled) - 1))
    how = data.draw(st.sampled_from(["set", "drop", "insert", "double"]))
    if how == "set":
        spoiled[at] = data.draw(st.integers(0, 255))
    elif how == "drop":
        del spoiled[at : at + data.draw(st.integers(1, 60))]
    elif how == "insert":
        spoiled.insert(at, data.draw(st.sampled_from(list(b" \n\t\r\x00=+/A0\xff{}"))))
    else:
        spoiled[at:at] = spoiled[max(0, at - data.draw(st.integers(1, 80))) : at]
    files[which] = bytes(spoiled)
    if both(alone, (files[0], files[1], files[2])) == 0:
        # What still proves (a space in the JSON, one cosigner too many made a stranger) proves the same fact.
        facts = verify.verify(*files, "en").document
        assert {name: facts[name] for name in STATED} == STATED


STATED = {
    "kind": RECORD["kind"],
    "at": RECORD["at"],
    "index": 6,
    "origin": LOG.verifier.name,
    "tree_size": 11,
}
FILES = Receipt().files()


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_malformed(alone: ModuleType, one: bytes, two: bytes, three: bytes) -> None:
    assert both(alone, (one, two, three)) == 2


@given(
    st.dictionaries(
        st.text(max_size=30),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40),
            lambda inner: (
                st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
            ),
            max_leaves=15,
        ),
        max_size=30,
    )
)
def test_both_programs_encode_alike(alone: ModuleType, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode()
    try:
        ours: bytes | None = record.encode(record.from_json(data))
    except record.Malformed:
        ours = None
    try:
        theirs: bytes | None = alone.read_record(data)[1]
    except alone.Malformed:
        theirs = None
    assert ours == theirs


def test_the_stand_alone_verifier_is_small_and_imports_nothing_of_ours() -> None:
    source = STANDALONE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300
    modules = set()
    for item in ast.walk(ast.parse(source)):
        if isinstance(item, ast.Import):
            modules |= {name.name.split(".")[0] for name in item.names}
        elif isinstance(item, ast.ImportFrom):
            modules.add((item.module or "").split(".")[0])
    assert modules - set(sys.stdlib_module_names) == {"cryptography"}
