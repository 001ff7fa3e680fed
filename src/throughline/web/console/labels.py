"""Words for the codes that rows hold. A code without a word is shown as it is: better raw than hidden."""

from __future__ import annotations

from throughline.kernel.i18n import N_, gettext
from throughline.web.console.words import SUBJECTS

_LINE = {
    "active": N_("in service"),
    "out_suspended": N_("outgoing stopped"),
    "suspended": N_("stopped both ways"),
    "pre_cancelled": N_("about to be cancelled"),
    "cancelled": N_("cancelled"),
    "reassigned": N_("given to somebody else"),
    "device_off": N_("phone off"),
    "unknown": N_("not known"),
    "suspended_some_way": N_("stopped in some way"),
    "suspended_both": N_("stopped both ways"),
    "not_enabled": N_("not enabled"),
    "unknown_number": N_("number does not exist"),
    "number_changed": N_("number was changed"),
    "recycled": N_("number was given out again"),
    "not_recycled": N_("number was not given out again"),
    "delivered": N_("delivered"),
    "absent": N_("absent"),
    "barred": N_("barred"),
    "reachable": N_("reachable"),
    "off": N_("phone off"),
    "no_response": N_("no response"),
    "busy": N_("busy"),
    "rejected": N_("call rejected"),
    "data_ok": N_("data works"),
    "answered": N_("answered"),
    "app_alive": N_("app is heard over Wi-Fi"),
    "app_gone": N_("app is gone"),
}
_CASES = {
    "open": N_("open"),
    "closed": N_("closed"),
    "granted": N_("granted"),
    "refused": N_("refused"),
    "ended": N_("ended"),
    "delinquency_pause": N_("days of delay stand still"),
    "penalty_pause": N_("no penalty interest"),
    "interest_pause": N_("interest pause"),
    "report_hold": N_("nothing reported to the credit bureau"),
    "due_date_shift": N_("due date moved"),
}
_COB = {
    "cob:running": N_("running"),
    "cob:done": N_("done"),
    "period:lock": N_("locked"),
    "period:unlock": N_("unlocked"),
    "cob:done_with_failures": N_("done, loans left behind"),
}
_STEPS = {
    "draft": N_("draft"),
    "deciding": N_("being decided"),
    "referred": N_("waits for a person"),
    "offered": N_("offered"),
    "signing": N_("being signed"),
    "disbursing": N_("being paid out"),
    "payout_failed": N_("payout failed"),
    "disbursed": N_("paid out"),
    "declined": N_("declined"),
    "withdrawn": N_("withdrawn"),
    "expired": N_("expired"),
    "approve": N_("approved"),
    "refer": N_("waits for a person"),
    "decline": N_("declined"),
    "allow": N_("nothing stands against it"),
    "warn": N_("passes with a warning"),
    "block": N_("blocked"),
    "met": N_("met"),
    "breached": N_("breached"),
    "not_applicable": N_("does not apply"),
    "pending": N_("decided later"),
    "duty": N_("a duty"),
}
_MONEY = {
    "approved": N_("approved"),
    "overpaid": N_("overpaid"),
    "closed_obligations_met": N_("repaid"),
    "disbursement": N_("payout"),
    "repayment": N_("repayment"),
    "pay_off": N_("full repayment"),
    "goodwill_credit": N_("goodwill credit"),
    "reversal": N_("reversal"),
    "payout_refund": N_("refund of the payout"),
    "merchant_refund": N_("refund by the merchant"),
    "recovery": N_("recovery"),
    "refund_of_overpayment": N_("refund of an overpayment"),
    "chargeback": N_("chargeback"),
    "undo_waiver": N_("waiver undone"),
    "waive_interest": N_("interest waived"),
    "set_future_installments": N_("rule for early money"),
    "reschedule": N_("reschedule"),
    "re_age": N_("new plan for all that is owed"),
    "re_amortize": N_("overdue principal spread anew"),
    "charge_off": N_("charge-off"),
    "undo_charge_off": N_("charge-off undone"),
    "write_off": N_("write-off"),
    "undo_write_off": N_("write-off undone"),
    "repayment_at_disbursement": N_("charge taken out of the payout"),
    "closed_written_off": N_("written off"),
    "charge": N_("charge"),
    "waiver": N_("waiver"),
    "variation": N_("change of terms"),
    "delinquency_resume": N_("days of delay count again"),
    "end_variations": N_("end of the protection"),
    "revoke_variations": N_("protection taken back"),
    "product_publish": N_("version of a product"),
    "out": N_("paid out"),
    "in": N_("collected"),
    "waiting": N_("waits for a rail"),
    "created": N_("created"),
    "sent": N_("sent"),
    "pending_user": N_("waits for the payer"),
    "succeeded": N_("done"),
    "failed": N_("failed"),
    "returned": N_("came back"),
    "reversed": N_("taken back"),
}
_JOBS = {
    "todo": N_("waiting"),
    "doing": N_("running"),
    "dead": N_("dead"),
}
_PURPOSES = {
    "identity_verification": N_("identity check"),
    "credit_scoring": N_("credit decision"),
    "service_continuity": N_("watching the line"),
    "loan_contact": N_("contact about the loan"),
    "marketing": N_("marketing"),
    "joint_plan": N_("plans with the carrier"),
}
_WORDS = _LINE | _CASES | _COB | _STEPS | _MONEY | _JOBS | _PURPOSES


def label(code: str | None, locale: str) -> str:
    """The word for a code in the reader's language; the code itself where there is none, a dash for nothing.

    "<subject>:<code>" asks for the word of a subject first: an "active" line is not an "active" loan.
    """
    if code is None:
        return "–"
    subject, _, rest = code.rpartition(":")
    word = SUBJECTS[subject].get(rest) if subject in SUBJECTS else None
    word = word or _WORDS.get(rest if subject in SUBJECTS else code)
    return gettext(word, locale) if word else (rest if subject in SUBJECTS else code)
