"""The outage policy as a table: what it may not say, and that the clause is written from what is applied."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from throughline.contracts import outage, outage_words
from throughline.contracts.outage import PolicyRefused, parse_policy

ROW: dict[str, Any] = {
    "id": "A",
    "from": date(2026, 1, 1),
    "to": None,
    "cause": "line",
    "kinds": ["suspended"],
    "min_probability_percent": 90,
    "lead_days": 3,
    "catch_up_days": 3,
    "cap_days": 90,
    "measures": ["delinquency_pause", "penalty_pause"],
}
WORD = ROW | {"cause": "claim", "kinds": ["line_out"], "proof": "word", "grace_days": 3}


def _policy(*rows: dict[str, Any]) -> outage.OutagePolicy:
    return parse_policy({"version": "x", "published_on": "2026-01-01", "rows": list(rows)})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW | {"measures": ["forgiveness"]}], "A: measures are"),
        ([ROW | {"kinds": ["active"]}], "A: kinds of line are"),
        ([ROW | {"cause": "weather"}], "A: cause is one of"),
        ([ROW, ROW | {"id": "B", "from": date(2026, 3, 1)}], "B overlaps A"),
        ([ROW, ROW | {"id": "B", "from": date(2025, 3, 1), "to": date(2026, 1, 1)}], "B overlaps A"),
        ([ROW | {"cap_days": 0}], "A: cap_days is a whole number from 1"),
        ([ROW | {"cap_days": "many"}], "A: cap_days is a whole number"),
        ([ROW | {"lead_days": True}], "A: lead_days is a whole number"),
        ([ROW | {"from": "yesterday"}], "A.from: a date such as"),
        ([ROW | {"proof": "word"}], "A: proof is `word` for a claim"),
        ([WORD | {"grace_days": None}], "A: grace_days belong to proof"),
        ([ROW | {"grace_days": 3}], "A: grace_days belong to proof"),
        ([ROW | {"generosity": 3}], "A: unknown fields"),
        ([ROW | {"measures": ["report_hold"], "shift_working_days": 1}], "A: a due date moves only"),
        ([ROW, ROW], "two rows have the same id"),
        ([], "at least one row"),
        (["A"], r"rows\[0\]"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(PolicyRefused, match=said):
        _policy(*rows)


@pytest.mark.parametrize("document", [None, [], {"rows": []}, {"version": "x"}])
def test_what_is_no_policy_is_refused(document: Any) -> None:
    with pytest.raises(PolicyRefused, match="version, published_on and rows"):
        parse_policy(document)


def test_the_same_rows_have_the_same_digest_and_other_rows_another() -> None:
    as_text = yaml.safe_load(yaml.safe_dump([ROW]))
    assert _policy(*as_text).digest == _policy(ROW).digest
    assert _policy(ROW | {"cap_days": 91}).digest != _policy(ROW).digest


def test_every_kind_of_interruption_is_in_the_newest_version_once() -> None:
    for cause, kinds in outage.KINDS.items():
        for kind in kinds:
            assert outage.newest().row_for(cause, kind, date(2026, 11, 30)) is not None


def test_the_first_version_keeps_the_words_that_were_signed() -> None:
    first = outage.version("outage-clause-1")
    assert first is not None
    for row, text in zip(first.rows, outage_words.clause(first), strict=True):
        assert text == row.words


def test_the_clause_says_the_numbers_that_are_applied() -> None:
    for row, text in zip(outage.newest().rows, outage_words.clause(outage.newest()), strict=True):
        for locale, said in text.items():
            numbers = (
                [row.grace_days] if row.proof == "word" else [row.cap_days, row.catch_up_days, row.lead_days]
            )
            numbers += [row.reached_days, row.requested_cap_days, row.most_cases, row.shift_working_days]
            for number in numbers:
                assert number is None or str(number) in said, (row.id, locale, number)
        assert text["zh-CN"] != text["en"]
        changed = outage_words.row_words(_policy({**ROW, "cap_days": 77}).rows[0])
        assert "77" in changed["zh-CN"]
        assert "77" in changed["en"]
