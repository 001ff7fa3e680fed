"""Taking personal data and secrets out of texts before they reach a log.

Three nets: names of fields that are never shown, the same names inside texts, and shapes of values
wherever they stand. A shape may catch too much (a long number that is no account); that costs a log line
a number and nobody their name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"
MAX_DEPTH = 8
MAX_TEXT = 8_000
SHORT, MAX_PLAIN = 48, 512  # of the texts that are remembered to hold nothing
MAX_VALUES = 1_000  # of one event, over all its nested collections

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

# What people and programs put between groups of digits: blanks of all kinds, dashes of all kinds, dots,
# brackets, strokes, and characters without width.
_GAP = r"[\s\-\u2010-\u2015\uff0d.()\uff08\uff09/\u00b7\u200b-\u200d\u2060\ufeff]{0,3}"
_AT = r"(?:@|\uff20|%40)"

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,8000}?(-----END [A-Z ]{0,30}-----|$)", re.DOTALL
        ),
        HIDDEN,
    ),
    # user:password@host in a URL; a password may hold any sign but a blank
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,200}):[^\s]{1,400}@", re.IGNORECASE),
        r"\1:[hidden]@",
    ),
    # whole header lines, then name=value and "name": "value" of secrets in texts
    (
        re.compile(
            r"\b((?:set-)?cookie|(?:proxy-)?authorization)(['\"]?\s?[:=]\s?)[^\r\n]{1,4000}", re.IGNORECASE
        ),
        r"\1\2[hidden]",
    ),
    (re.compile(r"\b(bearer|basic)\s{1,3}[\w.~+/=-]{6,}", re.IGNORECASE), r"\1 [hidden]"),
    (
        re.compile(
            r"([\w-]{0,30}(?:passwo?r?d|passphrase|secret|token|api[_-]?key|recovery_?code|totp|otp|session_?id)"
            r"[\w-]{0,30})(\\?['\"]?\s{0,3}[:=]\s{0,3})(\"[^\"]{0,400}\"|'[^']{0,400}'|[^\s,;&)}\]]{1,400})",
            re.IGNORECASE,
        ),
        r"\1\2[hidden]",
    ),
    (re.compile(r"\b(?:whsec|tl_[0-9a-f]{32})_[\w+/=-]{8,}"), HIDDEN),  # our own webhook secrets and API keys
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), HIDDEN),  # a JSON web token
    (re.compile(rf"[\w.!#$%&'*+/=?^`{{|}}~-]{{1,64}}{_AT}[\w-]{{1,63}}(\.[\w-]{{1,63}})+"), HIDDEN),  # e-mail
    # International numbers of 8 digits and more.
    (re.compile(rf"[+\uff0b]{_GAP}\d(?:{_GAP}\d){{6,17}}"), HIDDEN),
)

# Ids and hashes stay readable; else 11 to 19 digits, grouped or not, are a phone, an ID number (the last
# sign may be X), a card or an account.
_NUMBERS = re.compile(
    r"(?P<ours>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?=[0-9]*[a-f])[0-9a-f]{32,128}\b)"
    rf"|\d(?:{_GAP}\d){{9,17}}{_GAP}[\dXx\uff38\uff58]"
)
_CUT_END = re.compile(r"[\w+@.\-\s\uff20%]{0,100}\Z")


_plain: set[str] = set()  # what every line says again, such as routes and methods; never what holds a secret


def redact(text: str) -> str:
    """A text without the shapes of personal data and secrets, cut at 8,000 characters."""
    if text in _plain:
        return text
    shown = _redact(text)
    if shown == text and len(text) <= SHORT:
        if len(_plain) >= MAX_PLAIN:
            _plain.clear()
        _plain.add(text)
    return shown


def _redact(text: str) -> str:
    if len(text) > MAX_TEXT:
        # A number that the cut goes through has no shape any more: it goes as a whole.
        text = _CUT_END.sub("", text[:MAX_TEXT]) + "…"
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return _NUMBERS.sub(lambda found: found["ours"] or HIDDEN, text)


def redact_value(value: Any) -> Any:
    """The same for any value: texts by shape, fields of mappings by name, to a depth of 8."""
    return _Walk().value(value, 0)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name is never shown."""
    return name not in _PLAIN_NAMES and _SECRET_NAMES.search(name) is not None


class _Walk:
    """One walk through a value, which may be deep, wide, or contain itself."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def value(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth >= MAX_DEPTH:
            return HIDDEN
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return value if abs(value) < 10**10 else redact(str(value))
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return HIDDEN
        if isinstance(value, Mapping):
            return self._fields(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth)
        try:
            return redact(str(value))
        except Exception:  # whatever an object's own __str__ raises: a log line must not end the work
            return HIDDEN

    def _fields(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for key, item in value.items():
            if self._left <= 0:
                break
            name = str(key)
            shown[redact(name)] = HIDDEN if is_secret_name(name) else self.value(item, depth + 1)
        return shown

    def _items(self, value: Any, depth: int) -> list[Any]:
        shown = []
        for item in value:
            if self._left <= 0:
                break
            shown.append(self.value(item, depth + 1))
        return shown
