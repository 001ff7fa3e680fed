"""A borrower who owes an installment."""

from __future__ import annotations

import pytest

from continuity.debtors import Debtor, debtor
from throughline.kernel.db import Database


@pytest.fixture
def late(database: Database) -> Debtor:
    """A borrower whose first installment fell due some nine days ago and is not paid."""
    return debtor(database)


@pytest.fixture
def early(database: Database) -> Debtor:
    """A borrower whose first installment falls due in some weeks."""
    return debtor(database, started_days_ago=5)
