"""Policies, proof files, records and promises: what the formats say, and every other form refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from throughline.notary import policy, promise, proof, record
from throughline.notary.encoding import Malformed, ProofError
from throughline.notary.note import COSIGNATURE_V1, ED25519, Signer
from throughline.notary.promise import PromiseTerms


def vkey(name: str, nr: int, kind: int) -> str:
    key = Ed25519PrivateKey.from_private_bytes(nr.to_bytes(32, "big"))
    return str(Signer(name, key, kind).verifier)


L1, L2 = (vkey(f"log.example/{nr}", nr, ED25519) for nr in (1, 2))
W = [vkey(f"witness.example/{nr}", 10 + nr, COSIGNATURE_V1) for nr in range(40)]

EXAMPLE = f"""# two organisations
log {L1} https://log.example/1

witness X1 {W[1]}
witness X2 {W[2]}\thttps://x2.example/
 witness X3   {W[3]}
group X-witnesses 2 X1 X2 X3
witness Y1 {W[4]}
witness Y2 {W[5]}
witness Y3 {W[6]}
group Y-witnesses any Y1 Y2 Y3
  # both
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


@pytest.mark.parametrize(
    ("names", "met"),
    [
        ("", False), ("X1 X2", False), ("X1 Y1", False), ("Y1 Y2 Y3", False), ("X1 X2 Y3", True), ("X1 X3 Y2", True),
        ("X1 X2 X3 Y1 Y2 Y3", True),
    ],
)  # fmt: skip
def test_the_example_of_the_specification(names: str, met: bool) -> None:
    rules = policy.parse(EXAMPLE.encode())
    keys = {rules.witnesses[name.encode()].key for name in names.split()}
    assert rules.satisfied_by(keys) is met
    assert list(rules.logs.values()) == ["https://log.example/1"]
    assert rules.witnesses[b"X2"].url == "https://x2.example/"


def test_no_quorum_is_met_by_nobody() -> None:
    rules = policy.parse(f"log {L1}\nquorum none".encode())
    assert rules.quorum is None
    assert rules.satisfied_by(())


def test_one_witness_can_be_the_quorum() -> None:
    rules = policy.parse(f"witness a {W[1]}\nquorum a\n".encode())
    assert not rules.satisfied_by(())
    assert rules.satisfied_by(rules.witness_keys())


def test_names_are_opaque_octets() -> None:
    kelvin, latin = "\u212a".encode(), b"K"
    data = b"witness %s %s\nwitness %s %s\nwitness \xff %s\nquorum \xff\n" % (
        kelvin, W[1].encode(), latin, W[2].encode(), W[3].encode(),
    )  # fmt: skip
    assert set(policy.parse(data).witnesses) == {kelvin, latin, b"\xff"}


def test_thirty_two_of_each_fit() -> None:
    lines = [f"log {vkey(f'l{nr}', 100 + nr, ED25519)}" for nr in range(32)]
    lines += [f"witness w{nr} {W[nr]}" for nr in range(32)]
    lines += [f"group g{nr} any w{nr}" for nr in range(32)]
    assert len(policy.parse("\n".join([*lines, "quorum g31\n"]).encode()).groups) == 32


