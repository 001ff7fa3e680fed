"""ISO 20022 messages of our bank profile: pain.001.001.09 out, pain.002.001.10 and camt.054.001.08 in.

Incoming XML is hostile: no DTD, no entities, no network, a size limit before the parser sees it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lxml import etree

from throughline.kernel.money import from_minor, to_minor
from throughline.payments.ports import Entry, Instruction, Payee, Refused, Report
from throughline.payments.rails.bank_reasons import BY_CODE, text_of
from throughline.payments.states import Outcome

PAIN_001 = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
CAMT_054 = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
MAX_XML_BYTES = 1024 * 1024
MAX_ENTRIES = 5_000

_BIC = re.compile(r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$")
_IBAN = re.compile(r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")
_CNAPS = re.compile(r"^[0-9]{12}$")

# TxSts by ExternalPaymentTransactionStatus1Code. Accepted is not success: only settled is.
_SETTLED = frozenset({"ACSC", "ACCC"})
_IN_PROCESS = frozenset({"RCVD", "PDNG", "ACTC", "ACCP", "ACFC", "ACSP", "ACWC", "ACPD", "PART"})


@dataclass(frozen=True, slots=True)
class Debtor:
    """Our own side of a payment order."""

    client_id: str
    name: str
    account: str
    bank_code: str


def write_pain_001(instruction: Instruction, payee: Payee, debtor: Debtor) -> bytes:
    """One credit transfer. Every field comes from the stored instruction, so a repeat has the same bytes."""
    amount = from_minor(instruction.amount_minor, instruction.currency)
    root = etree.Element(f"{{{PAIN_001}}}Document", nsmap={None: PAIN_001})
    message = _add(root, "CstmrCdtTrfInitn")

    header = _add(message, "GrpHdr")
    _add(header, "MsgId", instruction.out_ref)
    _add(header, "CreDtTm", _instant(instruction.prepared_at))
    _add(header, "NbOfTxs", "1")
    _add(header, "CtrlSum", amount)
    party = _add(header, "InitgPty")
    _add(party, "Nm", debtor.name)
    _add(_add(_add(_add(party, "Id"), "OrgId"), "Othr"), "Id", debtor.client_id)

    block = _add(message, "PmtInf")
    _add(block, "PmtInfId", instruction.out_ref)
    _add(block, "PmtMtd", "TRF")
    _add(block, "BtchBookg", "false")
    _add(block, "NbOfTxs", "1")
    _add(block, "CtrlSum", amount)
    _add(_add(block, "ReqdExctnDt"), "Dt", instruction.prepared_at.astimezone(UTC).date().isoformat())
    _add(_add(block, "Dbtr"), "Nm", debtor.name)
    _account(_add(block, "DbtrAcct"), debtor.account, instruction.currency)
    _bank(_add(block, "DbtrAgt"), debtor.bank_code)
    _add(block, "ChrgBr", "SLEV")

    transfer = _add(block, "CdtTrfTxInf")
    ids = _add(transfer, "PmtId")
    _add(ids, "InstrId", instruction.out_ref)
    _add(ids, "EndToEndId", instruction.out_ref)
    _add(_add(transfer, "Amt"), "InstdAmt", amount).set("Ccy", instruction.currency)
    _bank(_add(transfer, "CdtrAgt"), payee.bank_code)
    _add(_add(transfer, "Cdtr"), "Nm", payee.holder_name)
    _account(_add(transfer, "CdtrAcct"), payee.number, None)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{PAIN_001}}}{name}")
    child.text = text
    return child


def _account(parent: etree._Element, number: str, currency: str | None) -> None:
    kind = _add(parent, "Id")
    if _IBAN.match(number):
        _add(kind, "IBAN", number)
    else:
        _add(_add(kind, "Othr"), "Id", number)
    if currency:
        _add(parent, "Ccy", currency)


def _bank(parent: etree._Element, code: str) -> None:
    institution = _add(parent, "FinInstnId")
    if _CNAPS.match(code):
        member = _add(institution, "ClrSysMmbId")
        _add(_add(member, "ClrSysId"), "Cd", "CNAPS")
        _add(member, "MmbId", code)
    elif _BIC.match(code):
        _add(institution, "BICFI", code)
    else:
        _add(_add(institution, "Othr"), "Id", code)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(raw: bytes) -> etree._Element:
    """The root of a message. Raises `Refused` for anything but plain, small XML without a DTD."""
    if len(raw) > MAX_XML_BYTES:
        raise Refused("too_large")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Refused("not_xml") from None
    if root.getroottree().docinfo.doctype:
        raise Refused("dtd")
    return root


def message_id(root: etree._Element) -> str:
    """GrpHdr/MsgId of a message. Raises `Refused` when there is none."""
    found = root.findtext("{*}*/{*}GrpHdr/{*}MsgId")
    if not found or len(found) > 35:
        raise Refused("no_message_id")
    return found


def is_message(root: etree._Element, namespace: str) -> bool:
    """Whether the document is of this message version."""
    return root.tag == f"{{{namespace}}}Document"


def read_pain_002(root: etree._Element, *, asked: bool) -> list[tuple[str, Report]]:
    """Status reports by end-to-end id. `asked`: the report answers a query, not the payment order itself.

    A state that we do not know is `unknown`; so is a refusal with a code outside our table, unless we
    asked: to a question about this very payment RJCT is the standard's own final word.
    """
    if not is_message(root, PAIN_002):
        raise Refused("other_message")
    reports = []
    for item in root.iterfind(".//{*}TxInfAndSts"):
        reference = item.findtext("{*}OrgnlEndToEndId") or ""
        status = item.findtext("{*}TxSts") or ""
        code = item.findtext("{*}StsRsnInf/{*}Rsn/{*}Cd")
        outcome = _outcome(status, code, asked)
        original = item.find("{*}OrgnlTxRef")
        amount_minor, currency = (None, None)
        if original is not None:
            amount_minor, currency = _money(original.find("{*}Amt/{*}InstdAmt"))
        report = Report(
            outcome,
            provider_state=status,
            provider_ref=item.findtext("{*}AcctSvcrRef"),
            error_code=code,
            amount_minor=amount_minor,
            currency=currency,
            merchant=_account_id(original, "{*}DbtrAcct") if original is not None else None,
            value_at=_instant_of(item.find("{*}FctvIntrBkSttlmDt")),
            reason=text_of(code) if outcome is Outcome.FAILED else None,
        )
        reports.append((reference, report))
        if len(reports) > MAX_ENTRIES:
            raise Refused("too_many_entries")
    return reports


def _outcome(status: str, code: str | None, asked: bool) -> Outcome:
    if status in _SETTLED:
        return Outcome.SUCCEEDED
    if status in _IN_PROCESS:
        return Outcome.ACCEPTED
    if status == "RJCT":
        # A duplicate is no refusal of the payment: the bank has it already.
        row = BY_CODE.get(code or "")
        final = asked if row is None else row.final
        return Outcome.FAILED if final else Outcome.UNKNOWN
    return Outcome.UNKNOWN


def read_camt_054(root: etree._Element) -> list[Entry]:
    """Booked entries that carry an end-to-end id. A credit with return information is money that came back."""
    if not is_message(root, CAMT_054):
        raise Refused("other_message")
    entries: list[Entry] = []
    for notification in root.iterfind("{*}BkToCstmrDbtCdtNtfctn/{*}Ntfctn"):
        merchant = _account_id(notification, "{*}Acct")
        for item in notification.iterfind("{*}Ntry"):
            if item.findtext("{*}Sts/{*}Cd") != "BOOK":
                continue
            entry = _entry(item, merchant)
            if entry is not None:
                entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                raise Refused("too_many_entries")
    return entries


def _entry(item: etree._Element, merchant: str | None) -> Entry | None:
    details = item.find("{*}NtryDtls/{*}TxDtls")
    entry_ref = item.findtext("{*}AcctSvcrRef")
    if details is None or not entry_ref:
        return None
    out_ref = details.findtext("{*}Refs/{*}EndToEndId")
    if not out_ref:
        return None
    side = item.findtext("{*}CdtDbtInd")
    return_info = details.find("{*}RtrInf")
    if side == "DBIT" and return_info is None:
        outcome = Outcome.SUCCEEDED
    elif side == "CRDT" and return_info is not None:
        outcome = Outcome.TAKEN_BACK
    else:
        return None  # money in with a reference of somebody else's: reconciliation's matter
    amount_minor, currency = _money(item.find("{*}Amt"))
    code = return_info.findtext("{*}Rsn/{*}Cd") if return_info is not None else None
    report = Report(
        outcome,
        provider_state="BOOK",
        provider_ref=details.findtext("{*}Refs/{*}AcctSvcrRef") or entry_ref,
        error_code=code,
        amount_minor=amount_minor,
        currency=currency,
        merchant=merchant,
        value_at=_instant_of(item.find("{*}ValDt")),
        reason=text_of(code) if outcome is Outcome.TAKEN_BACK else None,
    )
    return Entry(entry_ref[:35], out_ref[:35], report)


def _money(element: etree._Element | None) -> tuple[int | None, str | None]:
    if element is None:
        return None, None
    currency = element.get("Ccy") or ""
    try:
        return to_minor(element.text or "", currency), currency
    except ValueError:
        raise Refused("bad_amount") from None


def _account_id(parent: etree._Element, path: str) -> str | None:
    return parent.findtext(f"{path}/{{*}}Id/{{*}}Othr/{{*}}Id") or parent.findtext(
        f"{path}/{{*}}Id/{{*}}IBAN"
    )


def _instant_of(element: etree._Element | None) -> datetime | None:
    if element is None:
        return None
    try:
        if text := element.findtext("{*}DtTm"):
            at = datetime.fromisoformat(text)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if text := element.findtext("{*}Dt"):
            day = date.fromisoformat(text)
            return datetime(
                day.year, day.month, day.day, 12, tzinfo=UTC
            )  # the same day from UTC-12 to UTC+11
    except ValueError:
        raise Refused("bad_date") from None
    return None
