"""Words for codes that mean something else from subject to subject. Asked for as "<subject>:<code>"."""

from __future__ import annotations

from throughline.kernel.i18n import N_

LOAN = {"active": N_("being repaid"), "closed_obligations_met": N_("repaid")}

PAYMENT = {
    "unknown": N_("outcome not known"),
    "job": N_("our own job"),
    "answer": N_("the provider's answer to the call"),
    "query": N_("the provider's answer to a query"),
    "statement": N_("a line of the statement"),
}

MESSAGE = {
    "open": N_("on its way"),
    "read": N_("read by the borrower"),
    "delivered": N_("delivered"),
    "accepted": N_("taken by the provider"),
    "held": N_("held until the line is back"),
    "released": N_("covered by one catch-up message"),
    "unknown": N_("outcome not known"),
    "suppressed": N_("not sent on purpose"),
    "planned": N_("its turn has not come"),
    "ready": N_("ready to be sent"),
    "sending": N_("being sent"),
    "sent": N_("with the provider"),
    "not_needed": N_("not needed any more"),
    "prepared": N_("written down, not sent"),
    "submitted": N_("the call has begun"),
    "rejected_final": N_("refused for good"),
    "rejected_retry": N_("refused for now"),
    "throttled": N_("asked to slow down"),
    "not_sent": N_("never left"),
}

CHANNEL = {"sms": N_("SMS"), "email": N_("e-mail"), "inbox": N_("inbox"), "web_push": N_("browser notices")}

MESSAGE_CLASS = {
    "otp": N_("one-time code"),
    "safety": N_("safety"),
    "receipt": N_("receipt"),
    "continuity": N_("outage protection"),
    "reminder": N_("reminder"),
    "contract": N_("contract"),
    "collection": N_("collection"),
    "marketing": N_("marketing"),
}

SOURCE = {
    "identity.number-proof": N_("The borrower proved the number"),
    "camara.subscription-status": N_("The carrier answered our question"),
    "camara.device-reachability": N_("The carrier told us of reachability"),
    "carrier.push": N_("The carrier told us of the line"),
    "camara.number-recycling": N_("The carrier checked for a recycled number"),
    "camara.kyc-tenure": N_("The carrier checked the age of the contract"),
    "camara.device-data-volume": N_("The carrier told us of the data that is left"),
    "email.bounce": N_("A mailbox that is dead"),
    "sms.receipt": N_("Receipt of an SMS"),
    "app.heartbeat": N_("Sign of life of the app"),
    "voice.sip": N_("A call"),
    "vendor.aliyun": N_("A check by Alibaba Cloud"),
    "vendor.baidu": N_("A check by Baidu"),
    "push.fcm": N_("The app's push service"),
    "push.apns": N_("The app's push service"),
    "push.web": N_("The app's push service"),
}

# Kinds of entries of an episode's timeline.
ENTRY = {
    "line": N_("Line"),
    "episode_opened": N_("Episode"),
    "episode_closed": N_("Episode"),
    "protection_granted": N_("Protection"),
    "protection_refused": N_("Protection"),
    "protection_ended": N_("Protection"),
    "protection_review": N_("Protection"),
    "protection_revoked": N_("Protection"),
    "protection_limited": N_("Protection"),
    "outage": N_("Outage"),
    "held": N_("Kept"),
    "offered_again": N_("Offered again"),
    "callback": N_("Call"),
    "report": N_("Report"),
    "contradicted": N_("Contradiction"),
    "episode_reopened": N_("Episode"),
    "episode_merged": N_("Episode"),
    "appeal": N_("Objection"),
    "evidence_handed_in": N_("Evidence"),
    "evidence_opened": N_("Evidence"),
    "evidence_accepted": N_("Evidence"),
    "evidence_refused": N_("Evidence"),
    "appeal_upheld": N_("Objection"),
    "appeal_dismissed": N_("Objection"),
    "signed_in": N_("Sign-in"),
    "repayment": N_("Repayment"),
    "joint_requested": N_("Joint plan"),
    "joint_granted": N_("Joint plan"),
    "joint_refused": N_("Joint plan"),
    "joint_ended": N_("Joint plan"),
    "joint_unknown": N_("Joint plan"),
}

# Facts beside an entry, in the order in which they are read.
DETAIL = {
    "state": N_("Line state"),
    "probability": N_("Probability"),
    "cannot_receive": N_("That nothing arrives"),
    "rule": N_("Rule"),
    "measures": N_("Measures"),
    "last_day": N_("Last protected day"),
    "loan": N_("Loan"),
    "intent": N_("Message"),
    "channel": N_("Channel"),
    "methods": N_("Ways in"),
    "level": N_("Level"),
    "known_device": N_("Known device"),
    "messages_released": N_("Held messages released"),
    "amount_minor": N_("Amount in minor units"),
    "order": N_("Payment"),
    "grant": N_("Grant"),
    "offer": N_("Plan"),
    "file": N_("File"),
    "kind_of_file": N_("What it is"),
    "files": N_("Files"),
    "by": N_("By"),
}

