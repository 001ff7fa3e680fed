"""subscription-status 0.1.0: the three flags of a line."""

from __future__ import annotations

from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.ports import Outcome

BASE = "/subscription-status/v0.1"
SCOPES = ("subscription-status:retrive-subscription-status",)
# The first is the spelling of the file, the second that of other CAMARA documents.
SPELLINGS = tuple(
    Operation("POST", f"{BASE}/{name}", SCOPES)
    for name in ("retrive-subscription-status", "retrieve-subscription-status")
)
FLAGS = {
    "voiceSmsIn": ("active", "suspended"),
    "voiceSmsOut": ("active", "suspended"),
    "dataService": ("active", "suspended", "throttled"),
}


def ask(caller: Caller, subject: Subject, *, ends_at: float) -> Reply[dict[str, str]]:
    """The flags by name. With a 3-legged token no number is sent: the file's text and its 422 disagree there."""
    reply: Reply[dict[str, str]] = Reply(Outcome.ERROR)
    for operation in SPELLINGS:
        reply = caller.call(operation, subject, subject.phone(), _read, ends_at=ends_at)
        if reply.status != 404 or reply.code is not None:
            return reply
        # A 404 without a CAMARA body is not the carrier's word on the number: this spelling is not served.
    return Reply(Outcome.ERROR, None, "no such path", reply.status)


def _read(value: Any) -> dict[str, str]:
    document = reading.mapping(value)
    return {name: reading.choice(document, name, allowed) for name, allowed in FLAGS.items()}
