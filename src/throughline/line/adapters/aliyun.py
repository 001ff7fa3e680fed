"""Alibaba Cloud 号码百科 (dytnsapi, version 2020-02-17): the status of a number, and whether it is second-hand.

Sourced from the vendor's reference and its published SDKs (2026-11): endpoint, version, actions, parameters
`PhoneNumber` (DescribePhoneNumberStatus) and `AuthCode`, `InputNumber`, `Mask`, `StartTime`
(DescribePhoneTwiceTelVerify), members `Code`, `Message`, `RequestId`, `PhoneStatus.Status`,
`Data.VerifyResult`, their values, the signature ACS3-HMAC-SHA256 (request of RPC style: parameters in the query,
empty body, no path), 300 and 100 queries a second, and that UNKNOWN and VerifyResult 0 are free.

Assumed: that DescribePhoneNumberStatus takes the plain number only (its reference names no `Mask`), that times of
`StartTime` are of UTC+8, and that an error of the gateway comes as JSON with `Code` at a 4xx or 5xx status.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from throughline.kernel.clock import real_now
from throughline.kernel.logging import get_logger
from throughline.line.adapters import reading
from throughline.line.adapters.http import Answer, exchange
from throughline.line.adapters.pace import Pace
from throughline.line.adapters.reading import Malformed
from throughline.line.adapters.vendor import Attempts, national
from throughline.line.ports import FeedCapabilities, Outcome, StatusAnswer, StatusQuestion
from throughline.line.settings import AliyunSettings
from throughline.line.signals import Signal

log = get_logger(__name__)

NAME = "vendor.aliyun"
PROVIDER = "aliyun"
VERSION = "2020-02-17"
STATUS_ACTION = "DescribePhoneNumberStatus"
SECOND_HAND_ACTION = "DescribePhoneTwiceTelVerify"
ALGORITHM = "ACS3-HMAC-SHA256"
# Values of the reference. One that is not here is no information, and so are UNKNOWN and DEFECT.
STATUSES = (
    "NORMAL", "SHUTDOWN", "NOT_EXIST", "POWER_OFF", "SUSPECTED_POWER_OFF", "FUNCTIONAL_SHUTDOWN", "BUSY",
)  # fmt: skip
SECOND_HAND = ("1", "2", "3")
# The carriers forbid repeated questions about one number: not again today.
TOO_OFTEN = "RequestFrequencyLimit"
ONE_DAY_S = 86_400.0
REFUSED = (
    "OperatorLimit", "RequestNumberNotSupported", "PortabilityNumberNotSupported", "Permission.NotAuthorized",
    "Product.Unsubscript", "Ram.PermissionDeny", "Unknown.ResourceOwnerId",
)  # fmt: skip
WRONG = (
    "InvalidParameter", "SignatureDoesNotMatch", "InvalidAccessKeyId.NotFound", "MissingParameter", "AuthCodeNotExist",
    "EncryptTypeIllegal", "DateTimeIllegal", "InvalidAction.NotFound", "InvalidVersion",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AliyunFeed:
    """Status, and where it is bought, the second-hand check on the first question and after a NOT_EXIST."""

    config: AliyunSettings
    attempts: Attempts
    name: str = NAME
    provider: str = PROVIDER

    @property
    def capabilities(self) -> FeedCapabilities:
        """One code stands for 单停 and 双停."""
        return FeedCapabilities(
            status=True,
            push=False,
            recycling=bool(self.config.auth_code.get_secret_value()),
            ported=False,
            splits_stops=False,
            price_minor=self.config.price_minor,
            per_s=self.config.per_s,
        )

    def status(self, question: StatusQuestion, timeout_s: float) -> StatusAnswer:
        """Ask for the status; the number leaves only as its 11 digits."""
        number = national(question.number)
        if number is None:
            return StatusAnswer(Outcome.REFUSED, code="not a number of the mainland")
        ends_at = time.monotonic() + timeout_s
        told = self._ask_status(number, question, ends_at)
        absent = any(one.code == "NOT_EXIST" for one in told.signals)
        buys = bool(self.config.auth_code.get_secret_value()) and question.proven_on is not None
        if told.outcome is not Outcome.ANSWERED or not buys or not (absent or question.first):
            return told
        more = self._ask_second_hand(number, question, ends_at)
        return StatusAnswer(
            told.outcome,
            told.signals + more.signals,
            cost_minor=told.cost_minor + more.cost_minor,
            raw=json.dumps([one for one in (told.raw, more.raw) if one]),
            not_before_s=more.not_before_s,
        )

    def _ask_status(self, number: str, question: StatusQuestion, ends_at: float) -> StatusAnswer:
        answer = self._call(STATUS_ACTION, {"PhoneNumber": number}, ends_at)
        try:
            document = _good(answer)
            found = reading.word(reading.mapping(document.get("PhoneStatus"), "PhoneStatus"), "Status", 60)
        except _Refusal as refusal:
            return refusal.answer
        except Malformed as error:
            return _malformed(error)
        if found not in STATUSES:
            return StatusAnswer(Outcome.UNKNOWN, code=found)
        return self._told(question, found, {"check": "status"}, self.config.price_minor)

    def _ask_second_hand(self, number: str, question: StatusQuestion, ends_at: float) -> StatusAnswer:
        since = question.proven_on or question.asked_at.date()
        hashed = self.config.hash_numbers
        parameters = {
            "AuthCode": self.config.auth_code.get_secret_value(),
            "InputNumber": hashlib.sha256(number.encode()).hexdigest() if hashed else number,
            "Mask": "SHA256" if hashed else "NORMAL",
            "StartTime": _start(since),
        }
        answer = self._call(SECOND_HAND_ACTION, parameters, ends_at)
        try:
            document = _good(answer)
            data = reading.mapping(document.get("Data"), "Data")
            told = data.get("VerifyResult")
            found = str(told) if isinstance(told, int) and not isinstance(told, bool) else told
        except _Refusal as refusal:
            return refusal.answer
        except Malformed as error:
            return _malformed(error)
        if found not in SECOND_HAND:
            return StatusAnswer(Outcome.UNKNOWN, code="VerifyResult")
        return self._told(question, str(found), {"check": "second_hand"}, self.config.recycling_price_minor)

    def _told(
        self, question: StatusQuestion, code: str, attributes: dict[str, Any], cost_minor: int
    ) -> StatusAnswer:
        signal = Signal(question.asked_at, NAME, PROVIDER, code, attributes)
        raw = json.dumps({"code": code} | attributes)
        return StatusAnswer(Outcome.ANSWERED, (signal,), cost_minor=cost_minor, code=code, raw=raw)

    def _call(self, action: str, parameters: Mapping[str, str], ends_at: float) -> Answer | None:
        base = str(self.config.api_url).rstrip("/")

        def once(until: float) -> Answer:
            query = canonical_query(parameters)
            headers = signed(
                self.config, urlsplit(base).netloc, action, query, at=real_now(), nonce=uuid4().hex
            )
            return exchange("POST", f"{base}/?{query}", headers, b"", ends_at=until)

        return self.attempts.send(PROVIDER, once, ends_at=ends_at)


def aliyun_feed(config: AliyunSettings, *, repeats: int, timeout_s: float) -> AliyunFeed:
    """The feed of this installation's account."""
    return AliyunFeed(config, Attempts(Pace(config.per_s), repeats, timeout_s))


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Parameters in order of their names, percent-encoded by RFC 3986."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )


