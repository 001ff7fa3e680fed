"""Corrections: what has gone out and is not true any more is said anew, at once and before everything else.

A correction takes a mark away or lessens it. What has become worse since is said by the next monthly report, through
the guard; only a mark that stood before may come back, when a dispute about it was refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.settings import settings
from throughline.lending.account import LoanFile, LoanUnknown, locked_loan
from throughline.lending.bureau import policy
from throughline.lending.bureau.evidence import Evidence, evidence_of
from throughline.lending.bureau.figures import Rating
from throughline.lending.bureau.gone_out import has_gone_out
from throughline.lending.bureau.items import Chain, chains, new_item, said_by, standing
from throughline.lending.bureau.models import ReportItemRow
from throughline.lending.bureau.saying import Saying, say
from throughline.lending.bureau.states import ItemState
from throughline.lending.business_day import business_date
from throughline.lending.models import LoanRow

FIGURES_CHANGED = N_("The figures of that month have changed since, by something that was learned of late")
NOT_PROVED = N_("What was reported may not stand: %(why)s")
CONFIRMED = N_("The dispute was refused, so what was reported stands again")


def check_loan(session: Session, loan_id: UUID, *, restore: bool = False, now: datetime) -> list[UUID]:
    """Queue a correction for every month of a loan whose report is not true any more; returns their ids.

    `restore`: a mark that stood before may come back. Safe to repeat.
    """
    row = session.scalars(select(LoanRow).where(LoanRow.id == loan_id)).one_or_none()
    if row is None or not has_gone_out(session, row.borrower_id, loan_id):
        return []
    try:
        file = locked_loan(session, loan_id)
    except LoanUnknown:
        return []
    evidence = evidence_of(session, [file.row], looking_back=True)[loan_id]
    made = []
    for chain in chains(session, file.row, since=_cutoff(session)):
        item = _correction(session, file, chain, evidence, restore=restore, now=now)
        if item is not None:
            session.add(item)
            made.append(item.id)
    session.flush()
    return made


def _cutoff(session: Session) -> date:
    today = business_date(session)
    months = policy.in_force("correctable_months", settings().jurisdiction, today).value
    return (today - timedelta(days=31 * months)).replace(day=1)


def _correction(
    session: Session, file: LoanFile, chain: Chain, evidence: Evidence, *, restore: bool, now: datetime
) -> ReportItemRow | None:
    base, last = standing(chain), chain[-1]
    if base is None or ItemState(last.state) is ItemState.QUEUED:
        return None  # what still waits is worked out anew when it leaves
    saying = say_again(session, file, chain, evidence, store=True, now=now)
    if not worth_saying(chain, base, saying, restore=restore):
        return None
    if ItemState(last.state) is ItemState.REJECTED and said_by(last) == saying.said:
        return None  # that very correction was refused; a person or its next try sees to it
    return new_item(
        file.row, base.month, saying, now=now, corrects=base, n=last.n + 1, why=_why(saying, restore=restore)
    )


def say_again(
    session: Session, file: LoanFile, chain: Chain, evidence: Evidence, *, store: bool, now: datetime
) -> Saying:
    """What may be said of a month that was reported, by what is known now: as if it left on the day it left."""
    first = next((row for row in chain if row.sent_at is not None), None)
    left_on = clock.local_date(first.sent_at, file.row.zone) if first and first.sent_at else None
    return say(
        session,
        file.row,
        file.events,
        evidence,
        as_of=chain[0].as_of,
        on=left_on or business_date(session),
        store=store,
        now=now,
    )


def worth_saying(
    chain: Sequence[ReportItemRow], base: ReportItemRow, saying: Saying, *, restore: bool
) -> bool:
    """Whether a correction is needed: something else is true, and it is nothing worse.

    With `restore` it may be as bad as what the bureau had accepted of that month before.
    """
    before = said_by(base)
    if saying.said == before:
        return False
    if not saying.said.worse_than(before):
        return True
    stood = [said_by(row) for row in chain if ItemState(row.state) is ItemState.ACCEPTED]
    return restore and any(not saying.said.worse_than(one) for one in stood)


def _why(saying: Saying, *, restore: bool) -> Text:
    if saying.said.rating is Rating.NOT_STATED and saying.verdict is not None:
        first = saying.verdict.missing[0].text
        text = bilingual(NOT_PROVED, why="%s")
        return {locale: text[locale].replace("%s", first[locale]) for locale in text}
    return bilingual(CONFIRMED if restore and saying.said.negative else FIGURES_CHANGED)
