"""Baidu's number service (pnvs.baidubce.com): the status of a number.

Sourced from the vendor's published call description: the host, POST of JSON to /haoma-cloud/openapi/<product>/1.0
with `version` in the query, members `appkey` and `phone` in the body, the headers x-bce-date and
x-bce-content-sha256, authentication bce-auth-v1, and an answer {code, msg, result} where code "10000" is success.

Assumed, since the page of the status product is not public: the name of the product in the path (a setting), that
`phone` is the SHA-256 in lower case hex where hashes are agreed, and that the status stands in `result.state`.
The values 01 to 05 are those of the design table; an answer without one of them is no information.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from throughline.kernel.clock import real_now
from throughline.kernel.logging import get_logger
from throughline.line.adapters import reading
from throughline.line.adapters.http import Answer, exchange
from throughline.line.adapters.pace import Pace
from throughline.line.adapters.reading import Malformed
from throughline.line.adapters.vendor import Attempts, national
from throughline.line.ports import FeedCapabilities, Outcome, StatusAnswer, StatusQuestion
from throughline.line.settings import BaiduSettings
from throughline.line.signals import Signal

log = get_logger(__name__)

NAME = "vendor.baidu"
PROVIDER = "baidu"
SUCCESS = "10000"
STATES = ("01", "02", "03", "04", "05")
EXPIRES_S = 300


@dataclass(frozen=True, slots=True)
class BaiduFeed:
    """The status of a number in one code, which is one for 单停 and 双停."""

    config: BaiduSettings
    attempts: Attempts
    name: str = NAME
    provider: str = PROVIDER

    @property
    def capabilities(self) -> FeedCapabilities:
        """Status alone."""
        return FeedCapabilities(
            status=True,
            push=False,
            recycling=False,
            ported=False,
            splits_stops=False,
            price_minor=self.config.price_minor,
            per_s=self.config.per_s,
        )

    def status(self, question: StatusQuestion, timeout_s: float) -> StatusAnswer:
        """Ask for the status."""
        number = national(question.number)
        if number is None:
            return StatusAnswer(Outcome.REFUSED, code="not a number of the mainland")
        phone = hashlib.sha256(number.encode()).hexdigest() if self.config.hash_numbers else number
        answer = self._call(phone, time.monotonic() + timeout_s)
        if answer is None:
            return StatusAnswer(Outcome.UNKNOWN, code="no answer")
        if answer.status in {401, 403}:
            return StatusAnswer(Outcome.REFUSED, code=f"status {answer.status}")
        if answer.status == 429 or answer.status >= 500:
            return StatusAnswer(
                Outcome.UNKNOWN, code=f"status {answer.status}", not_before_s=answer.retry_after_s
            )
        if answer.status != 200:
            return StatusAnswer(Outcome.ERROR, code=f"status {answer.status}")
        try:
            document = reading.mapping(reading.document(answer.body, answer.headers.get("content-type")))
            code = reading.word(document, "code", 20)
            if code != SUCCESS:
                return StatusAnswer(Outcome.UNKNOWN, code=code)
            state = reading.word(reading.mapping(document.get("result"), "result"), "state", 20)
        except Malformed as error:
            log.warning("a vendor's answer fits no schema", vendor=PROVIDER, why=str(error))
            return StatusAnswer(Outcome.UNKNOWN, code="malformed")
        if state not in STATES:
            return StatusAnswer(Outcome.UNKNOWN, code=state)
        return StatusAnswer(
            Outcome.ANSWERED,
            (Signal(question.asked_at, NAME, PROVIDER, state, {"check": "status"}),),
            cost_minor=self.config.price_minor,
            code=state,
            raw=json.dumps({"code": code, "state": state}),
        )

    def _call(self, phone: str, ends_at: float) -> Answer | None:
        base = str(self.config.api_url).rstrip("/")
        body = json.dumps({"appkey": self.config.app_key.get_secret_value(), "phone": phone}).encode()

        def once(until: float) -> Answer:
            headers = signed(
                self.config,
                urlsplit(base).netloc,
                self.config.status_path,
                {"version": "1.0"},
                body,
                at=real_now(),
            )
            url = f"{base}{self.config.status_path}?version=1.0"
            return exchange("POST", url, headers, body, ends_at=until)

        return self.attempts.send(PROVIDER, once, ends_at=ends_at)


def baidu_feed(config: BaiduSettings, *, repeats: int, timeout_s: float) -> BaiduFeed:
    """The feed of this installation's account."""
    return BaiduFeed(config, Attempts(Pace(config.per_s), repeats, timeout_s))


def signed(
    config: BaiduSettings, host: str, path: str, query: Mapping[str, str], body: bytes, *, at: datetime
) -> dict[str, str]:
    """The headers of a POST with its signature by bce-auth-v1. Pure."""
    instant = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "content-type": "application/json; charset=utf-8",
        "host": host,
        "x-bce-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-bce-date": instant,
    }
    prefix = f"bce-auth-v1/{config.access_key_id}/{instant}/{EXPIRES_S}"
    key = _mac(config.secret_access_key.get_secret_value(), prefix)
    names = ";".join(sorted(headers))
    request = "\n".join(
        (
            "POST",
            quote(path, safe="/-_.~"),
            "&".join(f"{_encoded(name)}={_encoded(query[name])}" for name in sorted(query)),
            "\n".join(
                sorted(f"{_encoded(name)}:{_encoded(value.strip())}" for name, value in headers.items())
            ),
        )
    )
    return headers | {"Authorization": f"{prefix}/{names}/{_mac(key, request)}"}


def _mac(key: str, text: str) -> str:
    return hmac.digest(key.encode(), text.encode(), hashlib.sha256).hex()


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
