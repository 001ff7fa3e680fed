"""What is shown of many lines, step by step: the belief's row and, beside it, the public state with its begin,
the alarm, a push that waits for its answer, and the evidence that moved it. Pure; rows are lines.

All of it is a function of the evidence in its order, so that a track can be kept, copied as a checkpoint, and
stepped on later with the same result as from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from throughline.line import fold
from throughline.line.fold import PUBLIC, Codebook, Indices, Mask
from throughline.line.parameters import Floats, Params
from throughline.line.state import ALARM_AT, CLEAR_AT, SHOWN_FROM, PublicState

CONFIRM_WAIT = timedelta(minutes=10)
MOVED = 5  # pieces of evidence that are named

# The columns behind those of the fold.
STATE = fold.WIDTH  # a place in STATES_SHOWN
SINCE = STATE + 1  # seconds since the epoch
ALARM = STATE + 2
PUSHED = STATE + 3  # when a push came that is not answered yet; -inf: none waits
WIDTH = STATE + 4

STATES_SHOWN = (*PUBLIC, PublicState.UNKNOWN)
UNKNOWN = len(PUBLIC)
_WAIT_S = CONFIRM_WAIT.total_seconds()

Name = TypeVar("Name")  # of a piece of evidence


@dataclass(frozen=True, slots=True)
class Spans:
    """Incidents as an input of the fold: what is weak counts for nothing in them, and silence is explained.

    `group`: by line, the number of its group, -1 for none. `spans`: (group, onset, end) in seconds, the end
    infinite while it goes on.
    """

    group: Indices
    spans: Sequence[tuple[int, float, float]]

    def of(self, lines: Indices) -> Spans:
        """The same for some of the lines."""
        return Spans(self.group[lines], self.spans)

    def inside(self, at_s: Floats) -> Mask:
        """Which lines are in an incident at their instants."""
        inside = np.zeros(len(at_s), dtype=bool)
        for group, onset, end in self.spans:
            inside |= (self.group == group) & (at_s >= onset) & (at_s <= end)
        return inside

    def explained_s(self, since_s: Floats, at_s: Floats) -> Floats:
        """Seconds of each silence that an incident explains."""
        explained = np.zeros(len(at_s))
        for group, onset, end in self.spans:
            overlap = np.minimum(end, at_s) - np.maximum(onset, since_s)
            explained += np.where(self.group == group, np.maximum(overlap, 0.0), 0.0)
        return explained

    def onset(self, at_s: Floats) -> Floats:
        """When the incident began that each line is in; infinite where there is none."""
        onset_s = np.full(len(at_s), np.inf)
        for group, onset, end in self.spans:
            mine = (self.group == group) & (at_s >= onset) & (at_s <= end)
            onset_s = np.where(mine, np.minimum(onset_s, onset), onset_s)
        return onset_s


@dataclass(frozen=True, slots=True)
class Shown:
    """What tracks say at an instant. `aged`: time alone has led to the state, nothing was observed."""

    p: Floats  # (lines, states)
    state: Indices  # places in STATES_SHOWN
    probability: Floats  # of the state; 0 for unknown
    since_s: Floats
    alarm: Mask
    aged: Mask
    dark: Floats  # P(cannot receive)


class Tracks(Generic[Name]):
    """The tracks of some lines, changed in place. `moved`: by line, the names of what moved its state last."""

    def __init__(self, rows: Floats, moved: list[tuple[Name, ...]]) -> None:
        self.rows = rows
        self.moved = moved

    @classmethod
    def fresh(cls, at_s: Floats, by: Params) -> Tracks[Name]:
        """Of lines of which nothing is known yet."""
        rows = np.zeros((len(at_s), WIDTH))
        rows[:, : fold.WIDTH] = fold.fresh(len(at_s), at_s, by)
        rows[:, STATE] = UNKNOWN
        rows[:, SINCE] = at_s
        rows[:, PUSHED] = -np.inf
        return cls(rows, [()] * len(at_s))

    def step(
        self,
        lines: Indices,
        observed_s: Floats,
        reading: Indices,
        names: Sequence[Name],
        book: Codebook,
        by: Params,
        spans: Spans | None = None,
    ) -> None:
        """One more observation of each of these lines, in the order of evidence. `spans` are of all lines."""
        before = self.rows[lines]
        at_s = np.maximum(observed_s, before[:, fold.AT])
        here = spans.of(lines) if spans is not None and spans.spans else None
        muted = book.weak[reading] & here.inside(at_s) if here else None
        explained = here.explained_s(before[:, fold.AT], at_s) if here else None
        after = np.empty_like(before)
        after[:, : fold.WIDTH] = fold.step(before[:, : fold.WIDTH], at_s, reading, book, by, muted, explained)
        state, _, dark = _shown(after[:, fold.P])
        turned = state != before[:, STATE]
        after[:, STATE] = state
        after[:, SINCE] = np.where(turned, observed_s, before[:, SINCE])
        waiting = before[:, PUSHED] > -np.inf
        ripe = waiting & (at_s - before[:, PUSHED] >= _WAIT_S)
        alarm = (before[:, ALARM] > 0) | ripe  # nobody answered: the push stood alone
        up = ~alarm & (dark >= ALARM_AT) & ~_sheltered(after, at_s, here)
        push = book.kind[reading] == fold.PUSHED
        after[:, PUSHED] = np.where(up & push, np.where(waiting, before[:, PUSHED], at_s), -np.inf)
        after[:, ALARM] = (alarm & (dark >= CLEAR_AT)) | (up & ~push)
        self.rows[lines] = after
        told = book.authoritative[reading] & ~turned
        for one in np.nonzero(turned)[0].tolist():
            self.moved[lines[one]] = (names[one],)
        for one in np.nonzero(told)[0].tolist():
            self.moved[lines[one]] = (*self.moved[lines[one]][1 - MOVED :], names[one])

    def shown(self, at_s: Floats, by: Params, spans: Spans | None = None) -> Shown:
        """What is believed at instants; those before a track's own count as its own."""
        rows = self.rows
        at_s = np.maximum(at_s, rows[:, fold.AT])
        around = spans if spans is not None and spans.spans else None
        explained = around.explained_s(rows[:, fold.AT], at_s) if around else None
        p = fold.look(rows[:, : fold.WIDTH], at_s, by, explained)
        state, chance, dark = _shown(p)
        # Where nothing was ever heard, time alone shows no state.
        heard = np.array([bool(names) for names in self.moved], dtype=bool)
        aged = heard & (state != rows[:, STATE])
        state = np.where(aged, state, rows[:, STATE]).astype(np.int64)
        waiting = rows[:, PUSHED] > -np.inf
        ripe = waiting & (at_s - rows[:, PUSHED] >= _WAIT_S)
        alarm = (rows[:, ALARM] > 0) | ripe
        up = ~alarm & (dark >= ALARM_AT) & ~waiting & ~_sheltered(rows, at_s, around)
        return Shown(
            p,
            state,
            np.where(state == UNKNOWN, 0.0, chance[np.arange(len(rows)), np.minimum(state, UNKNOWN - 1)]),
            np.where(aged, at_s, rows[:, SINCE]),
            (alarm & (dark >= CLEAR_AT)) | up,
            aged,
            dark,
        )

    def copy(self, lines: Indices) -> Tracks[Name]:
        """A copy of some tracks, in the order given."""
        return Tracks(self.rows[lines].copy(), [self.moved[one] for one in lines.tolist()])

    def put(self, lines: Indices, other: Tracks[Name]) -> None:
        """Replace the tracks of some lines."""
        self.rows[lines] = other.rows
        for line, moved in zip(lines.tolist(), other.moved, strict=True):
            self.moved[line] = moved


