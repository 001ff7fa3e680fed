"""Keys of services: `tl_<id>_<secret>` in the Authorization header; the secret is shown once."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.identity import roles
from throughline.identity.models import ApiKey
from throughline.kernel.errors import Invalid, Unauthenticated
from throughline.kernel.http import Caller
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.statement import Statement

MAX_LIFE = timedelta(days=365)
_FORM = re.compile(r"^tl_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$")


class InvalidApiKey(Invalid):
    """The name, a scope or the end of a new key is not acceptable."""

    code = "invalid-api-key"
    title = N_("A key needs a name, known scopes and an end within a year")


class ApiKeyRefused(Unauthenticated):
    """Not a key of ours, or one that has ended."""

    code = "api-key-refused"
    title = N_("This key is not valid here")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key as its service gets it, this once."""

    id: UUID
    key: str = field(repr=False)


def create_api_key(
    session: Session, name: str, scopes: Collection[str], *, now: datetime, life: timedelta = MAX_LIFE
) -> NewApiKey:
    """Make a key for a service. Raises `InvalidApiKey`."""
    if (
        not 1 <= len(name) <= 60
        or not scopes
        or not set(scopes) <= roles.SCOPES
        or not timedelta() < life <= MAX_LIFE
    ):
        raise InvalidApiKey
    key_id, secret = new_id(), secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            id=key_id,
            name=name,
            secret_hash=_hash(secret),
            scopes=sorted(set(scopes)),
            created_at=now,
            ends_at=now + life,
        )
    )
    session.flush()
    return NewApiKey(key_id, f"tl_{key_id.hex}_{secret}")


_KEY = Statement("SELECT id, secret_hash, scopes, ends_at, revoked_at FROM identity_api_key WHERE id = $1")


def api_key_caller(session: Session, authorization: str, *, now: datetime) -> Caller:
    """The service behind an Authorization header. Raises `ApiKeyRefused`."""
    scheme, _, value = authorization.partition(" ")
    form = _FORM.match(value.strip()) if scheme.lower() == "bearer" else None
    if form is None:
        raise ApiKeyRefused
    found = _KEY.rows(session, UUID(hex=form[1]))
    if not found:
        raise ApiKeyRefused
    key_id, secret_hash, scopes, ends_at, revoked_at = found[0]
    # Hashes of random secrets: comparing them in constant time costs nothing and ends the discussion.
    if not hmac.compare_digest(secret_hash, _hash(form[2])):
        raise ApiKeyRefused
    if revoked_at is not None or ends_at <= now:
        raise ApiKeyRefused
    return Caller("service", key_id, None, frozenset(scopes))


def revoke_api_key(session: Session, key_id: UUID, *, now: datetime) -> None:
    """End a key at once."""
    row = session.get_one(ApiKey, key_id, with_for_update=True)
    row.revoked_at = row.revoked_at or now


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()
