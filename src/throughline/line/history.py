"""What was believed of a line over time, computed anew from its evidence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from throughline.line import fold
from throughline.line.emissions import read
from throughline.line.filter import public
from throughline.line.fold import Codebook
from throughline.line.parameters import Params, params
from throughline.line.signals import Signal
from throughline.line.state import PublicState


def beliefs(
    signals: Sequence[Signal], points: Sequence[datetime], *, start: datetime, by: Params | None = None
) -> list[dict[PublicState, float]]:
    """Probabilities of the public states at each of `points` (rising), each by the evidence observed until
    then, whenever it was received: what we know now of what was then. `start`: nothing is known before it."""
    used = by or params()
    unique = {signal.key(): signal for signal in signals}
    heard = [(one, said) for one in sorted(unique.values(), key=Signal.sort_key) if (said := read(one))]
    book = Codebook.of([(signal.source, said) for signal, said in heard], used)
    first = min([start, *points[:1], *(signal.observed_at for signal, _ in heard[:1])])
    rows = fold.fresh(1, first.timestamp(), used)
    answer, number = [], 0
    for point in points:
        while number < len(heard) and heard[number][0].observed_at <= point:
            at = max(heard[number][0].observed_at.timestamp(), float(rows[0, fold.AT]))
            rows = fold.step(rows, np.array([at]), np.array([number]), book, used)
            number += 1
        at = max(point.timestamp(), float(rows[0, fold.AT]))
        answer.append(public(fold.look(rows, np.array([at]), used)[0]))
    return answer
