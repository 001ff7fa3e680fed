"""Time alone changes nothing: an event without an effect, which only cuts the walk in two, leaves all as it was."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, note, settings
from hypothesis import strategies as st

from lending.test_wide_properties import ACTS, END, LAST_DAY, PAYOUT, any_terms, history_of
from throughline.lending.history import EventType, LoanEvent
from throughline.lending.replay import replay
from throughline.lending.terms import LoanTerms


@given(any_terms(), ACTS, st.lists(st.integers(0, LAST_DAY), min_size=1, max_size=4))
@settings(max_examples=200)
def test_events_without_effect_change_nothing(
    terms: LoanTerms, acts: list[tuple[object, int, int]], days: list[int]
) -> None:
    kind = EventType.SET_FUTURE_RULE
    events = [one for one in history_of(terms, acts) if one.type is not kind]
    note(f"{terms}\n" + "\n".join(map(str, events)))
    idle = [
        LoanEvent(f"idle{nr}", kind, PAYOUT + timedelta(days=day), future=terms.allocation.future)
        for nr, day in enumerate(days)
    ]
    assert replay(terms, [*events, *idle], as_of=END) == replay(terms, events, as_of=END)
