"""The verbs of continuity. Each is one business transaction of the caller's session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, episodes, policy, protection
from throughline.continuity.episodes import NewEpisode
from throughline.continuity.facts import local
from throughline.continuity.incidents import (
    IncidentImpossible,
    IncidentOver,
    IncidentUnknown,
    NewIncident,
    end_incident,
    incident,
    incidents,
    open_incident,
)
from throughline.continuity.models import Appeal, Episode, ProtectionCase
from throughline.continuity.protection import cap_case, on_installment_due
from throughline.continuity.reports import report
from throughline.continuity.reviews import (
    CaseNotFound,
    appeal,
    appeals_of,
    case,
    decide_appeal,
    decide_review,
    may_appeal,
    queue,
    record_outage,
    revoke,
    words_of,
)
from throughline.continuity.views import (
    EpisodeUnknown,
    case_document,
    cases_of,
    episode,
    episodes_page,
    protections_of,
    protections_of_loan,
)
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.line import service as line
from throughline.messaging import service as messaging

__all__ = [
    "Appeal",
    "CaseNotFound",
    "EpisodeUnknown",
    "IncidentImpossible",
    "IncidentOver",
    "IncidentUnknown",
    "LineNews",
    "NewIncident",
    "PastOutage",
    "ProtectionCase",
    "appeal",
    "appeals_of",
    "cap_case",
    "case",
    "case_document",
    "cases_of",
    "decide_appeal",
    "decide_review",
    "end_incident",
    "episode",
    "episodes_page",
    "incident",
    "incidents",
    "may_appeal",
    "on_installment_due",
    "on_line_news",
    "on_past_outage",
    "open_incident",
    "protections_of",
    "protections_of_loan",
    "queue",
    "record_outage",
    "report",
    "revoke",
    "words_of",
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


@dataclass(frozen=True, slots=True)
class PastOutage:
    """An outage of a line that was over before we knew of it: the fields of `line.outage_learned.v1`."""

    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    state: str
    cannot_receive: str
    from_at: datetime
    to_at: datetime
    reason: Text
    evidence: list[str]


def on_line_news(session: Session, news: LineNews, *, now: datetime) -> UUID | None:
    """Open, re-open, deepen or close the episode that this change of a line's state asks for; returns its id."""
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


def on_past_outage(session: Session, past: PastOutage, *, now: datetime) -> UUID:
    """Learn of an outage that is over: judge what it cost meanwhile, and repair it; returns the episode's id.

    Where an episode of the line covers the days already, there is nothing to learn.
    """
    known = [
        one
        for one in episodes.overlapping(session, past.borrower_id, past.from_at, past.to_at, causes=("line",))
        if one.line_id == past.line_id
    ]
    if any(one.dark_since <= past.from_at for one in known):
        return known[0].id
    found, fresh = episodes.open_episode(
        session,
        NewEpisode(
            borrower_id=past.borrower_id,
            cause="line",
            kind=past.state,
            source="line",
            dark_since=past.from_at,
            ended_at=past.to_at,
            line_id=past.line_id,
            contact_point_id=past.contact_point_id,
            requested=_requested(session, past.borrower_id, past.evidence),
            cannot_receive=past.cannot_receive,
            probability=past.cannot_receive,
            reason=past.reason,
            evidence=past.evidence,
        ),
        now=now,
    )
    if fresh:
        episodes.merge_reports(session, found, now=now)
        protection.protect_what_falls_due(session, found, now=now)
    return found.id


def _open(session: Session, news: LineNews, *, now: datetime) -> UUID:
    again = episodes.reopen(session, news.line_id, news.since, now=now)
    if again is not None:
        _deepen(session, again, news, now=now, anew=True)
        return again.id
    episode, fresh = episodes.open_episode(
        session,
        NewEpisode(
            borrower_id=news.borrower_id,
            cause="line",
            kind=news.state,
            source="line",
            dark_since=news.since,
            line_id=news.line_id,
            contact_point_id=news.contact_point_id,
            requested=_requested(session, news.borrower_id, news.evidence),
            probability=news.probability,
            cannot_receive=news.cannot_receive,
            reason=news.reason,
            evidence=news.evidence,
        ),
        now=now,
    )
    if fresh:
        episodes.merge_reports(session, episode, now=now)
        protection.protect_what_falls_due(session, episode, now=now)
    return episode.id


def _deepen(session: Session, episode: Episode, news: LineNews, *, now: datetime, anew: bool = False) -> None:
    """The outage goes on in another state, or is believed more strongly: keep the evidence, judge again."""
    heard = (news.state, news.probability, news.cannot_receive)
    if (episode.kind, episode.probability, episode.cannot_receive) == heard and not anew:
        return
    episode.kind = news.state
    episode.probability = news.probability
    episode.cannot_receive = news.cannot_receive
    episode.requested = episode.requested or _requested(session, news.borrower_id, news.evidence)
    episodes.add_evidence(episode, news.evidence)
    episode.reason = news.reason
    episodes.note_state(session, episode, at=now)
    protection.protect_what_falls_due(session, episode, now=now)


def _close(session: Session, episode: Episode, news: LineNews, *, now: datetime) -> None:
    episodes.add_evidence(episode, news.evidence)
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
    reason = bilingual(N_("The line is back; the episode is closed."))
    protection.end_cases(session, episode, local(news.since), now=now)
    episodes.close(session, episode, back_at=news.since, reason=reason, now=now)
    sent = (
        messaging.release_held(session, episode.contact_point_id, now=now)
        if episode.contact_point_id is not None
        else 0
    )
    chronicle.note(session, episode, "episode_closed", reason, at=now, details={"messages_released": sent})


def _requested(session: Session, borrower_id: UUID, evidence: list[str]) -> bool:
    """Whether the carrier said that the borrower asked for the stop (停机保号)."""
    ids = [UUID(one) for one in evidence if _is_id(one)]
    return bool(ids) and "requested" in line.stop_reasons(session, borrower_id, ids)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _open_episode_of(session: Session, line_id: UUID) -> Episode | None:
    return session.scalars(
        select(Episode).where(Episode.line_id == line_id, Episode.state == "open").with_for_update()
    ).one_or_none()
