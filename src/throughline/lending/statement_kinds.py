"""What a line of a statement is called: a kind for every type of event, and for what runs with time."""

from __future__ import annotations

from enum import StrEnum

from throughline.lending.history import EventType


class LineKind(StrEnum):
    """What changed the debt. The codes stay the same in every language."""

    PAYOUT = "payout"
    INTEREST = "interest"
    FEE = "fee"
    PENALTY_FEE = "penalty_fee"
    PENALTY_INTEREST = "penalty_interest"
    REPAYMENT = "repayment"
    PAY_OFF = "pay_off"
    GOODWILL_CREDIT = "goodwill_credit"
    PAYOUT_REFUND = "payout_refund"
    MERCHANT_REFUND = "merchant_refund"
    RECOVERY = "recovery"
    REFUND_OF_OVERPAYMENT = "refund_of_overpayment"
    CHARGEBACK = "chargeback"
    REVERSAL = "reversal"
    CHARGE = "charge"
    CHARGE_AT_PAYOUT = "charge_at_payout"
    WAIVER = "waiver"
    UNDO_WAIVER = "undo_waiver"
    INTEREST_WAIVED = "interest_waived"
    FUTURE_RULE = "future_rule"
    RESCHEDULE = "reschedule"
    RE_AGE = "re_age"
    RE_AMORTIZE = "re_amortize"
    CHARGE_OFF = "charge_off"
    UNDO_CHARGE_OFF = "undo_charge_off"
    WRITE_OFF = "write_off"
    UNDO_WRITE_OFF = "undo_write_off"
    PROTECTION = "protection"
    DELINQUENCY_RESUME = "delinquency_resume"
    PROTECTION_ENDED = "protection_ended"
    PROTECTION_REVOKED = "protection_revoked"
    CREDIT_USED = "credit_used"
    ADJUSTMENT = "adjustment"


KIND_OF: dict[EventType, LineKind] = {
    EventType.DISBURSEMENT: LineKind.PAYOUT,
    EventType.REPAYMENT: LineKind.REPAYMENT,
    EventType.PAY_OFF: LineKind.PAY_OFF,
    EventType.GOODWILL_CREDIT: LineKind.GOODWILL_CREDIT,
    EventType.PAYOUT_REFUND: LineKind.PAYOUT_REFUND,
    EventType.MERCHANT_REFUND: LineKind.MERCHANT_REFUND,
    EventType.RECOVERY: LineKind.RECOVERY,
    EventType.REFUND_OF_OVERPAYMENT: LineKind.REFUND_OF_OVERPAYMENT,
    EventType.CHARGEBACK: LineKind.CHARGEBACK,
    EventType.REVERSAL: LineKind.REVERSAL,
    EventType.CHARGE: LineKind.CHARGE,
    EventType.WAIVE_CHARGE: LineKind.WAIVER,
    EventType.UNDO_WAIVER: LineKind.UNDO_WAIVER,
    EventType.WAIVE_INTEREST: LineKind.INTEREST_WAIVED,
    EventType.SET_FUTURE_RULE: LineKind.FUTURE_RULE,
    EventType.RESCHEDULE: LineKind.RESCHEDULE,
    EventType.RE_AGE: LineKind.RE_AGE,
    EventType.RE_AMORTIZE: LineKind.RE_AMORTIZE,
    EventType.CHARGE_OFF: LineKind.CHARGE_OFF,
    EventType.UNDO_CHARGE_OFF: LineKind.UNDO_CHARGE_OFF,
    EventType.WRITE_OFF: LineKind.WRITE_OFF,
    EventType.UNDO_WRITE_OFF: LineKind.UNDO_WRITE_OFF,
    EventType.VARIATION: LineKind.PROTECTION,
    EventType.DELINQUENCY_RESUME: LineKind.DELINQUENCY_RESUME,
    EventType.END_VARIATIONS: LineKind.PROTECTION_ENDED,
    EventType.REVOKE_VARIATIONS: LineKind.PROTECTION_REVOKED,
    EventType.REPAYMENT_AT_DISBURSEMENT: LineKind.CHARGE_AT_PAYOUT,
}
