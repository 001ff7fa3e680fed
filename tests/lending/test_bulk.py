"""Schedules of many loans at once are those of `build_schedule`, number for number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.kernel.money import from_minor
from throughline.lending.bulk import planner
from throughline.lending.bulk.columns import COLUMNS, document
from throughline.lending.bulk.plain import structure_of
from throughline.lending.bulk.planner import Loans, Planned, Planner, Problem, schedule_of
from throughline.lending.reading_json import InputError

Cells = dict[str, str]
DIGITS = {"CNY": 2, "JPY": 0, "KWD": 3}
MODES = ["half_even", "half_up", "up", "down"]


def a_structure(chance: random.Random) -> tuple[str, Cells]:
    """What a group of loans has in common."""
    currency = chance.choice(["CNY", "CNY", "JPY", "KWD"])
    unit = chance.choice(["months", "months", "months", "weeks", "days"])
    cells = {
        "installments": str(chance.choice([1, 2, 3, 6, 12, 12, 24, 36, 60, 360])),
        "amortization": chance.choice(["", "equal_installments", "equal_installments", "equal_principal"]),
        "repay_every.unit": unit,
        "repay_every.count": str(chance.choice([1, 1, 1, 2, 3, 14])),
        "day_count.year": chance.choice(["", "actual", "360", "364", "365"]),
        "day_count.month": chance.choice(["", "actual", "30"]),
        "due_dates": chance.choice(["", "month_end"]) if unit == "months" else "",
        "rounding.mode": chance.choice(MODES),
        "interest_period": chance.choice(["", "same_as_repayment", "daily"]),
        "grace.arrears_days": chance.choice(["", "3"]),
        "interest_recalculation.enabled": chance.choice(["", "false"]),
    }
    if chance.random() < 0.4:
        cells["rounding.installment_multiple"] = chance.choice(["1", "5", "10", "100", "1000"])
        cells["rounding.installment_multiple_mode"] = chance.choice(MODES)
    return currency, cells


def a_loan(chance: random.Random, currency: str) -> Cells:
    """What differs from loan to loan: from one minor unit up, from no interest to a thousand percent."""
    exponent = chance.choice([1, 2, 4, 6, 6, 6, 7, 9, 12])
    minor = chance.choice([chance.randint(1, 10**exponent), 10**exponent, 12 * 10 ** (exponent - 1)])
    rate = chance.choice(
        [
            *("0", "12", "12.00", "24", "36", "1000", "0.0001", "3.141592653589"),
            *(
                f"{chance.uniform(0, 36):.2f}",
                f"{chance.uniform(0, 36):.4f}",
                f"{chance.uniform(36, 1000):.1f}",
            ),
        ]
    )
    payout = date(2020, 1, 1) + timedelta(days=chance.randint(0, 3000))
    if chance.random() < 0.2:
        payout = chance.choice([date(2024, 1, 31), date(2024, 2, 29), date(2023, 12, 31), date(2100, 2, 28)])
    first = ""
    if chance.random() < 0.4:
        gap = chance.choice([30, 31, 28, 29, chance.randint(1, 90), chance.randint(1, 700)])
        first = str(payout + timedelta(days=gap))
    return {
        "principal": from_minor(minor, currency),
        "annual_rate_percent": rate,
        "expected_disbursement_date": str(payout),
        "first_due_date": first,
    }


def table(rows: Sequence[tuple[str, Cells]]) -> Loans:
    """Rows of (currency, cells) as a table."""
    names = sorted({name for _, cells in rows for name in cells} | set(planner.BY_ROW))
    return Loans(
        list(range(2, len(rows) + 2)),
        [f"L{nr}" for nr in range(len(rows))],
        [currency for currency, _ in rows],
        {name: [cells.get(name, "") for _, cells in rows] for name in names},
    )


Row = tuple[str, int, int, int, int, int, int]


def rows_of(planned: Planned) -> list[Row]:
    names = [name for name, count in zip(planned.ids, planned.counts, strict=True) for _ in range(count)]
    columns = (planned.nr, planned.start, planned.due, planned.balance, planned.principal, planned.interest)
    return list(zip(names, *(column.tolist() for column in columns), strict=True))


def one_by_one(loans: Loans) -> tuple[list[Row], list[int]]:
    made, wrong = [], []
    for at, name in enumerate(loans.ids):
        try:
            schedule = schedule_of(loans, at)
        except InputError:
            wrong.append(loans.numbers[at])
            continue
        for row in schedule:
            days = row.from_date.toordinal(), row.due_date.toordinal()
            amounts = row.balance_minor, row.principal_minor, row.interest_minor
            made.append((name, row.nr, *days, *amounts))
    return made, wrong


def at_once(loans: Loans) -> tuple[list[Row], list[int]]:
    problems: list[Problem] = []
    made = [row for part in Planner().plan(loans, problems.append) for row in rows_of(part)]
    return made, [one.number for one in problems]


@pytest.fixture
def computed_alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the loans that did not go through the arrays, as they come."""
    names: list[str] = []

    def counted(loans: Loans, at: int) -> object:
        names.append(loans.ids[at])
        return schedule_of(loans, at)

    monkeypatch.setattr(planner, "schedule_of", counted)
    return names


