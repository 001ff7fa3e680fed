"""A drill from the failure to its measures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from throughline.kernel import clock
from throughline.kernel.settings import settings
from throughline.lab.drills import cast as casting
from throughline.lab.drills import faults, watching
from throughline.lab.drills.cast import Cast
from throughline.lab.drills.watching import Watch, within
from throughline.lab.story.client import StoryError
from throughline.lab.story.suspended_line import move_to

WAIT_S = {"detection": 1_500.0, "public": 180.0, "notice": 600.0, "repay": 90.0, "over": 420.0, "back": 300.0}
MEANT = {
    "carrier-outage": ("carrier", "network"),
    "sms-route-loss": ("own", "message_route"),
    "payment-channel-loss": ("own", "payment_channel"),
    "data-centre-loss": ("own", "platform"),
}
LATER = timedelta(days=2)  # so long after the due date fees are looked for


@dataclass
class Drill:
    """What was found; seconds from the failure, None: it did not happen in the time that was waited."""

    name: str
    url: str
    started_at: str
    measures: dict[str, float | int | None] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)


def play(
    name: str,
    base_url: str,
    home: Path,
    loans: int,
    say: Callable[[str], None],
    waits: dict[str, float] | None = None,
) -> Drill:
    """Play a drill of `MEANT`. The failure is taken back whatever happens. Raises StoryError, DrillRefused."""
    casting.check_sandbox(base_url)
    if name == "data-centre-loss":
        faults.owned(home)
    if faults.mend_what_was_left(home):
        say("the failure of an earlier drill was taken back first")
    drill = Drill(name, base_url, clock.real_now().isoformat(timespec="seconds"))
    cast = casting.gather(base_url, home, loans, many_lines=name == "carrier-outage", say=say)
    watch = Watch(base_url, cast)
    try:
        _Act(drill, cast, watch, say, WAIT_S | (waits or {})).run(home)
    finally:
        watch.close()
        cast.close()
    return drill


class _Act:
    def __init__(
        self, drill: Drill, cast: Cast, watch: Watch, say: Callable[[str], None], waits: dict[str, float]
    ) -> None:
        self._drill, self._cast, self._watch, self._say, self._waits = drill, cast, watch, say, waits
        self._began = time.monotonic()
        self._incident: dict[str, Any] | None = None

    def run(self, home: Path) -> None:
        wish = {"prefix": self._cast.prefix} if self._drill.name == "carrier-outage" else {}
        self._began = time.monotonic()
        with faults.injected(home, self._drill.name, **wish):
            self._note("the failure is there")
            if self._drill.name == "data-centre-loss":
                self._while_down(home)
            else:
                self._detect()
                self._tell()
                self._pay()
                self._days_pass()
        self._note("the failure is taken back")
        if self._drill.name == "data-centre-loss":
            self._come_back()
        self._count()
        self._end()

    def _detect(self) -> None:
        cause, kind = MEANT[self._drill.name]
        self._incident = within(self._waits["detection"], lambda: self._watch.incident(cause, kind))
        self._measure("detection_s", self._incident is not None, "an incident is open")

    def _while_down(self, home: Path) -> None:
        """The copy outside is what the public has now; it must say so by itself."""
        del home
        copy = self._copy()
        seen = within(self._waits["detection"], lambda: _told_down(copy))
        self._measure("detection_s", seen is not None, "the copy outside says that we are down")
        shown = within(self._waits["detection"], lambda: _told_incident(copy))
        self._measure("public_notice_s", shown is not None, "the copy outside tells of the incident")

    def _copy(self) -> Path:
        return settings().home / "status-site" / "status.json"

    def _come_back(self) -> None:
        stage = self._cast.borrowers[0]
        back = within(self._waits["back"], lambda: bool(stage.staff.get("/business-day")))
        if back is None:
            raise StoryError("the platform has not come back")
        self._measure("recovery_s", True, "the platform answers again")
        cause, kind = MEANT[self._drill.name]
        self._incident = within(self._waits["back"], lambda: self._watch.incident(cause, kind))
        self._note("the incident is on record" if self._incident else "no incident was recorded")
        self._tell()
        self._pay()
        self._days_pass()

    def _tell(self) -> None:
        """The public page and the borrowers' own messages, looked for side by side."""
        looks: dict[str, tuple[Callable[[], bool], str]] = {
            "first_notice_s": (
                lambda: any(self._watch.reached(one) for one in self._cast.borrowers),
                "a message has reached a borrower by another route",
            )
        }
        # A carrier's incident of this size points at single people and is not published.
        if self._incident is not None and MEANT[self._drill.name][0] == "own":
            known = str(self._incident["id"])
            if "public_notice_s" not in self._drill.measures:
                looks["public_notice_s"] = (
                    lambda: self._watch.public(known), "the status page speaks of it"
                )  # fmt: skip

        def rest() -> bool:
            for name in [name for name, (look, _) in looks.items() if look()]:
                self._measure(name, True, looks.pop(name)[1])
            return not looks

        within(self._waits["notice"], rest)
        for name, (_, what) in looks.items():
            self._measure(name, False, what)
        within(self._waits["public"], lambda: all(self._watch.reached(one) for one in self._cast.borrowers))

    def _pay(self) -> None:
        """Every second borrower tries to repay by another way."""
        tried = self._cast.borrowers[::2]
        done = 0
        for stage in tried:
            try:
                done += watching.repay(stage, self._waits["repay"])
            except StoryError as error:
                self._note(f"a repayment did not go through: {str(error)[:120]}")
        self._drill.measures["repayments_tried"] = len(tried)
        self._drill.measures["repayments_by_another_way"] = done
        self._note(f"{done} of {len(tried)} repayments went through by another way")

    def _days_pass(self) -> None:
        due = max(date.fromisoformat(stage.due_date) for stage in self._cast.borrowers)
        move_to(self._cast.borrowers[0], due + LATER)
        self._note(f"it is {due + LATER} now")

    def _count(self) -> None:
        stages = self._cast.borrowers
        found = self._drill.measures
        reached = sum(self._watch.reached(one) for one in stages)
        paid = [watching.is_paid(one) for one in stages]
        protected = [watching.is_protected(one) for one in stages]
        saved = sum(one or other for one, other in zip(paid, protected, strict=True))
        found |= {
            "borrowers_with_a_loan": len(stages),
            "reached_percent": round(100 * reached / len(stages), 1),
            "loans_protected": sum(protected),
            "saved_percent": round(100 * saved / len(stages), 1),
            "wrong_fees": sum(watching.has_wrong_fee(one) for one in stages),
            "to_strangers": self._watch.to_strangers(),
            "texts_to_the_cast": self._watch.texts_into_the_outage(),
        }
        self._note("the books were looked at")

    def _end(self) -> None:
        if self._incident is None or self._drill.name == "carrier-outage":
            return  # a carrier's incident ends when its lines have been calm for an hour
        known = str(self._incident["id"])
        ended = within(self._waits["over"], lambda: self._watch.over(known))
        self._measure("end_recorded_s", ended is not None, "the incident has ended")

    def _measure(self, name: str, happened: bool, what: str) -> None:
        self._drill.measures[name] = round(time.monotonic() - self._began, 1) if happened else None
        self._note(what if happened else f"did not happen in time: {what}")

    def _note(self, what: str) -> None:
        at_s = round(time.monotonic() - self._began, 1)
        self._drill.log.append({"at_s": at_s, "what": what})
        self._say(f"{at_s:8.1f} s  {what}")


def _told_down(copy: Path) -> bool:
    return bool(_read(copy).get("state") == "down")


def _told_incident(copy: Path) -> bool:
    return any(one["open"] and one["kind"] == "platform" for one in _read(copy).get("incidents", []))


def _read(copy: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(copy.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
