"""Mail over SMTP (RFC 5321). After DATA has begun, silence means unknown: the server may have the mail."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException

from throughline.kernel.logging import get_logger
from throughline.messaging.ports import Finding, Outbound, Question, SubmitResult, Verdict

log = get_logger(__name__)

NAME = "smtp"
_ENHANCED = re.compile(r"5\.(\d{1,3})\.\d{1,3}\b")
CONNECT_TIMEOUT_S = 3.0
QUIT_TIMEOUT_S = 1.0


class SmtpMail:
    """One relay; one connection a message, because a sender process may be killed at any time."""

    up = True  # each mail has a connection of its own

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        id_host: str,
        starttls: bool = True,
        user: str | None = None,
        password: str | None = None,
        timeout_s: float = 15,
    ) -> None:
        self._host, self._port = host, port
        self._sender, self._id_host = sender, id_host
        self._starttls = starttls
        self._user, self._password = user, password
        self._timeout_s = timeout_s

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        """Nothing stays open."""

    async def query(self, question: Question) -> Finding | None:
        """SMTP has no question about a message."""
        del question
        return None

    async def submit(self, message: Outbound) -> SubmitResult:
        """Hand one mail to the relay."""
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=min(CONNECT_TIMEOUT_S, self._timeout_s),
            start_tls=self._starttls,
            use_tls=False,
            username=self._user,
            password=self._password,
            local_hostname=self._id_host,
        )
        try:
            refused = await self._greet(client, message.address)
            return refused or await self._data(client, self._written(message))
        finally:
            client.close()

    async def _greet(self, client: aiosmtplib.SMTP, address: str) -> SubmitResult | None:
        """Up to the envelope. The mail itself has not left: without DATA a server has nothing to deliver."""
        try:
            async with asyncio.timeout(self._timeout_s / 2):
                await client.connect()
                await client.mail(self._sender, timeout=self._timeout_s)
                await client.rcpt(address, timeout=self._timeout_s)
        except SMTPResponseException as error:
            return _answered(error)
        except (SMTPException, OSError, TimeoutError) as error:
            return SubmitResult(Verdict.NOT_SENT, code=type(error).__name__)
        return None

    async def _data(self, client: aiosmtplib.SMTP, mail: bytes) -> SubmitResult:
        try:
            async with asyncio.timeout(self._timeout_s / 2):
                code, text = await client.data(mail, timeout=self._timeout_s)
        except SMTPResponseException as error:
            return _answered(error)
        except (SMTPException, OSError, TimeoutError) as error:
            return SubmitResult(Verdict.UNKNOWN, code=type(error).__name__)
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            await client.quit(timeout=QUIT_TIMEOUT_S)
        return SubmitResult(Verdict.ACCEPTED, provider_ref=_plain(text), code=str(code))

    def _written(self, message: Outbound) -> bytes:
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._sender
        mail["To"] = message.address
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        # Our own reference: a bounce or a question of the relay's people leads to the attempt.
        mail["Message-ID"] = f"<{message.client_ref}@{self._id_host}>"
        mail["Content-Language"] = message.locale
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text, charset="utf-8")
        return mail.as_bytes()


def _answered(error: SMTPResponseException) -> SubmitResult:
    code = str(error.code)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return SubmitResult(Verdict.NOT_SENT, code=code)  # our own settings: no fault of the message
    if error.code == aiosmtplib.SMTPStatus.domain_unavailable:
        return SubmitResult(Verdict.THROTTLED, code=code)  # 421: come back later
    verdict = Verdict.REJECTED_FINAL if error.code >= 500 else Verdict.REJECTED_RETRY
    return SubmitResult(verdict, code=code, dead=_no_mailbox(error))


def _no_mailbox(error: SMTPResponseException) -> bool:
    """Whether the recipient was refused for good, and not for policy: by the enhanced status code (RFC 3463, class
    5.1) where the server gives one."""
    if not isinstance(error, aiosmtplib.SMTPRecipientRefused) or error.code not in {550, 551, 553}:
        return False
    enhanced = _ENHANCED.match(error.message)
    return enhanced is None or enhanced[1] == "1"


def _plain(text: str) -> str:
    return "".join(char for char in text[:100] if char.isprintable())
