"""Due dates and whole periods, by hand (docs/lending.md, sections 3 and 7)."""

from __future__ import annotations

from lending.scenarios import answer, column, event, payout, refused, table

THREE = {"installments": 3}


def test_each_date_is_the_anchor_plus_k_periods() -> None:
    """31 January: the last of February, then the 31st again, then the last of April."""
    found = answer([payout("2026-01-31")], "2026-01-31", **THREE)
    assert table(found, "from", "due_date", "days") == [
        ["2026-01-31", "2026-02-28", 28],
        ["2026-02-28", "2026-03-31", 31],
        ["2026-03-31", "2026-04-30", 30],
    ]


def test_a_first_due_date_is_the_anchor() -> None:
    found = answer([payout("2026-01-10")], "2026-01-10", first_due_date="2026-01-31", **THREE)
    assert column(found, "due_date") == ["2026-01-31", "2026-02-28", "2026-03-31"]


def test_extra_installments_go_on_from_the_anchor_not_from_the_last_date() -> None:
    """28 Feb, 31 Mar, 30 Apr, and the fourth on 31 May: one from 30 April would be 30 May."""
    extra = event("reschedule", effective_from="2026-02-01", extra_installments=1)
    for month_end in ("same_day", "month_end"):
        found = answer([payout("2026-01-31"), extra], "2026-02-01", due_dates=month_end, **THREE)
        assert column(found, "due_date")[2:] == ["2026-04-30", "2026-05-31"]
        # Four whole months of 30/360, so 1 % each: A = 1000 x 0.01 / (1 - 1.01^-4) = 256.28.
        assert column(found, "interest") == ["10.00", "7.54", "5.05", "2.54"]
        assert column(found, "due") == ["256.28", "256.28", "256.28", "256.29"]


def test_extra_installments_go_on_from_a_moved_anchor() -> None:
    """28 Feb moves to 31 March and the later ones with it: 30 April, 31 May; one more is 30 June, the next 31 July."""
    found = answer(
        [
            payout("2026-01-31"),
            event(
                "due_date_shift", from_due_date="2026-02-28", to_due_date="2026-03-31", shift_following=True
            ),
            event("reschedule", effective_from="2026-04-01", extra_installments=2),
        ],
        "2026-04-01",
        **THREE,
    )
    assert column(found, "due_date") == ["2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30", "2026-07-31"]


def test_one_moved_date_alone_does_not_move_what_is_added() -> None:
    """30 April moves to 10 May by itself; the added one is where the contract would have it, 31 May."""
    found = answer(
        [
            payout("2026-01-31"),
            event(
                "due_date_shift", from_due_date="2026-04-30", to_due_date="2026-05-10", shift_following=False
            ),
            event("reschedule", effective_from="2026-02-01", extra_installments=1),
        ],
        "2026-02-01",
        **THREE,
    )
    assert column(found, "due_date") == ["2026-02-28", "2026-03-31", "2026-05-10", "2026-05-31"]


def test_month_ends_stay_month_ends_when_a_date_moves_to_one() -> None:
    found = answer(
        [
            payout("2026-01-31"),
            event(
                "due_date_shift", from_due_date="2026-03-31", to_due_date="2026-04-30", shift_following=True
            ),
        ],
        "2026-02-01",
        due_dates="month_end",
        installments=4,
    )
    assert column(found, "due_date") == ["2026-02-28", "2026-04-30", "2026-05-31", "2026-06-30"]


def test_month_ends_stay_month_ends_in_a_new_plan() -> None:
    found = answer(
        [
            payout("2026-01-31"),
            event("re_age", "2026-03-05", first_due_date="2026-04-30", installments=3),
        ],
        "2026-03-06",
        due_dates="month_end",
        installments=2,
    )
    assert column(found, "due_date")[-3:] == ["2026-04-30", "2026-05-31", "2026-06-30"]


