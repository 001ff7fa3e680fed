"""When reports to authorities are due: from awareness and classification, which are two things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from throughline.compliance import incident_clocks, rules
from throughline.compliance.incident_clocks import Due, Events, Limit

AWARE = datetime(2026, 11, 30, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def by_id(found: list[Due]) -> dict[str, Due]:
    return {one.clock.id: one for one in found}


def test_nothing_runs_before_it_is_classified() -> None:
    assert incident_clocks.due(Events(AWARE), ["CN", "EU"], now=AWARE + 9 * HOUR) == []
    general = Events(AWARE, {"CN": ("general", AWARE), "EU": ("larger", AWARE)})
    assert incident_clocks.due(general, ["CN", "EU"], now=AWARE) == []


def test_china_counts_from_awareness_however_late_the_class() -> None:
    events = Events(AWARE, {"CN": ("larger", AWARE + 3 * HOUR)})
    (one,) = incident_clocks.due(events, ["CN", "EU"], now=AWARE + 3 * HOUR)
    assert (one.clock.id, one.state, one.due_at) == ("CN-INCIDENT-4H", "running", AWARE + 4 * HOUR)
    (one,) = incident_clocks.due(events, ["CN"], now=AWARE + 4 * HOUR)
    assert one.state == "overdue"
    critical = Events(AWARE, {"CN": ("major", AWARE)}, critical=True)
    (one,) = incident_clocks.due(critical, ["CN"], now=AWARE)
    assert (one.clock.id, one.due_at) == ("CN-INCIDENT-1H", AWARE + HOUR)


@pytest.mark.parametrize(("classified_h", "due_h"), [(2, 6), (20, 24), (22, 24)])
def test_dora_four_hours_after_the_class_and_at_most_a_day_after_awareness(
    classified_h: int, due_h: int
) -> None:
    events = Events(AWARE, {"EU": ("major", AWARE + classified_h * HOUR)})
    found = by_id(incident_clocks.due(events, ["EU"], now=AWARE))
    assert found["EU-DORA-INITIAL"].due_at == AWARE + due_h * HOUR
    waiting = found["EU-DORA-INTERMEDIATE"]
    assert (waiting.state, waiting.due_at, waiting.waits_for) == ("waiting", None, "report:EU-DORA-INITIAL")


def test_each_report_starts_the_next_and_a_month_ends_on_its_last_day() -> None:
    initial, intermediate = AWARE + HOUR, datetime(2027, 1, 31, 9, tzinfo=UTC)
    events = Events(
        AWARE, {"EU": ("major", AWARE)}, {"EU-DORA-INITIAL": initial, "EU-DORA-INTERMEDIATE": intermediate}
    )
    found = by_id(incident_clocks.due(events, ["EU"], now=intermediate))
    assert found["EU-DORA-INITIAL"].state == "met"
    assert (found["EU-DORA-INTERMEDIATE"].state, found["EU-DORA-INTERMEDIATE"].due_at) == (
        "late", initial + 72 * HOUR,
    )  # fmt: skip
    assert found["EU-DORA-FINAL"].due_at == datetime(2027, 2, 28, 9, tzinfo=UTC)
    assert Limit("aware", months=1).after(datetime(2026, 12, 31, tzinfo=UTC)) == datetime(
        2027, 1, 31, tzinfo=UTC
    )


def test_the_limits_are_those_of_the_rules() -> None:
    """The rule's predicate is met just before the limit and breached just after it."""
    predicates = {one.id: str(one.demand) for one in rules.shipped().rules}
    for clock in incident_clocks.shipped():
        hours = [str(limit.hours) for limit in clock.limits if limit.hours]
        assert all(f"{one} h" in predicates[clock.rule_id].replace("hour", "h") for one in hours), clock.id


@pytest.mark.parametrize(
    "change", [{"start": "report:none"}, {"hours": 0}, {"classes": ["grave"]}, {"id": "EU-DORA-INITIAL"}]
)
def test_a_table_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    row = {
        "id": "X", "rule": "EU-DORA", "regime": "EU", "from": AWARE.date(), "classes": ["major"],
        "start": "aware", "hours": 4, "zh": "甲", "en": "A", "cite": "-",
    }  # fmt: skip
    first = row | {"id": "EU-DORA-INITIAL"}
    with pytest.raises(incident_clocks.ClocksWrong):
        incident_clocks.parse({"clocks": [first, row | change]})
