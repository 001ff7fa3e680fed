"""The dated rules: who is protected, in which window, and what a table may not say. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.continuity import policy

RULES = policy.shipped_rules()
(RULE,) = RULES
DARK = date(2026, 11, 1)
ROW: dict[str, Any] = {
    "id": "A",
    "from": date(2026, 1, 1),
    "to": None,
    "line_states": ["suspended"],
    "min_probability_percent": 90,
    "lead_days": 3,
    "catch_up_days": 3,
    "cap_days": 90,
    "measures": ["delinquency_pause"],
}


def _judge(**changes: Any) -> policy.Verdict:
    values: dict[str, Any] = {
        "line_state": "suspended",
        "probability_percent": 95,
        "dark_from": DARK,
        "due_date": DARK + timedelta(days=10),
        "today": DARK + timedelta(days=10),
    }
    return policy.judge(RULES, **(values | changes))


@given(
    st.sampled_from(sorted(policy.CANNOT_RECEIVE | policy.BACK | {"unknown"})),
    st.integers(0, 100),
    st.integers(-30, 130),
    st.integers(0, 130),
)
def test_a_grant_is_exactly_where_the_rule_says(state: str, percent: int, due_in: int, day: int) -> None:
    verdict = _judge(
        line_state=state,
        probability_percent=percent,
        due_date=DARK + timedelta(days=due_in),
        today=DARK + timedelta(days=day),
    )
    inside = -RULE.lead_days <= due_in < RULE.cap_days and day < RULE.cap_days
    assert verdict.granted == (
        state in RULE.line_states and percent >= RULE.min_probability_percent and inside
    )
    assert set(verdict.reason) == {"zh-CN", "en"}
    assert verdict.reason["zh-CN"] != verdict.reason["en"]
    if verdict.granted:
        assert verdict.window == policy.Window(DARK, DARK + timedelta(days=RULE.cap_days - 1))
    assert verdict.open_question == (state in RULE.line_states and percent < RULE.min_probability_percent)


@given(st.integers(0, 200), st.integers(0, 50))
def test_the_last_day_is_inside_the_cap_and_never_earlier_for_a_later_return(back: int, more: int) -> None:
    def last(days: int) -> date:
        return policy.last_protected_day(RULE, dark_from=DARK, back_on=DARK + timedelta(days=days))

    assert last(back) <= last(back + more) <= DARK + timedelta(days=RULE.cap_days - 1)
    assert last(back) == min(
        DARK + timedelta(days=back + RULE.catch_up_days), DARK + timedelta(days=RULE.cap_days - 1)
    )


def test_rows_hold_for_outages_that_begin_in_them() -> None:
    old = ROW | {"to": date(2026, 6, 30)}
    new = ROW | {"id": "B", "from": date(2026, 7, 1), "cap_days": 30}
    rules = policy.parse_rules([old, new])

    def rule_of(dark_from: date) -> str | None:
        verdict = policy.judge(
            rules, line_state="suspended", probability_percent=99, dark_from=dark_from,
            due_date=dark_from, today=dark_from,
        )  # fmt: skip
        return verdict.rule.id if verdict.rule else None

    assert rule_of(date(2026, 6, 30)) == "A"
    assert rule_of(date(2026, 7, 1)) == "B"
    assert rule_of(date(2025, 12, 31)) is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW | {"measures": ["forgiveness"]}], "unknown measures"),
        ([ROW | {"line_states": ["active"]}], "no outage"),
        ([ROW, ROW | {"id": "B", "from": date(2026, 3, 1)}], "overlaps"),
        ([ROW, ROW | {"id": "B", "from": date(2025, 3, 1), "to": date(2026, 1, 1)}], "overlaps"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        policy.parse_rules(rows)


def test_the_shipped_table_names_no_state_twice() -> None:
    assert RULE.line_states <= policy.CANNOT_RECEIVE
    assert not policy.CANNOT_RECEIVE & policy.BACK
