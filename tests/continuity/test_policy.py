"""The judgement over the outage policy: who is protected, in which days, and that facts decide, not their order. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.continuity import policy
from throughline.continuity.policy import Facts, Outcome, Window
from throughline.contracts import outage

POLICY = outage.newest()
LINE = POLICY.rows[0]
WORD = next(row for row in POLICY.rows if row.cause == "claim")
DARK = date(2026, 11, 1)
DAY = timedelta(days=1)


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "cause": "line", "kind": "suspended", "began": DARK, "ended": None, "due_date": DARK + 10 * DAY,
        "probability_percent": 95,
    }  # fmt: skip
    return Facts(**(given | changes))


@given(st.sampled_from(sorted(outage.KINDS["line"])), st.integers(0, 100), st.integers(-30, 130))
def test_a_grant_is_exactly_where_the_row_says(kind: str, percent: int, due_in: int) -> None:
    verdict = policy.judge(
        POLICY, facts(kind=kind, probability_percent=percent, due_date=DARK + due_in * DAY)
    )
    inside = -LINE.lead_days <= due_in < LINE.cap_days
    assert verdict.granted == (percent >= LINE.min_probability_percent and inside)
    assert (verdict.outcome is Outcome.OPEN) == (percent < LINE.min_probability_percent)
    assert set(verdict.reason) == {"zh-CN", "en"}
    assert verdict.reason["zh-CN"] != verdict.reason["en"]
    if verdict.granted:
        assert verdict.window == Window(DARK, DARK + (LINE.cap_days - 1) * DAY)
        assert verdict.measures == LINE.measures


@given(st.integers(0, 200), st.integers(0, 50))
def test_the_last_day_is_inside_the_cap_and_never_earlier_for_a_later_return(back: int, more: int) -> None:
    def last(days: int) -> date:
        return policy.window_of(LINE, facts(ended=DARK + days * DAY)).last

    assert last(back) <= last(back + more) <= DARK + (LINE.cap_days - 1) * DAY
    assert last(back) == min(DARK + (back + LINE.catch_up_days) * DAY, DARK + (LINE.cap_days - 1) * DAY)


@given(st.integers(0, 80), st.integers(0, 80))
def test_who_is_reached_has_the_days_to_act(reached: int, due_in: int) -> None:
    verdict = policy.judge(POLICY, facts(reached=DARK + reached * DAY, due_date=DARK + due_in * DAY))
    assert LINE.reached_days is not None
    last = DARK + min(reached + LINE.reached_days, LINE.cap_days - 1) * DAY
    assert verdict.granted == (DARK + due_in * DAY <= last)
    if verdict.window:
        assert verdict.window.last == last
    else:
        assert "reached" in verdict.reason["en"]


def test_a_stop_that_was_asked_for_is_protected_for_less() -> None:
    asked = policy.judge(POLICY, facts(requested=True))
    assert asked.window
    assert LINE.requested_cap_days
    assert asked.window.last == DARK + (LINE.requested_cap_days - 1) * DAY


@given(st.lists(st.integers(1, 800), max_size=8))
def test_beyond_the_most_a_person_looks_and_nothing_counts_meanwhile(days_ago: list[int]) -> None:
    assert LINE.most_cases
    assert LINE.most_in_days
    earlier = [DARK - one * DAY for one in days_ago]
    verdict = policy.judge(POLICY, facts(earlier=earlier))
    lately = len({one for one in days_ago if one < LINE.most_in_days})
    assert (verdict.outcome is Outcome.REVIEW) == (lately >= LINE.most_cases)
    if verdict.outcome is Outcome.REVIEW:
        assert verdict.measures == LINE.review_measures
        assert verdict.window


def test_a_bare_word_gives_a_short_grace_from_the_due_date_on() -> None:
    said = facts(cause="claim", kind="phone_lost", probability_percent=100)
    verdict = policy.judge(POLICY, said)
    assert WORD.grace_days
    assert verdict.window == Window(said.due_date, said.due_date + (WORD.grace_days - 1) * DAY)
    late = policy.judge(POLICY, replace(said, due_date=DARK - 2 * DAY))
    assert late.window == Window(DARK, DARK + (WORD.grace_days - 1) * DAY)
    over = policy.judge(POLICY, replace(said, ended=DARK + DAY))
    assert over.outcome is Outcome.REFUSED  # it was over long before the due date
    assert policy.judge(POLICY, replace(said, contradicted=True)).outcome is Outcome.REVIEW
    again = policy.judge(POLICY, replace(said, earlier=(DARK - 30 * DAY,)))
    assert again.outcome is Outcome.REVIEW


def test_evidence_is_never_in_doubt_for_a_contradicted_word() -> None:
    assert policy.judge(POLICY, facts(contradicted=True)).granted


def test_interest_is_spared_by_product() -> None:
    row = {
        "id": "A", "from": "2026-01-01", "to": None, "cause": "line", "kinds": ["suspended"], "lead_days": 3,
        "cap_days": 9, "catch_up_days": 1, "measures": ["penalty_pause", "interest_pause"],
        "products_with_interest": ["cash-cn"],
    }  # fmt: skip
    table = outage.parse_policy({"version": "x", "published_on": "2026-01-01", "rows": [row]})
    due = DARK
    assert policy.judge(table, facts(due_date=due, product_code="cash-cn")).measures == {
        "penalty_pause",
        "interest_pause",
    }
    assert policy.judge(table, facts(due_date=due, product_code="other")).measures == {"penalty_pause"}


def test_rows_hold_for_outages_that_begin_in_them() -> None:
    row = {
        "id": "A", "from": "2026-01-01", "to": "2026-06-30", "cause": "line", "kinds": ["suspended"],
        "lead_days": 3, "cap_days": 90, "catch_up_days": 1, "measures": ["penalty_pause"],
    }  # fmt: skip
    later = row | {"id": "B", "from": "2026-07-01", "to": None, "cap_days": 30}
    table = outage.parse_policy({"version": "x", "published_on": "2026-01-01", "rows": [row, later]})

    def row_of(began: date) -> str | None:
        verdict = policy.judge(table, facts(began=began, due_date=began))
        return verdict.row.id if verdict.row else None

    assert row_of(date(2026, 6, 30)) == "A"
    assert row_of(date(2026, 7, 1)) == "B"
    assert row_of(date(2025, 12, 31)) is None


@given(
    st.builds(
        facts,
        kind=st.sampled_from(sorted(outage.KINDS["line"])),
        probability_percent=st.integers(80, 100),
        due_date=st.integers(-10, 110).map(lambda n: DARK + n * DAY),
        ended=st.none() | st.integers(0, 100).map(lambda n: DARK + n * DAY),
        reached=st.none() | st.integers(0, 100).map(lambda n: DARK + n * DAY),
        requested=st.booleans(),
    )
)
def test_the_signed_version_is_the_least_that_counts(some: Facts) -> None:
    order = [Outcome.REFUSED, Outcome.OPEN, Outcome.REVIEW, Outcome.GRANTED]
    signed, newest = outage.shipped()[0], outage.newest()
    found = policy.best((signed, newest), some)
    for version in (signed, newest):
        one = policy.judge(version, some)
        assert order.index(found.outcome) >= order.index(one.outcome)
        if found.outcome is one.outcome and found.window and one.window:
            assert found.window.last >= one.window.last
    if policy.judge(signed, some) == found:
        assert found.policy_version == signed.version  # a tie goes to what was signed


def test_a_judgement_needs_a_policy() -> None:
    with pytest.raises(ValueError, match="policy"):
        policy.best((), facts())


def test_more_generous_numbers_never_give_less() -> None:
    for earlier, later in pairwise(range(1, 40)):
        less = replace(LINE, catch_up_days=earlier)
        more = replace(LINE, catch_up_days=later)
        some = facts(ended=DARK + DAY)
        assert policy.window_of(less, some).last <= policy.window_of(more, some).last
