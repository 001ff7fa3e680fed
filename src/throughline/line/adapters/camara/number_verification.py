"""number-verification 2.1.0: is the device that authenticated over mobile data the one with this number?

Useless while data is stopped. The token comes from an authentication over the mobile network that the borrower's
app has just done; no token of ours can stand in for it, so that none is asked for here.
"""

from __future__ import annotations

from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.reading import Malformed

VERIFY = Operation("POST", "/number-verification/v2/verify", ("number-verification:verify",))
SHARE = Operation(
    "GET",
    "/number-verification/v2/device-phone-number",
    ("number-verification:device-phone-number:read",),
)


def verify(caller: Caller, subject: Subject, network_token: str, *, ends_at: float) -> Reply[bool]:
    """Whether the authenticated device has the number."""
    return caller.call(
        VERIFY,
        subject,
        {"phoneNumber": subject.number},
        lambda v: reading.flag(reading.mapping(v), "devicePhoneNumberVerified"),
        ends_at=ends_at,
        access_token=network_token,
    )


def device_number(caller: Caller, subject: Subject, network_token: str, *, ends_at: float) -> Reply[str]:
    """The number of the authenticated device, in E.164."""

    def read(value: Any) -> str:
        number = reading.word(reading.mapping(value), "devicePhoneNumber", 16)
        if (
            number[:1] != "+"
            or not 5 <= len(number[1:]) <= 15
            or not (number[1:].isascii() and number[1:].isdigit())
        ):
            raise Malformed("devicePhoneNumber is no number")
        return number

    return caller.call(SHARE, subject, None, read, ends_at=ends_at, access_token=network_token)
