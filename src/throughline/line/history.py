"""A belief over time, for a chart: worked out from the stored evidence, as it is known today."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from throughline.line import beliefs, fold, track
from throughline.line.fold import PUBLIC
from throughline.line.state import PublicState
from throughline.line.track import Tracks, instant

MAX_POINTS = 500


def history(
    session: Session, line_id: UUID, since: datetime, until: datetime, points: int
) -> list[tuple[datetime, dict[PublicState, float]]]:
    """The probabilities of the public states at `points` instants from `since` to `until`, oldest first.

    Empty for a line that is not there. What came late counts where it belongs, as it does for the belief.
    """
    if not 2 <= points <= MAX_POINTS or since >= until:
        raise ValueError(f"2 to {MAX_POINTS} points of a time that begins before it ends")
    batch = beliefs.peek(session, [line_id])
    if not batch.lines:
        return []
    line = batch.lines[0]
    from_checkpoint = (
        not batch.stale
        and line.checkpoint is not None
        and line.checkpoint_until is not None
        and line.checkpoint_until <= since
    )
    evidence = beliefs.evidence_of(session, batch, [0], [line.checkpoint_until if from_checkpoint else None])
    if from_checkpoint:
        tracks = beliefs.unpacked([line.checkpoint or b""])
    else:
        begin = min(line.registered_at.timestamp(), *evidence.observed_s[:1].tolist(), np.inf)
        tracks = Tracks[bytes].fresh(np.array([begin]), batch.by)
    series = []
    done = 0
    for at_s in np.linspace(since.timestamp(), until.timestamp(), points).tolist():
        upto = int(np.searchsorted(evidence.observed_s, at_s, side="right"))
        track.run(
            tracks,
            evidence.line[done:upto],
            evidence.observed_s[done:upto],
            evidence.reading[done:upto],
            evidence.names[done:upto],
            evidence.book,
            batch.by,
            spans=batch.spans,
        )
        done = max(done, upto)
        if at_s < float(tracks.rows[0, fold.AT]):
            continue  # before anything was known of the line
        p = tracks.shown(np.array([at_s]), batch.by, batch.spans).p
        chances = fold.public(p)[0].tolist()
        series.append((instant(at_s), dict(zip(PUBLIC, chances, strict=True))))
    return series
