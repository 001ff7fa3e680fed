"""The verbs of lending, for the packages above. Each runs in the caller's transaction and locks its loan first."""

from throughline.lending.account import LoanUnknown, source_of
from throughline.lending.business_day import business_date
from throughline.lending.cob import cob_failures, cob_runs, start_due_run
from throughline.lending.history import ChargeKind, EventType, Variation, VariationKind
from throughline.lending.holds import (
    Hold,
    HoldView,
    end_report_hold,
    lift_report_hold,
    place_report_hold,
)
from throughline.lending.products import OutsideProduct, Product, ProductUnknown, product_in_force, products
from throughline.lending.protection import (
    CaseUnknown,
    LoanNotPaidOut,
    VariationBatch,
    VariationReceipt,
    apply_variations,
    end_variations,
    revoke_variations,
)
from throughline.lending.recording import (
    ChargeNotAgreed,
    EventReceipt,
    NewEvent,
    NewLoan,
    loan_of_source,
    open_loan,
    record_event,
)
from throughline.lending.views import (
    InstallmentDueView,
    LoanSummary,
    LoanView,
    ReportView,
    event_rows,
    installments_due,
    loan_view,
    loans,
    loans_of,
    payoff,
    report_view,
    transaction_rows,
)
from throughline.lending.writing import EventRefused

__all__ = [
    "CaseUnknown",
    "ChargeKind",
    "ChargeNotAgreed",
    "EventReceipt",
    "EventRefused",
    "EventType",
    "Hold",
    "HoldView",
    "InstallmentDueView",
    "LoanNotPaidOut",
    "LoanSummary",
    "LoanUnknown",
    "LoanView",
    "NewEvent",
    "NewLoan",
    "OutsideProduct",
    "Product",
    "ProductUnknown",
    "ReportView",
    "Variation",
    "VariationBatch",
    "VariationKind",
    "VariationReceipt",
    "apply_variations",
    "business_date",
    "cob_failures",
    "cob_runs",
    "end_report_hold",
    "end_variations",
    "event_rows",
    "installments_due",
    "lift_report_hold",
    "loan_of_source",
    "loan_view",
    "loans",
    "loans_of",
    "open_loan",
    "payoff",
    "place_report_hold",
    "product_in_force",
    "products",
    "record_event",
    "report_view",
    "revoke_variations",
    "source_of",
    "start_due_run",
    "transaction_rows",
]
