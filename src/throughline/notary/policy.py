"""Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of whom must have signed.

The format is not tagged upstream yet; it is kept behind this module.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from throughline.notary.encoding import Malformed
from throughline.notary.note import COSIGNATURE_V1, ED25519, VerifierKey

MAX_POLICY_BYTES = 64 * 1024
MAX_LINES = 1_000
_SPACES = re.compile(rb"[ \t]+")
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_COUNT = re.compile(rb"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness line. `name` is an opaque byte string of the policy; the key has its own name."""

    name: bytes
    key: VerifierKey
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Members of which at least `threshold` must have witnessed."""

    threshold: int
    members: tuple[bytes, ...]


@dataclass(slots=True)
class Policy:
    """A parsed policy. `quorum` None is `quorum none`: no witness is needed."""

    logs: dict[VerifierKey, str | None] = field(default_factory=dict)
    witnesses: dict[bytes, Witness] = field(default_factory=dict)
    groups: dict[bytes, Group] = field(default_factory=dict)
    quorum: bytes | None = None

    def witness_keys(self) -> list[VerifierKey]:
        """The keys of all witnesses."""
        return [witness.key for witness in self.witnesses.values()]

    def satisfied_by(self, keys: Collection[VerifierKey]) -> bool:
        """Whether cosignatures by these keys meet the quorum."""
        if self.quorum is None:
            return True
        # A group names only what stands before it, so one pass in order settles all.
        held = {name for name, witness in self.witnesses.items() if witness.key in keys}
        for name, group in self.groups.items():
            if sum(member in held for member in group.members) >= group.threshold:
                held.add(name)
        return self.quorum in held


def parse(data: bytes) -> Policy:
    """Read a policy file. `Malformed` names the line."""
    if len(data) > MAX_POLICY_BYTES:
        raise Malformed(f"policy: longer than {MAX_POLICY_BYTES} bytes")
    if _FORBIDDEN.search(data):
        raise Malformed("policy: a control character other than tab and newline")
    lines = data.split(b"\n")
    if len(lines) > MAX_LINES:
        raise Malformed(f"policy: more than {MAX_LINES} lines")
    reader = _Reader()
    for nr, line in enumerate(lines, 1):
        items = [item for item in _SPACES.split(line) if item]
        if not items or items[0].startswith(b"#"):
            continue
        try:
            reader.line(items)
        except Malformed as error:
            raise Malformed(f"policy line {nr}: {error}") from None
    if not reader.has_quorum:
        raise Malformed("policy: no quorum line")
    return reader.policy


class _Reader:
    def __init__(self) -> None:
        self.policy = Policy()
        self.has_quorum = False
        self._grouped: set[bytes] = set()

    def line(self, items: list[bytes]) -> None:
        keyword, *rest = items
        if keyword == b"log" and len(rest) in {1, 2}:
            self._log(*rest)
        elif keyword == b"witness" and len(rest) in {2, 3}:
            self._witness(*rest)
        elif keyword == b"group" and len(rest) >= 3:
            self._group(*rest)
        elif keyword == b"quorum" and len(rest) == 1:
            self._quorum(rest[0])
        else:
            raise Malformed("not a log, witness, group or quorum line with the right number of items")

    def _log(self, vkey: bytes, url: bytes | None = None) -> None:
        key = _key(vkey)
        if key.type != ED25519:
            raise Malformed("a log's key must be of type 0x01 (Ed25519)")
        if any(key.public == other.public for other in self.policy.logs):
            raise Malformed("two logs have the same key")
        self.policy.logs[key] = _url(url)

    def _witness(self, name: bytes, vkey: bytes, url: bytes | None = None) -> None:
        self._new_name(name)
        key = _key(vkey)
        if key.type != COSIGNATURE_V1:
            raise Malformed("a witness's key must be of type 0x04 (Ed25519 cosignature)")
        if any(key.public == other.public for other in self.policy.witness_keys()):
            raise Malformed("two witnesses have the same key")
        self.policy.witnesses[name] = Witness(name, key, _url(url))

    def _group(self, name: bytes, count: bytes, *members: bytes) -> None:
        self._new_name(name)
        for member in members:
            self._known_name(member)
            if member in self._grouped:
                raise Malformed("a name may be a member only once")
            self._grouped.add(member)
        if count in {b"any", b"all"}:
            threshold = 1 if count == b"any" else len(members)
        elif _COUNT.fullmatch(count) and int(count) <= len(members):
            threshold = int(count)
        else:
            raise Malformed("the threshold is not any, all or a number from 1 to the number of members")
        self.policy.groups[name] = Group(threshold, members)

    def _quorum(self, name: bytes) -> None:
        if self.has_quorum:
            raise Malformed("a second quorum line")
        if name != b"none":
            self._known_name(name)
            self.policy.quorum = name
        self.has_quorum = True

    def _new_name(self, name: bytes) -> None:
        if name == b"none" or name in self.policy.witnesses or name in self.policy.groups:
            raise Malformed("the name is taken")

    def _known_name(self, name: bytes) -> None:
        if name not in self.policy.witnesses and name not in self.policy.groups:
            raise Malformed("a name that no line before defines")


def _key(vkey: bytes) -> VerifierKey:
    try:
        return VerifierKey.parse(vkey.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed("verifier key: not UTF-8") from None


def _url(url: bytes | None) -> str | None:
    # Opaque: other verifiers may put any octets here.
    return None if url is None else url.decode("utf-8", "surrogateescape")
