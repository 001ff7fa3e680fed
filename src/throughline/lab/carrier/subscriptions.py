"""Subscriptions of three files: reachability, SIM swap, data volume. One event type each; they end with an event."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from throughline.kernel.clock import now, real_now
from throughline.kernel.ids import new_id
from throughline.lab.carrier.books import Books, Facts
from throughline.lab.carrier.calls import Call, Operation, Refusal
from throughline.lab.carrier.outbox import LOOPBACK, Outbox
from throughline.lab.carrier.times import instant, text

REACHABILITY = "device-reachability-status-subscriptions"
SIM_SWAP = "sim-swap-subscriptions"
VOLUME = "device-data-volume-subscriptions"
APIS = (REACHABILITY, SIM_SWAP, VOLUME)
# CAMARA has no event for a suspension: this type is ours, by agreement with a carrier, and no standard.
PUSH = "org.throughline.subscription-status-extension.v1.status-changed"
_PERCENTS = {"data-50-percent": 50, "data-75-percent": 75, "data-90-percent": 90, "data-exceeded": 100}
_LISTED = 200
_MOST = 2**62


@dataclass(frozen=True, slots=True)
class Seen:
    """What subscribers may learn of a line at an instant."""

    facts: Facts
    connectivity: tuple[str, ...]


class Subscriptions:
    """The subscriptions of a carrier."""

    def __init__(self, books: Books, outbox: Outbox) -> None:
        self._books = books
        self._ledger = books.ledger
        self._outbox = outbox

    def seen(self, phone: str) -> Seen:
        """The line as a subscriber would be told now."""
        facts = self._books.facts(phone)
        return Seen(facts, tuple(self._books.connectivity(phone, facts)))

    # --- what happens to a line

    def tell(self, db: sqlite3.Connection, phone: str, before: Seen, after: Seen) -> None:
        """Write the events that a change means for the number's living subscriptions."""
        for row in self._living(db, phone):
            if _happened(_kind(row), before, after):
                self._emit(db, row)

    def push(self, db: sqlite3.Connection, phone: str, flags: Mapping[str, str] | None, sink: str) -> None:
        """Our own extension: the flags of a number that somebody is subscribed to, to the first sink."""
        living = self._living(db, phone)
        if living:
            data = {"phoneNumber": phone, **(flags or {"reason": "cancelled"})}
            self._outbox.cloud_event(
                db,
                subscription_id=None,
                sink=living[0]["sink"] or sink,
                token=living[0]["token"],
                kind=PUSH,
                data=data,
                at=text(now()),
            )

    def _living(self, db: sqlite3.Connection, phone: str) -> list[dict[str, Any]]:
        found = db.execute(
            "SELECT * FROM subscription WHERE phone = ? AND status = 'ACTIVE' ORDER BY id", (phone,)
        ).fetchall()
        return [dict(row) for row in found]

    # --- life of a subscription

    def create(self, call: Call, api: str) -> dict[str, Any]:
        """Keep a subscription. With the setting `async_subscriptions` it starts a little later. Raises Refusal."""
        body = call.body
        phone = self._subject(call, api)
        credential, config = body.get("sinkCredential") or {}, body["config"]
        self._check(call, api)
        later = bool(self._ledger.setting("async_subscriptions", False))
        started = real_now()
        row = {
            "id": str(new_id()),
            "api": api,
            "phone": phone,
            "three_legged": int(call.token.phone is not None),
            "type": body["types"][0],
            "sink": body["sink"],
            "token": credential.get("accessToken"),
            "token_expires_at": _moment(credential.get("accessTokenExpiresUtc")),
            "starts_at": None if later else text(started),
            "expires_at": _moment(config.get("subscriptionExpireTime")),
            # The file knows no largest number; the books do.
            "max_events": int(min(config.get("subscriptionMaxEvents", _MOST), _MOST)),
            "sent": 0,
            "status": "ACTIVATION_REQUESTED" if later else "ACTIVE",
            "config": json.dumps(config),
            "settings": json.dumps(body["protocolSettings"]) if "protocolSettings" in body else None,
            "ready_at": text(started + timedelta(seconds=1)) if later else None,
        }
        with self._ledger.transaction() as db:
            db.execute(f"INSERT INTO subscription VALUES ({', '.join(f':{name}' for name in row)})", row)
            if not later:
                self._begin(db, row)
        return row

    def _subject(self, call: Call, api: str) -> str:
        detail = call.body["config"]["subscriptionDetail"]
        if api == SIM_SWAP:
            phone = call.subject(detail.get("phoneNumber"))
        else:
            phone, _ = call.device_of(detail.get("device"))
        return call.ours(phone, missing=(422, "SERVICE_NOT_APPLICABLE"))

    def _check(self, call: Call, api: str) -> None:
        body = call.body
        if f"{api}:{body['types'][0]}:create" not in call.token.scopes:
            code = "PERMISSION_DENIED" if api == SIM_SWAP else "SUBSCRIPTION_MISMATCH"
            raise Refusal(403, code, "The token is not for this event type")
        if body["protocol"] != "HTTP":
            raise Refusal(400, "INVALID_PROTOCOL", "Only HTTP is supported")
        credential = body.get("sinkCredential")
        if credential is not None and credential["credentialType"] != "ACCESSTOKEN":
            raise Refusal(400, "INVALID_CREDENTIAL", "Only Access token is supported")
        if body["sink"].startswith("http:") and not self._ledger.setting("allow_http_sink", True):
            raise Refusal(400, "INVALID_SINK", "The sink must be https")

    def _begin(self, db: sqlite3.Connection, row: dict[str, Any]) -> None:
        self._lifecycle(db, row, "subscription-started", {"initiationReason": "SUBSCRIPTION_CREATED"})
        seen = self.seen(row["phone"])
        if json.loads(row["config"]).get("initialEvent") and _true_now(_kind(row), seen):
            self._emit(db, row)

    def _emit(self, db: sqlite3.Connection, row: dict[str, Any]) -> None:
        named: dict[str, Any] = {}
        if not row["three_legged"]:
            named = (
                {"phoneNumber": row["phone"]}
                if row["api"] == SIM_SWAP
                else {"device": {"phoneNumber": row["phone"]}}
            )
        self._outbox.cloud_event(
            db,
            subscription_id=row["id"],
            sink=row["sink"],
            token=row["token"],
            kind=row["type"],
            data={"subscriptionId": row["id"], **named},
            at=text(now()),
        )
        db.execute("UPDATE subscription SET sent = sent + 1 WHERE id = ?", (row["id"],))
        if row["sent"] + 1 >= row["max_events"]:
            self._end(db, row, "MAX_EVENTS_REACHED")

    def _lifecycle(
        self, db: sqlite3.Connection, row: Mapping[str, Any], name: str, data: Mapping[str, str]
    ) -> None:
        kind = f"org.camaraproject.{row['api']}.v0.{name}"
        leftover = row["api"] == SIM_SWAP and name != "subscription-ended"
        if leftover and self._ledger.setting("template_event_names", True):
            # So the file says: its template's name was left in. The right one can be chosen.
            kind = f"org.camaraproject.api-name.v0.{name}"
        self._outbox.cloud_event(
            db,
            subscription_id=row["id"],
            sink=row["sink"],
            token=row["token"],
            kind=kind,
            data={"subscriptionId": row["id"], **data},
            at=text(now()),
        )

    def _end(
        self, db: sqlite3.Connection, row: Mapping[str, Any], reason: str, *, silent: bool = False
    ) -> None:
        status = "DELETED" if reason == "SUBSCRIPTION_DELETED" else "EXPIRED"
        db.execute("UPDATE subscription SET status = ? WHERE id = ?", (status, row["id"]))
        if not silent and not self._ledger.setting("silent_end", False):
            self._lifecycle(db, row, "subscription-ended", {"terminationReason": reason})

    def end(self, subscription_id: str, reason: str, *, silent: bool = False) -> bool:
        """End a subscription, with its last event unless it is to be silent; False if there is no living one."""
        with self._ledger.transaction() as db:
            row = db.execute(
                "SELECT * FROM subscription WHERE id = ? AND status IN ('ACTIVE', 'ACTIVATION_REQUESTED', 'INACTIVE')",
                (subscription_id,),
            ).fetchone()
            if row is None:
                return False
            self._end(db, dict(row), reason, silent=silent)
            return True

    def end_all(self, db: sqlite3.Connection, phone: str, reason: str) -> None:
        """End every living subscription of a number."""
        for row in self._living(db, phone):
            self._end(db, row, reason)

    def switch(self, subscription_id: str, *, active: bool) -> bool:
        """Let the carrier pause a subscription, or go on with it; with an event."""
        before, after = ("INACTIVE", "ACTIVE") if active else ("ACTIVE", "INACTIVE")
        with self._ledger.transaction() as db:
            row = db.execute(
                "SELECT * FROM subscription WHERE id = ? AND status = ?", (subscription_id, before)
            ).fetchone()
            if row is None:
                return False
            db.execute("UPDATE subscription SET status = ? WHERE id = ?", (after, subscription_id))
            self._lifecycle(db, dict(row), "subscription-updated", {"updateReason": f"SUBSCRIPTION_{after}"})
            return True

    def tick(self) -> None:
        """Start what is ready, end what has run out."""
        at = text(real_now())
        for row in self._ledger.rows(
            "SELECT * FROM subscription WHERE status = 'ACTIVATION_REQUESTED' AND ready_at <= ? LIMIT 100",
            (at,),
        ):
            with self._ledger.transaction() as db:
                db.execute(
                    "UPDATE subscription SET status = 'ACTIVE', starts_at = ? WHERE id = ?", (at, row["id"])
                )
                self._begin(db, row)
        for row in self._ledger.rows(
            "SELECT id, token_expires_at FROM subscription WHERE status IN ('ACTIVE', 'INACTIVE')"
            " AND (token_expires_at <= ? OR expires_at <= ?) LIMIT 100",
            (at, at),
        ):
            by_token = row["token_expires_at"] and row["token_expires_at"] <= at
            self.end(row["id"], "ACCESS_TOKEN_EXPIRED" if by_token else "SUBSCRIPTION_EXPIRED")

    # --- reading

    def find(self, call: Call, api: str) -> dict[str, Any]:
        """The subscription that a path names. Raises Refusal."""
        rows = self._ledger.rows(
            "SELECT * FROM subscription WHERE id = ? AND api = ? AND status <> 'DELETED'",
            (call.path["subscriptionId"], api),
        )
        if not rows or call.token.phone not in {None, rows[0]["phone"]}:
            raise Refusal(404, "NOT_FOUND", "There is no such subscription")
        return rows[0]

    def living(self, call: Call, api: str) -> list[dict[str, Any]]:
        """The living subscriptions of an API, newest first; with a 3-legged token those of its number."""
        return self._ledger.rows(
            "SELECT * FROM subscription WHERE api = ? AND status NOT IN ('EXPIRED', 'DELETED')"
            " AND (? IS NULL OR phone = ?) ORDER BY id DESC LIMIT ?",
            (api, call.token.phone, call.token.phone, _LISTED),
        )


