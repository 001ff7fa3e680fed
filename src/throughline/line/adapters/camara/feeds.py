"""A carrier's CAMARA APIs as feeds: one source each, its answer as signals in our words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from throughline.line.adapters.camara import (
    consent_info,
    data_volume,
    reachability,
    recycling,
    status,
    swaps,
    tenure,
)
from throughline.line.adapters.camara.calls import Caller, Reply, Subject
from throughline.line.ports import FeedCapabilities, Outcome, StatusAnswer, StatusQuestion, Swap
from throughline.line.settings import CarrierSettings
from throughline.line.signals import Signal

CLOCKS_DIFFER = timedelta(minutes=5)
OLDEST = timedelta(days=30)  # what a network saw longer ago is no news, and perhaps no date either

Ask = Callable[[Caller, Subject, StatusQuestion, float], StatusAnswer]


@dataclass(frozen=True, slots=True)
class _Source:
    ask: Ask
    scopes: tuple[str, ...]
    status: bool = False
    recycling: bool = False
    splits_stops: bool = False


@dataclass(frozen=True, slots=True)
class CamaraFeed:
    """One source of one carrier."""

    name: str
    caller: Caller
    source: _Source

    @property
    def provider(self) -> str:
        """The carrier's name."""
        return self.caller.config.name

    @property
    def capabilities(self) -> FeedCapabilities:
        """What it can tell and what it takes."""
        config = self.caller.config
        return FeedCapabilities(
            status=self.source.status,
            push=config.pushes and self.name == "camara.subscription-status",
            recycling=self.source.recycling,
            ported=False,
            splits_stops=self.source.splits_stops,
            price_minor=config.price_minor,
            per_s=config.per_s,
        )

    def status(self, question: StatusQuestion, timeout_s: float) -> StatusAnswer:
        """Ask, after the carrier's own ledger of consents where it has one and this is a new purpose."""
        ends_at = time.monotonic() + timeout_s
        subject = Subject(question.number, question.purpose, question.correlator, question.refresh_token)
        if question.first and "camara.consent-info" in self.caller.config.sells:
            standing = consent_info.ask(
                self.caller, subject, self.source.scopes, capture=False, ends_at=ends_at
            )
            if standing.value is None:
                return _silent(standing, standing.outcome)
            if not standing.value.valid:
                return _silent(standing, Outcome.REFUSED)
        return self.source.ask(self.caller, subject, question, ends_at)


def feeds_of(config: CarrierSettings, caller: Caller) -> dict[str, CamaraFeed]:
    """The sources that a carrier sells, by name."""
    return {
        name: CamaraFeed(name, caller, source) for name, source in SOURCES.items() if name in config.sells
    }


def _status(caller: Caller, subject: Subject, question: StatusQuestion, ends_at: float) -> StatusAnswer:
    reply = status.ask(caller, subject, ends_at=ends_at)
    if reply.unknown_number:
        return _gone(caller, question, "camara.subscription-status", reply)
    if reply.value is None:
        return _silent(reply, reply.outcome)
    return _told(caller, question, "camara.subscription-status", reply, reply.value, reply.value)


def _reachability(caller: Caller, subject: Subject, question: StatusQuestion, ends_at: float) -> StatusAnswer:
    reply = reachability.ask(caller, subject, ends_at=ends_at)
    if reply.unknown_number:
        return _gone(caller, question, "camara.device-reachability", reply)
    seen = reply.value
    if seen is None:
        return _silent(reply, reply.outcome)
    if not question.asked_at - OLDEST <= seen.seen_at <= question.asked_at + CLOCKS_DIFFER:
        return _silent(reply, Outcome.UNKNOWN, "time of the status")
    attributes: dict[str, Any] = {"reachable": seen.reachable}
    if seen.connectivity:
        attributes["connectivity"] = list(seen.connectivity)
    signal = Signal(
        min(seen.seen_at, question.asked_at),
        "camara.device-reachability",
        caller.config.name,
        None,
        attributes,
    )
    return _answer(caller, reply, (signal,), attributes | {"lastStatusTime": seen.seen_at.isoformat()})


def _recycling(caller: Caller, subject: Subject, question: StatusQuestion, ends_at: float) -> StatusAnswer:
    if question.proven_on is None:
        return StatusAnswer(Outcome.ERROR, code="never proven")
    reply = recycling.ask(caller, subject, question.proven_on, ends_at=ends_at)
    if reply.value is None:
        return _silent(reply, reply.outcome)
    attributes = {"recycled": reply.value, "specified_date": question.proven_on.isoformat()}
    return _told(caller, question, "camara.number-recycling", reply, attributes, attributes)