def test_a_month_is_whole_whether_counted_on_or_back() -> None:
    """31 January to 28 February is one month after the payout, also when the contract names the date:
    30 days of 360 make 1 % of 1,000."""
    found = answer([payout("2026-01-31")], "2026-01-31", first_due_date="2026-02-28", **THREE)
    assert column(found, "interest")[0] == "10.00"
    # 28 January to 28 February likewise; 27 January is 32 actual days: 1000 x 12 % x 32 / 360 = 10.67.
    for day, interest in (("2026-01-28", "10.00"), ("2026-01-27", "10.67")):
        found = answer([payout(day)], day, first_due_date="2026-02-28", **THREE)
        assert column(found, "interest")[0] == interest


def test_two_months_between_month_ends_are_not_one_whole_period() -> None:
    """31 January to 31 March is 59 days, no whole month: 1000 x 12 % x 59 / 360 = 19.67, not 10.00."""
    found = answer(
        [payout("2026-01-31")], "2026-01-31", due_dates="month_end", first_due_date="2026-03-31", **THREE
    )
    assert column(found, "due_date") == ["2026-03-31", "2026-04-30", "2026-05-31"]
    assert column(found, "interest")[0] == "19.67"


def test_moved_dates_keep_their_order_and_name_the_wrong_one() -> None:
    shift = event(
        "due_date_shift", from_due_date="2026-02-28", to_due_date="2026-03-31", shift_following=False
    )
    refused("$.events[1].to_due_date", [payout("2026-01-31"), shift], "2026-02-01", **THREE)
    unknown = event("due_date_shift", from_due_date="2026-02-27", to_due_date="2026-03-05")
    refused("$.events[1].from_due_date", [payout("2026-01-31"), unknown], "2026-02-01", **THREE)


def test_a_moved_date_moves_its_interest_days() -> None:
    """Actual/365: 1 March moves to 11 March alone. February then has 38 days and March 21."""
    found = answer(
        [
            payout(),
            event(
                "due_date_shift", from_due_date="2026-03-01", to_due_date="2026-03-11", shift_following=False
            ),
        ],
        "2026-01-01",
        day_count={"year": "365"},
        amortization="equal_principal",
        installments=4,
    )
    # 250 each; 1000 x 31, 750 x 38, 500 x 21, 250 x 30 days x 12 % / 365
    assert table(found, "due_date", "days", "interest") == [
        ["2026-02-01", 31, "10.19"],
        ["2026-03-11", 38, "9.37"],
        ["2026-04-01", 21, "3.45"],
        ["2026-05-01", 30, "2.47"],
    ]


def test_due_dates_that_are_days_off_move_and_say_what_is_provisional() -> None:
    """Due on 31 October (a Saturday), 30 November, 31 December 2026 and 31 January 2027 (a Sunday): 1 % a month."""
    terms = {"calendar": "CN", "due_date_adjustment": {"convention": "modified_next"}, "installments": 4}
    found = answer([payout("2026-09-30")], "2026-11-02", due_dates="month_end", **terms)
    assert table(found, "due_date", "days", "interest", "provisional") == [
        ["2026-10-30", 31, "10.00", False],
        ["2026-11-30", 30, "7.54", False],
        ["2026-12-31", 31, "5.05", False],
        ["2027-01-29", 31, "2.54", True],
    ]
    assert found["delinquency"]["past_due_days"] == 3
    draft = answer([], "2026-09-01", due_dates="month_end", expected_disbursement_date="2026-09-30", **terms)
    assert table(draft, "due_date", "days", "provisional") == table(found, "due_date", "days", "provisional")


def test_due_dates_that_would_meet_are_refused_by_their_field() -> None:
    refused(
        "$.terms.due_date_adjustment.convention",
        [payout("2026-09-30")],
        "2026-10-01",
        calendar="CN",
        due_date_adjustment={"convention": "previous"},
        first_due_date="2026-10-01",
    )
