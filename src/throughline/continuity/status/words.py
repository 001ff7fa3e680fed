"""What the status page says of an incident: its title, what to do now, and what it means for due dates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from throughline.continuity.incidents import WITHOUT_REPAYING
from throughline.continuity.status.tasks import TASKS, name_of
from throughline.contracts import outage, outage_words
from throughline.kernel.i18n import LOCALES, N_, Text, bilingual

FEWEST_TOLD = 10  # a smaller number of loans would point at single people

TITLES: Mapping[str, str] = {
    "network": N_("A carrier's network fails"),
    "disaster": N_("A region is on an official list of disasters"),
    "platform": N_("Our service fails"),
    "maintenance": N_("Announced maintenance"),
    "cyber": N_("Our service is attacked"),
    "payment_channel": N_("A payment channel fails"),
    "message_route": N_("Our messages cannot be sent"),
}
DO_NOW: Mapping[str, str] = {
    "network": N_(
        "Sign in over Wi-Fi or any other network with your passkey or a code of your app; no text message is needed. "
        "Anybody may pay for you by the code on your loan's page."
    ),
    "disaster": N_(
        "Look after yourself first. Repaying can wait until after the measures below; you need not send a form."
    ),
    "platform": N_(
        "You need not do anything. A payment code that you have already still works. For anything else come back "
        "later."
    ),
    "maintenance": N_("Wait until the maintenance is over. What you had begun is kept."),
    "cyber": N_(
        "Do not follow links in messages about this. Type our address yourself. Never tell anybody a code."
    ),
    "payment_channel": N_(
        "Use another way of paying, or wait. What it means for your due dates stands below."
    ),
    "message_route": N_(
        "Read our messages in the inbox after signing in. A code by text message is never needed to sign in or to pay."
    ),
}
NO_DUE_DATE = N_("It does not touch repayments: due dates stay as they are.")
NOTHING_YET = N_("What it means for due dates is being decided.")
SO_FAR = N_("So far %(count)s loans are protected because of it.")
IN_ALL = N_("%(count)s loans were protected because of it.")


def title(kind: str, scope: Mapping[str, str]) -> Text:
    """The headline of an incident."""
    part = next((f"{group}:{scope[group]}" for group in ("rail", "route", "carrier") if scope.get(group)), "")
    what = TITLES.get(kind, TITLES["platform"])
    if scope.get("task") in TASKS:
        part, what = scope["task"], N_("Something of our service fails")
    if not part:
        return bilingual(what)
    name = name_of(part)
    said = bilingual(what)
    return {"zh-CN": f"{said['zh-CN']}：{name['zh-CN']}", "en": f"{said['en']}: {name['en']}"}


def do_now(kind: str, scope: Mapping[str, str]) -> Text:
    """What a reader can do until it is over."""
    del scope
    return bilingual(DO_NOW.get(kind, DO_NOW["platform"]))


def due_dates(
    cause: str, kind: str, scope: Mapping[str, str], began: date, protected: int, *, over: bool
) -> Text:
    """What the policy gives for it, and for how many loans it has done so (only numbers that point at nobody)."""
    if scope.get("task") in WITHOUT_REPAYING:
        return bilingual(NO_DUE_DATE)
    row = outage.newest().row_for(cause, kind, began)
    if row is None:
        return bilingual(NOTHING_YET)
    said = dict(outage_words.row_words(row))
    if protected >= FEWEST_TOLD:
        counted = bilingual(IN_ALL if over else SO_FAR, count=protected)
        return {
            locale: f"{said[locale]}{'' if locale == 'zh-CN' else ' '}{counted[locale]}" for locale in LOCALES
        }
    return said