@pytest.mark.parametrize("seed", range(8))
def test_random_loans(seed: int, computed_alone: list[str]) -> None:
    chance = random.Random(seed)
    rows = []
    for _ in range(20):
        currency, common = a_structure(chance)
        rows += [(currency, common | a_loan(chance, currency)) for _ in range(40)]
    chance.shuffle(rows)
    loans = table(rows)
    assert at_once(loans) == one_by_one(loans)
    assert len(computed_alone) < len(rows) * 0.6  # else it is not the arrays that were compared


@pytest.mark.parametrize("mode", MODES)
def test_plain_loans_go_through_the_arrays(mode: str, computed_alone: list[str]) -> None:
    chance = random.Random(mode)
    common = {"installments": "12", "day_count.year": "365", "rounding.mode": mode}
    loans = table(
        [
            (
                "CNY",
                common
                | a_loan(chance, "CNY")
                | {
                    "principal": f"{chance.randint(500, 200_000)}.{chance.randint(0, 99):02d}",
                    "annual_rate_percent": f"{chance.uniform(0, 36):.2f}",
                },
            )
            for _ in range(3_000)
        ]
    )
    made = at_once(loans)
    assert len(computed_alone) <= 3
    assert made == one_by_one(loans)


@given(st.data())
def test_any_loan(data: st.DataObject) -> None:
    """Hypothesis looks for the loan that rounds otherwise: small numbers, where ties are."""
    chance = data.draw(st.randoms(use_true_random=False))
    currency, common = a_structure(chance)
    common["installments"] = str(data.draw(st.integers(1, 14)))
    rates = st.sampled_from(["0", "12", "36", "6", "360", "73"])
    rows = [
        (
            currency,
            common
            | a_loan(chance, currency)
            | {
                "principal": from_minor(data.draw(st.integers(1, 5_000)), currency),
                "annual_rate_percent": data.draw(rates),
            },
        )
        for _ in range(planner.FEW)
    ]
    loans = table(rows)
    assert at_once(loans) == one_by_one(loans)


