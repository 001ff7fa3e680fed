"""A statement as PDF: A4, tagged for screen readers, the same bytes for the same facts."""

from __future__ import annotations

from pathlib import Path

from throughline.kernel import typeset
from throughline.lending.statement import Statement
from throughline.lending.statement_words import Lender, document

TEMPLATE = Path(__file__).parent / "typst" / "statement.typ"


def statement_pdf(statement: Statement, locale: str, lender: Lender) -> bytes:
    """The PDF, dated by the last day of the period. Raises typeset.FontMissing."""
    return typeset.pdf(TEMPLATE, document(statement, locale, lender))
