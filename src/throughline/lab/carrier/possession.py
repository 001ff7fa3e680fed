"""Number verification and one-time passwords by SMS: proofs of possession, which fail when the line is down."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Any

from throughline.kernel.clock import now
from throughline.kernel.ids import new_id
from throughline.lab.carrier.calls import Call, Operation, Refusal
from throughline.lab.carrier.times import text

VERIFICATION = "number-verification"
PASSWORD = "one-time-password-sms"  # noqa: S105 # nosec B105 - the name of a file
TRIES = 3
_LIFE_S = 300


def operations() -> list[Operation]:
    """The operations of the two files."""
    return [
        Operation(VERIFICATION, "POST", "/verify", _verify),
        Operation(VERIFICATION, "GET", "/device-phone-number", _share),
        Operation(PASSWORD, "POST", "/send-code", _send),
        Operation(PASSWORD, "POST", "/validate-code", _validate, status=204),
    ]


def _device_number(call: Call) -> str:
    if call.token.phone is None or not call.token.network:
        raise Refusal(
            403,
            "NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK",
            "Client must authenticate via the mobile network to use this service",
        )
    return call.token.phone


def _verify(call: Call) -> dict[str, Any]:
    phone, body = _device_number(call), call.body
    if "hashedPhoneNumber" in body:
        same = hmac.compare_digest(
            hashlib.sha256(phone.encode()).hexdigest(), body["hashedPhoneNumber"].lower()
        )
    else:
        same = body.get("phoneNumber") == phone
    return {"devicePhoneNumberVerified": same}


def _share(call: Call) -> dict[str, Any]:
    return {"devicePhoneNumber": _device_number(call)}


def _send(call: Call) -> dict[str, Any]:
    company, phone = call.company, call.body["phoneNumber"]
    if call.token.phone not in {None, phone}:
        raise Refusal(403, "PERMISSION_DENIED", "The token is of another phone number")
    flags = company.books.facts(phone).flags
    if company.market.carrier_of(phone) != company.name or flags is None:
        raise Refusal(404, "NOT_FOUND", "The phone number is not known here")
    if flags["voiceSmsIn"] != "active":
        raise Refusal(
            403, "ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_BLOCKED", "Phone_number is blocked to receive SMS"
        )
    at, limit = now(), int(company.ledger.setting("passwords_an_hour", 20))
    made, code = str(new_id()), f"{secrets.randbelow(10**6):06}"
    message = call.body["message"].replace("{{code}}", code)
    # A phone that is off gets it when it comes back; nobody tells the sender.
    state = "delivered" if company.books.takes_sms(phone) else "undelivered"
    life_s = float(company.ledger.setting("password_life_s", _LIFE_S))
    with company.ledger.transaction() as db:
        (sent,) = db.execute(
            "SELECT count(*) FROM password WHERE phone = ? AND at > ?", (phone, text(at - timedelta(hours=1)))
        ).fetchone()
        if sent >= limit:
            raise Refusal(
                403, "ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED", "Too many OTPs have been requested"
            )
        db.execute(
            "INSERT INTO password (id, phone, code, tries, expires_at, at) VALUES (?, ?, ?, 0, ?, ?)",
            (made, phone, code, text(at + timedelta(seconds=life_s)), text(at)),
        )
        db.execute(
            "INSERT INTO sms (phone, text, at, state) VALUES (?, ?, ?, ?)", (phone, message, text(at), state)
        )
    return {"authenticationId": made}


def _validate(call: Call) -> None:
    body, refusal = call.body, None
    with call.company.ledger.transaction() as db:
        row = db.execute("SELECT * FROM password WHERE id = ?", (body["authenticationId"],)).fetchone()
        if row is None or call.token.phone not in {None, row["phone"]}:
            refusal = Refusal(404, "NOT_FOUND", "There is no such authenticationId")
        elif row["done"] or row["expires_at"] <= text(now()):
            refusal = _otp("VERIFICATION_EXPIRED", "The authenticationId is no longer valid")
        elif row["tries"] >= TRIES:
            refusal = _otp("VERIFICATION_FAILED", "The maximum number of attempts was exceeded")
        elif not hmac.compare_digest(row["code"].encode(), body["code"].encode()):
            db.execute("UPDATE password SET tries = tries + 1 WHERE id = ?", (row["id"],))
            last = row["tries"] + 1 >= TRIES
            refusal = (
                _otp("VERIFICATION_FAILED", "The maximum number of attempts was exceeded")
                if last
                else _otp("INVALID_OTP", "The provided OTP is not valid for this authenticationId")
            )
        else:
            db.execute("UPDATE password SET done = 1 WHERE id = ?", (row["id"],))
    if refusal is not None:
        raise refusal


def _otp(code: str, message: str) -> Refusal:
    return Refusal(400, f"ONE_TIME_PASSWORD_SMS.{code}", message)
