"""Instants as the books and the answers write them: RFC 3339 in UTC with milliseconds. These texts sort by time."""

from __future__ import annotations

from datetime import UTC, datetime


def text(at: datetime) -> str:
    """An instant as text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(given: str) -> datetime:
    """A text of RFC 3339 as an instant. Raises ValueError."""
    at = datetime.fromisoformat(given)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
