"""The Outage Lab: one world for every lender, the same bytes for the same question, and policies that cost what they give."""

from __future__ import annotations

import ast
import copy
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import throughline
from throughline.contracts.outage import OutagePolicy, newest, parse_policy
from throughline.lab.outage import arms, paying, reach
from throughline.lab.outage.arms import ORDINARY, Arm
from throughline.lab.outage.beliefs import Believed, believe
from throughline.lab.outage.cases import Known, Reviewer, decide
from throughline.lab.outage.document import document, text_of
from throughline.lab.outage.episodes import Word, words_of
from throughline.lab.outage.outcome import outcomes
from throughline.lab.outage.population import lives as lives_module
from throughline.lab.outage.population.habits import DAY, World
from throughline.lab.outage.population.lives import Lives, lives_of
from throughline.lab.outage.run import Plan, run
from throughline.lab.outage.tally import PLACE, tally

# Outages are many here, so that few people show much.
ROUGH = World(
    arrears=0.16,
    lost=0.03,
    forced=0.02,
    given_up=0.02,
    requested=0.02,
    fakers=0.08,
    suspenders=0.03,
    beats_a_day=0.7,
)


def shipped() -> dict[str, Any]:
    folder = files("throughline.contracts").joinpath("data/outage")
    loaded: dict[str, Any] = yaml.safe_load(
        folder.joinpath(f"{newest().version}.yaml").read_text(encoding="utf-8")
    )
    return loaded


def changed(**fields: object) -> OutagePolicy:
    """The shipped policy with fields of the row about lines changed."""
    document_ = copy.deepcopy(shipped())
    row = next(one for one in document_["rows"] if one["cause"] == "line")
    row.update(fields)
    return parse_policy(document_)


def nothing() -> OutagePolicy:
    """A policy that covers no interruption of these months."""
    document_ = copy.deepcopy(shipped())
    for row in document_["rows"]:
        row["from"] = "2099-01-01"
    return parse_policy(document_)


@pytest.fixture(scope="module")
def world() -> tuple[Lives, Believed, list[Word]]:
    lives = lives_of(7, 0, 700, 3, ROUGH)
    words = words_of(lives)
    claims = [(one.who, one.made_s, one.since_s) for one in words if one.kind == "line_out"]
    believed = believe(lives.people, lives.dues, lives.heard, lives.answers, claims, 90 * DAY, ROUGH)
    return lives, believed, words


def ours(world: tuple[Lives, Believed, list[Word]], policy: OutagePolicy) -> Arm:
    return arms.ours(*world, policy, "ours", Reviewer())


def sums(world: tuple[Lives, Believed, list[Word]], arm: Arm) -> dict[str, float]:
    rows, _ = tally(world[0], arm)
    return {name: float(rows[:, place].sum()) for name, place in PLACE.items()}


# --- one world ---------------------------------------------------------------------------------


