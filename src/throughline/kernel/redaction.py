"""Taking personal data and secrets out of texts before they reach a log.

Two nets: names of fields that are never shown, and shapes of values wherever they stand. A shape may
catch too much (a long number that is no account); that costs a log line a number and nobody their name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"
MAX_DEPTH = 8
MAX_TEXT = 8_000

_SECRET_NAMES = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|cookie|authori[sz]ation|credential|private|api.?key|session_?key|"
    r"id_?number|id_?card|phone|mobile|msisdn|e?mail|holder|address|birth|recovery|totp|otp|pin$|account_?(no|number)|"
    r"card_?(no|number)|(^|_)name$|full_?name",
    re.IGNORECASE,
)
# Fields that end in "name" but name things of ours.
_PLAIN_NAMES = frozenset(
    {"task_name", "queue_name", "role_name", "event_name", "route_name", "file_name", "name"}
)

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # user:password@host in a URL
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE), r"\1:[hidden]@"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), r"\1 [hidden]"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), HIDDEN),  # a JSON web token
    (re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(\.[\w-]+)+"), HIDDEN),  # e-mail
    # Numbers of 8 digits and more with a plus; 11 to 19 digits that are not part of an id or a hash:
    # phones, ID numbers (the last may be X), cards, accounts. Digits may be grouped by spaces or dashes.
    (re.compile(r"\+\d[\d\s-]{6,17}\d"), HIDDEN),
    (re.compile(r"(?<![\w.-])\d(?:[ -]?\d){9,17}[ -]?[\dXx](?![\w-])"), HIDDEN),
    (
        re.compile(r"(?<=[\u4e00-\u9fff])\d(?:[ -]?\d){9,17}[ -]?[\dXx]"),
        HIDDEN,
    ),  # Chinese text has no word edge
)


def redact(text: str) -> str:
    """A text without the shapes of personal data and secrets, cut at 8,000 characters."""
    text = text[:MAX_TEXT]
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any, depth: int = 0) -> Any:
    """The same for any value: texts by shape, fields of mappings by name, to a depth of 8."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**10 else redact(str(value))
    if isinstance(value, str):
        return redact(value)
    if depth >= MAX_DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN if is_secret_name(str(key)) else redact_value(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item, depth + 1) for item in value]
    if isinstance(value, bytes):
        return HIDDEN
    return redact(str(value))


def is_secret_name(name: str) -> bool:
    """Whether a field of this name is never shown."""
    return name not in _PLAIN_NAMES and _SECRET_NAMES.search(name) is not None
