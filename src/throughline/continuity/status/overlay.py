"""The last known document, with what a prober has seen since laid over it: the page while the platform is down. Pure."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from throughline.continuity.status import tasks, words
from throughline.continuity.status.intake import Observation
from throughline.continuity.status.judging import DAYS, Look, outages
from throughline.kernel.i18n import N_, bilingual


def lay_over(
    document: dict[str, Any],
    seen: Sequence[Observation],
    *,
    failures: int,
    now: datetime,
    made_at: datetime,
) -> dict[str, Any]:
    """`seen`: what was observed since the document was made, in order of time; `now` in business time.

    An outage of the platform that only the prober knows becomes an incident of its own, marked as seen by a probe.
    """
    laid = copy.deepcopy(document)
    zone = ZoneInfo(str(document["zone"]))
    newest = {one.component: one for one in seen}
    days = _days(document, now, zone)
    for row in laid["tasks"]:
        own = newest.get(row["id"])
        row["state"] = own.state if own is not None else tasks.UNKNOWN
        for part in row["parts"]:
            part["state"] = newest[part["id"]].state if part["id"] in newest else tasks.UNKNOWN
        failed = {one.at.astimezone(zone).date() for one in seen
                  if one.component == row["id"] and one.state == tasks.DOWN}  # fmt: skip
        row["days"] = _extended(str(row["days"]), days, failed, now.astimezone(zone).date())
    laid["state"] = tasks.worst(row["state"] for row in laid["tasks"])
    laid["as_of"] = now.isoformat(timespec="seconds")
    laid["made_at"] = made_at.isoformat(timespec="seconds")
    looks = [Look(one.at, one.state, one.interval_s) for one in seen if one.component == tasks.PLATFORM]
    for one in outages(looks, failures=failures):
        if one.until is None and not _known(laid):
            laid["incidents"].insert(0, _incident(one.since, now, zone))
    return laid


def empty(lender: dict[str, str], zone: str, url: str) -> dict[str, Any]:
    """A document that knows nothing: for a prober that has never reached the platform."""
    return {
        "version": 1,
        "as_of": "",
        "made_at": "",
        "interval_s": 60,
        "lender": lender,
        "contact": {"zh-CN": "", "en": ""},
        "zone": zone,
        "url": url,
        "state": tasks.UNKNOWN,
        "tasks": [
            {
                "id": name,
                "name": tasks.name_of(name),
                "state": tasks.UNKNOWN,
                "parts": [],
                "uptime_percent": None,
                "observed_minutes": 0,
                "unknown_minutes": None,
                "days": "u" * DAYS,
            }
            for name in tasks.TASKS
        ],
        "incidents": [],
    }


def _days(document: dict[str, Any], now: datetime, zone: ZoneInfo) -> int:
    """Calendar days since the document was made."""
    if not document["as_of"]:
        return 0
    then = datetime.fromisoformat(document["as_of"]).astimezone(zone).date()
    return max(0, min(DAYS, (now.astimezone(zone).date() - then).days))


def _extended(letters: str, days: int, failed: set[date], today: date) -> str:
    longer = (letters + "u" * days)[-DAYS:]
    return "".join(
        "d" if today - timedelta(days=len(longer) - 1 - place) in failed else one
        for place, one in enumerate(longer)
    )


def _known(document: dict[str, Any]) -> bool:
    return any(
        one["open"] and one["kind"] == "platform" and len(one["tasks"]) > 1 for one in document["incidents"]
    )


def _incident(since: datetime, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": f"probe-{since:%Y%m%dT%H%M%SZ}",
        "kind": "platform",
        "title": words.title("platform", {}),
        "where": "",
        "tasks": list(tasks.TASKS),
        "open": True,
        "began_at": since.isoformat(timespec="seconds"),
        "noticed_at": now.isoformat(timespec="seconds"),
        "ended_at": None,
        "reason": bilingual(N_("Our probe outside gets no answer. We look into it.")),
        "do_now": words.do_now("platform", {}),
        "due_dates": words.due_dates("own", "platform", {}, since.astimezone(zone).date(), 0, over=False),
        "notes": [],
        "next_update_by": None,
    }
