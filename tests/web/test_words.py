"""The console's words and its picture of an outage: pure, so tested without a page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.continuity.evidence.media import KINDS
from throughline.ledger.accounts import ROLES, Nature
from throughline.lending.bureau.disputes import DisputeState
from throughline.lending.bureau.figures import Rating
from throughline.lending.bureau.guard import Way
from throughline.lending.bureau.states import FileState, ItemState
from throughline.lending.bureau.views import LISTS
from throughline.lending.history import EventType, VariationKind
from throughline.lending.second_person import ProposalState
from throughline.lending.state import LoanStatus
from throughline.line.state import Meaning, PublicState
from throughline.messaging.classes import MessageClass
from throughline.messaging.lattice import AttemptState
from throughline.messaging.plan import Channel
from throughline.messaging.ports import Verdict
from throughline.messaging.steps import OUTCOMES, StepState
from throughline.origination.states import State as ApplicationState
from throughline.parties.purposes import Purpose
from throughline.payments.states import Cause, Direction
from throughline.payments.states import State as OrderState
from throughline.web.console import strip
from throughline.web.console.labels import label

DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize(
    ("subject", "codes"),
    [
        ("", ApplicationState),
        ("", PublicState),
        ("", Meaning),
        ("", EventType),
        ("", VariationKind),
        ("", Purpose),
        ("loan:", LoanStatus),
        ("payment:", OrderState),
        ("payment:", Cause),
        ("direction:", Direction),
        ("message:", StepState),
        ("message:", AttemptState),
        ("message:", Verdict),
        ("message:", OUTCOMES),
        ("class:", MessageClass),
        ("channel:", Channel),
        ("proposal:", ProposalState),
        ("rating:", Rating),
        ("report:", ItemState),
        ("reports:", LISTS),
        ("file:", FileState),
        ("dispute:", DisputeState),
        ("notice:", Way),
        ("account:", ROLES),
        ("evidence:", KINDS),
        ("evidence:", ("waiting", "accepted", "refused")),
        ("account:", Nature),
    ],
)
def test_every_code_has_a_word_in_both_languages(subject: str, codes: Iterable[str]) -> None:
    for code in codes:
        for locale in ("zh-CN", "en"):
            assert label(f"{subject}{code}", locale), code
        assert label(f"{subject}{code}", "zh-CN") != str(code), f"{subject}{code}"


def test_a_code_without_a_word_is_shown_as_it_is() -> None:
    assert label("payment:strange", "en") == "strange"
    assert label("a:strange:one", "en") == "a:strange:one"
    assert label(None, "en") == "–"


@given(DAYS, st.none() | DAYS, st.lists(st.tuples(st.none() | st.tuples(DAYS, DAYS), DAYS), max_size=4), DAYS)
def test_the_picture_of_an_outage_stays_in_its_frame(
    dark: date, back: date | None, windows: list[tuple[tuple[date, date] | None, date]], today: date
) -> None:
    drawn = strip.draw(
        strip.Span(dark, max(dark, back) if back else None),
        [(strip.Span(min(window), max(window)) if window else None, due) for window, due in windows],
        today,
    )
    for bar in (drawn.dark, *drawn.protections):
        assert bar.x >= 0
        assert bar.width >= 0
        assert bar.x + bar.width <= strip.WIDTH + 0.5
        assert bar.due_x is None or 0 <= bar.due_x <= strip.WIDTH
    assert 0 <= drawn.today_x <= strip.WIDTH
    assert all(0 < x < strip.WIDTH for x, _ in drawn.ticks)
    assert drawn.dark.width > 0