@pytest.mark.parametrize(
    "text",
    [
        "", f"log {L1}\n", "quorum none\nquorum none\n", "quorum a\n", f"quorum a\nwitness a {W[1]}\n", "quorum\n",
        "quorum none x\n", f"log\nlog {L1}\nquorum none\n", f"log {L1} u v\nquorum none\n",
        f"log {L1}\nlog {L1}\nquorum none\n",
        f"log {vkey('a', 7, ED25519)}\nlog {vkey('b', 7, ED25519)}\nquorum none\n",
        f"log {W[1]}\nquorum none\n", f"witness a {L1}\nquorum none\n", f"witness none {W[1]}\nquorum none\n",
        f"witness a {W[1]}\nwitness a {W[2]}\nquorum a\n", f"witness a {W[1]}\nwitness b {W[1]}\nquorum a\n",
        f"witness a {vkey('a', 7, 4)}\nwitness b {vkey('b', 7, 4)}\nquorum a\n",
        f"witness a {W[1]}\ngroup a any a\nquorum a\n", f"witness a {W[1]}\ngroup none any a\nquorum none\n",
        f"witness a {W[1]}\ngroup g any none\nquorum g\n", f"witness a {W[1]}\ngroup g any\nquorum g\n",
        f"witness a {W[1]}\ngroup g 0 a\nquorum g\n", f"witness a {W[1]}\ngroup g 2 a\nquorum g\n",
        f"witness a {W[1]}\ngroup g 01 a\nquorum g\n", f"witness a {W[1]}\ngroup g +1 a\nquorum g\n",
        f"witness a {W[1]}\ngroup g ALL a\nquorum g\n", f"witness a {W[1]}\ngroup g any a a\nquorum g\n",
        f"witness a {W[1]}\ngroup g any a\ngroup h any a\nquorum h\n", f"witness a {W[1]}\ngroup g any g\nquorum g\n",
        f"group g any a\nwitness a {W[1]}\nquorum g\n", f"logs {L1}\nquorum none\n", f"LOG {L1}\nquorum none\n",
        f"log {L1}\r\nquorum none\r\n", f"log {L1}\vx\nquorum none\n", f"log\u00a0{L1}\nquorum none\n", "quorum none\x7f\n",
        "quorum none\x00\n", f"log {L1[:-4]}\nquorum none\n", "#" * 70_000 + "\nquorum none\n", "\n" * 2_000 + "quorum none\n",
    ],
)  # fmt: skip
def test_malformed_policies_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        policy.parse(text.encode())


CHECKPOINT = "o\n9\n" + "A" * 43 + "=\n\n— o AAAAAAA=\n"
HASH = "A" * 43 + "="
PROOF = f"c2sp.org/tlog-proof@v1\nextra AQID\nindex 8\n{HASH}\n{HASH}\n\n{CHECKPOINT}"


def test_a_proof_comes_back() -> None:
    parsed = proof.parse(PROOF.encode())
    assert parsed == proof.Proof(8, (bytes(32), bytes(32)), CHECKPOINT, b"\x01\x02\x03")
    assert parsed.text() == PROOF
    bare = "c2sp.org/tlog-proof@v1\nindex 0\n\n" + CHECKPOINT
    assert proof.parse(bare.encode()).text() == bare


@pytest.mark.parametrize(
    "text",
    [
        "", CHECKPOINT, PROOF.replace("@v1", "@v2"), PROOF.replace("@v1", "@v1 "), PROOF.replace("c2sp", "C2SP"), "\n" + PROOF,
        " " + PROOF, PROOF.replace("\n", "\r\n"), PROOF.replace("index", "Index"), PROOF.replace("index 8", "index"),
        PROOF.replace("index 8", "index 08"), PROOF.replace("index 8", "index  8"), PROOF.replace("index 8", "index 8 "),
        PROOF.replace("index 8\n", ""), PROOF.replace("extra AQID\nindex 8", "index 8\nextra AQID"),
        PROOF.replace("extra", "Extra"), PROOF.replace("AQID", "AQID\nextra AQID"), PROOF.replace("AQID", "AQI"),
        PROOF.replace("AQID", "AQJ="), PROOF.replace("AQID", "AQ-_"), PROOF.replace(HASH, "AAAA"),
        PROOF.replace(HASH, HASH + " "), PROOF.replace(HASH, "A" * 42 + "B="), PROOF.replace(HASH, HASH + "\n", 1)[:60],
        PROOF.replace(HASH, "\n".join([HASH] * 64), 1), PROOF.split("\n\n")[0], PROOF.split("\n\n")[0] + "\n\n",
        PROOF.replace("index 8", "index 9223372036854775808"), PROOF + "x" * 65_536, PROOF.replace("index 8", "index\t8"),
    ],
)  # fmt: skip
def test_malformed_proofs_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        proof.parse(text.encode())


