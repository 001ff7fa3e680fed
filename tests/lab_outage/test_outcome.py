"""What stands charged and reported as more becomes known, and what stands in the end."""

from __future__ import annotations

import numpy as np
import pytest

from throughline.continuity.policy import Outcome
from throughline.lab.outage.cases import Case, Decided, Step, holding
from throughline.lab.outage.episodes import LINE
from throughline.lab.outage.money import LATE_FEE_MINOR, REPORT_DAYS, charged
from throughline.lab.outage.outcome import Outcomes, outcomes
from throughline.lab.outage.population.habits import DAY, World
from throughline.lab.outage.population.lives import Lives, lives_of


@pytest.fixture(scope="module")
def lives() -> Lives:
    return lives_of(1, 0, 40, 4, World())


def first(lives: Lives) -> int:
    """An installment early enough for everything to happen before the end."""
    return int(np.nonzero((lives.dues.due > 5) & (lives.dues.due < 60))[0][0])


def known(due: int, at: float, window: tuple[int, int] | None) -> Step:
    return Step(at, LINE, Outcome.GRANTED if window else Outcome.REFUSED, window, True, due)


def play(lives: Lives, steps: list[Step], *, late: int, proof: float = -np.inf) -> tuple[Outcomes, int]:
    """Everybody pays on the due date but one, who has these steps."""
    row = first(lives)
    paid = lives.dues.due * DAY + 0.0
    without = paid.copy()
    paid[row] += late * DAY
    decided = Decided()
    decided.add(row, int(lives.dues.who[row]), Case(LINE, "suspended", steps))
    return outcomes(lives, paid, without, decided, np.full(len(paid), proof)), row


def test_evidence_that_comes_late_takes_back_the_fee_and_the_report(lives: Lives) -> None:
    due = int(lives.dues.due[first(lives)])
    late = REPORT_DAYS + 10
    steps = [known(due, (due + late - 5) * DAY, (due - 2, due + late + 3))]
    out, row = play(lives, steps, late=late)
    principal = int(lives.people.share_minor[lives.dues.who[row]])
    # What stood on the last evening before anybody knew.
    assert out.ever[row] == charged(principal, due, due + late - 6).all_minor > LATE_FEE_MINOR
    assert out.cost[row] == 0
    assert out.reported_ever[row]
    assert not out.reported[row]
    assert out.bare[row] == charged(principal, due, due + late).all_minor
    others = np.arange(len(out.cost)) != row
    assert not out.ever[others].any()


def test_what_is_known_in_time_is_never_charged(lives: Lives) -> None:
    due = int(lives.dues.due[first(lives)])
    out, row = play(lives, [known(due, (due + 2) * DAY, (due - 2, due + 40))], late=20)
    assert out.ever[row] == out.cost[row] == 0
    assert not out.reported_ever[row]
    assert out.full_s[row] == out.line_s[row] == (due + 2) * DAY


def test_a_protection_that_is_taken_back_leaves_what_would_have_been(lives: Lives) -> None:
    due = int(lives.dues.due[first(lives)])
    steps = [known(due, due * DAY, (due, due + 60)), known(due, (due + 9) * DAY, None)]
    out, row = play(lives, steps, late=20)
    assert out.cost[row] == out.bare[row] == out.ever[row] > 0
    assert np.isinf(out.full_s[row])


def test_no_report_without_proof_of_a_notice(lives: Lives) -> None:
    due = int(lives.dues.due[first(lives)])
    nothing = [known(due, due * DAY, None)]
    assert play(lives, nothing, late=40, proof=np.inf)[0].reported.sum() == 0
    assert play(lives, nothing, late=40, proof=(due + 30) * DAY)[0].reported.sum() == 1
    assert play(lives, nothing, late=40, proof=(due + 39.5) * DAY)[0].reported.sum() == 0


def test_pauses_of_several_causes_are_one() -> None:
    cases = [
        Case(LINE, "suspended", [known(0, 1.0, (3, 5)), known(0, 9.0, (3, 8))]),
        Case(LINE, "suspended", [known(0, 5.0, (9, 12))]),
    ]
    assert holding(cases, 0.5) == ()
    assert holding(cases, 1.0) == ((3, 5),)
    assert holding(cases, 6.0) == ((3, 5), (9, 12))
    assert holding(cases, 9.0) == ((3, 12),)
