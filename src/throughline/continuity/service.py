"""The verbs of continuity. Each is one business transaction of the caller's session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, policy, protection
from throughline.continuity.events import EpisodeClosed, EpisodeOpened
from throughline.continuity.models import Episode, ProtectionCase
from throughline.continuity.protection import cap_case, on_installment_due
from throughline.continuity.views import (
    EpisodeUnknown,
    case_document,
    cases_of,
    episode,
    episodes,
    protections_of,
    protections_of_loan,
)
from throughline.kernel import clock
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.messaging import service as messaging
from throughline.notary import service as notary

__all__ = [
    "EpisodeUnknown",
    "LineNews",
    "cap_case",
    "case_document",
    "cases_of",
    "episode",
    "episodes",
    "on_installment_due",
    "on_line_news",
    "protections_of",
    "protections_of_loan",
]


@dataclass(frozen=True, slots=True)
class LineNews:
    """What `line` says of a line: the fields of `line.state_changed.v1`."""

    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    state: str
    probability: str
    cannot_receive: str
    since: datetime
    reason: Text
    evidence: list[str]


def on_line_news(session: Session, news: LineNews, *, now: datetime) -> UUID | None:
    """Open, deepen or close the episode that this change of a line's state asks for; returns its id."""
    episode = _open_episode_of(session, news.line_id)
    if news.state in policy.CANNOT_RECEIVE:
        if episode is None:
            return _open(session, news, now=now)
        _deepen(session, episode, news, now=now)
        return episode.id
    if episode is not None and news.state in policy.BACK:
        _close(session, episode, news, now=now)
        return episode.id
    return None


def _open(session: Session, news: LineNews, *, now: datetime) -> UUID:
    fresh = session.execute(
        insert(Episode)
        .values(
            borrower_id=news.borrower_id,
            id=new_id(),
            line_id=news.line_id,
            contact_point_id=news.contact_point_id,
            state="open",
            line_state=news.state,
            probability=news.probability,
            cannot_receive=news.cannot_receive,
            dark_since=news.since,
            opened_at=now,
            evidence=news.evidence,
            reason=news.reason,
        )
        .on_conflict_do_nothing(index_elements=["line_id"], index_where=Episode.state == "open")
        .returning(Episode.id)
    ).scalar_one_or_none()
    episode = _open_episode_of(session, news.line_id)
    if episode is None:
        raise RuntimeError("the episode that was just opened is not there")
    if fresh is None:
        return episode.id  # another transaction opened it
    publish(
        session,
        EpisodeOpened(
            episode.id, news.borrower_id, news.line_id, news.since, news.state, news.probability, news.reason
        ),
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=news.borrower_id,
    )
    chronicle.note(
        session,
        episode,
        "line",
        news.reason,
        at=news.since,
        details={
            "state": news.state,
            "probability": news.probability,
            "cannot_receive": news.cannot_receive,
            "evidence": news.evidence,
        },
    )
    chronicle.note(
        session,
        episode,
        "episode_opened",
        bilingual(N_("An outage episode was opened: the line can receive neither messages nor calls.")),
        at=now,
    )
    notary.commit(
        session,
        news.borrower_id,
        "outage_opened",
        {
            "episode": str(episode.id),
            "line_state": news.state,
            "probability": news.probability,
            "cannot_receive": news.cannot_receive,
            "since": news.since.isoformat(),
            "evidence": news.evidence,
        },
        now=now,
    )
    protection.protect_what_falls_due(session, episode, now=now)
    return episode.id


def _deepen(session: Session, episode: Episode, news: LineNews, *, now: datetime) -> None:
    """The outage goes on in another state, or is believed more strongly: keep the evidence, judge again."""
    heard = (news.state, news.probability, news.cannot_receive)
    if (episode.line_state, episode.probability, episode.cannot_receive) == heard:
        return
    episode.line_state = news.state
    episode.probability = news.probability
    episode.cannot_receive = news.cannot_receive
    episode.evidence = [*episode.evidence, *(one for one in news.evidence if one not in episode.evidence)][
        -50:
    ]
    episode.reason = news.reason
    chronicle.note(
        session,
        episode,
        "line",
        news.reason,
        at=now,
        details={
            "state": news.state,
            "probability": news.probability,
            "cannot_receive": news.cannot_receive,
            "evidence": news.evidence,
        },
    )
    protection.protect_what_falls_due(session, episode, now=now)


def _close(session: Session, episode: Episode, news: LineNews, *, now: datetime) -> None:
    episode.state = "closed"
    episode.back_at = news.since
    episode.closed_at = now
    chronicle.note(
        session,
        episode,
        "line",
        news.reason,
        at=news.since,
        details={
            "state": news.state,
            "probability": news.probability,
            "cannot_receive": news.cannot_receive,
            "evidence": news.evidence,
        },
    )
    back_on = clock.local_date(news.since, settings().zone)
    cases = session.scalars(
        select(ProtectionCase)
        .where(ProtectionCase.episode_id == episode.id, ProtectionCase.state == "granted")
        .order_by(ProtectionCase.id)
        .with_for_update()
    ).all()
    for case in cases:
        rule = next(row for row in policy.shipped_rules() if row.id == case.rule_id)
        dark_from = clock.local_date(episode.dark_since, settings().zone)
        last_day = policy.last_protected_day(rule, dark_from=dark_from, back_on=back_on)
        protection.end_case(
            session,
            episode,
            case,
            last_day=last_day,
            reason=bilingual(
                N_(
                    "Your line is back since %(back)s. The protection ends after %(days)s days to catch up: "
                    "from the day after %(last)s days of delay count again."
                ),
                back=back_on.isoformat(),
                days=rule.catch_up_days,
                last=last_day.isoformat(),
            ),
            now=now,
        )
    sent = messaging.release_held(session, episode.contact_point_id, now=now)
    reason = bilingual(N_("The line is back; the episode is closed."))
    chronicle.note(session, episode, "episode_closed", reason, at=now, details={"messages_released": sent})
    publish(
        session,
        EpisodeClosed(episode.id, episode.borrower_id, episode.line_id, news.since, reason),
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=episode.borrower_id,
    )
    notary.commit(
        session,
        episode.borrower_id,
        "outage_closed",
        {"episode": str(episode.id), "back_at": news.since.isoformat(), "evidence": news.evidence},
        now=now,
    )


def _open_episode_of(session: Session, line_id: UUID) -> Episode | None:
    return session.scalars(
        select(Episode).where(Episode.line_id == line_id, Episode.state == "open").with_for_update()
    ).one_or_none()
