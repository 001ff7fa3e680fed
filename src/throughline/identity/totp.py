"""Codes of an authenticator app: TOTP (RFC 6238) with SHA-1, 6 digits, 30 seconds, one step either side. Pure."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp

STEP_S = 30
DIGITS = 6
TOLERANCE_STEPS = 1


def new_seed() -> str:
    """A fresh 160-bit seed in base32 (RFC 4226, section 4: 160 bits recommended)."""
    return pyotp.random_base32(32)


def accepted_step(seed: str, code: str, *, now: datetime, last_step: int | None) -> int | None:
    """The time step that a code belongs to, or None. A step that was used, or an earlier one, never counts again."""
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    generator = pyotp.TOTP(seed, digits=DIGITS, interval=STEP_S)
    present = int(now.timestamp()) // STEP_S
    accepted = None
    # All steps are computed and compared in constant time, so that timing tells nothing of which one fits.
    for step in range(present - TOLERANCE_STEPS, present + TOLERANCE_STEPS + 1):
        fits = hmac.compare_digest(generator.generate_otp(step), code)
        if fits and (last_step is None or step > last_step):
            accepted = step
    return accepted


def provisioning_uri(seed: str, *, issuer: str, account: str) -> str:
    """The otpauth:// address that an authenticator app reads as a QR code."""
    return pyotp.TOTP(seed, digits=DIGITS, interval=STEP_S).provisioning_uri(name=account, issuer_name=issuer)