def run(
    tracks: Tracks[Name],
    lines: Indices,
    observed_s: Floats,
    reading: Indices,
    names: Sequence[Name],
    book: Codebook,
    by: Params,
    *,
    spans: Spans | None = None,
    cut_s: Floats | None = None,
) -> Tracks[Name] | None:
    """Step tracks through much evidence, sorted by line and within a line in the order of evidence.

    With `cut_s`, an instant for each track, returns the tracks as they were after all evidence up to it.
    """
    counts = np.bincount(lines, minlength=len(tracks.moved))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    kept = None if cut_s is None else tracks.copy(np.arange(len(tracks.moved)))
    for number in range(int(counts.max(initial=0))):
        going = np.nonzero(counts > number)[0]
        place = first[going] + number
        tracks.step(
            going, observed_s[place], reading[place], [names[one] for one in place.tolist()], book, by, spans
        )
        if kept is not None and cut_s is not None:
            early = going[observed_s[place] <= cut_s[going]]
            if len(early):
                kept.put(early, tracks.copy(early))
    return kept


def instant(at_s: float) -> datetime:
    """Seconds since the epoch as an instant, exact to the microsecond."""
    return datetime.fromtimestamp(at_s, UTC)


def _shown(p: Floats) -> tuple[Indices, Floats, Floats]:
    """The public state of each row, the chances of all of them, and P(cannot receive)."""
    chances = fold.public(p)
    best = chances.argmax(axis=1)
    likely = chances[np.arange(len(p)), best] >= SHOWN_FROM
    return np.where(likely, best, UNKNOWN).astype(np.int64), chances, fold.cannot_receive(p)


def _sheltered(rows: Floats, at_s: Floats, here: Spans | None) -> Mask | npt.NDArray[np.bool_]:
    """In an incident, without the word of somebody who knows since it began: no alarm rises."""
    if here is None:
        return np.zeros(len(at_s), dtype=bool)
    onset = here.onset(at_s)
    return np.isfinite(onset) & (fold.told_at(rows[:, : fold.WIDTH]) < onset)