# Values of RFC 8949, appendix A, that a record may hold.
RFC_8949 = [
    (0, "00"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (1000, "1903e8"), (1_000_000, "1a000f4240"),
    (1_000_000_000_000, "1b000000e8d4a51000"), (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"), (False, "f4"),
    (True, "f5"), (None, "f6"), ("", "60"), ("a", "6161"), ("IETF", "6449455446"), ('"\\', "62225c"), ("ü", "62c3bc"),
    ("水", "63e6b0b4"), ("𐅑", "64f0908591"), ([], "80"), ([1, 2, 3], "83010203"), ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"), ({}, "a0"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"), (["a", {"b": "c"}], "826161a161626163"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "encoded"), RFC_8949)
def test_cbor_of_rfc_8949(value: Any, encoded: str) -> None:
    assert record.encode({"v": value}).hex() == "a16176" + encoded


def test_keys_stand_in_the_order_of_their_encoding() -> None:
    keys = ["z", "aa", "a", "", "b" * 24, "水", "c" * 300]
    encoded = record.encode(dict.fromkeys(keys))
    assert encoded == record.encode(dict.fromkeys(reversed(keys)))
    order = sorted(keys, key=lambda key: record.encode({key: None})[1:])
    at = [encoded.index(record.encode({key: None})[1:]) for key in order]
    assert at == sorted(at)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", '"x"', "null", "{", '{"a":1.0}', '{"a":1e3}', '{"a":NaN}', '{"a":Infinity}', '{"a":1,"a":1}',
        '{"b":{"a":1,"a":2}}', '{"a":9007199254740992}', '{"a":-9007199254740992}', '{"a":' + "9" * 5000 + "}",
        '{"a":"\\ud800"}', "\ufeff{}", '{"a":' * 17 + "{}" + "}" * 17, '{"a":' * 5000 + "{}" + "}" * 5000,
        '{"a":"' + "x" * 70_000 + '"}', "{} {}", "{'a':1}",
    ],
)  # fmt: skip
def test_malformed_records_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        record.from_json(text.encode("utf-8", "surrogatepass"))


def test_a_record_is_utf_8() -> None:
    with pytest.raises(Malformed):
        record.from_json(b'{"a":"\xff"}')


@pytest.mark.parametrize("value", [1.5, b"x", {1: 2}, (1,), {"a": {2}}, object()])
def test_other_types_have_no_encoding(value: Any) -> None:
    with pytest.raises(Malformed):
        record.encode({"v": value})


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
RECORDS = st.dictionaries(TEXT, VALUES, max_size=6)


@given(RECORDS, st.binary(min_size=32, max_size=32))
def test_records_survive_their_file(content: dict[str, Any], salt: bytes) -> None:
    back = record.from_json(record.to_json(content).encode())
    assert record.leaf_entry(back, salt) == record.leaf_entry(content, salt)
    assert len(record.leaf_entry(content, salt)) == 33
    other = bytes(32) if salt != bytes(32) else bytes([1]) * 32
    assert record.leaf_entry(content, other) != record.leaf_entry(content, salt)
    assert record.salt_of(record.salt_extra(salt)) == salt


@given(RECORDS, RECORDS)
def test_one_encoding_for_each_record(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (record.encode(one) == record.encode(other)) is same


@pytest.mark.parametrize("extra", [None, b"", b"\x01", bytes(33), b"\x01" + bytes(31), b"\x01" + bytes(33)])
def test_other_extra_data_holds_no_salt(extra: bytes | None) -> None:
    with pytest.raises(Malformed):
        record.salt_of(extra)


def test_facts_become_plain_text() -> None:
    at = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
    facts = {
        "id": UUID(int=1),
        "at": at,
        "on": date(2026, 2, 1),
        "rate": Decimal("12.50"),
        "d": b"\xff",
        "l": (1, None),
    }
    assert record.plain(facts) == {
        "id": "00000000-0000-0000-0000-000000000001", "at": "2026-02-01T08:30:00Z", "on": "2026-02-01", "rate": "12.50",
        "d": "ff", "l": [1, None],
    }  # fmt: skip
    for value in (1.5, datetime(2026, 2, 1), {1, 2}):  # noqa: DTZ001 - the naive instant is the point
        with pytest.raises(TypeError):
            record.plain({"v": value})


def test_promises() -> None:
    signer = Signer("log.example/main/promise", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    terms = PromiseTerms("log.example/main", b"\x01" + bytes(32), datetime(2026, 2, 1, tzinfo=UTC))
    text = terms.signed(signer)
    assert promise.open_promise(text.encode(), signer.verifier) == terms
    with pytest.raises(ProofError):
        promise.open_promise(text.replace("1769904000", "1769904001").encode(), signer.verifier)
    for bad in (
        text.replace("/v1", "/v2"),
        text.replace("1769904000", "01769904000"),
        text.replace("main\n", "main\nx\n"),
    ):
        with pytest.raises(Malformed):
            promise.open_promise(bad.encode(), signer.verifier)
