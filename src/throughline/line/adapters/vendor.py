"""What calls to vendors share: numbers in their shape, repeats, and answers that cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from throughline.kernel.logging import get_logger
from throughline.line.adapters.http import Answer, NoAnswer
from throughline.line.adapters.pace import Pace

log = get_logger(__name__)

BACK_OFF_S = 0.3


def national(number: str) -> str | None:
    """The 11 digits of a mobile number of the mainland; None for any other number."""
    digits = number.removeprefix("+86")
    fits = number.startswith("+861") and len(digits) == 11 and digits.isascii() and digits.isdigit()
    return digits if fits else None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often one request is sent. 429 and 5xx and lost answers are sent again, while time and quota allow."""

    pace: Pace
    repeats: int
    timeout_s: float

    def send(self, vendor: str, once: Callable[[float], Answer], *, ends_at: float) -> Answer | None:
        """The answer; None where there was none. `once` sends until an instant of `time.monotonic`."""
        if not self.pace.begin(ends_at):
            return None
        answer: Answer | None = None
        for number in range(self.repeats + 1):
            try:
                answer = once(min(ends_at, time.monotonic() + self.timeout_s))
            except NoAnswer as error:
                log.warning("a vendor did not answer", vendor=vendor, why=str(error))
                answer = None
            if answer is not None and answer.status != 429 and answer.status < 500:
                return answer
            wait_s = BACK_OFF_S * 2**number * (0.5 + random.random())  # noqa: S311 - no secret
            if answer is not None:
                wait_s = max(wait_s, answer.retry_after_s or 0)
            if number == self.repeats or not self.pace.repeat(wait_s, ends_at):
                return answer
        return answer
