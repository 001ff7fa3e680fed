"""Who is protected, by which dated row, and for how long: pure decisions over a table.

The rows are data (`policy.yaml`); a row that starts later changes nothing for outages before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from throughline.kernel.i18n import N_, Text, bilingual

CANNOT_RECEIVE = frozenset({"suspended", "pre_cancelled", "cancelled", "reassigned"})
BACK = frozenset({"active", "out_suspended"})  # 单停 still receives calls and messages
MEASURES = frozenset({"delinquency_pause", "penalty_pause", "interest_pause", "report_hold"})


@dataclass(frozen=True, slots=True)
class ProtectionRule:
    """One dated row: for outages that begin from `valid_from` up to and including `valid_until`.

    `lead_days`: an installment due this many days before the outage began still counts, because the
    notice of it may not have been read. `catch_up_days`: days after the line's return in which nothing
    starts to count again. `cap_days`: the longest protection of one outage, in days.
    """

    id: str
    valid_from: date
    valid_until: date | None
    line_states: frozenset[str]
    min_probability_percent: int
    lead_days: int
    catch_up_days: int
    cap_days: int
    measures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Window:
    """Local calendar days, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an installment is protected, by which row, in which window, and why in two languages.

    `open_question`: not decided yet, because the outage is not believed strongly enough; more evidence is
    on its way and the question is asked again when it comes.
    """

    granted: bool
    rule: ProtectionRule | None
    window: Window | None
    reason: Text
    open_question: bool = False


def parse_rules(document: list[dict[str, Any]]) -> tuple[ProtectionRule, ...]:
    """Rules from the YAML document. ValueError for an unknown measure or rows that overlap."""
    rules: list[ProtectionRule] = []
    for row in document:
        rule = ProtectionRule(
            id=row["id"],
            valid_from=row["from"],
            valid_until=row["to"],
            line_states=frozenset(row["line_states"]),
            min_probability_percent=row["min_probability_percent"],
            lead_days=row["lead_days"],
            catch_up_days=row["catch_up_days"],
            cap_days=row["cap_days"],
            measures=frozenset(row["measures"]),
        )
        if not rule.measures <= MEASURES:
            raise ValueError(f"{rule.id}: unknown measures {sorted(rule.measures - MEASURES)}")
        if not rule.line_states <= CANNOT_RECEIVE:
            raise ValueError(f"{rule.id}: {sorted(rule.line_states - CANNOT_RECEIVE)} are no outage")
        if any(_overlap(rule, other) for other in rules):
            raise ValueError(f"{rule.id} overlaps another row for the same line state")
        rules.append(rule)
    return tuple(rules)


def _overlap(one: ProtectionRule, other: ProtectionRule) -> bool:
    apart = (one.valid_until is not None and one.valid_until < other.valid_from) or (
        other.valid_until is not None and other.valid_until < one.valid_from
    )
    return not apart and bool(one.line_states & other.line_states)


@lru_cache(maxsize=1)
def shipped_rules() -> tuple[ProtectionRule, ...]:
    """The rows of this version."""
    text = files("throughline.continuity").joinpath("policy.yaml").read_text(encoding="utf-8")
    return parse_rules(yaml.safe_load(text))


def judge(
    rules: tuple[ProtectionRule, ...],
    *,
    line_state: str,
    probability_percent: int,
    dark_from: date,
    due_date: date,
    today: date,
) -> Verdict:
    """Whether an installment due on `due_date` is protected by an outage that began on `dark_from`.

    The outage must be of a kind that a row names, be believed strongly enough, and touch the due date:
    the window runs from `lead_days` before the outage to its cap. Missing evidence never leads here;
    an episode exists only on evidence.
    """
    rule = next(
        (
            row
            for row in rules
            if line_state in row.line_states
            and row.valid_from <= dark_from
            and (row.valid_until is None or dark_from <= row.valid_until)
        ),
        None,
    )
    if rule is None:
        return Verdict(False, None, None, bilingual(N_("No protection rule covers this kind of outage.")))
    if probability_percent < rule.min_probability_percent:
        return Verdict(
            False,
            rule,
            None,
            bilingual(
                N_("The outage is believed with %(have)s %%; the rule %(rule)s asks for %(need)s %%."),
                have=probability_percent,
                need=rule.min_probability_percent,
                rule=rule.id,
            ),
            open_question=True,
        )
    last = dark_from + timedelta(days=rule.cap_days - 1)
    if today > last:
        return Verdict(
            False,
            rule,
            None,
            bilingual(
                N_("The outage has lasted longer than the %(days)s days that one case may cover."),
                days=rule.cap_days,
            ),
        )
    if not dark_from - timedelta(days=rule.lead_days) <= due_date <= last:
        return Verdict(False, rule, None, bilingual(N_("The installment does not fall due in the outage.")))
    return Verdict(
        True,
        rule,
        Window(dark_from, last),
        bilingual(
            N_(
                "Your phone line could not be reached from %(since)s, and the installment due on %(due)s falls into "
                "that time. While the line is out we do not count days of delay, charge no late fee and report "
                "nothing to a credit bureau."
            ),
            since=dark_from.isoformat(),
            due=due_date.isoformat(),
        ),
    )


def last_protected_day(rule: ProtectionRule, *, dark_from: date, back_on: date) -> date:
    """The last day that the delinquency clock stands still: the catch-up days after the return, inside the cap."""
    cap = dark_from + timedelta(days=rule.cap_days - 1)
    return min(back_on + timedelta(days=rule.catch_up_days), cap)
