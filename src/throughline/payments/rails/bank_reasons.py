"""Why a bank refuses or returns a payment: reason codes, what they mean for us, and what we say.

Source: ISO 20022 External Code Sets, ExternalStatusReason1Code and ExternalReturnReason1Code, as
republished in the package iso20022_external_codes 1.0.1; read 2026-11-24. The texts are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from throughline.kernel.i18n import N_

_ACCOUNT_WRONG = N_("The bank does not know this account number; please check it")
_ACCOUNT_CLOSED = N_("The account is closed")
_ACCOUNT_BLOCKED = N_("The account is blocked at its bank")
_BANK_WRONG = N_("The code of the bank is not right")
_NAME_WRONG = N_("The account is not in the name that was given")
_NOT_ALLOWED = N_("The bank does not allow this payment to this kind of account")
_AMOUNT = N_("The bank does not carry this amount or currency")
_OUR_FUNDS = N_("The lender's account was short of funds")
_NO_REASON = N_("The bank refused the payment and gave no reason")
_OUR_FAULT = N_("The bank could not read the payment; we are looking into it")
_TOO_LATE = N_("The payment came after the bank's closing time")


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """`final`: the payment of this reference will not happen. Not final: the bank has it already, so ask."""

    code: str
    meaning: str
    text: str
    final: bool = True


_TABLE = (
    ReasonCode("AC01", "account number invalid or missing", _ACCOUNT_WRONG),
    ReasonCode("AC03", "creditor account number invalid or missing", _ACCOUNT_WRONG),
    ReasonCode("AC04", "account closed", _ACCOUNT_CLOSED),
    ReasonCode("AC06", "account blocked", _ACCOUNT_BLOCKED),
    ReasonCode("AC07", "creditor account closed", _ACCOUNT_CLOSED),
    ReasonCode("AG01", "transaction forbidden on this type of account", _NOT_ALLOWED),
    ReasonCode("AG03", "transaction type not supported on this account", _NOT_ALLOWED),
    ReasonCode("AM02", "amount above the allowed maximum", _AMOUNT),
    ReasonCode("AM03", "currency not allowed", _AMOUNT),
    ReasonCode("AM04", "funds of the debtor insufficient", _OUR_FUNDS),
    ReasonCode("AM05", "duplication", _NO_REASON, final=False),
    ReasonCode("BE01", "name and account do not agree", _NAME_WRONG),
    ReasonCode("DU01", "message id is a duplicate", _NO_REASON, final=False),
    ReasonCode("DU04", "end-to-end id is a duplicate", _NO_REASON, final=False),
    ReasonCode("FF01", "file format incomplete or invalid", _OUR_FAULT),
    ReasonCode("MS02", "no reason given by the customer", _NO_REASON),
    ReasonCode("MS03", "no reason given by the agent", _NO_REASON),
    ReasonCode("RC01", "bank identifier invalid", _BANK_WRONG),
    ReasonCode("RC04", "creditor's bank identifier invalid or missing", _BANK_WRONG),
    ReasonCode("TM01", "received after the cut-off time", _TOO_LATE),
)

BY_CODE = {row.code: row for row in _TABLE}


def text_of(code: str | None) -> str:
    """What we say about a code, for people: a message id."""
    row = BY_CODE.get(code or "")
    return row.text if row else _NO_REASON
