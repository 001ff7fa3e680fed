"""The precondition of a negative report, piece by piece; the clock of disputes; dated data; the file. All pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.compliance import rules
from throughline.kernel.ids import new_id
from throughline.lending.bureau import policy
from throughline.lending.bureau.clocks import dispute_clock
from throughline.lending.bureau.figures import HoldCode, Rating, Said, figures_of, held, said_of
from throughline.lending.bureau.fileformat import Line, Malformed, Subject, read_answer, write_file
from throughline.lending.bureau.guard import Asked, Doubt, Notice, ReportHold, Way, judge
from throughline.lending.bureau.states import ItemState, WrongMove, move
from throughline.lending.history import EventType, LoanEvent, Variation, VariationKind
from throughline.lending.replay import replay
from throughline.lending.terms import LoanTerms

REASON = {"zh-CN": "测试", "en": "test"}
DUE = date(2026, 3, 10)
MONTH, END = date(2026, 3, 1), date(2026, 3, 31)


def notice(on: date, way: Way = Way.SMS, *doubts: Doubt, asked: date | None = None) -> Notice:
    at = datetime(on.year, on.month, on.day, 4, tzinfo=UTC)
    return Notice(new_id(), way, asked or on, at, on, new_id(), doubts)


ALL_THERE = Asked(
    on=date(2026, 4, 1),
    period_first=MONTH,
    as_of=END,
    late_since=DUE,
    notice_days=5,
    notices=(notice(date(2026, 3, 12)),),
    undelivered=0,
    holds=(),
    blocking=(),
)


def pieces(asked: Asked) -> list[tuple[str, str]]:
    verdict = judge(asked)
    assert verdict.allowed is (not verdict.missing)
    for one in verdict.missing:
        assert one.text["zh-CN"] != one.text["en"], "both languages"
    return [(one.piece, one.code) for one in verdict.missing]


def test_with_all_pieces_it_leaves() -> None:
    assert pieces(ALL_THERE) == []


@pytest.mark.parametrize("doubt", list(Doubt))
def test_a_notice_to_a_doubtful_address_is_none_but_reading_it_is(doubt: Doubt) -> None:
    doubtful = notice(date(2026, 3, 12), Way.SMS, doubt)
    assert pieces(replace(ALL_THERE, notices=(doubtful,)))[0] == ("a", f"notice_{doubt.value}")
    read = notice(date(2026, 3, 13), Way.READ)
    assert pieces(replace(ALL_THERE, notices=(doubtful, read))) == []


def test_no_notice_one_that_did_not_arrive_and_one_about_an_older_delay() -> None:
    assert pieces(replace(ALL_THERE, notices=())) == [("a", "notice_none"), ("b", "notice_days")]
    assert pieces(replace(ALL_THERE, notices=(), undelivered=2))[0] == ("a", "notice_not_arrived")
    old = notice(date(2026, 3, 20), asked=DUE)  # asked for on the last day in time: about something else
    assert pieces(replace(ALL_THERE, notices=(old,)))[0] == ("a", "notice_none")


@pytest.mark.parametrize(("reached", "leaves"), [(27, True), (28, False)])
def test_five_days_to_the_day(reached: int, leaves: bool) -> None:
    found = pieces(replace(ALL_THERE, notices=(notice(date(2026, 3, reached)),)))
    assert found == ([] if leaves else [("b", "notice_days")])


@pytest.mark.parametrize(
    ("source", "until", "piece", "code", "told"),
    [
        ("credit_dispute:1", None, "c", "dispute", HoldCode.DISPUTED),
        ("complaint:1", None, "c", "dispute", HoldCode.DISPUTED),
        ("credit_dispute:1", END, "c", "upheld", HoldCode.HELD),
        ("protection_case:1", date(2026, 3, 20), "c", "protection", HoldCode.HELD),
        ("outage:1", date(2026, 3, 2), "d", "outage", HoldCode.HELD),
        ("rail:1", None, "d", "outage", HoldCode.HELD),
    ],
)
def test_each_hold_that_touches_the_month_keeps_it(
    source: str, until: date | None, piece: str, code: str, told: HoldCode
) -> None:
    hold = ReportHold(source, date(2026, 3, 1), until, REASON)
    asked = replace(ALL_THERE, holds=(hold,))
    assert pieces(asked) == [(piece, code)]
    assert judge(asked).code is told


def test_a_hold_of_other_days_keeps_nothing_unless_it_stands_on_the_day_of_sending() -> None:
    before = ReportHold("protection_case:1", date(2026, 2, 1), date(2026, 2, 27), REASON)
    assert pieces(replace(ALL_THERE, holds=(before,))) == []
    today = ReportHold("outage:1", date(2026, 4, 1), None, REASON)
    assert pieces(replace(ALL_THERE, holds=(today,))) == [("d", "outage")]


def test_a_rule_keeps_it_and_is_named() -> None:
    verdict = judge(replace(ALL_THERE, blocking=("KE-DCP-2022",)))
    assert [(one.piece, one.code) for one in verdict.missing] == [("e", "gate")]
    assert "KE-DCP-2022" in verdict.missing[0].text["en"]


DAYS = st.dates(date(2026, 2, 20), date(2026, 4, 10))
NOTICES = st.builds(
    notice, DAYS, st.sampled_from(Way), st.sampled_from([*Doubt]), asked=st.none() | DAYS
) | st.builds(notice, DAYS, st.sampled_from(Way), asked=st.none() | DAYS)
HOLDS = st.builds(
    ReportHold,
    st.sampled_from(["protection_case:1", "credit_dispute:1", "outage:1", "rail:2", "what:3"]),
    DAYS,
    st.none() | DAYS,
    st.just(REASON),
).filter(lambda one: one.until_date is None or one.from_date <= one.until_date)


@given(st.lists(NOTICES, max_size=4), st.lists(HOLDS, max_size=3), DAYS, st.booleans())
def test_what_leaves_has_all_pieces_by_another_reading(
    notices: list[Notice], holds: list[ReportHold], on: date, blocked: bool
) -> None:
    asked = replace(ALL_THERE, on=on, notices=notices, holds=holds, blocking=("X",) if blocked else ())
    good = [
        one.reached_on for one in notices if one.asked_on > DUE and (one.way is Way.READ or one.doubts == ())
    ]
    days = {MONTH + timedelta(days=n) for n in range(31)} | {on}
    held_by = [
        one
        for one in holds
        if any(one.from_date <= day and (not one.until_date or day <= one.until_date) for day in days)
    ]
    expected = bool(good) and (on - min(good)).days >= 5 and not held_by and not blocked
    assert judge(asked).allowed is expected


# --- figures ----------------------------------------------------------------------------------------

TERMS = LoanTerms("CNY", 300_000, Decimal("14.4"), 6, arrears_days=0)
OUT = LoanEvent("out", EventType.DISBURSEMENT, date(2026, 2, 10), 300_000)


def said_on(day: date, *events: LoanEvent, threshold: int = 1) -> Said:
    state = replay(TERMS, [OUT, *events], as_of=day)
    return figures_of(state, day, negative_from_days=threshold).said


def pause(first: date, until: date) -> LoanEvent:
    one = Variation(VariationKind.DELINQUENCY_PAUSE, first, until)
    return LoanEvent(f"pause{first}", EventType.VARIATION, first, variation=one, case="c")


def test_paused_days_are_no_delay_and_their_amount_is_not_told() -> None:
    late = said_on(date(2026, 3, 31))
    assert (late.rating, late.days_late) == (Rating.LATE, 21)
    assert late.late_minor > 0
    part = said_on(date(2026, 3, 31), pause(date(2026, 3, 10), date(2026, 3, 20)))
    assert (part.rating, part.days_late) == (Rating.LATE, 11)
    whole = said_on(date(2026, 3, 31), pause(date(2026, 3, 8), date(2026, 4, 1)))
    assert (whole.rating, whole.days_late, whole.late_minor) == (Rating.CURRENT, 0, 0)
    assert whole.balance_minor <= late.balance_minor  # no penalty interest either


def test_late_from_so_many_days_and_losses() -> None:
    assert said_on(date(2026, 3, 31), threshold=30).rating is Rating.CURRENT
    charged_off = LoanEvent("gone", EventType.CHARGE_OFF, date(2026, 3, 20))
    assert said_on(date(2026, 3, 31), charged_off).rating is Rating.CHARGED_OFF
    written_off = LoanEvent("lost", EventType.WRITE_OFF, date(2026, 3, 21))
    lost = figures_of(replay(TERMS, [OUT, charged_off, written_off], as_of=END), END, negative_from_days=1)
    assert lost.said.rating is Rating.WRITTEN_OFF
    assert lost.late_since == date(2026, 3, 10)


def test_what_is_said_round_trips_and_held_says_nothing_bad() -> None:
    late = said_on(END)
    assert said_of(late.document()) == late
    quiet = held(late, HoldCode.DISPUTED)
    assert not quiet.negative
    assert (quiet.days_late, quiet.late_minor) == (0, 0)
    assert late.worse_than(quiet)
    assert not quiet.worse_than(late)


# --- clocks, data, states, files --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "key", "days"), [("CN", "CN.credit.dispute", 20), ("US", "US.credit.dispute", 30)]
)
def test_the_days_of_a_dispute_are_those_of_its_rule(place: str, key: str, days: int) -> None:
    row = policy.in_force("dispute_days", place, date(2026, 3, 1))
    assert row.value == days
    (rule,) = [one for one in rules.shipped().rules if one.key == key and one.in_force(date(2026, 3, 1))]
    assert row.id == rule.id

    def verdict(n: int) -> str:
        found = rules.judge(rules.shipped(), {"dispute_days": n}, date(2026, 3, 1), jurisdiction=place)
        return next(one.verdict for one in found if one.rule.key == key)

    assert (verdict(days), verdict(days + 1)) == ("met", "breached")


def test_a_dispute_is_due_at_the_end_of_its_last_day() -> None:
    clock = dispute_clock(datetime(2026, 1, 31, 15, 59, tzinfo=UTC), "CN", "Asia/Shanghai")
    assert (clock.due_on, clock.due_at) == (date(2026, 2, 20), datetime(2026, 2, 20, 16, tzinfo=UTC))
    later = dispute_clock(datetime(2026, 1, 31, 16, 0, tzinfo=UTC), "CN", "Asia/Shanghai")
    assert later.due_on == date(2026, 2, 21)
    assert clock.look_by == date(2026, 2, 3)
    assert not clock.provisional
    assert clock.warn_half_at < clock.warn_most_at < clock.due_at


def test_a_look_in_a_year_without_an_official_list_is_provisional() -> None:
    clock = dispute_clock(datetime(2026, 12, 31, 4, tzinfo=UTC), "CN", "Asia/Shanghai")
    assert clock.provisional
    assert clock.due_on == date(2027, 1, 20)


def test_rows_of_one_name_and_place_do_not_overlap() -> None:
    found = policy.rows()
    assert len({row.id for row in found}) == len(found)
    for row in found:
        for other in found:
            if row is not other and (row.name, row.place) == (other.name, other.place):
                end = row.valid_until or date.max
                assert other.valid_from > end or (other.valid_until or date.max) < row.valid_from
    with pytest.raises(LookupError):
        policy.in_force("nothing", "CN", END)
    assert policy.in_force("negative_from_days", "CN-31", END).value == 1
    assert policy.in_force("negative_from_days", "KE", END).value == 30


def test_settled_states_do_not_move() -> None:
    for last in (ItemState.ACCEPTED, ItemState.NOT_NEEDED, ItemState.LEFT_OUT):
        for to in set(ItemState) - {last}:
            with pytest.raises(WrongMove):
                move(last, to)


def a_line(ref: str = "a-0") -> Line:
    said = Said(Rating.LATE, 21, 50_000, 300_000).document()
    return Line(
        ref,
        "loan",
        None,
        "2026-03",
        END,
        Subject("王小明", "110105"),
        date(2026, 2, 10),
        None,
        "CNY",
        300_000,
        said,
    )


def test_a_file_is_the_same_bytes_with_its_sums_and_hash() -> None:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    raw, digest = write_file("F1", "ME", "monthly", at, [a_line(), a_line("b-0")])
    assert (raw, digest) == write_file("F1", "ME", "monthly", at, [a_line(), a_line("b-0")])
    *lines, last = raw.decode().splitlines()
    trailer = json.loads(last)
    assert (
        hashlib.sha256("".join(f"{one}\n" for one in lines).encode()).hexdigest()
        == trailer["sha256"]
        == digest
    )
    assert (trailer["items"], trailer["negative"], trailer["balance_minor"]) == (2, 2, 600_000)
    assert "110105" not in repr(a_line())


@given(st.binary(max_size=200))
def test_no_answer_is_made_of_rubbish(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_answer(raw, "F1")
