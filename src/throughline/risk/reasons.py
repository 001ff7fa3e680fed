"""Reason codes: facts in plain words, in both languages. Never "the score was too low"."""

from __future__ import annotations

from throughline.kernel.i18n import N_, Text, bilingual

_TEXTS = {
    "KO-AGE": N_("Loans are made to people of 18 years and older."),
    "KO-INCOME": N_("The monthly income you told is below the least with which this loan can be repaid."),
    "KO-BURDEN": N_(
        "The installment would take too much of what is left of your income after debts and living costs."
    ),
    "SC-STABILITY": N_("You have been in your present work for a short time."),
    "SC-BURDEN": N_("Your present debts take a large part of your income."),
    "SC-AFFORDABILITY": N_("The installment is large compared with what is left of your income each month."),
    "SC-AMOUNT": N_("The amount you ask for is large compared with your yearly income."),
}


def text(code: str) -> Text:
    """The sentence of a reason code. KeyError for an unknown one."""
    return bilingual(_TEXTS[code])