def test_the_population_knows_nothing_of_what_judges_it() -> None:
    folder = Path(str(throughline.__file__)).parent / "lab" / "outage" / "population"
    seen = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [one.name for one in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            seen |= {name for name in names if name.startswith("throughline")}
    assert seen
    assert {name for name in seen if not name.startswith("throughline.lab.outage.population")} == set()


def test_the_same_question_gives_the_same_bytes_on_one_process_or_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from throughline.lab.outage import run as run_module

    for module in (lives_module, run_module):
        monkeypatch.setattr(module, "CELL", 150)
    plan = Plan(300, 1, 11, (("ours", newest()),), ROUGH)
    texts = {text_of(document(plan, run(plan, processes), {})) for processes in (1, 2)}
    assert len(texts) == 1
    assert text_of(document(plan, run(plan, 1), {})) in texts
    other = Plan(300, 1, 12, plan.policies, ROUGH)
    assert text_of(document(other, run(other, 1), {})) not in texts


def test_lenders_share_the_lives_whatever_their_policy(world: tuple[Lives, Believed, list[Word]]) -> None:
    # Only the length of a protection differs, and it changes nobody's act.
    one, other = ours(world, newest()), ours(world, changed(cap_days=5, requested_cap_days=5))
    assert np.array_equal(one.paid_s, other.paid_s)
    assert np.array_equal(one.out.bare, other.out.bare)
    assert np.array_equal(one.out.fair, other.out.fair)
    assert sums(world, one)["forgone_interest_minor"] > sums(world, other)["forgone_interest_minor"]


def test_a_policy_that_grants_nothing_leaves_the_charges_of_a_lender_that_protects_nobody(
    world: tuple[Lives, Believed, list[Word]],
) -> None:
    lives, believed, words = world
    without = paying.undisturbed(lives, reach.undisturbed(lives, calls=True), lives.phones.off)
    reached = reach.by_sms_alone(lives)
    paid = paying.disturbed(lives, reached, paying.ways_by_code(lives), without)
    known = Known.of(lives, believed, words, nothing())
    decided = decide(lives, known, nothing(), reached.knows, paid, believed.contradicted, Reviewer())
    assert not decided.cases
    same = outcomes(lives, paid, without, decided, reached.proof_s)
    ordinary = arms.ordinary(lives).out
    for name in ("paid", "cost", "ever", "reported", "forgone_interest"):
        assert np.array_equal(getattr(same, name), getattr(ordinary, name)), name
    arm = ours(world, nothing())
    assert np.array_equal(arm.out.cost, arm.out.bare)
    assert not arm.out.forgone_interest.any()


# --- what policies do ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "values"), [("cap_days", (1, 10, 90)), ("catch_up_days", (0, 3, 14)), ("lead_days", (0, 3, 10))]
)
def test_more_generous_never_means_more_wrong_fees(
    world: tuple[Lives, Believed, list[Word]], field: str, values: tuple[int, ...]
) -> None:
    costs, forgone = [], []
    for value in values:
        # Without a most of automatic cases: one more case early would mean a doubt later.
        arm = ours(world, changed(**{field: value, "most": None}))
        costs.append(arm.out.cost)
        forgone.append(sums(world, arm)["forgone_fees_minor"])
    for tighter, wider in pairwise(costs):
        assert (wider <= tighter).all()
    assert forgone == sorted(forgone)


def test_no_protection_makes_anybody_worse_off(world: tuple[Lives, Believed, list[Word]]) -> None:
    arm = ours(world, newest())
    assert (arm.out.cost <= arm.out.bare).all()
    assert (arm.out.forgone_interest >= 0).all()
    assert not (arm.out.reported & ~arm.out.reported_ever).any()


def test_ours_harms_honest_people_less_and_pays_invented_outages_no_more_than_grace(
    world: tuple[Lives, Believed, list[Word]],
) -> None:
    mine, theirs = sums(world, ours(world, newest())), sums(world, arms.ordinary(world[0]))
    assert theirs["wrong_fee"] > 5 * mine["wrong_fee"]
    assert theirs["wrong_report"] >= mine["wrong_report"] == 0
    assert mine["late_full_line"] >= 0.85 * mine["late_line"] > 0
    assert mine["fakes"] > 20
    assert mine["fakes_full"] <= 0.1 * mine["fakes"]
    assert theirs["full_line"] == theirs["forgone_interest_minor"] == 0


def test_a_reviewer_who_believes_everybody_pays_out_more(world: tuple[Lives, Believed, list[Word]]) -> None:
    kind = arms.ours(*world, newest(), "ours", Reviewer(refuses_honest=0.0, believes_dishonest=1.0))
    strict = arms.ours(*world, newest(), "ours", Reviewer(refuses_honest=0.0, believes_dishonest=0.0))
    assert sums(world, kind)["abuse_minor"] > sums(world, strict)["abuse_minor"]


def test_where_nothing_fails_nobody_is_harmed() -> None:
    calm = replace(
        ROUGH, arrears=0.0, lost=0.0, forced=0.0, given_up=0.0, requested=0.0, suspenders=0.0, fakers=0.0,
        broken=0.0, route_failures=0.0, channel_failures=0.0, platform_failures=0.0, incidents=0.0,
    )  # fmt: skip
    plan = Plan(250, 2, 5, (("ours", newest()),), calm)
    result = run(plan, 1)
    for rows in result.rows.values():
        whole = {name: rows[:, place].sum() for name, place in PLACE.items()}
        assert whole["installments"] > 300
        assert whole["wrong_fee_ever"] == whole["wrong_report_ever"] == whole["touched_any"] == 0
    ordinary = result.rows[ORDINARY]
    assert ordinary[:, PLACE["fees_charged_minor"]].sum() > 0  # people are late for other reasons