def test_wrong_rows_leave_the_others_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    monkeypatch.setattr(planner, "SPAN_ROWS", 100)
    wrong: list[Cells] = [
        {"principal": "0"},
        {"principal": "12.345"},
        {"annual_rate_percent": "1001"},
        {"annual_rate_percent": "1e-999999"},
        {"annual_rate_percent": ""},
        {"expected_disbursement_date": ""},
        {"expected_disbursement_date": "2026-02-30"},
        {"first_due_date": "1999-01-01"},
        {"installments": "601"},
        {"installments": "many"},
        {"installments": "600", "expected_disbursement_date": "9998-01-01", "first_due_date": ""},
        {"installment_amount": "0.01"},
        {"rounding.mode": "upwards"},
        {"delinquency_ranges": "[[["},
    ]
    rows = []
    for nr in range(200):
        loan = {"installments": "12"} | a_loan(chance, "CNY") | {"principal": "1200"}
        rows.append(("CNY", loan | (wrong[nr // 7 % len(wrong)] if nr % 7 == 3 else {})))
    rows.append(("XXQ", {"installments": "12"} | a_loan(chance, "CNY")))
    loans = table(rows)
    made, numbers = at_once(loans)
    assert numbers == [nr + 2 for nr in range(201) if nr % 7 == 3 or nr == 200]
    assert (made, numbers) == one_by_one(loans)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("schedule_type", "cumulative"),
        ("interest_method", "flat"),
        ("amortization", "bullet"),
        ("grace.principal_installments", "1"),
        ("grace.interest_free_installments", "1"),
        ("down_payment_percent", "10"),
        ("installment_amount", "100"),
        ("rounding.interest_rounding", "none"),
        ("rounding.scale", "1"),
        ("interest_recalculation.enabled", "true"),
        ("a_field.of_tomorrow", "1"),
    ],
)
def test_what_the_arrays_do_not_know_is_not_plain(column: str, text: str) -> None:
    assert structure_of("CNY", {"installments": "12"}) is not None
    assert structure_of("CNY", {"installments": "12", column: text}) is None


@pytest.mark.parametrize("interest", ["", "contractual", "adjusted"])
def test_moved_due_dates_are_planned_one_by_one(interest: str, computed_alone: list[str]) -> None:
    """Over 1 October 2026, a day off until the 7th; `days` are those that bear interest."""
    plain = {
        "principal": "1000", "annual_rate_percent": "12", "installments": "2",
        "expected_disbursement_date": "2026-09-01", "calendar": "CN",
    }  # fmt: skip
    moved = plain | {"due_date_adjustment.convention": "next", "due_date_adjustment.interest": interest}
    loans = table([("CNY", plain)] * 20 + [("CNY", moved)])
    assert at_once(loans) == one_by_one(loans)
    assert computed_alone[:1] == ["L20"]
    found = next(Planner().plan(loans, lambda _: None))
    assert [date.fromordinal(day) for day in found.due[-2:].tolist()] == [
        date(2026, 10, 8),
        date(2026, 11, 2),
    ]
    assert found.interest_days[-2:].tolist() == ([37, 25] if interest == "adjusted" else [30, 31])
    assert found.interest_days[:2].tolist() == [30, 31]


def test_documents_have_the_types_of_their_fields() -> None:
    cells = {"installments": "12", "day_count.year": "365", "grace.arrears_days": "x", "allocation": ""}
    cells |= {"interest_recalculation.enabled": "true", "allocation_order": '["due.fee"]'}
    assert set(cells) <= set(COLUMNS)
    assert document(cells.items()) == {
        "installments": 12,
        "day_count": {"year": "365"},
        "grace": {"arrears_days": "x"},
        "interest_recalculation": {"enabled": True},
        "allocation_order": ["due.fee"],
    }


ODD = ["", "0", "-1", "1e5", "NaN", "Infinity", " 12", "1_0", "２", "12.", ".5", "true", "[]", "{}", "[1]", "null", "x" * 300]  # fmt: skip


@given(st.data())
def test_no_text_breaks_the_run(data: st.DataObject) -> None:
    """Each row gets a schedule or a problem, whatever stands in its cells."""
    names = data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4, unique=True))
    good = {
        "installments": "3",
        "principal": "1200",
        "annual_rate_percent": "12",
        "expected_disbursement_date": "2026-01-31",
    }
    texts = st.sampled_from([*ODD, "12", "9999-12-31", "0001-01-01", "20260228"]) | st.text(max_size=20)
    rows = [("CNY", good | {name: data.draw(texts) for name in names}) for _ in range(4)]
    loans = table(rows * planner.FEW)
    made, numbers = at_once(loans)
    assert (made, sorted(numbers)) == one_by_one(loans)
    assert len({row[0] for row in made}) + len(numbers) == len(loans)
