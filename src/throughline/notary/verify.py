"""Checking a receipt: proof, record and policy in; one sentence and an exit code out. No database, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from throughline.kernel.i18n import N_, gettext
from throughline.notary import checkpoint, merkle, policy, proof, record
from throughline.notary.encoding import Malformed, ProofError, to_base64
from throughline.notary.note import Verified
from throughline.notary.policy import Policy

PROVED, OUR_FAULT, MALFORMED, NOT_PROVED, NO_QUORUM = 0, 1, 2, 3, 4
MAX_FILE_BYTES = 1024 * 1024
_VERDICTS = {PROVED: "proved", MALFORMED: "malformed", NOT_PROVED: "not_proved", NO_QUORUM: "quorum_not_met"}

_SENTENCES = {
    "witnessed": N_(
        "Proved: the record %(kind)s of %(at)s stands unchanged at index %(index)s of the log %(origin)s "
        "and existed by %(time)s, witnessed by %(witnesses)s."
    ),
    "alone": N_(
        "Proved by the log alone: the record %(kind)s of %(at)s stands unchanged at index %(index)s of the "
        "log %(origin)s. WARNING: this policy asks for NO independent witness, so nobody but the log itself "
        "vouches for it, and no independent time is proved."
    ),
    "no_quorum": N_(
        "NOT proved under the policy: the record %(kind)s of %(at)s stands at index %(index)s of the log "
        "%(origin)s, but the quorum is not met; valid cosignatures: %(witnesses)s."
    ),
    "not_proved": N_("NOT proved: the proof does not hold (%(problem)s)."),
    "malformed": N_("The input is malformed (%(problem)s)."),
}


class Outcome(NamedTuple):
    """What a check says: exit code (notary.md), one sentence for a person, and the same for a program."""

    exit_code: int
    sentence: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Finding:
    opened: checkpoint.Opened
    index: int
    record: dict[str, Any]
    rules: Policy


def verify_files(proof_file: Path, record_file: Path, policy_file: Path, lang: str) -> Outcome:
    """Check a receipt from three files. A file that cannot be read counts as malformed input."""
    try:
        contents = [_read(path) for path in (proof_file, record_file, policy_file)]
    except Malformed as error:
        return _failed(MALFORMED, str(error), lang)
    return verify(contents[0], contents[1], contents[2], lang)


def verify(proof_data: bytes, record_data: bytes, policy_data: bytes, lang: str) -> Outcome:
    """Check a receipt under a policy. `lang` is "zh" or "en".

    The record's HMAC under the salt of the proof's extra data must be the leaf; the leaf must be in the
    checkpoint's tree; the checkpoint must be signed by a log of the policy; the quorum must have cosigned.
    """
    try:
        finding = _find(proof_data, record_data, policy_data)
    except Malformed as error:
        return _failed(MALFORMED, str(error), lang)
    except ProofError as error:
        return _failed(NOT_PROVED, str(error), lang)
    held = finding.opened.cosignatures
    met = finding.rules.satisfied_by({each.key for each in held})
    if not met:
        return _report(NO_QUORUM, "no_quorum", finding, None, lang)
    if finding.rules.quorum is None:
        return _report(PROVED, "alone", finding, None, lang)
    return _report(PROVED, "witnessed", finding, quorum_time(finding.rules, held), lang)


def quorum_time(rules: Policy, held: Sequence[Verified]) -> int | None:
    """POSIX seconds by which the quorum had seen the checkpoint; None if it has not."""
    seen = set()
    for each in sorted(held, key=lambda item: item.time_s or 0):
        seen.add(each.key)
        if rules.satisfied_by(seen):
            return each.time_s
    return None


def _find(proof_data: bytes, record_data: bytes, policy_data: bytes) -> _Finding:
    rules = policy.parse(policy_data)
    if not rules.logs:
        raise Malformed("policy: no log line")
    shown = proof.parse(proof_data)
    content = record.from_json(record_data)
    entry = record.leaf_entry(content, record.salt_of(shown.extra))
    opened = checkpoint.open_checkpoint(shown.checkpoint.encode("utf-8"), rules.logs, rules.witness_keys())
    head = opened.checkpoint
    merkle.verify_inclusion(shown.index, head.size, merkle.leaf_hash(entry), head.root, shown.path)
    return _Finding(opened, shown.index, content, rules)


def _report(code: int, sentence: str, finding: _Finding, time_s: int | None, lang: str) -> Outcome:
    head = finding.opened.checkpoint
    names = {witness.key: shown(name) for name, witness in finding.rules.witnesses.items()}
    seen = sorted((each.time_s or 0, names[each.key], each.key.name) for each in finding.opened.cosignatures)
    listed = ", ".join(f"{name} ({instant(at_s)})" for at_s, name, _ in seen) or "0"
    facts: dict[str, Any] = {
        "kind": printable(finding.record.get("kind")),
        "at": printable(finding.record.get("at")),
        "index": finding.index,
        "origin": printable(head.origin),
        "time": None if time_s is None else instant(time_s),
    }
    document = {
        "exit_code": code,
        "verdict": _VERDICTS[code],
        **facts,
        "tree_size": head.size,
        "root": to_base64(head.root),
        "quorum": printable(shown(finding.rules.quorum or b"none")),
        "witnesses": [
            {"name": printable(name), "key_name": printable(key_name), "time": instant(at_s)}
            for at_s, name, key_name in seen
        ],
    }
    return Outcome(code, _say(sentence, lang, **facts, witnesses=printable(listed, 1000)), document)


def _failed(code: int, problem: str, lang: str) -> Outcome:
    sentence = "malformed" if code == MALFORMED else "not_proved"
    document = {"exit_code": code, "verdict": _VERDICTS[code], "problem": printable(problem, 500)}
    return Outcome(code, _say(sentence, lang, problem=printable(problem, 500)), document)


def _say(sentence: str, lang: str, **facts: object) -> str:
    return gettext(_SENTENCES[sentence], "zh-CN" if lang == "zh" else "en", **facts)


def instant(time_s: int) -> str:
    """POSIX seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(name: bytes) -> str:
    """A policy's name for people. Names are opaque octets: surrogates keep those that are not UTF-8 apart."""
    return name.decode("utf-8", "surrogateescape")


def printable(value: object, limit: int = 100) -> str:
    """Text from a hostile file for a terminal: no escape codes, no direction marks, not endless."""
    text = value if isinstance(value, str) else "?"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:limit])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise Malformed(f"{path}: longer than {MAX_FILE_BYTES} bytes")
    return data
