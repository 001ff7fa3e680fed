"""What a back-test said of a made-up population, beside the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from throughline.lab.lines.population import DARK, DAY, HOUR, START, Population

EVENT_S = 24 * HOUR  # an outage that counts: nothing can be received for so long


@dataclass(frozen=True, slots=True)
class Verdict:
    """Shares are of 1, times in hours; None where nothing was to be judged."""

    alarms: int
    precision: float | None
    outages: int
    recall_6h: float | None
    recall_24h: float | None
    latency_p50_h: float | None
    latency_p90_h: float | None
    recovery_p50_h: float | None
    recovery_p95_h: float | None
    queries_a_line_month: float
    most_in_30_days: int
    honest_flagged: float | None
    evaders_caught: float | None
    calibration_error: float | None
    brier: float | None


def judge(population: Population, answers: Iterable[dict[str, Any]]) -> Verdict:
    """The figures of docs/line.md. An alarm is right if nothing can be received when it is raised."""
    histories = {one.line: one for one in population.histories}
    length = (population.until - START).total_seconds()
    alarms: dict[str, list[tuple[float, float]]] = {}
    flagged: set[tuple[str, float]] = set()
    queries: dict[str, list[float]] = {}
    beliefs: list[tuple[float, bool]] = []
    for row in answers:
        if row["kind"] == "alarm":
            ends = length if row["cleared_at"] is None else _at(row["cleared_at"])
            alarms.setdefault(row["line"], []).append((_at(row["raised_at"]), ends))
        elif row["kind"] == "contradiction":
            flagged.add((row["line"], round(_at(row["claim_at"]), 1)))
        elif row["kind"] == "query":
            queries.setdefault(row["line"], []).append(_at(row["at"]))
        elif row["kind"] == "belief":
            at = _at(row["at"])
            chance = sum(share for state, share in row["p"].items() if state in DARK)
            beliefs.append((chance, histories[row["line"]].dark(at)))
    right = [histories[line].dark(raised) for line, some in alarms.items() for raised, _ in some]
    late: list[float] = []
    recovered: list[float] = []
    for history in histories.values():
        for begins, ends in history.outages(length, EVENT_S):
            if begins < DAY:
                continue  # nobody knew the line yet
            mine = alarms.get(history.line, ())
            late.append(
                min(
                    (max(0.0, up - begins) for up, down in mine if up < ends and down > begins),
                    default=np.inf,
                )
            )
            closing = [down for up, down in mine if up < ends < down or (up < ends and down == length)]
            if ends < length - DAY and closing:
                recovered.append(min(closing) - ends)
    claims = [
        (honest, (history.line, round(at, 1)) in flagged)
        for history in histories.values()
        for at, honest in history.claims
    ]
    waits = np.array(late) / HOUR
    error, brier = _calibration(beliefs)
    return Verdict(
        alarms=len(right),
        precision=_mean(right),
        outages=len(late),
        recall_6h=_mean([wait <= 6 for wait in waits]),
        recall_24h=_mean([wait <= 24 for wait in waits]),
        latency_p50_h=_quantile(waits, 0.5),
        latency_p90_h=_quantile(waits, 0.9),
        recovery_p50_h=_quantile(np.array(recovered) / HOUR, 0.5),
        recovery_p95_h=_quantile(np.array(recovered) / HOUR, 0.95),
        queries_a_line_month=sum(map(len, queries.values())) / len(histories) / (length / (30 * DAY)),
        most_in_30_days=max((_most(times) for times in queries.values()), default=0),
        honest_flagged=_mean([hit for honest, hit in claims if honest]),
        evaders_caught=_mean([hit for honest, hit in claims if not honest]),
        calibration_error=error,
        brier=brier,
    )


def _calibration(beliefs: list[tuple[float, bool]]) -> tuple[float | None, float | None]:
    """Expected calibration error in ten bins by mean prediction, and the Brier score."""
    if not beliefs:
        return None, None
    said = np.array([chance for chance, _ in beliefs])
    true = np.array([float(dark) for _, dark in beliefs])
    bins = np.minimum((said * 10).astype(int), 9)
    error = sum(
        abs(float(said[bins == one].mean() - true[bins == one].mean())) * float((bins == one).mean())
        for one in range(10)
        if (bins == one).any()
    )
    return round(error, 5), round(float(((said - true) ** 2).mean()), 6)


def _most(times: list[float]) -> int:
    """The most questions in a window of 30 days."""
    ordered = np.array(sorted(times))
    return int((np.searchsorted(ordered, ordered + 30 * DAY) - np.arange(len(ordered))).max())


def _mean(some: list[bool]) -> float | None:
    return round(sum(some) / len(some), 4) if some else None


def _quantile(some: np.ndarray[Any, Any], share: float) -> float | None:
    if not len(some):
        return None
    ordered = np.sort(some)
    return round(float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]), 2)


def _at(text: str) -> float:
    return (datetime.fromisoformat(text) - START).total_seconds()
