"""The cost table: every item by name, the total, the annual rate, and what default would cost. Pure.

Required before signing by the rule CN-COST-TABLE-2026: principal, each item with who charges it and how,
the annualised normal cost, contingent costs apart, and that nothing else is charged.
"""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import rfc8785

from throughline.compliance.apr import CONVENTION_NAMES, AnnualRate, Convention, Flow, annual_rate
from throughline.contracts.offers import OfferTerms
from throughline.kernel.i18n import N_, bilingual

EXAMPLE_DAYS = 10
NOTHING_ELSE = N_("Nothing else is charged: no item that does not stand in this table may be taken from you.")


def rate_of(terms: OfferTerms) -> AnnualRate:
    """The annual rate of the offer by IRR, compounded (the convention is named in the table)."""
    return annual_rate(
        Convention.CN_IRR,
        [Flow(terms.disbursed_on, terms.principal_minor)],
        [Flow(row.due_date, row.amount_minor) for row in terms.schedule],
    )


def cost_table(terms: OfferTerms, *, lender_zh: str, lender_en: str) -> dict[str, Any]:
    """The table as canonical JSON values: amounts in minor units, rates as texts, texts in both languages."""
    rate = rate_of(terms)
    interest_minor = sum(row.interest_minor for row in terms.schedule)
    overdue_minor = terms.schedule[0].principal_minor
    example_minor = int(
        (overdue_minor * terms.penalty_rate_percent * EXAMPLE_DAYS / 36500).quantize(
            Decimal(1), ROUND_HALF_EVEN
        )
    )
    lender = {"zh-CN": lender_zh, "en": lender_en}
    return {
        "schema": 1,
        "product": terms.product_code,
        "currency": terms.currency,
        "principal_minor": terms.principal_minor,
        "installments": terms.installments,
        "annual_rate_percent": str(terms.annual_rate_percent),
        "apr": {
            "percent": str(rate.percent.quantize(Decimal("0.01"), ROUND_HALF_EVEN)),
            "convention": rate.convention.value,
            "convention_name": bilingual(CONVENTION_NAMES[rate.convention]),
        },
        "items": [
            {
                "code": "interest",
                "name": bilingual(N_("Interest")),
                "payer": bilingual(N_("Borrower")),
                "payee": lender,
                "basis": bilingual(
                    N_("%(rate)s %% a year on the remaining principal, by actual days / 365"),
                    rate=terms.annual_rate_percent,
                ),
                "amount_minor": interest_minor,
                "due": bilingual(N_("with each installment")),
            }
        ],
        "total_cost_minor": interest_minor,
        "total_to_pay_minor": terms.principal_minor + interest_minor,
        "contingent": [
            {
                "code": "penalty_interest",
                "name": bilingual(N_("Penalty interest")),
                "payee": lender,
                "formula": bilingual(
                    N_("overdue principal × %(rate)s %% / 365 × days of delay after %(grace)s days of grace"),
                    rate=terms.penalty_rate_percent,
                    grace=terms.penalty_grace_days,
                ),
                "example": {
                    "overdue_principal_minor": overdue_minor,
                    "days": EXAMPLE_DAYS,
                    "amount_minor": example_minor,
                },
            }
        ],
        "nothing_else": bilingual(NOTHING_ELSE),
        "schedule": [
            {
                "nr": row.nr,
                "due_date": row.due_date.isoformat(),
                "principal_minor": row.principal_minor,
                "interest_minor": row.interest_minor,
                "amount_minor": row.amount_minor,
            }
            for row in terms.schedule
        ],
    }


def content_hash(content: dict[str, Any]) -> str:
    """SHA-256 of canonical JSON (RFC 8785), hex."""
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
