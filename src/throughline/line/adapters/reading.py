"""Reading what others answer: strict JSON, and members that are what they should be or nothing. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NoReturn

from throughline.line.adapters.http import MAX_ANSWER_BYTES

MAX_DEPTH = 8
MAX_TEXT = 300


class Malformed(ValueError):
    """The answer is not what it should be; the text names the member, never its value."""


def document(body: bytes, content_type: str | None) -> Any:
    """The JSON value of a body. Refused: another type, another encoding, NaN, double names, deep nesting.

    A byte-order mark is taken off (RFC 8259 allows that); a missing type is read as JSON.
    """
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Malformed("not JSON by its type")
    if len(body) > MAX_ANSWER_BYTES:
        raise Malformed("too large")
    try:
        value = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_whole
        )
    except (ValueError, RecursionError) as error:
        raise Malformed("not JSON") from error
    if _depth(value) > MAX_DEPTH:
        raise Malformed("nested too deeply")
    return value


def mapping(value: Any, name: str = "$") -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise Malformed(f"{name} is no object")
    return value


def flag(source: Mapping[str, Any], name: str) -> bool:
    """A boolean; a text "false" is none."""
    value = source.get(name)
    if not isinstance(value, bool):
        raise Malformed(f"{name} is no boolean")
    return value


def choice(source: Mapping[str, Any], name: str, allowed: Collection[str]) -> str:
    """One of the words that we know. A word that we do not know is no information."""
    value = source.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise Malformed(f"{name} is none of the known words")
    return value


def word(source: Mapping[str, Any], name: str, longest: int = MAX_TEXT) -> str:
    """A text that is not empty and not too long."""
    value = source.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Malformed(f"{name} is no text of this length")
    return value


def whole(source: Mapping[str, Any], name: str, lowest: int, highest: int) -> int:
    """A whole number in its range."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise Malformed(f"{name} is no whole number in its range")
    return value


def instant(source: Mapping[str, Any], name: str) -> datetime:
    """An instant of RFC 3339 with its zone."""
    value = source.get(name)
    if not isinstance(value, str) or len(value) > 40:
        raise Malformed(f"{name} is no instant")
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise Malformed(f"{name} is no instant") from error
    if at.tzinfo is None:
        raise Malformed(f"{name} has no zone")
    return at


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("a name stands twice")
    return made


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is no JSON")


def _whole(digits: str) -> int:
    # A number of thousands of digits costs quadratic time.
    if len(digits) > 30:
        raise Malformed("a number is too long")
    return int(digits)


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting.extend((child, depth + 1) for child in inner)
    return deepest
