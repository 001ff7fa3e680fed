"""Questions about many borrowers' times, against the plain way to answer them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from throughline.lab.outage.population.spans import WIDE, Spans, next_of

SPAN = st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 20))
ASKED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90)), min_size=1, max_size=20)


def made(spans: list[tuple[int, int, int]]) -> Spans:
    who = np.array([who for who, _, _ in spans], dtype=np.int64)
    begin = np.array([begin for _, begin, _ in spans], dtype=float)
    return Spans.of(who, begin, begin + np.array([length for _, _, length in spans], dtype=float))


def holds(spans: list[tuple[int, int, int]], who: int, at: float) -> bool:
    return any(of == who and begin <= at < begin + length for of, begin, length in spans)


@given(st.lists(SPAN, max_size=25), ASKED)
def test_spans_answer_as_a_loop_would(
    spans: list[tuple[int, int, int]], asked: list[tuple[int, int]]
) -> None:
    whole = made(spans)
    who = np.array([one for one, _ in asked], dtype=np.int64)
    at = np.array([when for _, when in asked], dtype=float)
    assert whole.inside(who, at).tolist() == [holds(spans, *one) for one in asked]
    clear = []
    for one, when in asked:
        while holds(spans, one, when):
            when += 1  # noqa: PLW2901 - the plain way
        clear.append(float(when))
    assert whole.clear_from(who, at).tolist() == clear
    touched = [any(holds(spans, one, when + step) for step in range(7)) for one, when in asked]
    assert whole.touch(who, at, at + 7).tolist() == touched
    # Disjoint and in order, so that they can be asked by searching.
    keys = whole.who * WIDE + whole.begin
    assert (np.diff(keys) > 0).all()
    both = Spans.union([whole, made([(0, 5, 3)])])
    assert both.inside(who, at).tolist() == [holds([*spans, (0, 5, 3)], *one) for one in asked]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=20), ASKED)
def test_the_next_instant_of_a_borrower(events: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    keys = np.sort(np.array([who * WIDE + at for who, at in events], dtype=float))
    who = np.array([one for one, _ in asked], dtype=np.int64)
    at = np.array([when for _, when in asked], dtype=float)
    expected = [
        float(min((when for of, when in events if of == one and when >= since), default=np.inf))
        for one, since in asked
    ]
    assert next_of(keys, who, at).tolist() == expected


def test_what_never_ends_and_what_never_comes() -> None:
    forever = made([(0, 5, 3)])
    spans = Spans.union([forever, Spans.of(np.array([1]), np.array([7.0]), np.array([np.inf]))])
    who, at = np.array([1, 1, 0]), np.array([6.0, 8.0, np.inf])
    assert spans.clear_from(who, at).tolist() == [6.0, np.inf, np.inf]
    assert not Spans.none().inside(who, at).any()
