"""consent-info 0.2.0: may the carrier process the data of this line for scopes and a purpose?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.camara.tokens import DPV
from throughline.line.adapters.reading import Malformed
from throughline.parties.purposes import Purpose

RETRIEVE = Operation("POST", "/consent-info/v0.2/retrieve", ("consent-info:retrieve",))
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
REASONS = ("PENDING", "REQUESTED", "DENIED", "EXPIRED", "OBJECTED")


@dataclass(frozen=True, slots=True)
class Standing:
    """`valid`: every scope may be processed. `reasons` why not. `capture_url`: where the person could agree."""

    valid: bool
    reasons: frozenset[str]
    capture_url: str | None


def ask(
    caller: Caller,
    subject: Subject,
    scopes: Sequence[str],
    *,
    capture: bool,
    ends_at: float,
    callback_url: str | None = None,
) -> Reply[Standing]:
    """How the carrier's own ledger of consents stands. What it does not mention is not agreed to. With `capture`, also
    where the person could agree, and `callback_url` is where they are sent after that."""

    def read(value: Any) -> Standing:
        document = reading.mapping(value)
        entries = document.get("statusInfo")
        if not isinstance(entries, list) or not 1 <= len(entries) <= 50:
            raise Malformed("statusInfo is no list of entries")
        valid: set[str] = set()
        reasons: set[str] = set()
        for entry in entries:
            one = reading.mapping(entry, "statusInfo")
            named = one.get("scopes")
            if not isinstance(named, list) or not all(isinstance(scope, str) for scope in named):
                raise Malformed("scopes is no list of texts")
            if reading.word(one, "purpose") != DPV[Purpose(subject.purpose)]:
                raise Malformed("an entry of another purpose")
            if reading.flag(one, "statusValidForProcessing"):
                valid.update(named)
            elif "statusReason" in one:
                reasons.add(reading.choice(one, "statusReason", REASONS))
        url = reading.word(document, "captureUrl", 2_000) if "captureUrl" in document else None
        if url is not None and not _fit_for_a_browser(url, caller.config.base):
            raise Malformed("captureUrl is not https")
        return Standing(valid.issuperset(scopes), frozenset(reasons), url)

    body = subject.phone() | {
        "scopes": list(scopes),
        "purpose": DPV[Purpose(subject.purpose)],
        "requestCaptureUrl": capture,
    }
    if callback_url is not None:
        body["callbackUrl"] = callback_url
    return caller.call(RETRIEVE, subject, body, read, ends_at=ends_at)


def _fit_for_a_browser(url: str, base: str) -> bool:
    """An https address without a name or password in it; http on this machine where the carrier itself is here."""
    try:
        parts, own = urlsplit(url), urlsplit(base)
    except ValueError:
        return False
    here = {parts.hostname, own.hostname} <= _LOOPBACK and own.scheme == "http"
    plain = url.isascii() and url.isprintable() and " " not in url
    return (
        plain
        and parts.username is None
        and bool(parts.hostname)
        and (parts.scheme == "https" or (here and parts.scheme == "http"))
    )
