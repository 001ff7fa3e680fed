"""Sponsored data: sessions that end by time, volume or revocation, each with its notification, and campaigns.

The file is a work in progress without a security scheme; our tokens need any scope that begins `sponsored-data`.
A campaign nobody has set is an active, postpaid one of `_CAMPAIGN_LIFE`. Volumes in MB.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from throughline.kernel.clock import now
from throughline.lab.carrier.books import Books
from throughline.lab.carrier.calls import Call, Operation, Refusal
from throughline.lab.carrier.outbox import Outbox
from throughline.lab.carrier.times import instant, text

API = "sponsored_data"
DEFAULT_MB, DEFAULT_MINUTES = 100, 60
_CAMPAIGN_LIFE = timedelta(days=365)
# The session's endReason and the notification's reason are two enums in the file.
_REASONS = {
    "validity_expired": "EXPIRED",
    "data_exhausted": "DATA_EXHAUSTED",
    "session_revoked": "TERMINATED_BY_SPONSOR",
    "not_available": "USER_DEREGISTERED",
}
_LISTED = 1000


class Sponsors:
    """The sponsorships of a carrier."""

    def __init__(self, books: Books, outbox: Outbox) -> None:
        self._ledger = books.ledger
        self._books = books
        self._outbox = outbox

    def campaign(self, sponsor: str, campaign: str) -> dict[str, Any]:
        """A campaign with what it has used; made when it is first named."""
        at = now()
        with self._ledger.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO campaign (sponsor, campaign, status, type, starts_at, ends_at)"
                " VALUES (?, ?, 'active', 'postpaid', ?, ?)",
                (sponsor, campaign, text(at), text(at + _CAMPAIGN_LIFE)),
            )
        (row,) = self._ledger.rows(
            "SELECT *, (SELECT coalesce(sum(CASE WHEN end_reason IS NULL THEN volume_mb ELSE used_mb END), 0)"
            " FROM sponsorship s WHERE s.sponsor = campaign.sponsor AND s.campaign = campaign.campaign) AS used_mb"
            " FROM campaign WHERE sponsor = ? AND campaign = ?",
            (sponsor, campaign),
        )
        if row["status"] != "completed" and row["ends_at"] <= text(at):
            row["status"] = "completed"
        return row

    def start(self, call: Call) -> dict[str, Any]:
        """Grant a session. Raises Refusal."""
        body = call.body
        campaign = self.campaign(body["sponsorId"], body["campaignId"])
        if campaign["status"] != "active":
            raise Refusal(422, "SERVICE_NOT_APPLICABLE", f"The campaign is {campaign['status']}")
        phone = call.ours(body["phoneNumber"], missing=(404, "IDENTIFIER_NOT_FOUND"))
        if call.token.phone not in {None, phone}:
            raise Refusal(403, "INVALID_TOKEN_CONTEXT", "The token is of another phone number")
        flags = self._books.facts(phone).flags or {}
        if flags.get("voiceSmsIn") == "suspended" and not self._ledger.setting("sponsor_suspended", False):
            raise Refusal(422, "SERVICE_NOT_APPLICABLE", "The line is suspended; data cannot be sponsored")
        volume = body.get("dataVolume", DEFAULT_MB)
        if campaign["contracted_mb"] is not None and campaign["used_mb"] + volume > campaign["contracted_mb"]:
            raise Refusal(422, "SERVICE_NOT_APPLICABLE", "The campaign has not that much data left")
        at = now()
        row = {
            "id": str(uuid4()),
            "sponsor": body["sponsorId"],
            "campaign": body["campaignId"],
            "phone": phone,
            "starts_at": text(at),
            "ends_at": text(at + timedelta(minutes=body.get("duration", DEFAULT_MINUTES))),
            "volume_mb": volume,
            "webhook": body["webhookUrl"],
            "callback_token": body["callbackToken"],
        }
        with self._ledger.transaction() as db:
            db.execute(
                "INSERT INTO sponsorship (id, sponsor, campaign, phone, starts_at, ends_at, volume_mb, webhook,"
                " callback_token) VALUES (:id, :sponsor, :campaign, :phone, :starts_at, :ends_at, :volume_mb,"
                " :webhook, :callback_token)",
                row,
            )
        self._alert(body["sponsorId"], body["campaignId"])
        return row

    def find(self, call: Call) -> dict[str, Any]:
        """The session that a path names. Raises Refusal."""
        rows = self._ledger.rows(
            "SELECT * FROM sponsorship WHERE id = ? AND sponsor = ? AND campaign = ?",
            (call.path["sessionId"].lower(), call.path["sponsorId"], call.path["campaignId"]),
        )
        if not rows or call.token.phone not in {None, rows[0]["phone"]}:
            raise Refusal(404, "NOT_FOUND", "There is no such session")
        return rows[0]

    def revoke(self, session_id: str, reason: str = "session_revoked") -> bool:
        """End a session; False if it has ended."""
        with self._ledger.transaction() as db:
            row = db.execute(
                "SELECT * FROM sponsorship WHERE id = ? AND end_reason IS NULL", (session_id,)
            ).fetchone()
            if row is not None:
                self._end(db, dict(row), reason)
            return row is not None

    def use(self, session_id: str, used_mb: int) -> bool:
        """The person has used this much of a session; True if there is such a running one."""
        with self._ledger.transaction() as db:
            row = db.execute(
                "SELECT * FROM sponsorship WHERE id = ? AND end_reason IS NULL", (session_id,)
            ).fetchone()
            if row is None:
                return False
            used_mb = min(used_mb, row["volume_mb"])
            db.execute("UPDATE sponsorship SET used_mb = ? WHERE id = ?", (used_mb, session_id))
            if used_mb == row["volume_mb"]:
                self._end(db, dict(row), "data_exhausted")
        return True

    def end_all(self, db: sqlite3.Connection, phone: str, reason: str) -> None:
        """End every running session of a number."""
        for row in db.execute(
            "SELECT * FROM sponsorship WHERE phone = ? AND end_reason IS NULL", (phone,)
        ).fetchall():
            self._end(db, dict(row), reason)

    def tick(self) -> None:
        """End what has run out of time."""
        for row in self._ledger.rows(
            "SELECT id FROM sponsorship WHERE end_reason IS NULL AND ends_at <= ? LIMIT 100", (text(now()),)
        ):
            self.revoke(row["id"], "validity_expired")
        for row in self._ledger.rows(
            "SELECT sponsor, campaign FROM campaign WHERE alerts IS NOT NULL AND ends_at <= ?"
            " AND alerted NOT LIKE '%CAMPAIGN_EXPIRED%' LIMIT 20",
            (text(now()),),
        ):
            self._alert(row["sponsor"], row["campaign"])

    def _end(self, db: sqlite3.Connection, row: Mapping[str, Any], reason: str) -> None:
        at = now()
        ends_at = min(at, instant(row["ends_at"]))
        db.execute(
            "UPDATE sponsorship SET end_reason = ?, ends_at = ? WHERE id = ?",
            (reason, text(ends_at), row["id"]),
        )
        note = {
            "api_version": "1.0.0",
            "datacontenttype": "application/json",
            "sponsorId": row["sponsor"],
            "campaignId": row["campaign"],
            "sessionId": row["id"],
            "reason": _REASONS[reason],
            "endTimestamp": text(ends_at),
        }
        headers = {"Content-Type": "application/json", "x-callbackToken": row["callback_token"]}
        self._outbox.write(db, None, row["webhook"], headers, note)

    # --- campaigns

    def set_campaign(self, sponsor: str, campaign: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change status, type, contracted_mb or ends_at of a campaign."""
        row = {**self.campaign(sponsor, campaign), **changes}
        with self._ledger.transaction() as db:
            db.execute(
                "UPDATE campaign SET status = ?, type = ?, contracted_mb = ?, ends_at = ?, alerts = ?"
                " WHERE sponsor = ? AND campaign = ?",
                (
                    row["status"],
                    row["type"],
                    row["contracted_mb"],
                    row["ends_at"],
                    row["alerts"],
                    sponsor,
                    campaign,
                ),
            )
        return self.campaign(sponsor, campaign)

    def running(self, sponsor: str, campaign: str) -> list[dict[str, Any]]:
        """The running sessions of a campaign, newest first."""
        return self._ledger.rows(
            "SELECT * FROM sponsorship WHERE sponsor = ? AND campaign = ? AND end_reason IS NULL"
            " ORDER BY starts_at DESC LIMIT ?",
            (sponsor, campaign, _LISTED),
        )

    def _alert(self, sponsor: str, campaign: str) -> None:
        row = self.campaign(sponsor, campaign)
        if row["alerts"] is None:
            return
        asked, told = json.loads(row["alerts"]), json.loads(row["alerted"])
        share = row["used_mb"] / row["contracted_mb"] if row["contracted_mb"] else 0
        # Both names are as the file has them.
        events = [
            ("DATA_VOLUME_THRESHOLD_EXCEEDED (80%)", "alertDataVolumeThresholds", share > 0.8),
            ("DATA_VOLUME_EXHASTED", "dataVolumeExhausted", share >= 1),
            ("CAMPAIGN_EXPIRED", "campaignExpiryNotification", row["ends_at"] <= text(now())),
        ]
        with self._ledger.transaction() as db:
            for kind, wanted, happened in events:
                if not (happened and asked.get(wanted) and asked.get("webhookUrl")) or kind in told:
                    continue
                told.append(kind)
                note = {
                    "api_version": "1.0.0",
                    "datacontenttype": "application/json",
                    "sponsorId": sponsor,
                    "campaignId": campaign,
                    "eventType": kind,
                    "timestamp": text(now()),
                }
                headers = {"Content-Type": "application/json"}
                if asked.get("callbackToken"):
                    headers["x-callbackToken"] = asked["callbackToken"]
                self._outbox.write(db, None, asked["webhookUrl"], headers, note)
            db.execute(
                "UPDATE campaign SET alerted = ? WHERE sponsor = ? AND campaign = ?",
                (json.dumps(told), sponsor, campaign),
            )


