"""kyc-tenure 0.2.0: has the person held the number since a day at least?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject

CHECK = Operation("POST", "/kyc-tenure/v0.2/check-tenure", ("kyc-tenure:check-tenure",))


@dataclass(frozen=True, slots=True)
class Tenure:
    """`contract`: PAYG, PAYM, Business, or None where it was not told."""

    held_since: bool
    contract: str | None


def ask(caller: Caller, subject: Subject, since: date, *, ends_at: float) -> Reply[Tenure]:
    """Whether the contract is at least as old as that day. Porting may start it anew."""

    def read(value: Any) -> Tenure:
        document = reading.mapping(value)
        contract = (
            reading.choice(document, "contractType", ("PAYG", "PAYM", "Business"))
            if "contractType" in document
            else None
        )
        return Tenure(reading.flag(document, "tenureDateCheck"), contract)

    body = subject.phone() | {"tenureDate": since.isoformat()}
    return caller.call(CHECK, subject, body, read, ends_at=ends_at)
