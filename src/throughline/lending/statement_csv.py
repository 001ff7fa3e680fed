"""The lines of a statement as CSV (RFC 4180) for spreadsheets: UTF-8 with a mark, numbers plain."""

from __future__ import annotations

import csv
from datetime import date
from io import StringIO

from throughline.kernel.i18n import N_, pick
from throughline.kernel.money import from_minor
from throughline.lending.statement import Statement
from throughline.lending.statement_lines import Owed
from throughline.lending.statement_words import Words

COLUMNS = (
    N_("Loan no."),
    N_("Product"),
    N_("Currency"),
    N_("Value date"),
    N_("Kind"),
    N_("What"),
    N_("Amount"),
    N_("Principal"),
    N_("Interest"),
    N_("Fees"),
    N_("Penalty"),
    N_("Paid too much"),
    N_("Principal after it"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MARK = "\ufeff"  # without it a spreadsheet on Windows reads Chinese in the wrong encoding


def statement_csv(statement: Statement, locale: str) -> bytes:
    """One row for the opening balance, each line and the closing balance, in the order of the days.

    A minus lowers the debt. Kinds are codes that stay the same in every language.
    """
    head, words = statement.heading, Words(locale, statement.heading.currency)
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([words.text(name) for name in COLUMNS])

    def write(on: date, kind: str, what: str, change: Owed, after_minor: int) -> None:
        writer.writerow(
            [
                str(head.loan_id),
                harmless(pick(head.product, locale)),
                head.currency,
                on.isoformat(),
                kind,
                harmless(what),
                *(from_minor(one, head.currency) for one in (change.total_minor, *change.parts, after_minor)),
            ]
        )

    opening, closing = statement.opening, statement.closing
    write(statement.from_date, "opening", words.text(N_("Opening balance")), opening, opening.principal_minor)
    for one in statement.lines:
        write(one.value_date, one.kind.value, words.line(one), one.change, one.principal_after_minor)
    write(statement.to_date, "closing", words.text(N_("Closing balance")), closing, closing.principal_minor)
    return (MARK + out.getvalue()).encode()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before what would begin one."""
    return (
        f"'{text}" if text.lstrip(" \u00a0\u3000").startswith(_FORMULA) or text.startswith(_FORMULA) else text
    )