EVIDENCE = {
    "carrier_notice": N_("Stop notice of the carrier"),
    "repair_receipt": N_("Receipt of a repair shop"),
    "police_report": N_("Police report"),
    "letter": N_("Letter of the carrier"),
    "other": N_("Something else"),
    "waiting": N_("waits for a person"),
    "accepted": N_("accepted"),
    "refused": N_("not accepted"),
}

ACCOUNT = {
    "loans_receivable": N_("Loans receivable"),
    "interest_receivable": N_("Interest receivable"),
    "fee_receivable": N_("Fees receivable"),
    "penalty_receivable": N_("Penalties receivable"),
    "payout_clearing": N_("Payout clearing"),
    "collection_clearing": N_("Collection clearing"),
    "overpayment_liability": N_("Overpayments owed to borrowers"),
    "interest_income": N_("Interest income"),
    "fee_income": N_("Fee income"),
    "penalty_income": N_("Penalty income"),
    "income_reversal_interest": N_("Interest income reversed"),
    "income_reversal_fee": N_("Fee income reversed"),
    "income_reversal_penalty": N_("Penalty income reversed"),
    "credit_loss": N_("Credit loss"),
    "credit_loss_fraud": N_("Credit loss by fraud"),
    "recoveries": N_("Recoveries"),
    "goodwill_expense": N_("Goodwill"),
    "bank": N_("Bank"),
    "provider_balance": N_("Balance at the payment provider"),
    "provider_receivable": N_("Receivable from the payment provider"),
    "payout_in_dispute": N_("Payouts in dispute"),
    "rail_fees": N_("Payment fees"),
    "unidentified_receipts": N_("Unidentified receipts"),
    "refunds_payable": N_("Refunds payable"),
    "reconciliation_suspense": N_("Reconciliation suspense"),
    "migration_clearing": N_("Migration clearing"),
    "asset": N_("asset"),
    "liability": N_("liability"),
    "income": N_("income"),
    "expense": N_("expense"),
}

# Joint plans: kinds, states of grants, and who pays.
JOINT = {
    "sponsored_data": N_("sponsored data"),
    "bridging_credit": N_("bridging credit"),
    "plan_discount": N_("plan discount"),
    "requested": N_("being ordered"),
    "granted": N_("in use"),
    "refused": N_("not granted"),
    "ended": N_("ended"),
    "unknown": N_("outcome not known"),
    "lender": N_("the lender"),
    "carrier": N_("the carrier"),
    "borrower": N_("the borrower, to the carrier"),
    "ok": N_("data works"),
    "low": N_("nearly used up"),
    "exhausted": N_("used up"),
    "throttled": N_("slowed down"),
    "suspended": N_("stopped"),
}

DIRECTION = {"out": N_("money out"), "in": N_("money in")}

# What became of a proposal.
PROPOSAL = {
    "waiting": N_("waits for a second person"),
    "approved": N_("approved and recorded"),
    "refused": N_("refused"),
    "withdrawn": N_("taken back by the proposer"),
    "expired": N_("waited too long"),
    "failed": N_("approved, but could not be recorded"),
}

GATE = {
    "product_publish": N_("Version of a product"),
    "decision": N_("Credit decision"),
    "offer": N_("Offer"),
    "pre_sign": N_("Before signing"),
    "payout": N_("Payout"),
}

# Choices in the form of an event.
EVENT = {
    "fee": N_("fee"),
    "penalty": N_("penalty"),
    "flat": N_("a fixed amount"),
    "percent_of_amount": N_("a percentage of the principal"),
    "percent_of_interest": N_("a percentage of the interest"),
    "percent_of_amount_and_interest": N_("a percentage of principal and interest"),
    "due_date": N_("once, on a date"),
    "each_installment": N_("with each installment"),
    "disbursement": N_("at payout, out of it"),
    "overdue_installment": N_("for an overdue installment"),
    "next": N_("the next installment"),
    "last": N_("the last installment"),
    "reamortize": N_("all to come, in equal shares"),
    "months": N_("months"),
    "weeks": N_("weeks"),
    "days": N_("days"),
}

QUERY = {
    "registered": N_("the line was registered"),
    "confirm": N_("to confirm what was heard"),
    "planned": N_("its turn had come"),
}

