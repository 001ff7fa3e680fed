"""Callbacks on their way to the client: written with the change that they tell of, posted later, with faults."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from throughline.kernel.clock import real_now
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.lab.carrier.books import Books
from throughline.lab.carrier.times import text

log = get_logger(__name__)

FAULTS = ("callback_drop", "callback_twice", "callback_late", "callback_reorder")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
GIVE_UP_AFTER = 8
_TOGETHER = 20
_TAKEN = frozenset({200, 202, 204})


class Outbox:
    """The events of a carrier.

    Posts go to loopback and to the hosts of the setting `sink_hosts` only: a simulator that is fed with random
    sinks must not call strangers.
    """

    def __init__(self, books: Books, carrier: str) -> None:
        self._books = books
        self._source = f"https://carrier.example/{carrier}"
        self._http = httpx.Client(timeout=5, trust_env=False)

    def cloud_event(
        self,
        db: sqlite3.Connection,
        *,
        subscription_id: str | None,
        sink: str,
        token: str | None,
        kind: str,
        data: Mapping[str, Any],
        at: str,
    ) -> None:
        """Write a CloudEvent into the caller's transaction."""
        event = {
            "id": str(new_id()),
            "source": self._source,
            "type": kind,
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "time": at,
            "data": dict(data),
        }
        headers = {"Content-Type": "application/cloudevents+json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self.write(db, subscription_id, sink, headers, event)

    def write(
        self,
        db: sqlite3.Connection,
        subscription_id: str | None,
        sink: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
    ) -> None:
        """Write a callback of any shape."""
        delay_s = float(self._books.ledger.setting("callback_delay_s", 0))
        db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                str(new_id()),
                subscription_id,
                sink,
                json.dumps(dict(headers)),
                json.dumps(dict(body)),
                text(real_now() + timedelta(seconds=delay_s)),
                # A feed that has gone quiet loses what happens meanwhile; nobody is told.
                "swallowed" if self._books.ledger.setting("quiet", False) else "waiting",
            ),
        )

    def post_due(self) -> None:
        """Post what is due, oldest first."""
        events = self._books.ledger.rows(
            "SELECT * FROM event WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, id LIMIT ?",
            (text(real_now()), _TOGETHER),
        )
        if len(events) > 1 and self._books.ledger.take_fault("callback_reorder"):
            events.reverse()
        for event in events:
            name, wish = self._books.ledger.take_fault(*FAULTS[:3]) or ("", {})
            if name == "callback_drop":
                self._note(event, "dropped")
            elif name == "callback_late":
                self._later(event, float(wish.get("after_s", 1)))
            else:
                for _ in range(2 if name == "callback_twice" else 1):
                    taken = self._post(event)
                self._note(event, taken)

    def _post(self, event: Mapping[str, Any]) -> str:
        host = urlsplit(event["sink"]).hostname
        if host not in LOOPBACK and host not in self._books.ledger.setting("sink_hosts", []):
            return "lost"
        try:
            answer = self._http.post(
                event["sink"], content=event["body"], headers=json.loads(event["headers"])
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            log.warning("the sink was not reached", error=type(error).__name__)
            return "waiting"
        if answer.status_code == 410:
            return "gone"
        return "delivered" if answer.status_code in _TAKEN else "waiting"

    def _note(self, event: Mapping[str, Any], state: str) -> None:
        """Note what became of a post; a failed one is tried again, eight times in all."""
        if state == "waiting" and event["tries"] + 1 >= GIVE_UP_AFTER:
            state = "lost"
        again = text(real_now() + timedelta(seconds=min(30, 2 ** event["tries"])))
        with self._books.ledger.transaction() as db:
            db.execute(
                "UPDATE event SET state = ?, tries = tries + 1, due_at = ? WHERE id = ?",
                (state, again, event["id"]),
            )
            if state == "gone" and event["subscription_id"]:
                db.execute(
                    "UPDATE subscription SET status = 'DELETED' WHERE id = ?", (event["subscription_id"],)
                )

    def _later(self, event: Mapping[str, Any], after_s: float) -> None:
        with self._books.ledger.transaction() as db:
            db.execute(
                "UPDATE event SET due_at = ? WHERE id = ?",
                (text(real_now() + timedelta(seconds=after_s)), event["id"]),
            )
