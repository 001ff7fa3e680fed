"""Structured logs: one line an event, with the role and the request, and without personal data.

Everything passes the redactor: our own events, those of libraries, and the text of exceptions. Local
variables are never printed with a traceback: they hold what people typed.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from throughline.kernel.redaction import HIDDEN, is_secret_name, redact, redact_value
from throughline.kernel.settings import settings

__all__ = ["configure", "get_logger", "redact"]

_KEEP = frozenset({"event", "level", "timestamp", "logger", "source", "role"})


def get_logger(name: str) -> Any:
    """A logger by module name: `log.info("what happened", key=value)`."""
    return structlog.get_logger(name, source=name.removeprefix("throughline."))


def configure(role: str) -> None:
    """Set up this process's logs on standard error, ours and those of libraries alike."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_personal_data,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings().log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # Libraries that log each job, connection or statement.
    for noisy in ("procrastinate", "httpx", "httpcore", "alembic", "psycopg.pool", "mail.log", "_granian"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(role=role)


def hide_personal_data(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Processor: redact every value, hide fields by name."""
    for key in list(event):
        if key.startswith("_"):
            continue  # structlog's own
        if key not in _KEEP and is_secret_name(key):
            event[key] = HIDDEN
        elif key != "timestamp":
            event[key] = redact_value(event[key])
    return event
