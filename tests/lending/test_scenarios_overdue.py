"""Penalty interest and lateness, by hand (docs/lending.md, sections 8 and 9)."""

from __future__ import annotations

from lending.scenarios import answer, column, event, paid, payout

ACTUAL = {"year": "actual", "month": "actual"}
PENALTY = {"annual_rate_percent": "36.5"}
ONE = {"installments": 1, "annual_rate_percent": "0", "principal": "10000"}


def test_penalty_interest_is_base_times_rate_times_days_after_the_grace() -> None:
    """10,000 overdue from 1 February, grace 2: on 11 February 8 days x 10,000 x 36.5 % / 365 = 80.00."""
    for as_of, amount in (("2026-02-03", "0.00"), ("2026-02-04", "10.00"), ("2026-02-11", "80.00")):
        found = answer(
            [payout(amount="10000")],
            as_of,
            day_count={"year": "365"},
            overdue_interest=PENALTY | {"grace_days": 2},
            **ONE,
        )
        assert column(found, "penalties") == [amount]


def test_penalty_interest_runs_on_what_is_left() -> None:
    """10 days on 10,000 and 10 days on 4,000: 100.00 + 40.00. The payment of 6,100 paid the 100.00 first."""
    found = answer(
        [payout(amount="10000"), paid("2026-02-11", "6100")],
        "2026-02-21",
        day_count={"year": "365"},
        overdue_interest=PENALTY,
        **ONE,
    )
    assert column(found, "penalties") == ["140.00"]
    assert column(found, "outstanding") == ["4040.00"]


def test_each_overdue_day_counts_by_its_own_year_and_paused_days_too() -> None:
    """Due 1 December 2027; a penalty pause from 20 to 31 December; on 31 January 2028.

    2027: days 2 to 19 December = 18 x 1/365; 2028: 31 x 1/366.
    10,000 x 0.365 x (18/365 + 31/366) = 180.00 + 309.15 = 489.15. Taking the paused days out of the whole
    stretch in proportion would say 489.29.
    """
    events = [
        payout("2027-11-01", "10000"),
        event("penalty_pause", from_="2027-12-20", to="2027-12-31"),
    ]
    found = answer(events, "2028-01-31", day_count=ACTUAL, overdue_interest=PENALTY, **ONE)
    assert column(found, "penalties") == ["489.15"]
    # An event that changes nothing does not change the sum.
    nothing = event("set_future_installments", "2028-01-05", rule="last")
    found = answer([*events, nothing], "2028-01-31", day_count=ACTUAL, overdue_interest=PENALTY, **ONE)
    assert column(found, "penalties") == ["489.15"]


def test_no_penalty_in_a_pause_of_penalty_or_of_delinquency() -> None:
    """On 11 February, 10 days: a penalty pause 3 to 5 takes three, a delinquency pause 3 to 5 takes two."""
    for kind, amount in (("penalty_pause", "70.00"), ("delinquency_pause", "80.00")):
        found = answer(
            [payout(amount="10000"), event(kind, from_="2026-02-03", to="2026-02-05")],
            "2026-02-11",
            day_count={"year": "365"},
            overdue_interest=PENALTY,
            **ONE,
        )
        assert column(found, "penalties") == [amount]


def late(events: list[dict[str, object]], as_of: str, **terms: object) -> dict[str, object]:
    found = answer([payout("2026-02-10"), *events], as_of, **terms)["delinquency"]
    assert isinstance(found, dict)
    return found


def test_only_pause_days_after_the_due_date_count() -> None:
    """Due 10 March, grace 3, pause 5 to 25 March, on 30 March: past due 20, paused 15, delinquent 2."""
    found = late(
        [event("delinquency_pause", from_="2026-03-05", to="2026-03-25")],
        "2026-03-30",
        grace={"arrears_days": 3},
    )
    assert (found["past_due_days"], found["delinquent_days"]) == (20, 2)
    assert (found["delinquent_since"], found["range"], found["paused"]) == ("2026-03-13", "RANGE_1", False)


def test_by_installment_has_no_grace_and_pauses_merge() -> None:
    """Pauses 12 to 20 and 15 to 22 March are 10 days; 20 - 3 - 10 = 7 for the loan, 10 for the installment."""
    found = late(
        [
            event("delinquency_pause", from_="2026-03-12", to="2026-03-20"),
            event("delinquency_pause", from_="2026-03-15", to="2026-03-22"),
        ],
        "2026-03-30",
        grace={"arrears_days": 3},
        delinquency_ranges=[
            {"name": "EARLY", "from_day": 1, "to_day": 9},
            {"name": "LATE", "from_day": 10, "to_day": None},
        ],
    )
    assert (found["delinquent_days"], found["range"]) == (7, "EARLY")
    assert found["by_installment"] == [{"range": "LATE", "amount": "172.55"}]
    assert found["pauses"] == [{"from": "2026-03-12", "to": "2026-03-22"}]


def test_a_resumption_cuts_a_running_pause_on_its_day() -> None:
    """Pause 10 March to 10 April, resumed on 20 March: 10 paused days of the 20 on 30 March."""
    pause = event("delinquency_pause", from_="2026-03-10", to="2026-04-10")
    found = late([pause], "2026-03-30")
    assert (found["past_due_days"], found["delinquent_days"], found["paused"]) == (20, 0, True)
    found = late([pause, event("delinquency_resume", "2026-03-20")], "2026-03-30")
    assert (found["past_due_days"], found["delinquent_days"], found["paused"]) == (20, 10, False)


def test_all_that_is_past_due_is_the_delinquent_amount() -> None:
    """Two installments of 172.55 past due on 20 April, 100.00 paid: 245.10. The oldest one leads."""
    found = late([paid("2026-04-15", "100")], "2026-04-20")
    assert (found["past_due_days"], found["delinquent_amount"]) == (41, "245.10")
    assert found["by_installment"] == [
        {"range": "RANGE_3", "amount": "72.55"},
        {"range": "RANGE_2", "amount": "172.55"},
    ]


def test_the_last_payment_is_the_last_one_of_its_day() -> None:
    found = late([paid("2026-03-10", "100"), paid("2026-03-10", "72.55")], "2026-03-11")
    assert (found["last_payment_date"], found["last_payment_amount"]) == ("2026-03-10", "72.55")
