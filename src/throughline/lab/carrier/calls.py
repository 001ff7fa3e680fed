"""What the API families share: an operation, one call of it, and how it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughline.lab.carrier.tokens import Token

if TYPE_CHECKING:
    from throughline.lab.carrier.company import Company


class Refusal(Exception):
    """An error answer of CAMARA."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Call:
    """A call that passed token, scope and schema. `body` is {} where the operation takes none."""

    company: Company
    token: Token
    body: Mapping[str, Any]
    path: Mapping[str, str]
    headers: Mapping[str, str]
    scope: str

    def subject(self, given: str | None) -> str:
        """The number that a call is about. Raises Refusal.

        A 3-legged token is of one number and nobody may name it again; a 2-legged token is of none.
        """
        if self.token.phone is not None:
            if given is not None:
                raise Refusal(
                    422, "UNNECESSARY_IDENTIFIER", "The phone number is already identified by the token"
                )
            return self.token.phone
        if given is None:
            raise Refusal(422, "MISSING_IDENTIFIER", "The phone number cannot be identified")
        return given

    def device(self) -> tuple[str, dict[str, Any]]:
        """The number of the call's `device`, and the `device` of the answer if it is to be named. Raises Refusal."""
        return self.device_of(self.body.get("device"))

    def device_of(self, device: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
        """The same for a device that stands elsewhere in the body."""
        if device is not None and self.token.phone is None and "phoneNumber" not in device:
            raise Refusal(422, "UNSUPPORTED_IDENTIFIER", "Only phoneNumber identifies a device here")
        if device is not None and self.token.phone is not None:
            raise Refusal(422, "UNNECESSARY_IDENTIFIER", "The device is already identified by the token")
        phone = self.subject(device.get("phoneNumber") if device else None)
        # Of several identifiers, the answer names the one that was used.
        return phone, {"device": {"phoneNumber": phone}} if device and len(device) > 1 else {}

    def ours(
        self, phone: str, *, living: bool = True, missing: tuple[int, str] = (404, "IDENTIFIER_NOT_FOUND")
    ) -> str:
        """A number that this carrier serves. Raises Refusal for another carrier's and, if `living`, a cancelled one."""
        if self.company.market.carrier_of(phone) != self.company.name:
            raise Refusal(*missing, "The phone number is of another network operator")
        if living and self.company.books.facts(phone).flags is None:
            raise Refusal(*missing, "The phone number is not known here")
        return phone


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a file. `handler` gives the body of the answer with `status`, or None for an empty one.

    `aliases` are other spellings of the path that are served as well.
    """

    file: str
    method: str
    path: str
    handler: Handler
    status: int = 200
    aliases: tuple[str, ...] = ()
