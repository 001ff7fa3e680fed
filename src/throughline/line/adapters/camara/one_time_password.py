"""one-time-password-sms 1.1.1: a code by the carrier's own SMS. It fails exactly when the line is down."""

from __future__ import annotations

from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.reading import Malformed
from throughline.line.ports import Outcome

_SCOPES = ("one-time-password-sms:send-validate",)
# Neither is asked again after a lost answer: it would be a second SMS, or a second guess.
SEND = Operation("POST", "/one-time-password-sms/v1/send-code", _SCOPES, repeatable=False)
VALIDATE = Operation("POST", "/one-time-password-sms/v1/validate-code", _SCOPES, repeatable=False)
PLACE = "{{code}}"
WRONG_CODES = ("ONE_TIME_PASSWORD_SMS.INVALID_OTP", "ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED")


def send_code(caller: Caller, subject: Subject, message: str, *, ends_at: float) -> Reply[str]:
    """Send a code; the id by which it is checked. `message` holds {{code}} and has 160 characters at most."""
    if PLACE not in message or len(message) > 160:
        raise ValueError("the message needs {{code}} and has 160 characters at most")
    return caller.call(
        SEND,
        subject,
        {"phoneNumber": subject.number, "message": message},
        lambda v: reading.word(reading.mapping(v), "authenticationId", 36),
        ends_at=ends_at,
    )


def validate_code(caller: Caller, subject: Subject, sent: str, code: str, *, ends_at: float) -> Reply[bool]:
    """Whether the code is right. A wrong code is an answer, an expired or unknown one is none."""
    if not 0 < len(code) <= 10 or not 0 < len(sent) <= 36:
        raise ValueError("a code has 1 to 10 characters")

    def read(value: Any) -> bool:
        if value is not None:
            raise Malformed("a body where none belongs")
        return True

    reply = caller.call(VALIDATE, subject, {"authenticationId": sent, "code": code}, read, ends_at=ends_at)
    if reply.status == 400 and reply.code in WRONG_CODES:
        return Reply(Outcome.ANSWERED, False, reply.code, reply.status)
    if reply.outcome is Outcome.ANSWERED and reply.status != 204:
        return Reply(Outcome.UNKNOWN, None, "malformed", reply.status)
    return reply
