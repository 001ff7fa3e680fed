"""A product for benches: monthly installments in any number up to 60, in force since long ago."""

from __future__ import annotations

from datetime import date

from throughline.kernel.db import Database
from throughline.lending.models import ProductRow

DOCUMENT = {
    "name": {"zh-CN": "测试产品", "en": "bench"},
    "currency": "CNY",
    "limits": {
        "principal": ["100.00", "1000000.00"],
        "installments": list(range(1, 61)),
        "annual_rate_percent": ["0", "24"],
    },
    "terms": {
        "amortization": "equal_installments",
        "repay_every": {"count": 1, "unit": "months"},
        "day_count": {"year": "365"},
        "overdue_interest": {"annual_rate_percent": "0", "grace_days": 0},
        "grace": {"arrears_days": 3},
    },
    "overdue": {"percent_of_contract_rate": "50"},
}


def open_products(where: Database, *, since: date) -> None:
    """Store the product `bench`."""
    with where.transaction() as session:
        session.add(
            ProductRow(code="bench", version=1, valid_from=since, valid_until=None, document=DOCUMENT)
        )
