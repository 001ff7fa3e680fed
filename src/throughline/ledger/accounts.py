"""The chart of accounts by role. A lender maps these roles to the accounts of its own books."""

from __future__ import annotations

from enum import StrEnum


class Nature(StrEnum):
    """What kind of account, which says on which side it grows."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


# Roles of lending (batch-commands: lending replay) and of payments (reconciliation).
ROLES: dict[str, Nature] = {
    "loans_receivable": Nature.ASSET,
    "interest_receivable": Nature.ASSET,
    "fee_receivable": Nature.ASSET,
    "penalty_receivable": Nature.ASSET,
    "payout_clearing": Nature.LIABILITY,
    "collection_clearing": Nature.ASSET,
    "overpayment_liability": Nature.LIABILITY,
    "interest_income": Nature.INCOME,
    "fee_income": Nature.INCOME,
    "penalty_income": Nature.INCOME,
    "income_reversal_interest": Nature.INCOME,
    "income_reversal_fee": Nature.INCOME,
    "income_reversal_penalty": Nature.INCOME,
    "credit_loss": Nature.EXPENSE,
    "credit_loss_fraud": Nature.EXPENSE,
    "recoveries": Nature.INCOME,
    "goodwill_expense": Nature.EXPENSE,
    "bank": Nature.ASSET,
    "provider_balance": Nature.ASSET,
    "provider_receivable": Nature.ASSET,
    "payout_in_dispute": Nature.ASSET,
    "rail_fees": Nature.EXPENSE,
    "unidentified_receipts": Nature.LIABILITY,
    "refunds_payable": Nature.LIABILITY,
    "reconciliation_suspense": Nature.ASSET,
    "migration_clearing": Nature.ASSET,
}
