"""Approving one action: the signature is over the action, works once, for five minutes, for its owner."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from webauthn import verify_authentication_response
from webauthn.helpers import base64url_to_bytes

from identity.actors import ORIGIN, enrolled, newcomer
from throughline.identity import service
from throughline.identity.actions import canonical
from throughline.kernel.db import Database

SIGN: dict[str, Any] = {
    "kind": "sign_contract",
    "contract_id": "0190",
    "sha256": "ab" * 32,
    "principal_minor": 300_000,
    "installments": 6,
    "apr_percent": "14.60",
}


def test_an_approval_is_for_this_action_and_works_once(database: Database) -> None:
    actor, other = enrolled(database), enrolled(database)
    proof = actor.approve(SIGN)
    wanted = service.action_hash(SIGN)
    assert (proof.level, proof.method, proof.action_hash) == ("A2+", "passkey", wanted)

    def use(borrower_id: object, action: dict[str, Any]) -> service.ActionProof:
        return database.run(
            lambda s: service.require_proof(
                s,
                proof.id,
                borrower_id,
                service.action_hash(action),
                now=actor.now,
            )
        )

    for who, action in ((actor.id, SIGN | {"principal_minor": 300_001}), (other.id, SIGN)):
        with pytest.raises(service.ProofRefused):
            use(who, action)
    assert use(actor.id, SIGN).id == proof.id
    with pytest.raises(service.ProofRefused):
        use(actor.id, SIGN)


def test_an_approval_lasts_five_minutes(database: Database) -> None:
    actor = enrolled(database)
    proof = actor.approve(SIGN)
    actor.later(minutes=5, seconds=1)
    with pytest.raises(service.ProofRefused):
        database.run(
            lambda s: service.require_proof(s, proof.id, actor.id, service.action_hash(SIGN), now=actor.now)
        )


def test_one_approval_used_many_times_at_once_is_used_once(database: Database) -> None:
    actor = enrolled(database)
    proof = actor.approve(SIGN)

    def use(_: int) -> bool:
        try:
            database.run(
                lambda s: service.require_proof(
                    s, proof.id, actor.id, service.action_hash(SIGN), now=actor.now
                )
            )
        except service.ProofRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_anybody_can_check_the_evidence_again(database: Database) -> None:
    evidence = enrolled(database).approve(SIGN).evidence
    challenge = hashlib.sha256(base64url_to_bytes(evidence["nonce"]) + canonical(SIGN)).digest()
    verify_authentication_response(
        credential={
            "id": evidence["credential_id"],
            "rawId": evidence["credential_id"],
            "type": "public-key",
            "response": {
                "clientDataJSON": evidence["client_data_json"],
                "authenticatorData": evidence["authenticator_data"],
                "signature": evidence["signature"],
            },
        },
        expected_challenge=challenge,
        expected_rp_id=evidence["rp_id"],
        expected_origin=ORIGIN,
        credential_public_key=base64url_to_bytes(evidence["public_key_cose"]),
        credential_current_sign_count=0,
        require_user_verification=True,
    )


def test_a_signature_for_one_action_does_not_approve_another(database: Database) -> None:
    actor = enrolled(database)
    shown = actor.begin_step_up({"kind": "repay", "amount_minor": 1})
    hidden = actor.begin_step_up(SIGN)
    response = actor.authenticator.get(shown.options, ORIGIN)
    with pytest.raises(service.PasskeyRefused):
        database.run(lambda s: service.finish_step_up(s, hidden.id, response, now=actor.now))
    # Nor does a sign-in approve anything, or an approval sign anybody in.
    begun = actor.run(lambda s: service.begin_sign_in(s, now=actor.now))
    with pytest.raises(service.ChallengeGone):
        database.run(lambda s: service.finish_step_up(s, begun.challenge_id, response, now=actor.now))
    with pytest.raises(service.ChallengeGone):
        database.run(
            lambda s: service.finish_sign_in(s, shown.id, response, service.Browser("x"), now=actor.now)
        )


def test_somebody_elses_passkey_does_not_approve(database: Database) -> None:
    actor, other = enrolled(database), enrolled(database)
    begun = actor.begin_step_up(SIGN)
    response = other.authenticator.get(begun.options | {"allowCredentials": []}, ORIGIN)
    with pytest.raises(service.PasskeyRefused):
        database.run(lambda s: service.finish_step_up(s, begun.id, response, now=actor.now))


def test_a_thief_with_session_and_phone_but_no_finger_approves_nothing(database: Database) -> None:
    actor = enrolled(database)
    actor.authenticator.user_verified = False
    with pytest.raises(service.PasskeyRefused):
        actor.approve(SIGN)


def test_an_ended_session_approves_nothing(database: Database) -> None:
    actor = enrolled(database)
    begun = actor.begin_step_up(SIGN)
    response = actor.authenticator.get(begun.options, ORIGIN)
    database.run(lambda s: service.end_session(s, actor.id, actor.here().id, reason="x", now=actor.now))
    with pytest.raises(service.ChallengeGone):
        database.run(lambda s: service.finish_step_up(s, begun.id, response, now=actor.now))
    with pytest.raises(service.StepUpNeeded):
        actor.begin_step_up(SIGN)


def test_codes_alone_approve_nothing(database: Database) -> None:
    actor = newcomer(database)
    actor.enrol_totp()
    with pytest.raises(service.NoPasskey):
        actor.begin_step_up(SIGN)


def test_stored_evidence_is_what_was_checked(database: Database) -> None:
    actor = enrolled(database)
    begun = actor.begin_step_up(SIGN)
    response = actor.authenticator.get(begun.options, ORIGIN)
    clean = dict(response["response"])
    response["response"]["signature"] += "\x00"
    response["response"]["clientDataJSON"] += "\x00=\n"
    try:
        proof = database.run(lambda s: service.finish_step_up(s, begun.id, response, now=actor.now))
    except service.PasskeyRefused:
        return
    assert proof.evidence["signature"] == clean["signature"]
    assert base64.urlsafe_b64decode(proof.evidence["client_data_json"] + "==") == base64url_to_bytes(
        clean["clientDataJSON"]
    )
