"""An applicant for each test."""

from __future__ import annotations

import pytest

from origination.applicants import Applicant, applicant
from throughline.kernel.db import Database


@pytest.fixture
def person(database: Database) -> Applicant:
    """An enrolled borrower with consents and an account."""
    return applicant(database)


@pytest.fixture
def other(database: Database) -> Applicant:
    """Another one."""
    return applicant(database)
