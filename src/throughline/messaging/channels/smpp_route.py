"""SMS over SMPP as a route: the session's results as verdicts of the port, its receipts as receipts of the ledger."""

from __future__ import annotations

from throughline.kernel import clock
from throughline.kernel.logging import get_logger
from throughline.messaging.channels.smpp import (
    Inbound,
    LateAnswer,
    LinkEvent,
    LinkState,
    Outgoing,
    Receipt,
    SmppRoute,
    SmppSession,
    TextResult,
    attempt_state,
)
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Finding, Heard, News, Outbound, Question, SubmitResult

log = get_logger(__name__)

NAME = "smpp"
DRAIN_S = 5.0
BOUND_WITHIN_S = 3.0


class SmppSms:
    """One account at one SMSC."""

    def __init__(self, route: SmppRoute, news: News) -> None:
        self._name = route.name
        self._session = SmppSession(route, _Sink(route.name, news))

    @property
    def up(self) -> bool:
        """Whether every bind stands."""
        return self._session.bound

    async def open(self) -> None:
        """Bind; a link that can't be made in some seconds is made later."""
        self._session.open()
        await self._session.wait_bound(BOUND_WITHIN_S)

    async def submit(self, message: Outbound) -> SubmitResult:
        """Hand over one text."""
        return _result(
            await self._session.submit(Outgoing(message.client_ref, message.address, message.text))
        )

    async def query(self, question: Question) -> Finding | None:
        """Ask for a message's state, where the SMSC has told its id."""
        if question.provider_ref is None:
            return None  # no id, no question: who never answered can't be asked
        state = await self._session.query(question.provider_ref)
        found = attempt_state(state) if state is not None else None
        return Finding(found, state.name if state is not None else "") if found is not None else None

    async def close(self) -> None:
        """Wait some seconds for what is on its way, then unbind."""
        await self._session.close(DRAIN_S)


def _result(result: TextResult) -> SubmitResult:
    last = result.parts[-1] if result.parts else None
    code = ""
    if last is not None:
        code = f"0x{last.status:08X}" if last.status else last.why
    return SubmitResult(result.verdict, result.provider_ref, code[:100])


class _Sink:
    """The session's events on their way to the ledger. Each returns when what it got is committed."""

    def __init__(self, route: str, news: News) -> None:
        self._route, self._news = route, news

    async def receipt(self, receipt: Receipt) -> None:
        if receipt.ref is None or receipt.state is None or receipt.intermediate:
            if receipt.malformed:
                log.warning("a receipt that can't be read", route=self._route, flaws=list(receipt.flaws))
            return
        state = attempt_state(receipt.state)
        if state is None or state is AttemptState.ACCEPTED:
            return
        # Only by the id that the route's dialect gives: another reading of it could be another message's.
        code = receipt.network_error or receipt.err or receipt.state.name
        await self._news.heard(
            Heard(self._route, receipt.ref, state, code[:64], receipt.done_at or clock.real_now())
        )

    async def inbound(self, message: Inbound) -> None:
        if message.whole is not None:
            await self._news.said(self._route, message.source, message.whole)

    async def unreadable(self, raw: bytes, why: str) -> None:
        log.warning("a PDU that can't be read", route=self._route, why=why, size=len(raw))

    async def late(self, answer: LateAnswer) -> None:
        if answer.of == 1:
            await self._news.late(
                answer.client_ref, _result(TextResult(answer.result.verdict, (answer.result,)))
            )

    async def link(self, event: LinkEvent) -> None:
        stopped = event.state is LinkState.STOPPED
        (log.error if stopped else log.info)(
            "link of a route", route=event.route, state=event.state.value, why=event.why, status=event.status
        )