def operations() -> list[Operation]:
    """The operations of the file."""
    session = "/sponsorship/{sponsorId}/{campaignId}/{sessionId}"
    campaign = "/campaign/{sponsorId}/{campaignId}"
    return [
        Operation(API, "POST", "/sponsorship", _start, status=201),
        Operation(API, "GET", f"{session}/session-status", _session),
        Operation(API, "DELETE", f"{session}/revoke", _revoke),
        Operation(API, "GET", f"{campaign}/campaign-status", _campaign),
        Operation(API, "GET", f"{campaign}/active-sponsorships", _running),
        Operation(API, "POST", f"{campaign}/alert-subscription", _alerts),
        Operation(API, "POST", "/campaign/management", _manage),
    ]


def _names(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"sponsorId": row["sponsor"], "campaignId": row["campaign"]}


def _start(call: Call) -> dict[str, Any]:
    row = call.company.sponsors.start(call)
    return _names(row) | {
        "sessionId": row["id"],
        "startTime": row["starts_at"],
        "endTime": row["ends_at"],
        "sponsoredDataVolume": row["volume_mb"],
    }


def _session(call: Call) -> dict[str, Any]:
    row = call.company.sponsors.find(call)
    return _names(row) | {
        "sessionId": row["id"],
        "phoneNumber": row["phone"],
        "startTime": row["starts_at"],
        "endTime": row["ends_at"],
        "sessionStatus": "inactive" if row["end_reason"] else "active",
        "dataVolumeConsumed": row["used_mb"],
        "dataVolumeAvailable": row["volume_mb"] - row["used_mb"],
        "endReason": row["end_reason"] or "not_available",
    }


