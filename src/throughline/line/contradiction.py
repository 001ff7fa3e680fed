"""Evidence against a borrower's claim that the line was stopped. Pure.

Missing evidence never counts; neither does one single sign, since receipts lie now and then and people
remember hours badly. What speaks against a claim must have been observed well inside the claimed time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from throughline.line.state import Meaning

MARGIN_S = 6 * 3600.0  # how well people remember when it began and ended
ENOUGH = 2.0
_WEIGHT = {
    Meaning.DATA_OK: 1.0,
    Meaning.ANSWERED: 1.0,
    Meaning.BUSY: 0.5,
    Meaning.REJECTED: 1.0,
    Meaning.DELIVERED: 0.7,
    Meaning.ACTIVE: 1.5,
    Meaning.REACHABLE: 0.5,
}
_CLAIMED = frozenset({"suspended", "pre_cancelled", "cancelled"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a borrower says. `to_s` None: it still goes on; then only what came before the claim counts."""

    made_s: float
    received_s: float
    state: str
    from_s: float
    to_s: float | None


@dataclass(frozen=True, slots=True)
class Sign:
    """One observation that may speak against a claim."""

    observed_s: float
    received_s: float
    meaning: Meaning
    name: str


def against(claim: Claim, signs: Sequence[Sign]) -> tuple[float, tuple[str, ...]] | None:
    """When the claim was contradicted and by what; None if it was not.

    A phone that is said to be off or lost is contradicted by nothing that a line says: somebody may have it.
    """
    if claim.state not in _CLAIMED:
        return None
    first = claim.from_s + MARGIN_S
    last = (claim.made_s if claim.to_s is None else claim.to_s) - MARGIN_S
    weight = 0.0
    named: list[str] = []
    seen: dict[Meaning, int] = {}
    for sign in sorted(
        signs, key=lambda one: (max(one.received_s, claim.received_s), one.observed_s, one.name)
    ):
        if not first <= sign.observed_s <= last or sign.meaning not in _WEIGHT:
            continue
        # The same kind of sign again says less: what lies once may lie twice.
        seen[sign.meaning] = seen.get(sign.meaning, 0) + 1
        weight += _WEIGHT[sign.meaning] / (1 if seen[sign.meaning] <= 2 else seen[sign.meaning])
        named.append(sign.name)
        if weight >= ENOUGH:
            return max(sign.received_s, claim.received_s), tuple(named[-5:])
    return None
