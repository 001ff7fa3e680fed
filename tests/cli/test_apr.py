"""`throughline compliance apr`: every form of its document, and mistakes named by their field."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from kernel_ops import places

COUNTED = {
    "method": "us_actuarial",
    "advances": [{"amount": "5000"}],
    "unit_period": {"count": 1, "unit": "months"},
    "first_period": {"whole": 1, "odd_days": 0},
    "payments": [{"count": 24, "amount": "230"}],
}
DATED = {
    "method": "us_actuarial",
    "advances": [{"date": "2026-01-01", "amount": "1000"}],
    "payments": [{"date": f"2026-{month:02}-01", "amount": "180"} for month in range(2, 8)],
}
METHODS = ("us_actuarial", "us_rule", "eu_ccd", "cn_irr", "cn_simple", "effective", "nominal_monthly")


def run(*documents: dict[str, Any], words: tuple[str, ...] = ("--json",)) -> subprocess.CompletedProcess[str]:
    lines = ("--lines",) if len(documents) > 1 else ()
    return places.command(
        "compliance", "apr", "-", *words, *lines, env=os.environ, input="\n".join(map(json.dumps, documents))
    )


def answers(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    shown = run(*documents)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines() if len(documents) > 1 else [shown.stdout]
    return [json.loads(line) for line in lines]


def test_the_answer_has_its_shape() -> None:
    shown = run(COUNTED)
    assert json.loads(shown.stdout) == {
        "method": "us_actuarial",
        "apr_percent": "9.685708",
        "periods_per_year": 12,
        "effective_percent": "10.127465",
        "total_of_payments": "5520.00",
        "finance_charge": "520.00",
    }
    table = run(COUNTED, words=()).stdout
    assert "9.685708 %" in table
    assert "Regulation Z" in table


def test_every_method_takes_every_form() -> None:
    years = {
        "advances": [{"amount": "1000"}, {"at_years": "0.1", "amount": "10"}],
        "payments": [{"at_years": "0.25", "amount": "600"}, {"at_years": "0.5", "amount": "600"}],
    }
    both = DATED | {"unit_period": {"unit": "months"}, "first_period": {"whole": 1}}
    forms = [one | {"method": method} for method in METHODS for one in (COUNTED, DATED, years, both)]
    found = answers(*forms)
    assert [one["method"] for one in found] == [one["method"] for one in forms]
    assert all(float(one["apr_percent"]) > 5 for one in found)
    assert all(float(one["effective_percent"]) >= float(one["apr_percent"]) for one in found)
    # What unit period the dates have is found as it was given.
    assert found[1] == found[3]


def test_periods_go_on_counting_over_groups() -> None:
    fraction = {"first_period": {"whole": 1, "fraction": "19/30"}}
    days = {"first_period": {"whole": 1, "odd_days": 19}}
    one, two, three, four, semi = answers(
        COUNTED | {"payments": [{"count": 23, "amount": "230"}, {"count": 1, "amount": "280"}]},
        COUNTED | {"payments": [{"count": 1, "amount": "250"}, {"count": 23, "amount": "230"}]},
        COUNTED | fraction | {"advances": [{"amount": "6000"}], "payments": [{"count": 36, "amount": "200"}]},
        COUNTED | days | {"advances": [{"date": "1978-02-10", "amount": "6000"}],
                          "payments": [{"count": 36, "amount": "200"}]},
        COUNTED | {"unit_period": {"count": 1, "unit": "semimonths"}, "first_period": {"whole": 0, "odd_days": 6},
                   "payments": [{"count": 24, "amount": "219.17"}]},
    )  # fmt: skip
    assert one["apr_percent"][:5] == "10.50"
    assert two["apr_percent"][:5] == "10.08"
    assert three["apr_percent"] == four["apr_percent"]
    assert (semi["apr_percent"][:5], semi["periods_per_year"]) == ("10.33", 24)


def test_periods_in_a_year_need_not_be_whole() -> None:
    term = DATED | {"payments": [{"date": "2026-09-13", "amount": "1080"}]}
    (found,) = answers(term)
    assert (found["apr_percent"], found["periods_per_year"]) == ("11.450980", 1.431373)


def test_a_free_loan_has_a_rate_of_zero() -> None:
    free = [DATED | {"method": m, "payments": [{"date": "2026-02-01", "amount": "1000"}]} for m in METHODS]
    assert {one["apr_percent"] for one in answers(*free)} == {"0.000000"}


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in COUNTED.items() if key != name}


@pytest.mark.parametrize("chunk", range(3))
def test_mistakes_name_their_field(chunk: int) -> None:
    cases = WRONG[chunk::3]
    shown = run(*(document for document, _ in cases))
    assert (shown.returncode, "Traceback" in shown.stderr) == (2, False)
    for (document, place), line in zip(cases, shown.stdout.splitlines(), strict=True):
        assert json.loads(line)["error"].startswith(f"{place}: "), (document, line)


WRONG: list[tuple[dict[str, Any], str]] = [
    (_without("method"), "$.method"),
    (COUNTED | {"method": "apr"}, "$.method"),
    (_without("unit_period"), "$.unit_period"),
    (DATED | {"first_period": {"whole": 1}}, "$.unit_period"),
    (COUNTED | {"advances": []}, "$.advances"),
    (COUNTED | {"payments": []}, "$.payments"),
    (COUNTED | {"unit_period": {"count": 0, "unit": "months"}}, "$.unit_period.count"),
    (COUNTED | {"unit_period": {"count": 13, "unit": "months"}}, "$.unit_period.count"),
    (COUNTED | {"unit_period": {"count": "1", "unit": "months"}}, "$.unit_period.count"),
    (COUNTED | {"unit_period": {"count": 1, "unit": "moons"}}, "$.unit_period.unit"),
    (COUNTED | {"unit_period": {"count": 1}}, "$.unit_period.unit"),
    (COUNTED | {"unit_period": 1}, "$.unit_period"),
    (COUNTED | {"first_period": {"odd_days": 3}}, "$.first_period.whole"),
    (COUNTED | {"first_period": {"whole": -1}}, "$.first_period.whole"),
    (COUNTED | {"first_period": {"whole": 1, "odd_days": 31}}, "$.first_period.odd_days"),
    (COUNTED | {"first_period": {"whole": 1, "odd_days": 1, "fraction": "1/30"}}, "$.first_period.fraction"),
    (COUNTED | {"first_period": {"whole": 1, "fraction": "1/0"}}, "$.first_period.fraction"),
    (COUNTED | {"first_period": {"whole": 1, "fraction": "31/30"}}, "$.first_period.fraction"),
    (COUNTED | {"first_period": {"whole": 1, "fraction": "-1/30"}}, "$.first_period.fraction"),
    (COUNTED | {"payments": [{"count": 0, "amount": "230"}]}, "$.payments[0].count"),
    (COUNTED | {"payments": [{"count": 9_000, "amount": "1"}] * 2}, "$.payments[1].count"),
    (COUNTED | {"payments": [{"amount": "230"}]}, "$.payments[0].date"),
    (COUNTED | {"payments": [{"count": 2, "amount": "230"}, {"amount": "230"}]}, "$.payments[1].count"),
    (COUNTED | {"payments": [{"count": 2, "date": "2026-01-01", "amount": "1"}]}, "$.payments[0].count"),
    (
        COUNTED | {"payments": [{"count": 2, "amount": "1"}, {"date": "2026-01-01", "amount": "1"}]},
        "$.payments[1].date",
    ),
    (COUNTED | {"payments": [{"count": 24, "amount": "0"}]}, "$.payments[0].amount"),
    (COUNTED | {"payments": [{"count": 24, "amount": "-1"}]}, "$.payments[0].amount"),
    (COUNTED | {"payments": [{"count": 24}]}, "$.payments[0].amount"),
    (COUNTED | {"payments": [{"count": 24, "amount": "1"}]}, "$.payments"),
    (COUNTED | {"payments": [{"at_years": "1", "amount": "9999"}]}, "$.first_period"),
    (COUNTED | {"advances": [{"count": 1, "amount": "5000"}]}, "$.advances[0].count"),
    (DATED | {"advances": [{"amount": "1000"}]}, "$.advances[0].date"),
    (DATED | {"advances": [{"at_years": "0", "amount": "1000"}]}, "$.advances[0].date"),
    (DATED | {"advances": [*DATED["advances"], {"amount": "1"}]}, "$.advances[1].date"),
    (DATED | {"payments": [{"at_years": "1", "amount": "9999"}]}, "$.advances[0].date"),
    (COUNTED | {"advances": [{"date": "2026-01-01", "amount": "1"}, {"amount": "1"}]}, "$.advances[1].date"),
    (DATED | {"payments": [{"date": "2025-12-31", "amount": "9999"}]}, "$.payments"),
    (DATED | {"payments": [{"date": "2026-01-01", "amount": "1000"}]}, "$.payments"),
    (DATED | {"payments": [{"date": "2026-01-02", "amount": "999999999"}], "method": "effective"}, "$.payments"),
    (DATED | {"advances": [{"amount": "1"}], "payments": [{"at_years": "-1", "amount": "2"}]},
     "$.payments[0].at_years"),
    (DATED | {"advances": [{"amount": "1"}], "payments": [{"at_years": "1e3", "amount": "2"}]},
     "$.payments[0].at_years"),
    (DATED | {"advances": [{"at_years": "2", "amount": "1"}], "payments": [{"at_years": "1", "amount": "2"}]},
     "$.payments"),
]  # fmt: skip
