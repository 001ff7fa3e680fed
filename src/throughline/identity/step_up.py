"""Step-up: a person approves one action with a passkey; the signature is over the action's hash.

The challenge is SHA-256(nonce || canonical JSON of the action). The proof can be used once, by the verb
that carries the action out, within 5 minutes. That verb builds the action again from its own data and
asks for the proof of *that* hash, so what a browser sent as the action decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from throughline.identity import accounts, ceremony, challenges, passkeys, sessions
from throughline.identity.actions import action_hash
from throughline.identity.ceremony import CeremonyRefused
from throughline.identity.levels import Level
from throughline.identity.models import Authenticator, Challenge, Proof
from throughline.identity.problems import NoPasskey, PasskeyRefused, StepUpNeeded
from throughline.identity.settings import relying_party
from throughline.kernel.errors import Forbidden
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger

log = get_logger(__name__)
PROOF_LIFE = timedelta(minutes=5)

__all__ = [
    "ActionProof",
    "ProofRefused",
    "StepUpChallenge",
    "action_hash",
    "begin_step_up",
    "finish_step_up",
    "require_proof",
]


class ProofRefused(Forbidden):
    """The proof is used, too old, somebody else's, or for another action."""

    code = "proof-refused"
    title = N_("The confirmation does not fit this action or was used already; confirm again")


@dataclass(frozen=True, slots=True)
class StepUpChallenge:
    """What a browser needs to approve an action: `options` go to navigator.credentials.get()."""

    id: UUID
    action_hash: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ActionProof:
    """An approval. `evidence` holds all that is needed to check the signature again, by anybody."""

    id: UUID
    borrower_id: UUID
    action_hash: str
    method: str
    level: str
    at: datetime
    evidence: dict[str, Any] = field(repr=False)


def begin_step_up(
    session: Session, borrower_session_id: UUID, action: dict[str, Any], *, now: datetime
) -> StepUpChallenge:
    """A challenge bound to the action, for the passkeys of the person whose session it is.

    Raises `BadAction`, `NoPasskey` (none, or only on probation), `StepUpNeeded` if the session has ended.
    """
    login = sessions.living(session, borrower_session_id, now=now)
    if login is None or login.kind != "borrower":
        raise StepUpNeeded
    usable = [
        row.credential_id
        for row in accounts.active_authenticators(session, login.subject_id, "passkey")
        if row.credential_id is not None and not passkeys.on_probation(row, now)
    ]
    if not usable:
        raise NoPasskey
    row = challenges.issue(
        session, "step_up", now=now, borrower_id=login.subject_id, session_id=login.id, action=action
    )
    options = ceremony.request_options(relying_party(), challenge=row.challenge, allowed=usable)
    return StepUpChallenge(row.id, row.action_hash or "", options)


def finish_step_up(
    session: Session, challenge_id: UUID, response: dict[str, Any], *, now: datetime
) -> ActionProof:
    """Check the signature over the action and keep the proof. Raises `ChallengeGone`, `PasskeyRefused`."""
    challenge = challenges.consume(session, challenge_id, "step_up", now=now)
    if (
        challenge.session_id is None
        or challenge.borrower_id is None
        or sessions.living(session, challenge.session_id, now=now) is None
    ):
        raise challenges.ChallengeGone
    accounts.locked_account(session, challenge.borrower_id, now=now)
    try:
        used = passkeys.check_use(session, response, challenge.challenge, now=now)
    except CeremonyRefused as error:
        log.info("step-up refused", reason=str(error))
        raise PasskeyRefused from None
    if used.borrower_id != challenge.borrower_id or passkeys.on_probation(used, now):
        raise PasskeyRefused
    proof = Proof(
        borrower_id=used.borrower_id,
        id=new_id(),
        authenticator_id=used.id,
        action_hash=challenge.action_hash,
        method="passkey",
        level=Level.A2_PLUS.label,
        evidence=_evidence(challenge, used, response),
        at=now,
    )
    session.add(proof)
    session.flush()
    return _view(proof)


def require_proof(
    session: Session, proof_id: UUID, borrower_id: UUID, action_hash: str, *, now: datetime
) -> ActionProof:
    """Use up the proof of this action. Raises `ProofRefused`; of two users at once, one is refused."""
    row = session.scalars(
        update(Proof)
        .where(
            Proof.id == proof_id,
            Proof.borrower_id == borrower_id,
            Proof.action_hash == action_hash,
            Proof.consumed_at.is_(None),
            Proof.at > now - PROOF_LIFE,
        )
        .values(consumed_at=now)
        .returning(Proof),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if row is None:
        raise ProofRefused
    return _view(row)


def _evidence(challenge: Challenge, used: Authenticator, response: dict[str, Any]) -> dict[str, Any]:
    answer = response["response"]
    return {
        "rp_id": relying_party().id,
        "action": challenge.action,
        "nonce": ceremony.text(challenge.nonce or b""),
        "credential_id": ceremony.text(used.credential_id or b""),
        "public_key_cose": ceremony.text(used.public_key or b""),
        # Decoded and encoded again: what is kept is what was checked, whatever else the sender wrote around it.
        "client_data_json": ceremony.rewritten(answer["clientDataJSON"]),
        "authenticator_data": ceremony.rewritten(answer["authenticatorData"]),
        "signature": ceremony.rewritten(answer["signature"]),
    }


def _view(row: Proof) -> ActionProof:
    return ActionProof(row.id, row.borrower_id, row.action_hash, row.method, row.level, row.at, row.evidence)
