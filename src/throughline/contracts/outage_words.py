"""The clause on interruptions, written from the rows that the engine applies: pure, both languages."""

from __future__ import annotations

from collections.abc import Iterable

from throughline.contracts.outage import OutagePolicy, OutageRow
from throughline.kernel.i18n import LOCALES, N_, Text, bilingual

KIND_NAMES = {
    "suspended": N_("your line is suspended"),
    "pre_cancelled": N_("your number is about to be cancelled"),
    "cancelled": N_("your number is cancelled"),
    "reassigned": N_("your number was given to somebody else"),
    "network": N_("your carrier's network fails"),
    "disaster": N_("your region is on an official list of disasters"),
    "platform": N_("our own service fails"),
    "maintenance": N_("our service is closed for announced maintenance"),
    "cyber": N_("our service is attacked"),
    "payment_channel": N_("a payment channel or a bank fails"),
    "message_route": N_("our messages cannot be sent"),
    "line_out": N_("you tell us that your line is out"),
    "phone_lost": N_("you tell us that your phone is lost"),
    "phone_broken": N_("you tell us that your phone is broken"),
    "number_changed": N_("you tell us that your number has changed"),
}
STILL_WORKS = {
    "line": N_("You can sign in over any network, and anybody may pay for you by the code."),
    "carrier": N_("You can sign in over any other network, and anybody may pay for you by the code."),
    "own": N_("The status page says what still works and how to repay."),
    "claim": N_("You can sign in over any network, and anybody may pay for you by the code."),
}
MEASURE_NAMES = {
    "delinquency_pause": N_("no day of delay is counted"),
    "penalty_pause": N_("no penalty is charged"),
    "interest_pause": N_("no interest is charged"),
    "report_hold": N_("nothing negative is reported to a credit bureau"),
}
ORDER = tuple(MEASURE_NAMES)


def clause(policy: OutagePolicy) -> list[Text]:
    """The sentences of a version, one text a row, in the order of the table."""
    return [row_words(row) for row in policy.rows]


def row_words(row: OutageRow) -> Text:
    """What one row promises. Words that a version fixes by itself are kept as they were signed."""
    if row.words is not None:
        return dict(row.words)
    return _sentences(_parts(row))


def _parts(row: OutageRow) -> Iterable[Text]:
    yield _filled(N_("When %(kinds)s:"), kinds=_any_of(row))
    yield bilingual(STILL_WORKS[row.cause])
    measures = _all_of(MEASURE_NAMES[one] for one in ORDER if one in row.measures)
    if row.proof == "word":
        yield _filled(
            N_(
                "If an installment falls due then, on your word alone %(measures)s for %(grace)s days; evidence is "
                "accepted afterwards, and with it the full protection holds."
            ),
            measures=measures,
            grace=row.grace_days,
        )
    else:
        yield _filled(
            N_(
                "If this touches a due date (of up to %(lead)s days before it began), we protect the loan by "
                "ourselves, without a form and also afterwards: %(measures)s, until %(catch)s days after the end and "
                "for at most %(cap)s days."
            ),
            lead=row.lead_days,
            measures=measures,
            catch=row.catch_up_days,
            cap=row.cap_days,
        )
    if row.products_with_interest is not None and "interest_pause" in row.measures:
        yield _filled(
            N_("The interest is spared for these products only: %(products)s."),
            products=", ".join(sorted(row.products_with_interest)) or "-",
        )
    if row.shift_working_days is not None:
        yield _filled(
            N_(
                "A due date that falls into it moves to %(days)s working day(s) after the end, without interest for the "
                "move."
            ),
            days=row.shift_working_days,
        )
    if row.reached_days is not None:
        yield _filled(
            N_("Once you have signed in or read our notice, you have %(days)s days to act."),
            days=row.reached_days,
        )
    if row.requested_cap_days is not None:
        yield _filled(
            N_("A stop that you asked your carrier for is protected for at most %(days)s days."),
            days=row.requested_cap_days,
        )
    if row.most_cases is not None:
        yield _filled(
            N_("After %(cases)s protection(s) in %(days)s days a person looks before another one is given."),
            cases=row.most_cases,
            days=row.most_in_days,
        )
        if row.review_measures:
            yield _filled(
                N_("Until then %(measures)s."),
                measures=_all_of(MEASURE_NAMES[one] for one in ORDER if one in row.review_measures),
            )


def _any_of(row: OutageRow) -> Text:
    names = [bilingual(KIND_NAMES[one]) for one in KIND_NAMES if one in row.kinds]
    return {locale: _listed([name[locale] for name in names], locale, "或", "or") for locale in LOCALES}


def _all_of(msgids: Iterable[str]) -> Text:
    names = [bilingual(one) for one in msgids]
    return {locale: _listed([name[locale] for name in names], locale, "且", "and") for locale in LOCALES}


def _listed(names: list[str], locale: str, zh: str, en: str) -> str:
    if len(names) < 2:
        return "".join(names)
    if locale == "en":
        return f"{', '.join(names[:-1])} {en} {names[-1]}"
    return f"{'、'.join(names[:-1])}{zh}{names[-1]}"


def _filled(msgid: str, /, **params: Text | int | str | None) -> Text:
    """A message whose places may themselves be texts in both languages."""
    raw = bilingual(msgid)
    return {
        locale: raw[locale]
        % {key: one[locale] if isinstance(one, dict) else one for key, one in params.items()}
        for locale in LOCALES
    }


def _sentences(parts: Iterable[Text]) -> Text:
    some = list(parts)
    return {locale: (" " if locale == "en" else "").join(part[locale] for part in some) for locale in LOCALES}