def signed(
    config: AliyunSettings, host: str, action: str, query: str, *, at: datetime, nonce: str
) -> dict[str, str]:
    """The headers of a request with its signature: all x-acs-… headers and the host are signed. Pure."""
    digest = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": digest,
        "x-acs-date": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": VERSION,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    request = "\n".join(("POST", "/", query, lines, names, digest))
    text = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(
        config.access_key_secret.get_secret_value().encode(), text.encode(), hashlib.sha256
    ).hex()
    return headers | {
        "Accept": "application/json",
        "Authorization": f"{ALGORITHM} Credential={config.access_key_id},SignedHeaders={names},Signature={signature}",
    }


class _Refusal(Exception):
    def __init__(self, answer: StatusAnswer) -> None:
        super().__init__(answer.code)
        self.answer = answer


def _good(answer: Answer | None) -> Mapping[str, Any]:
    """The document of a request that was carried out. Raises _Refusal, Malformed."""
    if answer is None:
        raise _Refusal(StatusAnswer(Outcome.UNKNOWN, code="no answer"))
    if answer.status >= 300 and answer.status not in range(400, 600):
        raise _Refusal(StatusAnswer(Outcome.ERROR, code=f"status {answer.status}"))
    document = reading.mapping(reading.document(answer.body, answer.headers.get("content-type")))
    code = reading.word(document, "Code", 100)
    if code == "OK" and answer.status == 200:
        return document
    if code == TOO_OFTEN:
        raise _Refusal(StatusAnswer(Outcome.UNKNOWN, code=code, not_before_s=ONE_DAY_S))
    if code in REFUSED:
        raise _Refusal(StatusAnswer(Outcome.REFUSED, code=code))
    if code in WRONG:
        raise _Refusal(StatusAnswer(Outcome.ERROR, code=code))
    raise _Refusal(StatusAnswer(Outcome.UNKNOWN, code=code[:60], not_before_s=answer.retry_after_s))


def _malformed(error: Malformed) -> StatusAnswer:
    log.warning("a vendor's answer fits no schema", vendor=PROVIDER, why=str(error))
    return StatusAnswer(Outcome.UNKNOWN, code="malformed")


def _start(since: date) -> str:
    return f"{since.isoformat()} 00:00:00"
