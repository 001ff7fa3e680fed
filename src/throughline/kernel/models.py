"""All tables of the kernel, gathered for migrations: each stands beside the code that uses it."""

from throughline.kernel.crypto import DataKey
from throughline.kernel.events import OutboxEvent, SeenEvent
from throughline.kernel.idempotency import IdempotencyRecord
from throughline.kernel.jobs import JobFailure, Timer

__all__ = ["DataKey", "IdempotencyRecord", "JobFailure", "OutboxEvent", "SeenEvent", "Timer"]
