#!/usr/bin/env python3
"""Check a receipt of a transparency log, offline. Needs Python 3.11 and the package `cryptography`.

    python verify.py PROOF --record RECORD --policy POLICY [--lang zh|en] [--json]

PROOF is a C2SP tlog-proof, RECORD the JSON record, POLICY a C2SP tlog-policy: get the policy from
somebody you trust, not only from the lender. The program prints one sentence: what is proved, by whom,
as of when. Exit: 0 proved under the policy; 2 input malformed; 3 the proof does not hold; 4 it holds, but
the quorum is not met; 1 a fault of this program. It shares no code with the platform. Apache-2.0.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LIMIT = 64 * 1024  # bytes of a proof, a policy, an encoded record
LATEST_S = 253402300799  # 9999-12-31
NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")  # a key name: no Unicode space, no plus sign
ENGLISH = {
    "witnessed": "Proved: the record {kind} of {at} stands unchanged at index {index} of the log {origin} and existed by {time}, witnessed by {witnesses}.",
    "alone": "Proved by the log alone: the record {kind} of {at} stands unchanged at index {index} of the log {origin}. WARNING: this policy asks for NO independent witness, so nobody but the log itself vouches for it, and no independent time is proved.",
    "no_quorum": "NOT proved under the policy: the record {kind} of {at} stands at index {index} of the log {origin}, but the quorum is not met; valid cosignatures: {witnesses}.",
    "not_proved": "NOT proved: the proof does not hold ({problem}).",
    "malformed": "The input is malformed ({problem}).",
}
CHINESE = {
    "witnessed": "已证明：{at} 的记录 {kind} 原样存于日志 {origin} 的第 {index} 号位置，最迟在 {time} 已存在，见证方：{witnesses}。",
    "alone": "仅由日志自身证明：{at} 的记录 {kind} 原样存于日志 {origin} 的第 {index} 号位置。警告：该策略不要求任何独立见证方，除日志自身外无人作证，也没有独立的时间证明。",
    "no_quorum": "按该策略未获证明：{at} 的记录 {kind} 存于日志 {origin} 的第 {index} 号位置，但见证方未达到法定数；有效的联署：{witnesses}。",
    "not_proved": "证明不成立（{problem}）。",
    "malformed": "输入不符合格式（{problem}）。",
}
Key = tuple[str, bytes, bytes]  # name, key id, public key


class Malformed(Exception):
    """The input is not of its format."""


class NotProved(Exception):
    """The input is well-formed and does not prove what it claims."""


def need(condition: object, problem: str, error: type[Exception] = Malformed) -> None:
    if not condition:
        raise error(problem)


def unbase64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Malformed(f"{what}: not base64") from None
    need(base64.b64encode(data).decode() == text, f"{what}: not canonical base64")
    return data


def number(text: str, what: str) -> int:
    need(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 1 << 63, f"{what}: not a decimal")
    return int(text)


def utf8(data: bytes, what: str) -> str:
    need(len(data) <= LIMIT, f"{what}: too long")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"{what}: not UTF-8") from None
    need(not re.search("[\x00-\x09\x0b-\x1f]", text), f"{what}: control character")
    return text


def cbor_head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    width = next(width for width in (1, 2, 4, 8) if value < 1 << 8 * width)
    return bytes([major << 5 | 23 + width.bit_length()]) + value.to_bytes(width, "big")


def cbor(value: Any, depth: int = 0) -> bytes:
    """Deterministic CBOR (RFC 8949, 4.2.1) of text, integers, booleans, null, lists and objects."""
    need(depth <= 16, "record: nested too deep")
    if value is None or isinstance(value, bool):
        return b"\xf6" if value is None else b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        need(abs(value) < 1 << 53, "record: integer too large")
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, str):
        need(not re.search("[\ud800-\udfff]", value), "record: text that is not Unicode")
        return cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b"".join(cbor(item, depth + 1) for item in value)
    pairs = sorted((cbor(key), cbor(item, depth + 1)) for key, item in value.items())
    return cbor_head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


def no_float(text: str) -> NoReturn:
    raise Malformed("record: a number that is not an integer")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "record: a key that stands twice")
    return dict(pairs)


def read_record(data: bytes) -> tuple[dict[str, Any], bytes]:
    need(len(data) <= 4 * LIMIT, "record: too long")
    try:
        text = data.decode("utf-8")
        record = json.loads(text, parse_float=no_float, parse_constant=no_float, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise Malformed("record: not JSON in UTF-8") from None
    need(isinstance(record, dict), "record: not an object")
    encoded = cbor(record)
    need(len(encoded) <= LIMIT, "record: too long")
    return record, encoded


def read_key(text: str, kind: int) -> Key:
    parts = text.split("+", 2)
    need(len(parts) == 3 and NAME.fullmatch(parts[0]), "key: not <name>+<id>+<base64>")
    material = unbase64(parts[2], "key")
    need(len(material) == 33 and material[0] == kind, "key: not of the type that belongs here")
    key_id = hashlib.sha256(parts[0].encode() + b"\n" + material).digest()[:4]
    need(key_id.hex() == parts[1], "key: the id is not that of the key")
    return parts[0], key_id, material[1:]


def read_checkpoint(data: bytes) -> tuple[str, str, int, bytes, list[tuple[str, bytes, bytes]]]:
    """-> text, origin, size, root, signatures as (name, key id, signature)."""
    text, divider, lines = utf8(data, "checkpoint").rpartition("\n\n")
    need(divider and lines.endswith("\n") and lines.count("\n") <= 100, "checkpoint: not 1 to 100 signatures")
    signatures = []
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014" and NAME.fullmatch(parts[1]), "bad signature line")
        signature = unbase64(parts[2], "signature")
        need(len(signature) > 4, "signature: too short")
        signatures.append((parts[1], signature[:4], signature[4:]))
    fields = text.split("\n")
    need(len(fields) >= 3 and all(fields), "checkpoint: not three lines")
    root = unbase64(fields[2], "root")
    need(len(root) == 32, "root: not 32 bytes")
    return text + "\n", fields[0], number(fields[1], "size"), root, signatures


class Policy:
    def __init__(self, data: bytes) -> None:
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorums: list[str] = []
        need(len(data) <= LIMIT and data.count(b"\n") < 1000, "policy: too long")
        need(not re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data), "policy: control character")
        for line in data.split(b"\n"):
            # Names are opaque octets: surrogates keep those that are not UTF-8 apart.
            items = [item.decode("utf-8", "surrogateescape") for item in re.split(rb"[ \t]+", line) if item]
            if items and not items[0].startswith("#"):
                self.read(items[0], items[1:], {*self.witnesses, *self.groups})
        need(self.logs and len(self.quorums) == 1, "policy: not a log and exactly one quorum")

    def read(self, word: str, rest: list[str], known: set[str]) -> None:
        if word in {"witness", "group"}:
            need(rest and rest[0] not in known | {"none"}, "policy: a name that is taken")
        if word == "log" and len(rest) in {1, 2}:
            self.logs.append(read_key(rest[0], 1))
            need(len({key[2] for key in self.logs}) == len(self.logs), "policy: two logs with one key")
        elif word == "witness" and len(rest) in {2, 3}:
            self.witnesses[rest[0]] = read_key(rest[1], 4)
            publics = {key[2] for key in self.witnesses.values()}
            need(len(publics) == len(self.witnesses), "policy: two witnesses with one key")
        elif word == "group" and len(rest) >= 3:
            name, count, *members = rest
            used = [member for _, others in self.groups.values() for member in others] + members
            need(known.issuperset(members) and len(set(used)) == len(used), "policy: unknown or repeated")
            count = {"any": "1", "all": str(len(members))}.get(count, count)
            need(re.fullmatch("[1-9][0-9]{0,3}", count) and int(count) <= len(members), "policy: threshold")
            self.groups[name] = (int(count), members)
        else:
            need(word == "quorum" and len(rest) == 1 and rest[0] in known | {"none"}, "policy: bad line")
            self.quorums.append(rest[0])

    def met(self, names: list[str]) -> bool:
        held = {"none", *names}
        for name, (threshold, members) in self.groups.items():
            if len(held.intersection(members)) >= threshold:
                held.add(name)
        return self.quorums[0] in held


def read_proof(data: bytes) -> tuple[int, list[bytes], bytes, bytes]:
    """-> index, hashes, salt, checkpoint."""
    text, divider, checkpoint = utf8(data, "proof").partition("\n\n")
    lines = text.split("\n")
    need(divider and checkpoint and lines.pop(0) == "c2sp.org/tlog-proof@v1", "proof: not a tlog-proof@v1")
    extra = unbase64(lines.pop(0)[6:], "extra") if lines and lines[0].startswith("extra ") else b""
    need(lines and lines[0].startswith("index "), "proof: no index")
    index = number(lines.pop(0)[6:], "index")
    hashes = [unbase64(line, "proof hash") for line in lines]
    need(len(hashes) <= 63 and all(len(each) == 32 for each in hashes), "proof: not up to 63 hashes")
    need(len(extra) == 33 and extra[0] == 1, "extra: not 0x01 and a salt of 32 bytes")
    return index, hashes, extra[1:], checkpoint.encode()


def root_of(entry: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that the path leads to (RFC 6962, 2.1.1), from the leaf up."""
    need(index < size, "the index is not below the tree size", NotProved)
    result, last, hashes = hashlib.sha256(b"\x00" + entry).digest(), size - 1, iter(path)
    while last:
        if index & 1 or index < last:  # a right edge without a sibling goes up as it is
            other = next(hashes, b"")
            need(other, "too few hashes", NotProved)
            result = hashlib.sha256(b"\x01" + (other + result if index & 1 else result + other)).digest()
        index, last = index >> 1, last >> 1
    need(next(hashes, None) is None, "too many hashes", NotProved)
    return result


