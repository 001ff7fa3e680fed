"""The planner at work: which of some locked lines to ask about, whom, when to look at each again.

Questions become jobs at times that keep each source's rate. A source that is behind by more than `FARTHEST` is not
asked: those lines are looked at again when it has room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import plain_array
from throughline.kernel.jobs import NewJob, defer_many
from throughline.line import beliefs, feeds, fold, measures, planner, telling, track
from throughline.line.beliefs import Batch, Watched
from throughline.line.fold import DARK, PUBLIC, Mask
from throughline.line.parameters import Floats
from throughline.line.planner import Offer, Policy, Standing
from throughline.line.settings import LineSettings, load_settings
from throughline.line.state import PublicState
from throughline.line.track import Shown, instant

CHUNK = 2_000  # lines that one transaction plans
FARTHEST = timedelta(minutes=10)
CONFIRM, PLANNED = "confirm", "planned"
# What evidence calls for must not wait behind routine: each has its part of a source's rate.
_SHARE = {CONFIRM: 0.4, PLANNED: 0.6}
_SETTLED_FROM = 0.85
_OUT = PUBLIC.index(PublicState.OUT_SUSPENDED)
_INCIDENT_WAIT_S = 900.0
_LONGEST_S = 30 * 86_400.0


def policy(config: LineSettings, offers: Sequence[Offer]) -> Policy:
    """How questions are spent here: by number, and by what they cost at the dearest source."""
    budget = config.planned_queries_per_30_days
    dearest = max((offer.price_minor for offer in offers), default=0)
    if dearest:
        budget = min(budget, config.query_spend_minor_per_30_days // dearest)
    return Policy(budget, (config.query_band_from, config.query_band_to))


def offers(carrier: str | None = None) -> list[Offer]:
    """The sources that can be asked how a line of a carrier is; None: all of this installation."""
    return [
        Offer(name, one.splits_stops, one.recycling and not one.status, one.price_minor)
        for name, one in sorted(feeds.capabilities(carrier).items())
        if one.status or one.recycling
    ]


def run(session: Session, *, now: datetime) -> int:
    """Look at lines whose time has come: say what time has done, ask, and set the next look; returns how many."""
    batch = beliefs.lock_due(session, now=now, limit=CHUNK)
    if batch.lines:
        beliefs.step(session, batch, {}, now=now)
        shown = batch.tracks.shown(_at(batch, now), batch.by, batch.spans)
        telling.tell(session, batch, shown, now=now)
        beliefs.store(session, batch, now=now)
        plan(session, batch, shown, now=now)
    return len(batch.lines)


def plan(
    session: Session,
    batch: Batch,
    shown: Shown,
    *,
    now: datetime,
    places: npt.NDArray[np.int64] | None = None,
    pushed: Mask | None = None,
) -> None:
    """Ask about what is worth it of locked lines and set when each is looked at again.

    `places`: only these lines; `pushed`: by line of the batch, a carrier's notice waits for its confirmation.
    """
    here = np.arange(len(batch.lines)) if places is None else places
    # Who withdrew the consent is not watched any more.
    here = here[[batch.lines[one].next_look_at is not None for one in here.tolist()]] if len(here) else here
    if not len(here):
        return
    available = offers()
    config = load_settings()
    by_policy = policy(config, available)
    at_s = _at(batch, now)[here]
    standing = _standing(session, batch, shown, here, at_s)
    public = fold.public(shown.p[here])
    sheltered = batch.spans.of(here).inside(at_s)
    confirm = np.zeros(len(here), dtype=bool)
    if pushed is not None:
        # A question that was asked after what the notice tells of has its answer already.
        noticed_at = batch.tracks.rows[here, fold.SAID + 2 * fold.PUSHED]
        confirm = (
            pushed[here] & (standing.asked < config.queries_per_30_days) & (standing.asked_at < noticed_at)
        )
    wants = planner.choose(standing, by_policy) & ~sheltered
    source = _sources(batch, here, public, available)
    asks = (wants | confirm) & (source >= 0)
    again = planner.look_again(standing, by_policy)
    again = np.where(sheltered, np.minimum(again, at_s + _INCIDENT_WAIT_S), again)
    # A question that goes out now is an answer soon; what it says sets the next look anew.
    again = np.where(asks, np.maximum(again, at_s + by_policy.settle_h * 3600), again)
    waiting = batch.tracks.rows[here, track.PUSHED]
    ripe = waiting + track.CONFIRM_WAIT.total_seconds()
    again = np.where((waiting > -np.inf) & (ripe > at_s), np.minimum(again, ripe), again)
    for lane, some in ((CONFIRM, asks & confirm), (PLANNED, asks & ~confirm)):
        _ask(session, batch, here, source, available, np.nonzero(some)[0], lane, again, at_s)
    _set_looks(session, batch, here, np.minimum(again, at_s + _LONGEST_S))


def _sources(
    batch: Batch, here: npt.NDArray[np.int64], public: Floats, available: Sequence[Offer]
) -> npt.NDArray[np.int64]:
    """The best source for each line among those that serve its carrier, as a place in `available`; -1: none."""
    order = tuple(state.value for state in PUBLIC)
    place = {offer.name: number for number, offer in enumerate(available)}
    carriers = np.array([batch.lines[one].carrier for one in here.tolist()])
    source = np.full(len(here), -1, dtype=np.int64)
    for carrier in np.unique(carriers).tolist():
        mine = np.nonzero(carriers == carrier)[0]
        sold = offers(carrier)
        best = planner.pick(public[mine], order, sold)
        source[mine] = [place.get(sold[one].name, -1) if one >= 0 else -1 for one in best.tolist()]
    return source


def _splits(lines: Sequence[Watched]) -> Mask:
    """Of which lines somebody can tell whether they are stopped one way or both ways."""
    known = {
        carrier: any(offer.splits_stops and not offer.recycling for offer in offers(carrier))
        for carrier in {line.carrier for line in lines}
    }
    return np.array([known[line.carrier] for line in lines], dtype=bool)


def _at(batch: Batch, now: datetime) -> Floats:
    return np.maximum(batch.tracks.rows[:, fold.AT], now.timestamp())


def _standing(
    session: Session, batch: Batch, shown: Shown, here: npt.NDArray[np.int64], at_s: Floats
) -> Standing:
    rows = batch.tracks.rows[here, : fold.WIDTH]
    p = shown.p[here]
    lines = [batch.lines[one] for one in here.tolist()]
    asked_at, asked, lately, oldest = _questions(session, batch, here, at_s)
    explained = batch.spans.of(here).explained_s(rows[:, fold.AT], at_s) if batch.spans.spans else None
    alive = rows[:, fold.BEATS] >= fold.ENOUGH_BEATS
    told = fold.told_at(rows)
    registered = np.array([line.registered_at.timestamp() for line in lines])
    due = np.array([line.due_at.timestamp() if line.due_at else np.inf for line in lines])
    public = fold.public(p)
    return Standing(
        at=at_s,
        dark=public[:, DARK].sum(axis=1),
        out=public[:, _OUT],
        splits=_splits(lines),
        suspicion=fold.suspicion(rows, at_s, p, batch.by, explained),
        alarm=shown.alarm[here],
        settled=public[:, 0] >= _SETTLED_FROM,
        asked_at=asked_at,
        asked=asked,
        asked_lately=lately,
        free_at=np.where(np.isfinite(oldest), oldest + planner.WINDOW_S + 1, at_s),
        told_at=np.where(np.isfinite(told), told, registered),
        due_at=np.where(due >= at_s, due, np.inf),
        gap_h=np.where(alive, rows[:, fold.GAP], np.inf),
        beat_at=np.where(alive, rows[:, fold.BEAT_AT], at_s),
    )


def _questions(
    session: Session, batch: Batch, here: npt.NDArray[np.int64], at_s: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """The last question of each line, how many in 30 days and in one, and the oldest of the 30 days."""
    asked_at, oldest = np.full(len(here), -np.inf), np.full(len(here), np.inf)
    asked, lately = np.zeros(len(here)), np.zeros(len(here))
    now = instant(float(at_s.max()))
    rows = session.execute(
        _QUESTIONS,
        {
            "ids": plain_array(batch.lines[one].id for one in here.tolist()),
            "since": now - timedelta(seconds=planner.WINDOW_S),
            "lately": now - timedelta(days=1),
        },
    )
    for place, last, first, count, recent in rows:
        asked_at[place - 1], oldest[place - 1] = last.timestamp(), first.timestamp()
        asked[place - 1], lately[place - 1] = count, recent
    return asked_at, asked, lately, oldest


_QUESTIONS = text(
    """
    SELECT n.place, max(q.asked_at), min(q.asked_at), count(*), count(*) FILTER (WHERE q.asked_at > :lately)
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS n(line_id, place)
    JOIN line_query q ON q.line_id = n.line_id AND q.asked_at > :since GROUP BY n.place
    """
)


def _ask(
    session: Session,
    batch: Batch,
    here: npt.NDArray[np.int64],
    source: npt.NDArray[np.int64],
    available: Sequence[Offer],
    some: npt.NDArray[np.int64],
    lane: str,
    again: Floats,
    at_s: Floats,
) -> None:
    """Queue questions about some lines; where a source has no room, `again` is set to when it may have."""
    if not len(some):
        return
    wanted = Counter(available[int(source[one])].name for one in some.tolist())
    times = {name: reserve(session, name, lane, count) for name, count in sorted(wanted.items())}
    jobs = []
    now = clock.real_now()
    for one in some.tolist():
        name = available[int(source[one])].name
        if not times[name]:
            again[one] = at_s[one] + FARTHEST.total_seconds()
            continue
        at = times[name].pop(0)
        line = batch.lines[int(here[one])]
        args = {
            "borrower_id": str(line.borrower_id),
            "line_id": str(line.id),
            "reason": lane,
            "source": name,
        }
        jobs.append(
            NewJob("line.query", args, priority=10 if lane == CONFIRM else 0, at=at if at > now else None)
        )
        measures.ASKED.labels(name, lane).inc()
    defer_many(session, jobs)


def reserve(session: Session, source: str, lane: str, count: int) -> list[datetime]:
    """Real times for that many questions to a source, as many as it has room for within `FARTHEST`."""
    capabilities = feeds.capabilities().get(source)
    if capabilities is None or capabilities.per_s <= 0:
        return []
    gap_s = 1 / (capabilities.per_s * _SHARE[lane])
    now = clock.real_now()
    session.execute(_LANE, {"source": source, "lane": lane, "now": now})
    free = max(now, session.execute(_FREE, {"source": source, "lane": lane}).scalar_one())
    room = int(((now + FARTHEST) - free).total_seconds() / gap_s) + 1 if free <= now + FARTHEST else 0
    taken = min(count, room)
    session.execute(_TAKE, {"source": source, "lane": lane, "free": free + timedelta(seconds=gap_s * taken)})
    return [free + timedelta(seconds=gap_s * number) for number in range(taken)]


_LANE = text(
    "INSERT INTO line_rate (source, lane, free_at) VALUES (:source, :lane, :now) ON CONFLICT DO NOTHING"
)
_FREE = text("SELECT free_at FROM line_rate WHERE source = :source AND lane = :lane FOR UPDATE")
_TAKE = text("UPDATE line_rate SET free_at = :free WHERE source = :source AND lane = :lane")


def _set_looks(session: Session, batch: Batch, here: npt.NDArray[np.int64], again: Floats) -> None:
    lines = [batch.lines[one] for one in here.tolist()]
    session.execute(
        _LOOKS,
        {
            "borrowers": plain_array(line.borrower_id for line in lines),
            "ids": plain_array(line.id for line in lines),
            "at": plain_array(again.tolist()),
        },
    )


_LOOKS = text(
    """
    UPDATE line_belief b SET next_look_at = to_timestamp(n.at)
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:ids AS uuid[]), CAST(:at AS float8[])) AS n(borrower_id, line_id, at)
    WHERE b.borrower_id = n.borrower_id AND b.line_id = n.line_id
    """
)
