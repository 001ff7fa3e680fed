"""What a carrier's refusal means for us, and whether to ask again. Pure.

By status class first: the lists of codes in the CAMARA files are not exhaustive, so that a code that nobody
knows falls back on its status. No refusal is ever a state of the line.
"""

from __future__ import annotations

from dataclasses import dataclass

from throughline.line.ports import Outcome

UNKNOWN_NUMBER = "IDENTIFIER_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`again`: a repeat may help. `fresh_token`: with a new token, once."""

    outcome: Outcome
    again: bool = False
    fresh_token: bool = False


_WRONG = Verdict(Outcome.ERROR)  # we asked wrongly: the same question gets the same answer
_REFUSED = Verdict(Outcome.REFUSED)
_NOTHING = Verdict(Outcome.UNKNOWN)
_LATER = Verdict(Outcome.UNKNOWN, again=True)

_CODES = {
    (400, "INVALID_ARGUMENT"): _WRONG,
    (400, "OUT_OF_RANGE"): _WRONG,  # a carrier may keep 30 days where 100 were asked for
    (400, "INVALID_SINK"): _WRONG,
    (400, "INVALID_CREDENTIAL"): _WRONG,
    (400, "INVALID_TOKEN"): _WRONG,
    (400, "INVALID_PROTOCOL"): _WRONG,
    (401, "UNAUTHENTICATED"): Verdict(Outcome.UNKNOWN, fresh_token=True),
    (403, "PERMISSION_DENIED"): _REFUSED,
    (403, "INVALID_TOKEN_CONTEXT"): _REFUSED,
    (403, "SUBSCRIPTION_MISMATCH"): _REFUSED,
    (404, "NOT_FOUND"): _NOTHING,
    (404, UNKNOWN_NUMBER): _NOTHING,  # where it says more about the line, the reader of that API says so
    (409, "ALREADY_EXISTS"): _WRONG,
    (409, "ABORTED"): _LATER,
    (409, "CONFLICT"): _WRONG,
    (410, "GONE"): _NOTHING,
    (422, "MISSING_IDENTIFIER"): _WRONG,
    (422, "UNNECESSARY_IDENTIFIER"): _WRONG,
    (422, "UNSUPPORTED_IDENTIFIER"): _WRONG,
    (422, "SERVICE_NOT_APPLICABLE"): _REFUSED,
    (422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"): _WRONG,
    (429, "QUOTA_EXCEEDED"): _NOTHING,  # of the contract: it does not come back within a question
    (429, "TOO_MANY_REQUESTS"): _LATER,
    (501, "NOT_IMPLEMENTED"): _WRONG,
    (503, "UNAVAILABLE"): _LATER,
}
_STATUSES = {
    401: Verdict(Outcome.UNKNOWN, fresh_token=True),
    403: _REFUSED,
    404: _NOTHING,
    408: _LATER,
    409: _NOTHING,
    410: _NOTHING,
    425: _LATER,
    429: _LATER,
    501: _WRONG,
}


def verdict(status: int, code: str | None) -> Verdict:
    """The verdict on an answer that is not a 2xx."""
    if code is not None and (status, code) in _CODES:
        return _CODES[status, code]
    if status in _STATUSES:
        return _STATUSES[status]
    if 500 <= status < 600:
        return _LATER
    return _WRONG  # a redirect is not followed; other 4xx are ours to put right
