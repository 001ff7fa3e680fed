"""What the endpoints of the authorization server share: a refusal, and the scopes and purpose of a request."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """An error of OAuth."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


def scopes_of(form: Mapping[str, str]) -> tuple[frozenset[str], str]:
    """The scopes and the purpose that a request names. Raises Refused."""
    return split(frozenset(form.get("scope", "").split()))


def split(given: frozenset[str]) -> tuple[frozenset[str], str]:
    """The scopes and the one purpose among them: two purposes are two tokens. Raises Refused."""
    purposes = [one for one in given if one.startswith("dpv:")]
    if len(purposes) != 1:
        raise Refused("invalid_scope")
    return given - {purposes[0], "openid", "offline_access"}, purposes[0]
