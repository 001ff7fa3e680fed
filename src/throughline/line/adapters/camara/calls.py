"""One call of a CAMARA operation: token, identifier rules, correlator, repeats within the quota, one verdict."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from throughline.kernel.logging import get_logger
from throughline.line.adapters import reading
from throughline.line.adapters.camara.outcomes import UNKNOWN_NUMBER, Verdict, verdict
from throughline.line.adapters.camara.tokens import NoToken, Tokens
from throughline.line.adapters.http import Answer, NoAnswer, exchange
from throughline.line.adapters.pace import Pace
from throughline.line.adapters.reading import Malformed
from throughline.line.ports import Outcome
from throughline.line.settings import CarrierSettings

log = get_logger(__name__)

T = TypeVar("T")
BACK_OFF_S = 0.3


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose line is asked about, and for what.

    With a refresh token the call is 3-legged and the number is absent; without one it is 2-legged and the number is
    present (CAMARA: 422 UNNECESSARY_IDENTIFIER and MISSING_IDENTIFIER).
    """

    number: str
    purpose: str
    correlator: str
    refresh_token: str | None = None

    def phone(self) -> dict[str, Any]:
        """The member of APIs that take `phoneNumber`."""
        return {} if self.refresh_token else {"phoneNumber": self.number}

    def device(self) -> dict[str, Any]:
        """The member of APIs that take a `device`."""
        return {} if self.refresh_token else {"device": {"phoneNumber": self.number}}


@dataclass(frozen=True, slots=True)
class Operation:
    """A CAMARA operation. `repeatable` is False where a lost answer must not be asked for again."""

    method: str
    path: str
    scopes: tuple[str, ...]
    repeatable: bool = True
    token_header: str | None = None  # sponsored_data: the token is a header parameter of its own


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What came of a call: a value only where `outcome` is ANSWERED."""

    outcome: Outcome
    value: T | None = None
    code: str | None = None
    status: int | None = None
    body: bytes | None = None
    not_before_s: float | None = None
    refresh_token: str | None = None

    @property
    def unknown_number(self) -> bool:
        """The carrier has no contract for this number: CAMARA's own word, not a missing page."""
        return self.status == 404 and self.code == UNKNOWN_NUMBER


@dataclass(slots=True)
class _Course:
    """What happened so far in one call."""

    ends_at: float
    repeats_left: int
    fresh_token: bool = True  # one new token may be tried
    token: str | None = None
    refreshed: str | None = None
    seen: list[int] = field(default_factory=list)


class Caller:
    """Calls one carrier. Never raises for what the carrier does."""

    def __init__(self, config: CarrierSettings, *, timeout_s: float, repeats: int) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._repeats = repeats
        self.tokens = Tokens(config)
        self._pace = Pace(config.per_s)

    def call(
        self,
        operation: Operation,
        subject: Subject,
        body: Mapping[str, Any] | None,
        read: Callable[[Any], T],
        *,
        ends_at: float,
        access_token: str | None = None,
    ) -> Reply[T]:
        """Carry out an operation until `ends_at` (of `time.monotonic`); `read` raises Malformed."""
        course = _Course(ends_at, self._repeats if operation.repeatable else 0, token=access_token)
        if access_token is not None:
            course.fresh_token = False
        if not self._pace.begin(ends_at):
            return Reply(Outcome.UNKNOWN, code="no turn")
        while True:
            reply, again, wait_s = self._once(operation, subject, body, read, course, given=access_token)
            if not again or course.repeats_left <= 0:
                return reply
            if not self._pace.repeat(wait_s, ends_at):
                return reply
            course.repeats_left -= 1

    def _once(
        self,
        operation: Operation,
        subject: Subject,
        body: Mapping[str, Any] | None,
        read: Callable[[Any], T],
        course: _Course,
        *,
        given: str | None,
    ) -> tuple[Reply[T], bool, float]:
        """(reply, whether to ask again, after how many seconds at least)."""
        back_off_s = BACK_OFF_S * 2 ** len(course.seen) * (0.5 + random.random())  # noqa: S311 - no secret
        course.seen.append(0)
        ends_at = min(course.ends_at, time.monotonic() + self._timeout_s)
        try:
            if course.token is None:
                grant = self.tokens.take(
                    subject.purpose,
                    operation.scopes,
                    course.refreshed or subject.refresh_token,
                    ends_at=ends_at,
                )
                course.token, course.refreshed = grant.access_token, grant.refresh_token or course.refreshed
            answer = self._send(operation, course.token, subject.correlator, body, ends_at)
        except NoToken as error:
            log.warning("a carrier gave no token", carrier=self.config.name, why=str(error))
            return self._reply(course, Outcome.UNKNOWN, "no token"), subject.refresh_token is None, back_off_s
        except NoAnswer as error:
            log.warning("a carrier did not answer", carrier=self.config.name, why=str(error))
            return self._reply(course, Outcome.UNKNOWN, str(error)), True, back_off_s
        if 200 <= answer.status < 300:
            return self._good(answer, read, course), False, 0
        return self._bad(operation, subject, answer, course, back_off_s, given=given)

    def _good(self, answer: Answer, read: Callable[[Any], T], course: _Course) -> Reply[T]:
        try:
            document = (
                reading.document(answer.body, answer.headers.get("content-type")) if answer.body else None
            )
            value = read(document)
        except Malformed as error:
            # It may be billed, and asked again it would most probably say the same.
            log.warning("a carrier's answer fits no schema", carrier=self.config.name, why=str(error))
            return self._reply(course, Outcome.UNKNOWN, "malformed")
        return Reply(Outcome.ANSWERED, value, None, answer.status, answer.body, None, course.refreshed)

    def _bad(
        self,
        operation: Operation,
        subject: Subject,
        answer: Answer,
        course: _Course,
        back_off_s: float,
        *,
        given: str | None,
    ) -> tuple[Reply[T], bool, float]:
        code = error_code(answer)
        judged: Verdict = verdict(answer.status, code)
        wait_s = max(back_off_s, answer.retry_after_s or 0)
        reply: Reply[T] = Reply(
            judged.outcome, None, code, answer.status, None, answer.retry_after_s, course.refreshed
        )
        if judged.fresh_token and course.fresh_token and given is None:
            course.fresh_token, course.token = False, None
            self.tokens.forget(subject.purpose, operation.scopes)
            return reply, True, 0
        return reply, judged.again, wait_s

    def _send(
        self,
        operation: Operation,
        token: str,
        correlator: str,
        body: Mapping[str, Any] | None,
        ends_at: float,
    ) -> Answer:
        headers = {"x-correlator": correlator, "Accept": "application/json"}
        if operation.token_header is not None:
            headers[operation.token_header] = token
        else:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        return exchange(
            operation.method, self.config.base + operation.path, headers, content, ends_at=ends_at
        )

    def _reply(self, course: _Course, outcome: Outcome, code: str) -> Reply[T]:
        return Reply(outcome, code=code, refresh_token=course.refreshed)


def error_code(answer: Answer) -> str | None:
    """The code of a CAMARA error body ({status, code, message}); None where the body is none.

    A body that names another status than the answer has is none: one of the two is wrong.
    """
    try:
        document = reading.mapping(reading.document(answer.body, answer.headers.get("content-type")))
        code = reading.word(document, "code", 60)
        if document.get("status") != answer.status:
            return None
    except Malformed:
        return None
    return code if code.replace("_", "").replace(".", "").isalnum() and code.isascii() else None
