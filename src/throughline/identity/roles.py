"""What staff may do: roles give scopes, and what no role gives is not allowed. Pure.

A scope is "<package>:read" or "<package>:write"; "lending:products" is to make product versions, "continuity:probe" to
report what a probe saw. No scope, and so no endpoint for staff or robots,
sets a factor, a phone number or a payout account of a borrower.
"""

from __future__ import annotations

from collections.abc import Iterable

PACKAGES = (
    "parties", "ledger", "compliance", "notary", "line", "messaging", "identity", "payments", "lending",
    "contracts", "risk", "origination", "continuity", "kernel",
)  # fmt: skip

PRODUCTS = frozenset({"lending:products"})
PROBES = frozenset({"continuity:probe"})


def _scopes(verb: str, packages: Iterable[str]) -> frozenset[str]:
    return frozenset(f"{package}:{verb}" for package in packages)


_READ_CASES = _scopes(
    "read",
    (
        "parties",
        "line",
        "messaging",
        "lending",
        "contracts",
        "payments",
        "origination",
        "continuity",
        "notary",
    ),
)

ROLES: dict[str, frozenset[str]] = {
    "agent": _READ_CASES | _scopes("write", ("continuity",)),
    "credit": _READ_CASES
    | _scopes("read", ("risk", "compliance"))
    | _scopes("write", ("risk", "origination")),
    "operations": _READ_CASES
    | _scopes("read", ("ledger", "kernel"))
    | _scopes("write", ("line", "messaging", "payments", "lending", "continuity", "kernel")),
    "compliance": _scopes("read", PACKAGES) | _scopes("write", ("compliance", "notary")),
    "admin": _scopes("read", PACKAGES) | _scopes("write", PACKAGES) | PRODUCTS | PROBES,
}
SCOPES = frozenset().union(*ROLES.values())


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """All scopes of these roles; a role that no longer exists gives none."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
