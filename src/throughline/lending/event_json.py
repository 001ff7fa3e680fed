"""What of an event stands in its payload: all that has no column of its own."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from throughline.lending.history import (
    PLAIN_CHARGE,
    AppliesTo,
    Calculation,
    ChargeKind,
    ChargeRule,
    LoanEvent,
    NewTerms,
    Treatment,
    Variation,
    VariationKind,
)
from throughline.lending.terms import Frequency, FutureInstallments, Grace, PeriodUnit


def payload_of(event: LoanEvent) -> dict[str, Any]:
    """The JSON object of an event's details; `details_of` gives them back."""
    payload: dict[str, Any] = {}
    if event.charge_kind is not None:
        payload["charge_kind"] = event.charge_kind.value
    if event.due_date is not None:
        payload["due_date"] = event.due_date.isoformat()
    if event.variation is not None:
        payload["variation"] = {
            "kind": event.variation.kind.value,
            "from": event.variation.from_date.isoformat(),
            "to": event.variation.to_date.isoformat(),
            "shift_following": event.variation.shift_following,
        }
        if event.variation.treatment is not Treatment.FORGIVE:
            payload["variation"]["treatment"] = event.variation.treatment.value
    if event.charge_rule != PLAIN_CHARGE:
        rule = event.charge_rule
        payload["charge_rule"] = {
            "calculation": rule.calculation.value,
            "applies_to": rule.applies_to.value,
            "percent": str(rule.percent) if rule.percent is not None else None,
        }
    if event.new_terms is not None:
        payload["new_terms"] = _new_terms_json(event.new_terms)
    if event.future is not None:
        payload["future"] = event.future.value
    if event.fraud:
        payload["fraud"] = True
    return payload


def details_of(payload: dict[str, Any]) -> dict[str, Any]:
    """The fields of a LoanEvent that its payload decides."""
    variation, rule, terms = (payload.get(name) for name in ("variation", "charge_rule", "new_terms"))
    return {
        "charge_kind": ChargeKind(payload["charge_kind"]) if "charge_kind" in payload else None,
        "due_date": _day(payload.get("due_date")),
        "variation": _variation(variation) if variation else None,
        "charge_rule": _charge_rule(rule) if rule else PLAIN_CHARGE,
        "new_terms": _new_terms(terms) if terms else None,
        "future": FutureInstallments(payload["future"]) if "future" in payload else None,
        "fraud": bool(payload.get("fraud", False)),
    }


def _variation(document: dict[str, Any]) -> Variation:
    return Variation(
        kind=VariationKind(document["kind"]),
        from_date=date.fromisoformat(document["from"]),
        to_date=date.fromisoformat(document["to"]),
        shift_following=document["shift_following"],
        treatment=Treatment(document.get("treatment", Treatment.FORGIVE)),
    )


def _charge_rule(document: dict[str, Any]) -> ChargeRule:
    percent = document["percent"]
    return ChargeRule(
        Calculation(document["calculation"]),
        AppliesTo(document["applies_to"]),
        Decimal(percent) if percent is not None else None,
    )


def _new_terms_json(terms: NewTerms) -> dict[str, Any]:
    every, grace = terms.repay_every, terms.grace
    return {
        "annual_rate_percent": str(terms.annual_rate_percent)
        if terms.annual_rate_percent is not None
        else None,
        "first_due_date": terms.first_due_date.isoformat() if terms.first_due_date else None,
        "installments": terms.installments,
        "repay_every": {"count": every.count, "unit": every.unit.value} if every else None,
        "grace": [grace.principal, grace.interest_payment, grace.interest_free],
    }


def _new_terms(document: dict[str, Any]) -> NewTerms:
    rate, every = document["annual_rate_percent"], document["repay_every"]
    return NewTerms(
        Decimal(rate) if rate is not None else None,
        _day(document["first_due_date"]),
        document["installments"],
        Frequency(every["count"], PeriodUnit(every["unit"])) if every else None,
        Grace(*document["grace"]),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