OUTCOME = {
    "answered": N_("gave an answer"),
    "unknown": N_("they do not know"),
    "refused": N_("refused"),
    "error": N_("failed"),
    "open": N_("not answered yet"),
}

FEED = {
    "wanted": N_("asked for"),
    "active": N_("active"),
    "ended": N_("ended"),
    "fresh": N_("heard"),
    "stale": N_("not heard any more"),
}

SPAN = {"day": N_("a day"), "week": N_("a week"), "month": N_("30 days")}

RATING = {
    "current": N_("paid as agreed"),
    "closed": N_("paid back"),
    "late": N_("late"),
    "charged_off": N_("charged off"),
    "written_off": N_("written off"),
    "not_stated": N_("not stated"),
}

REPORT = {
    "queued": N_("waiting"),
    "sent": N_("sent"),
    "unknown": N_("outcome not known"),
    "accepted": N_("accepted"),
    "rejected": N_("refused"),
    "not_needed": N_("not needed any more"),
    "left_out": N_("left out: the borrower may not be named"),
}

REPORTS = {
    "held": N_("not said: a piece is missing"),
    "corrections": N_("corrections on their way"),
    "refused": N_("refused by the bureau"),
    "waiting": N_("not sent yet"),
}

BUREAU_FILE = {
    "monthly": N_("monthly report"),
    "corrections": N_("corrections"),
    "sent": N_("sent"),
    "unknown": N_("outcome not known"),
    "received": N_("with the bureau"),
    "answered": N_("answered"),
    "refused": N_("refused"),
    "withdrawn": N_("withdrawn"),
}

DISPUTE = {
    "open": N_("open"),
    "upheld": N_("decided for the borrower"),
    "refused": N_("refused"),
    "borrower": N_("from the borrower"),
    "bureau": N_("through the bureau"),
    "answer_none": N_("not answered yet"),
    "answer_due": N_("answer on its way"),
    "answer_unknown": N_("answer on its way"),
    "answer_done": N_("answered"),
    "answer_failed": N_("the bureau does not take the answer"),
}

NOTICE = {
    "read": N_("read in the app"),
    "sms": N_("SMS"),
    "email": N_("e-mail"),
    "letter": N_("registered letter"),
}

RESPONSE = {
    "open": N_("not done yet"),
    "overdue": N_("overdue"),
    "done": N_("done in time"),
    "late": N_("done late"),
    "waiting": N_("waits"),
    "running": N_("runs"),
    "met": N_("reported in time"),
    "opened": N_("Opened"),
    "severity": N_("Severity"),
    "role": N_("Role"),
    "aware": N_("Awareness"),
    "classified": N_("Classified"),
    "step_done": N_("Step done"),
    "action": N_("Action"),
    "note_drafted": N_("Note drafted"),
    "note_published": N_("Note published"),
    "grace_proposed": N_("Grace proposed"),
    "grace_approved": N_("Grace decided"),
    "report_sent": N_("Report sent"),
    "closed": N_("Closed"),
}

INCIDENT_CLASS = {
    "none": N_("not reportable"),
    "general": N_("general incident"),
    "larger": N_("larger incident"),
    "major": N_("major incident"),
}

SUBJECTS = {
    "route": {
        "healthy": N_("well"),
        "resting": N_("resting"),
        "probing": N_("about to be tried"),
        "waiting": N_("tried, waits"),
        "climbing": N_("climbing"),
        "link": N_("the link is gone"),
        "no-answers": N_("answers stay away"),
        "failures-in-a-row": N_("failures in a row"),
        "share-of-failures": N_("too many failures"),
        "probe": N_("the try failed"),
        "receipts": N_("it takes messages and delivers too few"),
    },
    "role": {
        "commander": N_("incident lead"),
        "operations": N_("operations"),
        "communications": N_("communications"),
        "compliance": N_("compliance"),
        "scribe": N_("note taker"),
        "on-call": N_("on call"),
    },
    "rating": RATING,
    "report": REPORT,
    "reports": REPORTS,
    "file": BUREAU_FILE,
    "dispute": DISPUTE,
    "notice": NOTICE,
    "response": RESPONSE,
    "incident_class": INCIDENT_CLASS,
    "event": EVENT,
    "loan": LOAN,
    "payment": PAYMENT,
    "message": MESSAGE,
    "channel": CHANNEL,
    "class": MESSAGE_CLASS,
    "source": SOURCE,
    "entry": ENTRY,
    "detail": DETAIL,
    "account": ACCOUNT,
    "gate": GATE,
    "proposal": PROPOSAL,
    "direction": DIRECTION,
    "query": QUERY,
    "outcome": OUTCOME,
    "feed": FEED,
    "span": SPAN,
    "joint": JOINT,
    "evidence": EVIDENCE,
}
