"""What an event changed for the borrower, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from throughline.kernel.i18n import N_, gettext
from throughline.kernel.money import format_money
from throughline.lending.service import Effect
from throughline.web.console.labels import label

_MORE = {
    "outstanding": (N_("%(amount)s more is open"), N_("%(amount)s less is open")),
    "interest": (
        N_("interest over the loan: %(amount)s more"),
        N_("interest over the loan: %(amount)s less"),
    ),
    "penalty": (N_("penalties: %(amount)s more"), N_("penalties: %(amount)s less")),
}


def sentences(effect: Effect, currency: str, locale: str, day: Callable[[date], str]) -> list[str]:
    """The changes of one event; `day` writes a date in the reader's language."""
    said = []
    amounts = {
        "outstanding": effect.outstanding_minor,
        "interest": effect.interest_minor,
        "penalty": effect.penalty_minor,
    }
    for name, change in amounts.items():
        if change:
            text = _MORE[name][0 if change > 0 else 1]
            said.append(gettext(text, locale, amount=format_money(abs(change), currency, locale)))
    if effect.moved:
        nr, old, new = effect.moved[0]
        said.append(
            gettext(
                N_("installment %(nr)s moves from %(old)s to %(new)s"),
                locale,
                nr=nr,
                old=day(old),
                new=day(new),
            )
        )
        if len(effect.moved) > 1:
            said.append(gettext(N_("%(count)s more due dates move"), locale, count=len(effect.moved) - 1))
    if effect.delinquent_days:
        text = (
            N_("%(count)s more days of delay count")
            if effect.delinquent_days > 0
            else N_("%(count)s fewer days of delay count")
        )
        said.append(gettext(text, locale, count=abs(effect.delinquent_days)))
    if effect.status is not None:
        old_status, new_status = (label(f"loan:{one.value}", locale) for one in effect.status)
        said.append(gettext(N_("status: %(old)s, then %(new)s"), locale, old=old_status, new=new_status))
    return said
