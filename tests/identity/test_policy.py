"""The assurance table: complete, and the state of a line only ever subtracts. Enumerated in full."""

from __future__ import annotations

from itertools import combinations

import pytest

from throughline.identity import policy
from throughline.identity.levels import LABELS, Level
from throughline.identity.policy import Evidence, Standing

ACTIONS = sorted(policy.current().rules)
LINE_STATES = sorted(policy.current().standings)


def _facts(action: str) -> list[str]:
    rule = policy.current().rules[action]
    tokens = {token for cell in rule.needs.values() if cell for group in cell for token in group}
    return sorted((tokens - LABELS) | rule.conditions)


def _all_evidence(action: str) -> list[Evidence]:
    facts = _facts(action)
    subsets = [frozenset(chosen) for size in range(len(facts) + 1) for chosen in combinations(facts, size)]
    return [Evidence(level, subset) for level in Level for subset in subsets]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_line_state_never_adds_trust(action: str) -> None:
    for evidence in _all_evidence(action):
        for state in LINE_STATES:
            for changed in (False, True):
                columns = policy.standings(state, number_changed=changed)
                if policy.permits(action, columns, evidence):
                    assert policy.permits(action, [Standing.OK], evidence), (state, evidence)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_required_level_is_the_least_that_can_do(action: str) -> None:
    for state in LINE_STATES:
        for changed in (False, True):
            columns = policy.standings(state, number_changed=changed)
            able = [e.level for e in _all_evidence(action) if policy.permits(action, columns, e)]
            required = policy.required_level(action, state, number_changed=changed)
            assert required == (min(able) if able else None)


@pytest.mark.parametrize("action", ACTIONS)
def test_more_evidence_never_permits_less(action: str) -> None:
    facts = _facts(action)
    for evidence in _all_evidence(action):
        for column in Standing:
            if policy.permits(action, [column], evidence):
                assert policy.permits(action, [column], Evidence(Level.RP, frozenset(facts)))


def test_all_line_states_have_a_standing_and_an_unknown_one_is_suspended() -> None:
    assert set(LINE_STATES) == {
        "active", "out_suspended", "suspended", "pre_cancelled", "cancelled", "reassigned", "device_off", "unknown",
    }  # fmt: skip
    assert policy.standing_of("a state of tomorrow") is Standing.SUSPENDED


def test_paying_and_repaying_are_never_on_hold() -> None:
    everything = ("recovery_or_new_factor", "new_factor", "not_approved_by_old_factor")
    for action in ("pay_by_reference", "repay", "view_balance", "report_outage"):
        assert policy.hold_hours(action, list(Standing), everything) == 0


def test_cells_that_the_design_names() -> None:
    level = policy.required_level
    assert level("pay_by_reference", "reassigned") is Level.P
    assert level("repay", "suspended") is Level.A2
    assert level("sign_contract", "active") is Level.A2_PLUS
    assert level("sign_contract", "active", number_changed=True) is Level.RP
    assert level("change_phone", "suspended") is Level.A2_PLUS
    assert level("change_phone", "reassigned") is Level.RP
    assert level("remove_last_but_one_authenticator", "active") is None
    assert level("no such action", "active") is None
    assert policy.hold_hours("change_payout_account", [Standing.OK], ()) == 72
    assert policy.hold_hours("sign_contract", [Standing.OK], ()) == 0
    assert policy.hold_hours("sign_contract", [Standing.OK], ("recovery_or_new_factor",)) == 24
    two = Evidence(Level.A2_PLUS, frozenset({"new_number_verified"}))
    assert policy.permits("change_phone", [Standing.OK], two)
    assert not policy.permits("change_phone", [Standing.SUSPENDED], two)


def test_codes_alone_never_do_what_a_thief_wants() -> None:
    # T11: two codes are A2 at most; payout account, phone, signature and new credit need more.
    for action in ("sign_contract", "change_payout_account", "change_phone", "apply", "add_authenticator"):
        everything = Evidence(Level.A2, frozenset(_facts(action)))
        assert not any(policy.permits(action, [column], everything) for column in Standing)


def test_the_export_reads_back() -> None:
    exported = policy.exported()
    assert exported["actions"]["sign_contract"]["needs"]["ok"] == [["A2+"], ["proofed_within_30_d", "RP"]]
    assert exported["actions"]["remove_last_but_one_authenticator"]["needs"]["ok"] == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "{needs: {ok: [[P]]}, conditions: [], hold: null, notify: []}",
        "{needs: {ok: [[]], suspended: [[P]], changed: [[P]], recycled: [[P]]}, conditions: [], hold: null, notify: []}",
        "{needs: {ok: [[P]], suspended: yes, changed: [[P]], recycled: [[P]]}, conditions: [], hold: null, notify: []}",
        "{needs: {ok: [[P]], suspended: [[P]], changed: [[P]], recycled: [[P]]}, conditions: [], hold: null, notify: [], x: 1}",
    ],
)
def test_a_broken_table_is_refused(text: str) -> None:
    document = (
        f"version: 1\neffective_from: 2026-01-01\nstandings: {{ok: [active]}}\nactions: {{pay: {text}}}"
    )
    with pytest.raises(policy.PolicyBroken):
        policy.read(document)
