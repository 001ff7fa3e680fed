"""The notary's two signing keys and its name.

The promise key is not the log's key: what only promises never needs the key that signs checkpoints.
"""

from __future__ import annotations

from functools import lru_cache
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.crypto import signing_key
from throughline.kernel.keyring import KeyRing, key_ring
from throughline.notary.merkle import EMPTY_ROOT
from throughline.notary.models import Head
from throughline.notary.note import Signer
from throughline.notary.promise import key_name
from throughline.notary.settings import default_origin, wanted_origin

_origins: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()  # of each database; it never changes


class WrongLog(RuntimeError):
    """The settings name another log than the database holds."""


def log_origin(session: Session) -> str:
    """The name of this database's log, fixed at its first record. Raises `WrongLog` if the settings differ."""
    engine = session.get_bind().engine
    known = _origins.get(engine)
    if known is not None:
        return checked_origin(known)
    known = session.execute(select(Head.origin)).scalar_one_or_none()
    if known is None:
        session.info["first_record"] = True  # this transaction may yet fail, and the name with it
        fresh = wanted_origin() or default_origin()
        session.execute(
            insert(Head).values(id=1, origin=fresh, size=0, root=EMPTY_ROOT).on_conflict_do_nothing()
        )
        known = session.execute(select(Head.origin)).scalar_one()
    elif "first_record" not in session.info:
        _origins[engine] = known
    return checked_origin(known)


def checked_origin(known: str) -> str:
    """The origin in the database, if the settings do not ask for another one."""
    wanted = wanted_origin()
    if wanted is not None and wanted != known:
        raise WrongLog(f"the settings ask for the log {wanted}, but this database holds the log {known}")
    return known


def log_signer(origin: str) -> Signer:
    """Signs checkpoints. Only the sequencer and the texts that name the public key need it."""
    return Signer(origin, signing_key("notary.log"))


def promise_signer(origin: str) -> Signer:
    """Signs promises."""
    return _promise_signer(origin, key_ring())


@lru_cache(maxsize=8)
def _promise_signer(origin: str, ring: KeyRing) -> Signer:
    # Derived once for each ring that this process holds: every repayment brings a promise.
    del ring
    return Signer(key_name(origin), signing_key("notary.promise"))