def _revoke(call: Call) -> dict[str, Any]:
    row = call.company.sponsors.find(call)
    if not call.company.sponsors.revoke(row["id"]):
        raise Refusal(404, "NOT_FOUND", "The session has ended")
    row = call.company.sponsors.find(call)
    return _names(row) | {
        "sessionId": row["id"],
        "phoneNumber": row["phone"],
        "startTime": row["starts_at"],
        "endTime": row["ends_at"],
        "requestResult": "successful_revocation",
    }


def _campaign(call: Call) -> dict[str, Any]:
    row = call.company.sponsors.campaign(call.path["sponsorId"], call.path["campaignId"])
    spent = row["contracted_mb"] is not None and row["used_mb"] >= row["contracted_mb"]
    over = row["ends_at"] <= text(now())
    shown = _names(row) | {
        "status": row["status"],
        "startTime": row["starts_at"],
        "endTime": row["ends_at"],
        "campaignType": row["type"],
        "usedDataVolume": row["used_mb"],
        "completionReason": "time_expired" if over else "data_exhausted" if spent else "not_available",
    }
    if row["contracted_mb"] is not None:
        shown["contractedDataVolume"] = row["contracted_mb"]
        shown["remainingDataVolume"] = max(0, row["contracted_mb"] - row["used_mb"])
    return shown


def _running(call: Call) -> dict[str, Any]:
    sponsor, campaign = call.path["sponsorId"], call.path["campaignId"]
    rows = call.company.sponsors.running(sponsor, campaign)
    return {
        "sponsorId": sponsor,
        "campaignId": campaign,
        "activeSponsorships": [{"sessionId": row["id"], "phoneNumber": row["phone"]} for row in rows],
        "totalCount": len(rows),
    }


def _alerts(call: Call) -> dict[str, Any]:
    sponsor, campaign = call.path["sponsorId"], call.path["campaignId"]
    call.company.sponsors.set_campaign(sponsor, campaign, {"alerts": json.dumps(dict(call.body))})
    return {
        "sponsorId": sponsor,
        "campaignId": campaign,
        "requestResult": "Campaign notifications subscription - SUCCESS",
    }


def _manage(call: Call) -> dict[str, Any]:
    # The file requires no member; without these three there is nothing to do.
    if not {"sponsorId", "campaignId", "action"} <= set(call.body):
        raise Refusal(422, "SERVICE_NOT_APPLICABLE", "sponsorId, campaignId and action are needed")
    sponsor, campaign, pause = call.body["sponsorId"], call.body["campaignId"], call.body["action"] == "pause"
    row = call.company.sponsors.campaign(sponsor, campaign)
    if row["status"] != "completed":
        row = call.company.sponsors.set_campaign(
            sponsor, campaign, {"status": "paused" if pause else "active"}
        )
    status = {"active": "resumed"}.get(row["status"], row["status"])
    return {
        "requestResult": f"CAMPAIGN {status.upper()} SUCCESSFULLY",
        "sponsorId": sponsor,
        "campaignId": campaign,
        "startTime": row["starts_at"],
        "status": status,
    }