def operations() -> list[Operation]:
    """The operations of the three files."""
    return [one for api in APIS for one in _operations(api)]


def _operations(api: str) -> list[Operation]:
    def create(call: Call) -> Any:
        row = call.company.subscriptions.create(call, api)
        return (202, {"id": row["id"]}) if row["status"] == "ACTIVATION_REQUESTED" else (201, document(row))

    def show_all(call: Call) -> Any:
        return [document(row) for row in call.company.subscriptions.living(call, api)]

    def show(call: Call) -> Any:
        return document(call.company.subscriptions.find(call, api))

    def delete(call: Call) -> Any:
        subscriptions = call.company.subscriptions
        if not subscriptions.end(subscriptions.find(call, api)["id"], "SUBSCRIPTION_DELETED"):
            raise Refusal(404, "NOT_FOUND", "There is no such subscription")

    one = "/subscriptions/{subscriptionId}"
    return [
        Operation(api, "POST", "/subscriptions", create),
        Operation(api, "GET", "/subscriptions", show_all),
        Operation(api, "GET", one, show),
        Operation(api, "DELETE", one, delete, status=204),
    ]


def with_https(api: str, body: Any) -> Any:
    """A body whose plain loopback sink is written as https: the file's pattern knows no loopback."""
    if api in APIS and isinstance(body, dict) and isinstance(body.get("sink"), str):
        sink = body["sink"]
        if sink.startswith("http://") and _host(sink) in LOOPBACK:
            return body | {"sink": "https" + sink.removeprefix("http")}
    return body


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A subscription as the files show it."""
    shown = {
        "id": row["id"],
        "sink": row["sink"],
        "protocol": "HTTP",
        "types": [row["type"]],
        "config": json.loads(row["config"]),
        "status": row["status"],
    }
    if row["starts_at"]:
        shown["startsAt"] = row["starts_at"]
    if row["expires_at"]:
        shown["expiresAt"] = row["expires_at"]
    if row["settings"]:
        shown["protocolSettings"] = json.loads(row["settings"])
    return shown


def _kind(row: Mapping[str, Any]) -> str:
    return str(row["type"]).rsplit(".", 1)[1]


def _happened(kind: str, before: Seen, after: Seen) -> bool:
    if kind == "swapped":
        changed = after.facts.sim_changed_at
        return changed is not None and changed != before.facts.sim_changed_at
    return _true_now(kind, after) and not _true_now(kind, before)


def _true_now(kind: str, seen: Seen) -> bool:
    match kind:
        case "reachability-data":
            return "DATA" in seen.connectivity
        case "reachability-sms":
            return seen.connectivity == ("SMS",)
        case "reachability-disconnected":
            return not seen.connectivity
        case "swapped":
            return False
        case _:
            return seen.facts.used_mib * 100 >= seen.facts.plan_mib * _PERCENTS[kind]


def _moment(given: str | None) -> str | None:
    if given is None:
        return None
    try:
        return text(instant(given.upper()))
    except (ValueError, OverflowError):
        raise Refusal(400, "OUT_OF_RANGE", "This instant can't be kept") from None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