def cosigned_at(key: Key, signature: bytes, text: str, timed: bool) -> int:
    """Verify; -> POSIX seconds of a cosignature, 0 for the log's own signature."""
    at_s = int.from_bytes(signature[:8], "big") if timed else 0
    message = f"cosignature/v1\ntime {at_s}\n{text}" if timed else text
    need(at_s <= LATEST_S, f"{key[0]}: impossible time", NotProved)
    try:
        public = Ed25519PublicKey.from_public_bytes(key[2])
        public.verify(signature[8:] if timed else signature, message.encode())
    except (InvalidSignature, ValueError):
        raise NotProved(f"the signature of {key[0]} does not verify") from None
    return at_s


def check(proof_data: bytes, record_data: bytes, policy_data: bytes) -> tuple[int, str, dict[str, Any]]:
    """-> exit code, name of the sentence, facts. Raises Malformed or NotProved."""
    policy = Policy(policy_data)
    index, path, salt, checkpoint = read_proof(proof_data)
    record, encoded = read_record(record_data)
    text, origin, size, root, signatures = read_checkpoint(checkpoint)
    keys = [(None, key) for key in policy.logs if key[0] == origin] + list(policy.witnesses.items())
    held = [
        (cosigned_at(key, signature, text, witness is not None), witness)
        for name, key_id, signature in signatures
        for witness, key in keys
        if key[:2] == (name, key_id)
    ]
    need(any(witness is None for _, witness in held), "not signed by a log of the policy", NotProved)
    entry = b"\x01" + hmac.digest(salt, encoded, "sha256")
    need(root_of(entry, index, size, path) == root, "the hashes do not lead to the root", NotProved)
    times = sorted((at_s, witness) for at_s, witness in held if witness is not None)
    listed = ", ".join(f"{name} ({instant(at_s)})" for at_s, name in times)
    facts = {"kind": clean(record.get("kind")), "at": clean(record.get("at")), "index": index, "time": None}
    facts |= {"origin": clean(origin), "tree_size": size, "witnesses": clean(listed or "0", 1000)}
    names = [name for _, name in times]
    needed = next((n for n in range(len(names) + 1) if policy.met(names[:n])), None)
    if not needed:
        return (4, "no_quorum", facts) if needed is None else (0, "alone", facts)
    return 0, "witnessed", {**facts, "time": instant(times[needed - 1][0])}


def instant(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean(value: object, limit: int = 100) -> str:
    """Text from a hostile file, fit for a terminal."""
    text = value if isinstance(value, str) else "?"
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:limit])


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a receipt of a transparency log, offline.")
    parser.add_argument("proof")
    parser.add_argument("--record", required=True)
    parser.add_argument("--policy", required=True)
    parser.add_argument("--lang", choices=("zh", "en"), default="zh")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        files = [Path(name).read_bytes() for name in (options.proof, options.record, options.policy)]
        code, sentence, facts = check(*files)
    except (Malformed, NotProved, OSError) as error:
        code, sentence = (3, "not_proved") if isinstance(error, NotProved) else (2, "malformed")
        facts = {"problem": clean(str(error), 500)}
    said = (CHINESE if options.lang == "zh" else ENGLISH)[sentence].format(**facts)
    document = json.dumps({"exit_code": code, "sentence": said, **facts}, ensure_ascii=False)
    print(document if options.json else said)  # noqa: T201 - a program
    return code


if __name__ == "__main__":
    sys.exit(main())
