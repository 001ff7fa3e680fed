"""The SMTP side: a mail is committed before it is acknowledged, unless somebody ordered otherwise."""

from __future__ import annotations

import asyncio

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from throughline.lab.mail.mailbox import Mailbox

FAULTS = frozenset({"refuse", "defer", "silent_after_data", "drop"})
MAX_BYTES = 1024 * 1024
MAX_RECIPIENTS = 20
HOSTNAME = "mail.invalid"
_FOR_EVER_S = 3600


class Door:
    """The hooks of aiosmtpd."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Take a recipient; a refusal or a deferral is for this one only."""
        del server, session, rcpt_options
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        fault = self._mailbox.ledger.take_fault("refuse", "defer")
        if fault is not None:
            return "550 5.1.1 No such mailbox" if fault[0] == "refuse" else "451 4.3.0 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store, then acknowledge; or store and be silent; or hang up."""
        del session
        name, wish = self._mailbox.ledger.take_fault("silent_after_data", "drop") or ("", {})
        number = 0
        if name != "drop" or wish.get("stored"):
            content = envelope.original_content or b""
            number = await asyncio.to_thread(
                self._mailbox.store, content, envelope.mail_from or "", list(envelope.rcpt_tos)
            )
        if name == "drop" and server.transport is not None:
            server.transport.close()
        if name:
            await asyncio.sleep(_FOR_EVER_S)  # cancelled when the connection is gone
        return f"250 2.0.0 OK: queued as {number}"


def controller(mailbox: Mailbox, port: int) -> Controller:
    """The server, on loopback and on a thread of its own once it is started."""
    return Controller(
        Door(mailbox),
        hostname="127.0.0.1",
        port=port,
        server_hostname=HOSTNAME,
        data_size_limit=MAX_BYTES,
        enable_SMTPUTF8=True,
    )
