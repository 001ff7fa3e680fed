"""What HTTP providers push to us, read with distrust. Pure; nothing here raises for what it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MAX_ELEMENTS = 500


def document(body: bytes) -> Any:
    """The JSON document in a body; None for what is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def word(element: Mapping[str, Any], name: str, longest: int) -> str:
    """A short printable text; anything else is no text."""
    value = element.get(name)
    if not isinstance(value, str) or len(value) > longest or not value.isascii() or not value.isprintable():
        return ""
    return value


def china_time(value: Any) -> datetime | None:
    """An instant written as "2015-10-17 08:03:04" in the providers' local time (UTC+8)."""
    try:
        written = datetime.strptime(f"{value}"[:19] + " +0800", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
    return written.astimezone(UTC)