def _tenure(caller: Caller, subject: Subject, question: StatusQuestion, ends_at: float) -> StatusAnswer:
    if question.proven_on is None:
        return StatusAnswer(Outcome.ERROR, code="never proven")
    reply = tenure.ask(caller, subject, question.proven_on, ends_at=ends_at)
    if reply.value is None:
        return _silent(reply, reply.outcome)
    # The kind of contract is of no use to the purpose, and so it is not taken.
    attributes = {
        "tenureDateCheck": reply.value.held_since,
        "tenureDate": question.proven_on.isoformat(),
    }
    return _told(caller, question, "camara.kyc-tenure", reply, attributes, attributes)


def _data_volume(caller: Caller, subject: Subject, question: StatusQuestion, ends_at: float) -> StatusAnswer:
    reply = data_volume.ask(caller, subject, ends_at=ends_at)
    if reply.value is None:
        return _silent(reply, reply.outcome)
    attributes = {"dataVolumeCategory": reply.value}
    return _told(caller, question, "camara.device-data-volume", reply, attributes, attributes)


def _swap(kind: swaps.Kind, name: str) -> Ask:
    def ask(caller: Caller, subject: Subject, question: StatusQuestion, ends_at: float) -> StatusAnswer:
        reply = swaps.last_change(caller, subject, kind, ends_at=ends_at)
        last = reply.value
        if last is None:
            return _silent(reply, reply.outcome)
        if last.at is None and last.monitored_days is None:
            return _silent(reply, Outcome.UNKNOWN, "no date")
        if last.at is not None and last.at > question.asked_at + CLOCKS_DIFFER:
            return _silent(reply, Outcome.UNKNOWN, "time of the swap")
        found = () if last.at is None else (Swap(name, last.at),)
        raw = {"at": last.at.isoformat() if last.at else None, "monitoredPeriod": last.monitored_days}
        return StatusAnswer(
            Outcome.ANSWERED,
            swaps=found,
            cost_minor=caller.config.price_minor,
            raw=json.dumps(raw),
            refresh_token=reply.refresh_token,
        )

    return ask


SOURCES: Mapping[str, _Source] = {
    "camara.subscription-status": _Source(_status, status.SCOPES, status=True, splits_stops=True),
    "camara.device-reachability": _Source(_reachability, reachability.RETRIEVE.scopes, status=True),
    "camara.number-recycling": _Source(_recycling, recycling.CHECK.scopes, recycling=True),
    "camara.kyc-tenure": _Source(_tenure, tenure.CHECK.scopes),
    "camara.device-data-volume": _Source(_data_volume, data_volume.RETRIEVE.scopes),
    "camara.sim-swap": _Source(_swap(swaps.SIM, "sim"), swaps.SIM.retrieve_date.scopes),
    "camara.device-swap": _Source(_swap(swaps.DEVICE, "device"), swaps.DEVICE.retrieve_date.scopes),
}


def _told(
    caller: Caller,
    question: StatusQuestion,
    name: str,
    reply: Reply[Any],
    attributes: Mapping[str, Any],
    raw: Mapping[str, Any],
) -> StatusAnswer:
    signal = Signal(question.asked_at, name, caller.config.name, None, dict(attributes))
    return _answer(caller, reply, (signal,), raw)


def _gone(caller: Caller, question: StatusQuestion, name: str, reply: Reply[Any]) -> StatusAnswer:
    """The carrier does not know the number (any more)."""
    signal = Signal(question.asked_at, name, caller.config.name, reply.code, {})
    return _answer(caller, reply, (signal,), {"code": reply.code})


def _answer(
    caller: Caller, reply: Reply[Any], signals: tuple[Signal, ...], raw: Mapping[str, Any]
) -> StatusAnswer:
    return StatusAnswer(
        Outcome.ANSWERED,
        signals,
        cost_minor=caller.config.price_minor,
        code=reply.code,
        raw=json.dumps(raw),
        refresh_token=reply.refresh_token,
    )


def _silent(reply: Reply[Any], outcome: Outcome, code: str | None = None) -> StatusAnswer:
    return StatusAnswer(
        outcome,
        code=code or reply.code,
        not_before_s=reply.not_before_s,
        refresh_token=reply.refresh_token,
    )
