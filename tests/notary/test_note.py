"""Signed notes, checkpoints and cosignatures: published examples, and every malformed one refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from throughline.notary import checkpoint, note
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.encoding import Malformed, ProofError, from_base64, from_decimal
from throughline.notary.note import COSIGNATURE_V1, Signer, VerifierKey

# The example of Go's package golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

# The example of C2SP tlog-cosignature; its keys are not published, so only its form can be read.
SPEC_CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""


def signer(name: str, nr: int, kind: int = note.ED25519) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([nr]) * 32), kind)


LOG = signer("log.example/main", 1)
WITNESS = signer("witness.example/w1", 2, COSIGNATURE_V1)
HEAD = Checkpoint("log.example/main", 7, bytes(32))
SIGNED = HEAD.signed(LOG)


def test_the_example_of_the_go_package() -> None:
    key = VerifierKey.parse(GO_KEY)
    assert str(key) == GO_KEY
    assert note.verify(note.parse(GO_NOTE.encode()), [key])[0].time_s is None
    secret = Signer.parse(GO_SECRET)
    assert secret.verifier == key
    assert secret.private_text() == GO_SECRET
    assert note.format_note(GO_TEXT, [secret.sign(GO_TEXT)]) == GO_NOTE
    assert "AYEKF" not in repr(secret)


def test_the_text_ends_at_the_last_empty_line() -> None:
    text = "one\n\ntwo\n"
    parsed = note.parse(note.format_note(text, [LOG.sign(text)]).encode())
    assert parsed.text == text
    note.verify(parsed, [LOG.verifier])


def test_the_example_checkpoint_is_read() -> None:
    content, parsed = checkpoint.parse(SPEC_CHECKPOINT.encode())
    assert (content.origin, content.size) == ("example.com/behind-the-sofa", 20852163)
    assert content.text() == parsed.text
    log, witness = parsed.signatures
    assert log.key_id.hex() == "033de0ae"
    assert len(log.data) == 64
    assert len(witness.data) == 72
    assert int.from_bytes(witness.data[:8], "big") == 1679315147
    assert note.format_note(parsed.text, parsed.signatures) == SPEC_CHECKPOINT


def test_the_cosigned_message_is_that_of_the_specification() -> None:
    assert note.cosigned_message("example.com/x\n1\nAA=\n", 1679315147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/x\n1\nAA=\n"
    )


def test_a_cosigned_checkpoint_opens() -> None:
    cosignature = WITNESS.sign(HEAD.text(), time_s=1_700_000_000)
    opened = checkpoint.open_checkpoint(
        (SIGNED + cosignature.line()).encode(), [LOG.verifier], [WITNESS.verifier]
    )
    assert opened.checkpoint == HEAD
    assert opened.cosignatures[0].time_s == 1_700_000_000


def test_unknown_signatures_are_passed_over_and_known_ones_must_hold() -> None:
    stranger = signer("log.example/main", 9)
    mixed = SIGNED + stranger.sign("something else\n").line()
    assert checkpoint.open_checkpoint(mixed.encode(), [LOG.verifier]).log == LOG.verifier
    # The key is known now: its false signature refuses the whole note.
    with pytest.raises(ProofError):
        checkpoint.open_checkpoint(mixed.encode(), [LOG.verifier, stranger.verifier])
    bad_witness = WITNESS.sign("something else\n", time_s=5).line()
    with pytest.raises(ProofError):
        checkpoint.open_checkpoint((SIGNED + bad_witness).encode(), [LOG.verifier], [WITNESS.verifier])


def test_a_log_speaks_only_for_its_own_origin() -> None:
    other = signer("other.example/log", 3)
    text = HEAD.text()
    forged = note.format_note(text, [other.sign(text)])
    with pytest.raises(ProofError):
        checkpoint.open_checkpoint(forged.encode(), [other.verifier, LOG.verifier])
    with pytest.raises(ValueError, match="origin"):
        HEAD.signed(other)


def test_a_witness_alone_is_not_the_log() -> None:
    only = note.format_note(HEAD.text(), [WITNESS.sign(HEAD.text(), time_s=5)])
    with pytest.raises(ProofError):
        checkpoint.open_checkpoint(only.encode(), [LOG.verifier], [WITNESS.verifier])


def test_a_cosignature_with_an_impossible_time_is_refused() -> None:
    for time_s in (253_402_300_800, (1 << 64) - 1):
        line = WITNESS.sign(HEAD.text(), time_s=time_s).line()
        with pytest.raises(ProofError):
            checkpoint.open_checkpoint((SIGNED + line).encode(), [LOG.verifier], [WITNESS.verifier])


def test_sixteen_signatures_fit_and_ten_thousand_do_not() -> None:
    lines = "".join(
        signer(f"w{nr}", nr + 10, COSIGNATURE_V1).sign(HEAD.text(), time_s=1).line() for nr in range(16)
    )
    checkpoint.open_checkpoint((SIGNED + lines).encode(), [LOG.verifier])
    for times in (100, 10_000):
        with pytest.raises(Malformed):
            note.parse((SIGNED + WITNESS.sign(HEAD.text(), time_s=1).line() * times).encode())


LINE = SIGNED.splitlines()[-1]


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "\n\n", "text", "text\n", "text\n\n", HEAD.text(), HEAD.text() + "\n", SIGNED[:-1], SIGNED + "\n",
        SIGNED + "x\n", SIGNED.replace("—", "-"), SIGNED.replace("—", "–"), SIGNED.replace("— ", "—"),
        SIGNED.replace("— ", "—  "), SIGNED.replace("\n—", "\n —"), SIGNED.replace("\n", "\r\n"),
        SIGNED.replace("=\n", "= \n"), SIGNED[:-3] + "\n", SIGNED[:-2] + "\n", HEAD.text() + "\n— log.example/main \n",
        HEAD.text() + "\n— log.example/main AAAA\n", HEAD.text() + "\n— log.example/main AAAAAA==\n",
        HEAD.text() + "\n—  AAAAAAAAAA==\n", HEAD.text() + "\n— a+b AAAAAAA=\n",
        HEAD.text() + "\n— a\u00a0b AAAAAAA=\n", HEAD.text() + "\n— a\u2028b AAAAAAA=\n",
        SIGNED.replace("\n7\n", "\n7\x00\n"), SIGNED.replace("\n7\n", "\n7\t\n"), SIGNED.replace("\n7\n", "\n7\x1f\n"),
    ],
)  # fmt: skip
def test_malformed_notes_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        note.parse(text.encode())


def test_a_note_is_utf_8() -> None:
    with pytest.raises(Malformed):
        note.parse(SIGNED.encode().replace(b"log.example", b"log\xffexample"))


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", "o\n7\n", f"o\n7\n{ROOT}", f"\n7\n{ROOT}\n", f"o\n\n{ROOT}\n", f"o\n07\n{ROOT}\n", f"o\n+7\n{ROOT}\n",
        f"o\n-7\n{ROOT}\n", f"o\n7 \n{ROOT}\n", f"o\n 7\n{ROOT}\n", f"o\n7_0\n{ROOT}\n", f"o\n٧\n{ROOT}\n",
        f"o\n9223372036854775808\n{ROOT}\n", f"o\n{'9' * 5000}\n{ROOT}\n", f"o\n7\n{ROOT[:-1]}\n",
        f"o\n7\n{ROOT[:-2]}B=\n", f"o\n7\n{ROOT}=\n", f"o\n7\n {ROOT}\n", "o\n7\nAAAA\n", f"o\n7\n{ROOT}\n\n",
        f"o\n7\n{ROOT}\n\nx\n", f"o\n7\n{ROOT.replace('A', '-')}\n",
    ],
)  # fmt: skip
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        checkpoint.parse_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "PeterNeumann", "PeterNeumann+c74f20a3", GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("c74f20a3", "C74F20A3"), GO_KEY.replace("c74f20a3", "0xc74f20"), GO_KEY.replace("Peter", ""),
        GO_KEY.replace("Peter", "Peter "), GO_KEY.replace("Peter", "Peter+"), GO_KEY[:-4], GO_KEY + "=", GO_KEY + "\n",
        GO_KEY.replace("ARpc", "Axpc"), GO_KEY.replace("PeterNeumann", ""), "a+00000000+", "a+00000000+AQ==",
    ],
)  # fmt: skip
def test_malformed_keys_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text", ["", GO_KEY, GO_SECRET[:-4], GO_SECRET.replace("c74f20a3", "c74f20a4"), "PRIVATE+KEY+a+b+Ag=="]
)
def test_malformed_secrets_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Malformed) as refusal:
        Signer.parse(text)
    assert text == "" or text not in str(refusal.value)


@given(st.integers(0, len(SIGNED.encode()) - 1), st.integers(0, 255))
def test_no_changed_byte_goes_unnoticed(at: int, value: int) -> None:
    data = bytearray(SIGNED.encode())
    if data[at] == value:
        return
    data[at] = value
    with pytest.raises((Malformed, ProofError)):
        checkpoint.open_checkpoint(bytes(data), [LOG.verifier])


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_an_orderly_way(data: bytes) -> None:
    with pytest.raises(Malformed):
        note.parse(data)


@given(st.binary(max_size=64))
def test_one_text_for_each_value(data: bytes) -> None:
    assert from_base64(base64.b64encode(data).decode(), "x") == data


@given(st.integers(0, (1 << 63) - 1))
def test_decimals(value: int) -> None:
    assert from_decimal(str(value), "x") == value
    for text in (f"0{value}", f"+{value}", f"{value}\n", f" {value}"):
        with pytest.raises(Malformed):
            from_decimal(text, "x")


def test_signers_sign_what_they_are_for() -> None:
    with pytest.raises(ValueError, match="time"):
        LOG.sign("x\n", time_s=1)
    with pytest.raises(ValueError, match="time"):
        WITNESS.sign("x\n")
    with pytest.raises(ValueError, match="newline"):
        note.format_note("x", [])
