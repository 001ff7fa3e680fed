"""Lines believed anew, many at once: evidence folded, changes told, claims weighed, questions asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.jobs import NewJob, defer, defer_many
from throughline.kernel.logging import get_logger
from throughline.line import beliefs, claims, fold, intake, past, planning, telling, track
from throughline.line.beliefs import Batch
from throughline.line.fold import Mask
from throughline.line.models import Line, LineBelief
from throughline.line.settings import load_settings
from throughline.line.track import CONFIRM_WAIT, Shown

log = get_logger(__name__)
MAX_CHUNKS = 1_000


def believe(
    session: Session, since: Mapping[UUID, datetime], pushed: Iterable[UUID] = (), *, now: datetime
) -> None:
    """Believe lines anew by what is stored of them. `since`: the oldest instant of what is new, by line;
    `pushed`: lines of which a carrier gave notice."""
    session.flush()
    batch = beliefs.lock(session, sorted(since))
    if not batch.lines:
        return
    beliefs.step(session, batch, since, now=now)
    shown = _shown(batch, now)
    notices = set(pushed)
    push = np.array([line.id in notices for line in batch.lines], dtype=bool)
    open_ = _unsettled(batch, shown) | push
    telling.tell(session, batch, shown, now=now)
    past.tell(session, batch, since, now=now)
    beliefs.store(session, batch, now=now)
    claims.weigh(session, batch, now=now)
    if open_.any():
        planning.plan(session, batch, shown, now=now, places=np.nonzero(open_)[0], pushed=push)
    _look_when_nobody_answers(session, batch)
    _forget(session)


def look(session: Session, line_ids: Iterable[UUID], *, now: datetime) -> None:
    """Believe lines anew although nothing was heard: what time has done to beliefs."""
    session.flush()
    batch = beliefs.lock(session, sorted(line_ids))
    if not batch.lines:
        return
    beliefs.step(session, batch, {}, now=now)
    telling.tell(session, batch, _shown(batch, now), now=now)
    beliefs.store(session, batch, now=now)
    _forget(session)


def work_off(database: Database) -> int:
    """Fold marked lines until none is left, chunk by chunk, each in a transaction; returns how many lines."""
    done = 0
    limit = intake.CHUNK
    for _ in range(MAX_CHUNKS):
        try:
            folded = database.run(lambda session, limit=limit: _fold_chunk(session, limit))  # type: ignore[misc]
        except OperationalError:
            raise  # the database; the job comes again
        except Exception:
            if limit == 1:
                raise
            # One line's evidence must not hold up the others: they are folded by themselves.
            log.exception("lines could not be folded together", marks=limit)
            done += _one_by_one(database, limit)
            continue
        if not folded:
            # What is left belongs to lines that others work on, and may have come after they looked.
            database.run(lambda session: intake.come_again(session, now=clock.now()))
            return done
        done += folded
    return done


def sweep(database: Database) -> None:
    """Queue the folding of marks that have waited longer than their job should take."""

    def queue(session: Session) -> None:
        if intake.overdue(session, now=clock.now()):
            defer(session, intake.FOLD, {})

    database.run(queue)


def _fold_chunk(session: Session, limit: int) -> int:
    now = clock.now()
    since, pushed = intake.claim(session, now=now, limit=limit)
    if since:
        believe(session, since, pushed, now=now)
    return len(since)


def _one_by_one(database: Database, limit: int) -> int:
    done = 0
    with database.transaction() as session:
        waiting = intake.waiting(session, now=clock.now(), limit=limit)
    for line_id in waiting:
        try:
            database.run(lambda session, line_id=line_id: _fold_one(session, line_id))  # type: ignore[misc]
            done += 1
        except Exception:
            log.exception("a line could not be folded", line_id=str(line_id))
            database.run(
                lambda session, line_id=line_id: intake.set_aside(session, [line_id], now=clock.now())  # type: ignore[misc]
            )
    return done


def _fold_one(session: Session, line_id: UUID) -> None:
    now = clock.now()
    since, pushed = intake.claim_of(session, line_id)
    if since is not None:
        believe(session, {line_id: since}, {line_id} if pushed else (), now=now)


def _shown(batch: Batch, now: datetime) -> Shown:
    at_s = np.maximum(batch.tracks.rows[:, fold.AT], now.timestamp())
    return batch.tracks.shown(at_s, batch.by, batch.spans)


def _unsettled(batch: Batch, shown: Shown) -> Mask:
    """Lines where a question may be worth it now; the others are looked at when their time comes."""
    changed = np.array(
        [
            track.STATES_SHOWN[shown.state[number]] != line.state or bool(shown.alarm[number]) != line.alarm
            for number, line in enumerate(batch.lines)
        ],
        dtype=bool,
    )
    unsettled: Mask = changed | (shown.dark >= load_settings().query_band_from)
    return unsettled


def _look_when_nobody_answers(session: Session, batch: Batch) -> None:
    """Should nobody answer, a push stands alone after a while."""
    waiting = np.nonzero(batch.tracks.rows[:, track.PUSHED] > -np.inf)[0].tolist()
    defer_many(
        session,
        [
            NewJob(
                "line.look",
                {"borrower_id": str(batch.lines[one].borrower_id), "line_id": str(batch.lines[one].id)},
                at=clock.real_now() + CONFIRM_WAIT,
            )
            for one in waiting
        ],
    )


def _forget(session: Session) -> None:
    """What the session holds of lines is old now."""
    for row in list(session.identity_map.values()):
        if isinstance(row, Line | LineBelief):
            session.expire(row)
