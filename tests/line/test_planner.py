"""What is asked, and when: a question must be able to change what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from throughline.line.planner import HOUR, Policy, Standing, choose, look_again

NOW = 1_800_000_000.0


def standing(*, dark: float, out: float, splits: bool, asked_h: float = 8.0, asked: float = 4.0) -> Standing:
    """One line without an app that was asked about some hours ago."""

    def of(number: float) -> np.ndarray:
        return np.array([number])

    return Standing(
        at=of(NOW),
        dark=of(dark),
        out=of(out),
        splits=np.array([splits]),
        suspicion=of(dark),
        alarm=np.array([False]),
        settled=np.array([dark + out < 0.15]),
        asked_at=of(NOW - asked_h * HOUR),
        asked=of(asked),
        asked_lately=of(1.0),
        free_at=of(NOW),
        told_at=of(NOW - asked_h * HOUR),
        due_at=of(np.inf),
        gap_h=of(np.inf),
        beat_at=of(NOW),
    )


def asks(policy: Policy, **of: float | bool) -> bool:
    return bool(choose(standing(**of), policy)[0])  # type: ignore[arg-type]


VENDOR = Policy(21)


def test_one_code_for_both_stops_is_asked_about_when_the_answer_would_decide() -> None:
    assert not asks(VENDOR, dark=0.001, out=0.005, splits=False)  # time alone
    assert asks(VENDOR, dark=0.03, out=0.0, splits=False)  # one word: a number that is gone
    assert asks(VENDOR, dark=0.05, out=0.15, splits=False)  # one word: stopped
    assert not asks(VENDOR, dark=0.05, out=0.15, splits=False, asked_h=2)  # sooner it would hardly be news
    assert not asks(VENDOR, dark=0.4, out=0.55, splits=False)  # surely stopped: the same code would come
    assert asks(VENDOR, dark=0.85, out=0.05, splits=False)  # "still stopped" would raise the alarm


def test_who_tells_stops_apart_is_asked_while_it_is_open() -> None:
    assert asks(VENDOR, dark=0.4, out=0.55, splits=True)
    assert not asks(replace(VENDOR, suspicion=0.9), dark=0.03, out=0.0, splits=True)


@pytest.mark.parametrize(("budget", "kept"), [(11, 3.0), (21, 5.0), (31, 5.0)])
def test_routine_leaves_questions_to_follow_a_stop(budget: int, kept: float) -> None:
    policy = Policy(budget)
    assert policy.reserve(np.array([False]))[0] == kept
    routine_h = policy.routine_s(np.array([False]))[0] / HOUR
    rest = {"dark": 0.001, "out": 0.005, "splits": False, "asked_h": routine_h + 1}
    assert asks(policy, asked=budget - kept - 1, **rest)
    assert not asks(policy, asked=budget - kept, **rest)


def test_a_stopped_line_is_looked_at_again_soon() -> None:
    again = look_again(standing(dark=0.4, out=0.55, splits=False), VENDOR)
    assert NOW < again[0] <= NOW + 3 * HOUR
