"""The result as JSON: the same plan gives the same bytes. The schema is described in docs/outage-lab.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from throughline.lab.outage.arms import COMPLAINT_DISHONEST, COMPLAINT_HONEST, ORDINARY
from throughline.lab.outage.curves import LATE_EDGES, WAIT_EDGES_H
from throughline.lab.outage.figures import (
    CAUSE_LABELS,
    FIGURES,
    QUERY_MINOR,
    TARGETS,
    Value,
    difference,
    share,
    value_of,
)
from throughline.lab.outage.money import (
    GRACE_DAYS,
    INTEREST_PERCENT,
    LATE_FEE_MINOR,
    PENALTY_PERCENT,
    REPORT_DAYS,
)
from throughline.lab.outage.population.habits import CARRIERS, START
from throughline.lab.outage.run import Plan, Result
from throughline.lab.outage.tally import PLACE

SCHEMA = "throughline.outage-lab/1"


def document(plan: Plan, result: Result, files: Mapping[str, str]) -> dict[str, Any]:
    """The result. `files`: where each policy came from, by the name of its arm."""
    asked = result.queries.astype(float)
    arms = {}
    for name, rows in result.rows.items():
        queries = np.zeros(len(asked)) if name == ORDINARY else asked
        arms[name] = {
            "figures": {one.key: _value(value_of(one, rows, queries, plan.months)) for one in FIGURES},
            "causes": {cause: _cause(rows, cause) for cause in CAUSE_LABELS},
            "curves": {
                key: getattr(result.curves[name], key).tolist()
                for key in ("late", "fees_ever", "fees", "waits")
            },
        }
    names = list(result.rows)
    pairs = [(name, ORDINARY) for name in names[1:]] + [(other, names[1]) for other in names[2:]]
    figures = {one.key: one for one in FIGURES}
    judged = {
        one.key: value_of(figures[one.figure], result.rows[names[1]], asked, plan.months) for one in TARGETS
    }
    return {
        "schema": SCHEMA,
        "seed": plan.seed,
        "borrowers": plan.borrowers,
        "months": plan.months,
        "first_day": START.date().isoformat(),
        "installments": int(result.rows[ORDINARY][:, PLACE["installments"]].sum()),
        "observations": result.events,
        "policies": {
            name: {"version": policy.version, "digest": policy.digest, "file": files.get(name, "")}
            for name, policy in plan.policies
        },
        "targets": {
            one.key: {"figure": one.figure, "least": one.least, "most": one.most, **_value(judged[one.key]),
                      "met": one.met(judged[one.key])}
            for one in TARGETS
        },
        "arms": arms,
        "differences": {
            f"{name}-{other}": {
                one.key: _value(found)
                for one in FIGURES
                if (found := difference(one, result.rows[name], result.rows[other])) is not None
            }
            for name, other in pairs
        },
        "edges": {"late_days": list(LATE_EDGES), "wait_hours": list(WAIT_EDGES_H)},
        "assumptions": _assumptions(plan),
    }  # fmt: skip


def text_of(found: Mapping[str, Any]) -> str:
    """The bytes of the file, as text."""
    return json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _value(found: Value) -> dict[str, Any]:
    rounded: dict[str, Any] = {
        name: None if one is None else round(one, 6) + 0.0
        for name, one in (("value", found.value), ("low", found.low), ("high", found.high))
    }
    return rounded if found.of is None else {**rounded, "of": found.of}


def _cause(rows: np.ndarray[Any, Any], cause: str) -> dict[str, Any]:
    """Installments that a kind of interruption touched: paid in time without help, protected, and left alone."""
    column = {
        part: rows[:, PLACE[f"{part}_{cause}"]] for part in ("touched", "paid", "full", "late", "late_full")
    }
    return {
        "touched": int(column["touched"].sum()),
        "paid_in_time_unprotected": int(column["paid"].sum()),
        "protected": int(column["full"].sum()),
        "unpaid_on_due_date": int(column["late"].sum()),
        "share_of_unpaid": _value(share(column["late_full"], column["late"])),
        "share_protected_or_paid": _value(share(column["paid"] + column["full"], column["touched"])),
    }


def _assumptions(plan: Plan) -> dict[str, Any]:
    return {
        "world": asdict(plan.world),
        "carriers": [asdict(one) for one in CARRIERS],
        "reviewer": asdict(plan.reviewer),
        "loan": {
            "interest_percent": INTEREST_PERCENT,
            "penalty_percent": PENALTY_PERCENT,
            "grace_days": GRACE_DAYS,
            "late_fee_minor": LATE_FEE_MINOR,
            "report_days": REPORT_DAYS,
        },
        "ordinary": {"complaint_honest": COMPLAINT_HONEST, "complaint_dishonest": COMPLAINT_DISHONEST},
        "query_minor": QUERY_MINOR,
    }
