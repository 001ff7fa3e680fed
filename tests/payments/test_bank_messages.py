"""ISO 20022: what we write can be read by the bank, what the bank writes is read, what attackers write is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lxml import etree

from throughline.kernel.ids import new_id
from throughline.lab.bank import documents as bank
from throughline.payments.ports import Instruction, Payee, Refused
from throughline.payments.rails import bank_messages as ours
from throughline.payments.rails.bank_reasons import BY_CODE, text_of
from throughline.payments.rails.bank_signature import BankKeys, answer_text, notice_text
from throughline.payments.references import out_ref
from throughline.payments.states import Outcome

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
REF = out_ref(new_id(), 1)
DEBTOR = ours.Debtor("THROUGHLINE", "示范消费金融有限公司", "6210000000000001", "999100000019")
PAYEE = Payee("欧阳娜娜 & <Söhne>", "6222021234567890123", "102100099996")


def _instruction(payee: Payee = PAYEE) -> Instruction:
    return Instruction(REF, 300_000, "CNY", NOW, None, payee)


def test_the_bank_reads_what_we_write() -> None:
    raw = ours.write_pain_001(_instruction(), PAYEE, DEBTOR)
    transfer = bank.read_pain_001(raw)
    assert transfer.end_to_end_id == transfer.message_id == REF
    assert (transfer.amount_minor, transfer.currency) == (300_000, "CNY")
    assert transfer.creditor_name == PAYEE.holder_name
    assert transfer.creditor_account == PAYEE.number
    assert transfer.debtor_account == DEBTOR.account


def test_a_repeat_has_the_same_bytes() -> None:
    assert ours.write_pain_001(_instruction(), PAYEE, DEBTOR) == ours.write_pain_001(
        _instruction(), PAYEE, DEBTOR
    )


@pytest.mark.parametrize(
    ("payee", "path", "expected"),
    [
        (PAYEE, ".//{*}CdtrAgt//{*}MmbId", "102100099996"),
        (Payee("N", "62220212345678", "ICBKCNBJ"), ".//{*}CdtrAgt//{*}BICFI", "ICBKCNBJ"),
        (Payee("N", "62220212345678", "102"), ".//{*}CdtrAgt//{*}Othr/{*}Id", "102"),
        (Payee("N", "DE89370400440532013000", "102"), ".//{*}CdtrAcct//{*}IBAN", "DE89370400440532013000"),
    ],
)
def test_accounts_and_banks_stand_in_their_own_elements(payee: Payee, path: str, expected: str) -> None:
    root = etree.fromstring(ours.write_pain_001(_instruction(payee), payee, DEBTOR))
    assert root.findtext(path) == expected


def test_the_payee_is_not_printed() -> None:
    assert PAYEE.number not in repr(_instruction())
    assert PAYEE.holder_name not in repr(_instruction())


def _payment(state: str, reason: str | None = None) -> dict[str, object]:
    settled = "2026-11-24T08:31:00Z" if state == "ACSC" else None
    return {
        "end_to_end_id": REF, "message_id": REF, "state": state, "reason": reason, "settled_at": settled,
        "entry_ref": "E1" if settled else None, "amount_minor": 300_000, "currency": "CNY",
        "debtor_account": DEBTOR.account,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "reason", "asked", "outcome"),
    [
        ("ACTC", None, False, Outcome.ACCEPTED),
        ("ACSP", None, True, Outcome.ACCEPTED),
        ("ACSC", None, True, Outcome.SUCCEEDED),
        ("RJCT", "AC04", False, Outcome.FAILED),
        ("RJCT", "AM05", False, Outcome.UNKNOWN),
        ("RJCT", "DU04", True, Outcome.UNKNOWN),
        ("RJCT", "ZZ99", False, Outcome.UNKNOWN),
        ("RJCT", "ZZ99", True, Outcome.FAILED),
        ("XXXX", None, True, Outcome.UNKNOWN),
    ],
)
def test_accepted_is_not_success_and_an_unknown_code_is_not_failure(
    state: str, reason: str | None, asked: bool, outcome: Outcome
) -> None:
    raw = bank.write_pain_002(_payment(state, reason), "S1", NOW)
    [(reference, report)] = ours.read_pain_002(ours.parse(raw), asked=asked)
    assert reference == REF
    assert report.outcome is outcome
    assert report.provider_state == state
    assert (report.amount_minor, report.currency, report.merchant) == (300_000, "CNY", DEBTOR.account)
    assert (report.reason is not None) == (outcome is Outcome.FAILED)
    if state == "ACSC":
        assert report.value_at == NOW + timedelta(minutes=1)


def _movement(side: str, return_reason: str | None) -> dict[str, object]:
    return {
        "entry_ref": "E000000000001", "account": DEBTOR.account, "end_to_end_id": REF, "side": side,
        "amount_minor": 300_000, "currency": "CNY", "booked_at": "2026-11-24T08:31:00Z",
        "return_reason": return_reason,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("side", "return_reason", "outcomes"),
    [
        ("DBIT", None, [Outcome.SUCCEEDED]),
        ("CRDT", "AC04", [Outcome.TAKEN_BACK]),
        ("CRDT", None, []),  # money of somebody else under our reference proves nothing about the payout
        ("DBIT", "AC04", []),
    ],
)
def test_booked_entries_are_read(side: str, return_reason: str | None, outcomes: list[Outcome]) -> None:
    raw = bank.write_camt_054(_movement(side, return_reason), "F1", NOW)
    entries = ours.read_camt_054(ours.parse(raw))
    assert [entry.report.outcome for entry in entries] == outcomes
    for entry in entries:
        assert (entry.entry_ref, entry.out_ref) == ("E000000000001", REF)
        assert entry.report.merchant == DEBTOR.account


def test_pending_entries_are_left_out() -> None:
    raw = bank.write_camt_054(_movement("DBIT", None), "F1", NOW).replace(b"BOOK", b"PDNG")
    assert ours.read_camt_054(ours.parse(raw)) == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not_xml"),
        (b"{}", "not_xml"),
        (b"<a>", "not_xml"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "dtd"),
        (b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "dtd"),
        (b"<!DOCTYPE a><a/>", "dtd"),
        (b"<a>" + b" " * ours.MAX_XML_BYTES + b"</a>", "too_large"),
    ],
)
def test_hostile_xml_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        ours.parse(raw)


@pytest.mark.parametrize("amount", ["1.234", "NaN", "Infinity", "1e400", "", "one", "99999999999999999999"])
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    raw = bank.write_camt_054(_movement("DBIT", None), "F1", NOW).replace(
        b">3000.00<", f">{amount}<".encode()
    )
    with pytest.raises(Refused, match="bad_amount"):
        ours.read_camt_054(ours.parse(raw))


def test_messages_of_another_kind_are_refused() -> None:
    camt = ours.parse(bank.write_camt_054(_movement("DBIT", None), "F1", NOW))
    with pytest.raises(Refused, match="other_message"):
        ours.read_pain_002(camt, asked=True)
    with pytest.raises(Refused, match="no_message_id"):
        ours.message_id(ours.parse(b"<a/>"))


def test_every_reason_has_a_text() -> None:
    assert all(row.text and row.meaning for row in BY_CODE.values())
    assert text_of(None) == text_of("ZZ99")


def test_signatures_bind_request_time_and_key() -> None:
    own, theirs, stranger = (Ed25519PrivateKey.generate() for _ in range(3))
    keys = BankKeys("C", own, {"BANK-1": theirs.public_key()})
    headers, nonce = keys.sign_request("POST", "/v1/x", b"body", at=NOW)
    assert headers["Bank-Nonce"] == nonce
    timestamp = str(int(NOW.timestamp()))

    def signed(key: Ed25519PrivateKey, text: bytes, key_id: str = "BANK-1") -> dict[str, str]:
        import base64

        return {
            "bank-key-id": key_id, "bank-timestamp": timestamp, "bank-nonce": "n",
            "bank-signature": base64.b64encode(key.sign(text)).decode(),
        }  # fmt: skip

    right = signed(theirs, answer_text(nonce, 200, timestamp, b"ok"))
    keys.check_answer(right, nonce, 200, b"ok", at=NOW)
    for answer, answered_nonce, status, body, at, why in (
        (right, nonce, 200, b"no", NOW, "bad_signature"),
        (right, nonce, 404, b"ok", NOW, "bad_signature"),
        (right, "another question", 200, b"ok", NOW, "bad_signature"),
        (right, nonce, 200, b"ok", NOW + timedelta(minutes=6), "stale"),
        (
            signed(stranger, answer_text(nonce, 200, timestamp, b"ok")),
            nonce,
            200,
            b"ok",
            NOW,
            "bad_signature",
        ),
        (right | {"bank-key-id": "BANK-2"}, nonce, 200, b"ok", NOW, "unknown_key"),
        ({}, nonce, 200, b"ok", NOW, "unsigned"),
    ):
        with pytest.raises(Refused, match=why):
            keys.check_answer(answer, answered_nonce, status, body, at=at)
    notice = signed(theirs, notice_text(timestamp, "n", b"file"))
    assert keys.check_notice(notice, b"file", at=NOW) == "BANK-1"
    with pytest.raises(Refused, match="bad_signature"):
        keys.check_answer(notice, "n", 200, b"file", at=NOW)
