"""ISO 20022 as the bank reads and writes it: pain.001 in, pain.002 and camt.054 out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

PAIN_001 = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
_PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
_CAMT_054 = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
_DIGITS = {"CNY": 2, "INR": 2, "EUR": 2, "USD": 2, "JPY": 0}


class BadDocument(ValueError):
    """Not a pain.001.001.09 with one credit transfer that this bank can read."""


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """What the bank needs of a pain.001."""

    message_id: str
    end_to_end_id: str
    amount_minor: int
    currency: str
    debtor_account: str
    creditor_name: str
    creditor_account: str


def read_pain_001(raw: bytes) -> CreditTransfer:
    """The one transfer of a message. `BadDocument` for everything else."""
    try:
        root = etree.fromstring(raw, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise BadDocument("not XML") from error
    if root.tag != f"{PAIN_001}Document" or root.getroottree().docinfo.doctype:
        raise BadDocument("another document")
    transfers = root.findall(".//{*}CdtTrfTxInf")
    if len(transfers) != 1 or root.findtext(".//{*}GrpHdr/{*}NbOfTxs") != "1":
        raise BadDocument("one transfer a message")
    transfer = transfers[0]
    amount = transfer.find("{*}Amt/{*}InstdAmt")
    currency = amount.get("Ccy", "") if amount is not None else ""
    if amount is None or currency not in _DIGITS:
        raise BadDocument("no amount in a known currency")
    return CreditTransfer(
        message_id=_need(root, ".//{*}GrpHdr/{*}MsgId"),
        end_to_end_id=_need(transfer, "{*}PmtId/{*}EndToEndId"),
        amount_minor=int(Decimal(amount.text or "0").scaleb(_DIGITS[currency])),
        currency=currency,
        debtor_account=_account(root, ".//{*}DbtrAcct"),
        creditor_name=_need(transfer, "{*}Cdtr/{*}Nm"),
        creditor_account=_account(transfer, "{*}CdtrAcct"),
    )


def _need(parent: etree._Element, path: str) -> str:
    text = parent.findtext(path)
    if not text:
        raise BadDocument(f"{path} is missing")
    return text


def _account(parent: etree._Element, path: str) -> str:
    number = parent.findtext(f"{path}/{{*}}Id/{{*}}IBAN") or parent.findtext(
        f"{path}/{{*}}Id/{{*}}Othr/{{*}}Id"
    )
    if not number:
        raise BadDocument(f"{path} is missing")
    return number


def write_pain_002(payment: dict[str, Any], message_id: str, at: datetime) -> bytes:
    """A status report about one payment (a row of the bank's ledger)."""
    e = ElementMaker(namespace=_PAIN_002, nsmap={None: _PAIN_002})
    item = e.TxInfAndSts(
        e.OrgnlInstrId(payment["end_to_end_id"]),
        e.OrgnlEndToEndId(payment["end_to_end_id"]),
        e.TxSts(payment["state"]),
    )
    if payment["reason"]:
        item.append(e.StsRsnInf(e.Rsn(e.Cd(payment["reason"]))))
    if payment["settled_at"]:
        item.append(e.FctvIntrBkSttlmDt(e.DtTm(payment["settled_at"])))
    if payment["entry_ref"]:
        item.append(e.AcctSvcrRef(payment["entry_ref"]))
    item.append(
        e.OrgnlTxRef(
            e.Amt(e.InstdAmt(_amount(payment), Ccy=payment["currency"])),
            e.DbtrAcct(e.Id(e.Othr(e.Id(payment["debtor_account"])))),
        )
    )
    return _document(
        e.Document(
            e.CstmrPmtStsRpt(
                e.GrpHdr(e.MsgId(message_id), e.CreDtTm(_instant(at))),
                e.OrgnlGrpInfAndSts(e.OrgnlMsgId(payment["message_id"]), e.OrgnlMsgNmId("pain.001.001.09")),
                e.OrgnlPmtInfAndSts(e.OrgnlPmtInfId(payment["message_id"]), item),
            )
        )
    )


def write_camt_054(movement: dict[str, Any], message_id: str, at: datetime) -> bytes:
    """A notification of one booked movement of an account."""
    e = ElementMaker(namespace=_CAMT_054, nsmap={None: _CAMT_054})
    booked = e.DtTm(movement["booked_at"])
    amount = {"Ccy": movement["currency"]}
    details = e.TxDtls(
        e.Refs(e.AcctSvcrRef(movement["entry_ref"]), e.EndToEndId(movement["end_to_end_id"])),
        e.Amt(_amount(movement), **amount),
        e.CdtDbtInd(movement["side"]),
    )
    if movement["return_reason"]:
        details.append(e.RtrInf(e.Rsn(e.Cd(movement["return_reason"]))))
    entry = e.Ntry(
        e.NtryRef(movement["entry_ref"]),
        e.Amt(_amount(movement), **amount),
        e.CdtDbtInd(movement["side"]),
        e.Sts(e.Cd("BOOK")),
        e.BookgDt(e.DtTm(movement["booked_at"])),
        e.ValDt(booked),
        e.AcctSvcrRef(movement["entry_ref"]),
        e.BkTxCd(
            e.Domn(
                e.Cd("PMNT"),
                e.Fmly(e.Cd("ICDT"), e.SubFmlyCd("RRTN" if movement["return_reason"] else "DMCT")),
            )
        ),
        e.NtryDtls(details),
    )
    return _document(
        e.Document(
            e.BkToCstmrDbtCdtNtfctn(
                e.GrpHdr(e.MsgId(message_id), e.CreDtTm(_instant(at))),
                e.Ntfctn(
                    e.Id(message_id),
                    e.CreDtTm(_instant(at)),
                    e.Acct(e.Id(e.Othr(e.Id(movement["account"]))), e.Ccy(movement["currency"])),
                    entry,
                ),
            )
        )
    )


def instant(at: datetime) -> str:
    """ISO 8601 in UTC, whole seconds."""
    return _instant(at)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _amount(row: dict[str, Any]) -> str:
    digits = _DIGITS[row["currency"]]
    return f"{Decimal(row['amount_minor']).scaleb(-digits):.{digits}f}"


def _document(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
