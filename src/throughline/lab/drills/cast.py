"""The borrowers of a drill: some with a loan that falls due, and, where lines fail together, many more lines."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import httpx

from throughline.lab.drills.faults import DrillRefused
from throughline.lab.story.client import Browser
from throughline.lab.story.people import invent
from throughline.lab.story.stage import Stage, set_up
from throughline.lab.story.suspended_line import (
    CONSENTS,
    apply_and_sign,
    move_to,
    pay_out,
    reach_the_due_date,
    register,
)

AT_ONCE = 3
LINES = 24  # the line engine speaks of an incident from 20 failing lines of a group on
SANDBOX = "Demo lender: nothing here is real money."


@dataclass
class Cast:
    """Everybody, and the prefix that all their numbers have in common."""

    prefix: str
    borrowers: list[Stage]

    def close(self) -> None:
        """Let go of all connections."""
        for one in self.borrowers:
            one.close()


def check_sandbox(base_url: str) -> None:
    """Refuse to play anywhere but in a sandbox. Raises DrillRefused."""
    try:
        page = httpx.get(
            f"{base_url.rstrip('/')}/help",
            headers={"Accept-Language": "en", "Accept": "*/*"},
            timeout=30,
            trust_env=False,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise DrillRefused(f"{base_url} does not answer: start the sandbox with `make run`") from error
    if page.status_code != 200 or SANDBOX not in page.text:
        raise DrillRefused(f"{base_url} is no sandbox: drills are played with the demo lender only")


def gather(base_url: str, home: Path, loans: int, *, many_lines: bool, say: Callable[[str], None]) -> Cast:
    """Register everybody, pay out the loans, and let days pass until the first installments fall due today."""
    prefix = f"+86139{secrets.randbelow(1_000):03d}"
    stages = [
        set_up(base_url, "zh-CN", home, replace(invent(), phone=f"{prefix}{number:05d}"))
        for number in range(loans)
    ]
    cast = Cast(prefix, stages)
    say(f"{loans} borrowers register, sign and are paid out")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_with_loan, stages))
        if many_lines:
            say(f"{LINES} more people register: their lines are of the same region")
            numbers = [f"{prefix}{50_000 + place:05d}" for place in range(LINES)]
            list(pool.map(lambda phone: _line(base_url, phone), numbers))
    for stage in stages:
        list(reach_the_due_date(stage))
    due = max(date.fromisoformat(stage.due_date) for stage in stages)
    say(f"installments fall due on {due}; business time moves there")
    move_to(stages[0], due)
    return cast


def _with_loan(stage: Stage) -> None:
    for step in (register, apply_and_sign, pay_out):
        list(step(stage))


def _line(base_url: str, phone: str) -> None:
    person = replace(invent(), phone=phone)
    browser = Browser(base_url, "zh-CN", "phone")
    try:
        browser.post(
            "/registrations",
            {
                "name": person.name,
                "id_number": person.id_number,
                "phone": person.phone,
                "email": person.email,
                "locale": "zh-CN",
                "consents": CONSENTS,
            },
        )
    finally:
        browser.close()
