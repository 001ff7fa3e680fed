"""What a drill looks at: our own word for it (incidents, protections) and the outside's (mailbox, SMS centre, WeChat)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from throughline.kernel.lab_ports import lab_port
from throughline.lab.drills.cast import Cast
from throughline.lab.story.client import StoryError
from throughline.lab.story.outside import CARRIER, SMS
from throughline.lab.story.stage import Stage

T = TypeVar("T")
PAUSE_S = 0.5
STRANGERS = frozenset({"cancelled", "reassigned"})


def within(seconds: float, look: Callable[[], T | None]) -> T | None:
    """Look again and again; None if it did not happen in that time. A platform that is down shows nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = look()
        except (httpx.HTTPError, StoryError):
            seen = None
        if seen or time.monotonic() >= deadline:
            return seen or None
        time.sleep(PAUSE_S)


class Watch:
    """Counts of the moment before the failure, and what has come since."""

    def __init__(self, base_url: str, cast: Cast) -> None:
        self._base = base_url.rstrip("/")
        self._cast = cast
        self._http = httpx.Client(timeout=10, trust_env=False)
        self._mails = {one.borrower_id: self._mail_count(one) for one in cast.borrowers}
        self._texts = len(self._all_texts())
        self._known = {row["id"] for row in self._incidents()}

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def incident(self, cause: str, kind: str) -> dict[str, Any] | None:
        """The incident of that kind that was not there before."""
        rows = [row for row in self._incidents() if row["id"] not in self._known]
        return next((row for row in rows if (row["cause"], row["kind"]) == (cause, kind)), None)

    def over(self, incident_id: str) -> bool:
        """Whether it has ended."""
        stage = self._cast.borrowers[0]
        return bool(stage.staff.get(f"/incidents/{incident_id}")["state"] == "closed")

    def public(self, incident_id: str) -> bool:
        """Whether the status page speaks of it."""
        told = self._http.get(f"{self._base}/status.json").json()
        return any(one["id"] == incident_id for one in told["incidents"])

    def reached(self, stage: Stage) -> bool:
        """Whether something of ours has arrived since, in the mailbox or, where that still works, on the phone."""
        if self._mail_count(stage) > self._mails[stage.borrower_id]:
            return True
        phone = stage.person.phone.lstrip("+")
        return any(
            str(row["phone"]).lstrip("+") == phone and row["state"] == "delivered"
            for row in self._all_texts()[self._texts :]
        )

    def to_strangers(self) -> int:
        """SMS since then to numbers that are nobody's any more, or somebody else's."""
        phones = [f"+{str(row['phone']).lstrip('+')}" for row in self._all_texts()[self._texts :]]
        return sum(self._line_state(phone) in STRANGERS for phone in phones)

    def texts_into_the_outage(self) -> int:
        """SMS since then to numbers of the cast."""
        prefix = self._cast.prefix.lstrip("+")
        rows = self._all_texts()[self._texts :]
        return sum(str(row["phone"]).lstrip("+").startswith(prefix) for row in rows)

    def _line_state(self, phone: str) -> str:
        answer = self._http.get(f"http://127.0.0.1:{lab_port(CARRIER)}/control/numbers/{phone}")
        return str(answer.json()["state"]) if answer.is_success else ""

    def _all_texts(self) -> list[dict[str, Any]]:
        answer = self._http.get(f"http://127.0.0.1:{lab_port(SMS)}/control/messages")
        return list(answer.json()["messages"])

    def _mail_count(self, stage: Stage) -> int:
        return len(stage.outside.mails_to(stage.person.email))

    def _incidents(self) -> list[dict[str, Any]]:
        return self._cast.borrowers[0].staff.items("/incidents", limit="50")


def repay(stage: Stage, within_s: float) -> bool:
    """From another computer, without the line: sign in and have somebody pay by the code. False: it did not work."""
    me = stage.other
    begun = me.post("/sign-in/passkey/begin")
    response = stage.authenticator.get(begun["options"], me.origin)
    me.post("/sign-in/passkey/finish", {"challenge_id": begun["challenge_id"], "response": response})
    due = _outstanding(stage)
    if due == 0:
        return True
    order = me.post(f"/me/loans/{stage.loan_id}/repayments", {"amount_minor": due})

    def ready() -> dict[str, Any] | None:
        found: dict[str, Any] = me.get(f"/me/payment-orders/{order['id']}")
        return found if found["code_url"] else None

    shown = within(within_s, ready)
    if shown is None:
        return False
    stage.outside.scan_and_pay(shown["code_url"])
    return within(within_s, lambda: _outstanding(stage) == 0) is not None


def is_paid(stage: Stage) -> bool:
    """Whether the first installment is paid."""
    return _outstanding(stage) == 0


def is_protected(stage: Stage) -> bool:
    """Whether a case protects the loan, or did."""
    rows = stage.first.get("/me/protections")["items"]
    return any(row["loan_id"] == stage.loan_id and row["state"] in {"granted", "ended"} for row in rows)


def has_wrong_fee(stage: Stage) -> bool:
    """Whether the borrower was charged or counted late."""
    loan = stage.first.get(f"/me/loans/{stage.loan_id}")
    return bool(loan["penalty_minor"] or loan["delinquent_days"])


def _outstanding(stage: Stage) -> int:
    loan = stage.first.get(f"/me/loans/{stage.loan_id}")
    return int(loan["installments"][0]["outstanding_minor"])
