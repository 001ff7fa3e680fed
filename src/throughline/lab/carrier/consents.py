"""Consents: by number, scope and purpose; asked for by consent-info, given on the capture page, needed by 3-legged calls.

What nobody has decided: `dpv:RequestedServiceProvision` was agreed to at the counter, other purposes were not. The
setting `consent_default` (GRANTED or PENDING) says otherwise for all of them.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from throughline.kernel.clock import now
from throughline.kernel.ids import new_id
from throughline.lab.carrier.books import Books
from throughline.lab.carrier.calls import Call, Operation, Refusal
from throughline.lab.carrier.company import Company
from throughline.lab.carrier.outbox import LOOPBACK
from throughline.lab.carrier.times import text

API = "consent-info"
STATES = ("GRANTED", "PENDING", "REQUESTED", "DENIED", "EXPIRED", "OBJECTED")
_AT_THE_COUNTER = "dpv:RequestedServiceProvision"
_CAPTURES_A_DAY = 50


def operations() -> list[Operation]:
    """The operation of the file."""
    return [Operation(API, "POST", "/retrieve", _retrieve)]


def state_of(books: Books, phone: str, scope: str, purpose: str) -> tuple[str, str | None]:
    """State and expiry of a consent; one that has run out is EXPIRED."""
    rows = books.ledger.rows(
        "SELECT state, expires_at FROM consent WHERE phone = ? AND scope IN (?, '*') AND purpose = ?"
        " ORDER BY scope = '*'",
        (phone, scope, purpose),
    )
    if not rows:
        usual = "GRANTED" if purpose == _AT_THE_COUNTER else "PENDING"
        return str(books.ledger.setting("consent_default", usual)), None
    state, expires_at = rows[0]["state"], rows[0]["expires_at"]
    if state == "GRANTED" and expires_at and expires_at <= text(now()):
        state = "EXPIRED"
    return state, expires_at


def decide(
    books: Books, phone: str, scopes: Iterable[str], purpose: str, state: str, expires_at: str | None = None
) -> None:
    """Write what a person decided; the scope `*` stands for every one that has no word of its own."""
    with books.ledger.transaction() as db:
        db.executemany(
            "INSERT OR REPLACE INTO consent VALUES (?, ?, ?, ?, ?)",
            [(phone, scope, purpose, state, expires_at) for scope in scopes],
        )


def _retrieve(call: Call) -> dict[str, Any]:
    body, books = call.body, call.company.books
    phone = call.ours(call.subject(body.get("phoneNumber")))
    purpose, groups = body["purpose"], dict[tuple[str, str | None], list[str]]()
    for scope in dict.fromkeys(body["scopes"]):
        groups.setdefault(state_of(books, phone, scope, purpose), []).append(scope)
    infos, needed = [], []
    for (state, expires_at), scopes in groups.items():
        info: dict[str, Any] = {
            "scopes": scopes,
            "purpose": purpose,
            "statusValidForProcessing": state == "GRANTED",
        }
        if state != "GRANTED":
            info["statusReason"] = state
            if state != "OBJECTED":
                needed += scopes
        if expires_at:
            info["expirationDate"] = expires_at
        infos.append(info)
    shown: dict[str, Any] = {"statusInfo": infos}
    if needed and body["requestCaptureUrl"]:
        shown["captureUrl"] = _capture(call, phone, needed, purpose)
    return shown


def _capture(call: Call, phone: str, scopes: list[str], purpose: str) -> str:
    callback = call.body.get("callbackUrl")
    if callback is not None and urlsplit(callback).scheme not in {"http", "https"}:
        raise Refusal(403, "CONSENT_INFO.INVALID_CALLBACK_URL", "The callback URL is not allowed")
    made, day = str(new_id()), text(now())[:10]
    with call.company.ledger.transaction() as db:
        (today,) = db.execute(
            "SELECT count(*) FROM capture WHERE phone = ? AND at >= ?", (phone, day)
        ).fetchone()
        if today >= _CAPTURES_A_DAY:
            raise Refusal(
                403, "CONSENT_INFO.CAPTURE_FREQUENCY_EXCEEDED", "Too many capture URLs for this number"
            )
        db.execute(
            "INSERT INTO capture VALUES (?, ?, ?, ?, ?, ?)",
            (made, phone, " ".join(scopes), purpose, callback, text(now())),
        )
    host = call.headers.get("host", "localhost")
    return f"http://{quote(host, safe=':.[]')}{call.company.carrier.base}/consents/{made}"


async def capture_page(company: Company, request: Request) -> Response:
    """What the person sees behind a capture URL, and what follows from the answer."""
    rows = company.ledger.rows("SELECT * FROM capture WHERE id = ?", (request.path_params["capture_id"],))
    if not rows:
        return HTMLResponse("<p>No such request.</p>", status_code=404)
    row = rows[0]
    if request.method == "POST":
        answer = (await request.form()).get("answer")
        state = "GRANTED" if answer == "yes" else "DENIED"
        decide(company.books, row["phone"], row["scopes"].split(" "), row["purpose"], state)
        if row["callback"]:
            back = {"capture_result": "granted" if answer == "yes" else "denied"}
            if "state" in request.query_params:
                back["state"] = request.query_params["state"]
            joint = "&" if urlsplit(row["callback"]).query else "?"
            return RedirectResponse(f"{row['callback']}{joint}{urlencode(back)}", status_code=303)
        return HTMLResponse(f"<p>{state}</p>")
    scopes = "".join(f"<li>{html.escape(one)}</li>" for one in row["scopes"].split(" "))
    page = (
        f"<!doctype html><title>Consent</title><p>{html.escape(row['purpose'])}</p><ul>{scopes}</ul>"
        '<form method="post"><button name="answer" value="yes">Yes</button>'
        '<button name="answer" value="no">No</button></form>'
    )
    # The answer of the form leads back to the client.
    to = urlsplit(row["callback"] or "")
    client = f" {to.scheme}://{to.hostname}:*" if to.hostname in LOOPBACK else ""
    policy = f"default-src 'none'; form-action 'self'{client}"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})
