"""WebAuthn: our checks, the W3C test vectors, bit flips, and Yubico's library as a second verifier."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    RegistrationResponse,
)
from hypothesis import given
from hypothesis import strategies as st
from webauthn import verify_authentication_response, verify_registration_response

from throughline.identity import ceremony
from throughline.identity.ceremony import CeremonyRefused, RelyingParty, StoredCredential
from throughline.lab.authenticator import NotAllowed, SoftwareAuthenticator, b64, cose_key

RP = RelyingParty("localhost", "Lender", ("http://localhost:8000",))
ORIGIN = RP.origins[0]
USER = UUID(int=7)


def registered(
    authenticator: SoftwareAuthenticator, challenge: bytes = b"c" * 32
) -> tuple[dict[str, Any], StoredCredential]:
    options = ceremony.creation_options(
        RP, user_id=USER, user_name="138****5678", challenge=challenge, known=[]
    )
    response = authenticator.create(options, ORIGIN)
    new = ceremony.check_registration(response, challenge=challenge, rp=RP)
    return response, StoredCredential(new.credential_id, new.public_key, new.backup_eligible, USER)


def used(authenticator: SoftwareAuthenticator, challenge: bytes = b"d" * 32) -> dict[str, Any]:
    return authenticator.get(ceremony.request_options(RP, challenge=challenge), ORIGIN)


def check(
    response: dict[str, Any], stored: StoredCredential, challenge: bytes = b"d" * 32
) -> ceremony.Assertion:
    return ceremony.check_assertion(response, challenge=challenge, rp=RP, stored=stored)


@pytest.mark.parametrize("synced", [True, False])
def test_a_passkey_registers_and_signs_in(synced: bool) -> None:
    authenticator = SoftwareAuthenticator(synced=synced)
    _, stored = registered(authenticator)
    assert stored.backup_eligible is synced
    assert check(used(authenticator), stored).sign_count == (0 if synced else 1)


def test_options_ask_for_what_we_need() -> None:
    options = ceremony.creation_options(RP, user_id=USER, user_name="x", challenge=b"c" * 32, known=[b"k"])
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert [item["alg"] for item in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["attestation"] == "none"
    assert ceremony.request_options(RP, challenge=b"c" * 32)["userVerification"] == "required"


def test_without_user_verification_nothing_goes() -> None:
    honest = SoftwareAuthenticator()
    _, stored = registered(honest)
    honest.user_verified = False
    with pytest.raises(CeremonyRefused):
        check(used(honest), stored)
    with pytest.raises(CeremonyRefused):
        registered(SoftwareAuthenticator(user_verified=False))


def _with_client_data(response: dict[str, Any], **members: Any) -> dict[str, Any]:
    forged = copy.deepcopy(response)
    raw = forged["response"]["clientDataJSON"]
    document = json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    document |= members
    forged["response"]["clientDataJSON"] = b64(json.dumps(document).encode())
    return forged


@pytest.mark.parametrize(
    "members",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:8001"},
        {"origin": "http://localhost"},
        {"crossOrigin": True},
        {"crossOrigin": "false"},
        {"crossOrigin": None},
        {"topOrigin": "http://localhost:8000"},
        {"type": "webauthn.get"},
        {"challenge": b64(b"x" * 32)},
        {"origin": 5},
    ],
)
def test_client_data_of_another_page_is_refused_at_registration(members: dict[str, Any]) -> None:
    # Attestation "none" signs nothing, so here our checks alone stand between a page and an account.
    response, _ = registered(SoftwareAuthenticator())
    with pytest.raises(CeremonyRefused):
        ceremony.check_registration(_with_client_data(response, **members), challenge=b"c" * 32, rp=RP)


def test_the_browser_refuses_a_page_of_another_site() -> None:
    authenticator = SoftwareAuthenticator()
    registered(authenticator)
    with pytest.raises(NotAllowed):
        authenticator.get(ceremony.request_options(RP, challenge=b"d" * 32), "https://evil.example")
    with pytest.raises(NotAllowed):
        authenticator.get(ceremony.request_options(RP, challenge=b"d" * 32), "http://127.0.0.1:8000")


def test_a_relayed_signature_is_refused() -> None:
    # A page of another origin that got a signature all the same: the signed client data names it.
    authenticator = SoftwareAuthenticator()
    _, stored = registered(authenticator)
    options = ceremony.request_options(RP, challenge=b"d" * 32)
    relayed = authenticator.get(options, "https://evil.localhost")
    with pytest.raises(CeremonyRefused, match="origin"):
        check(relayed, stored)


def test_a_changed_backup_eligibility_is_refused_and_a_changed_state_is_not() -> None:
    authenticator = SoftwareAuthenticator(synced=True)
    _, stored = registered(authenticator)
    with pytest.raises(CeremonyRefused, match="backup"):
        check(used(authenticator), replace(stored, backup_eligible=False))
    assert check(used(authenticator), stored).backed_up


def test_another_person_another_key_another_challenge() -> None:
    authenticator, other = SoftwareAuthenticator(), SoftwareAuthenticator()
    _, stored = registered(authenticator)
    _, theirs = registered(other)
    for response, credential, challenge in (
        (used(authenticator), theirs, b"d" * 32),
        (used(authenticator), replace(stored, public_key=theirs.public_key), b"d" * 32),
        (used(authenticator), stored, b"e" * 32),
        (used(authenticator), replace(stored, user_id=uuid4()), b"d" * 32),
    ):
        with pytest.raises(CeremonyRefused):
            check(response, credential, challenge)


def test_attestation_formats_that_we_did_not_ask_for() -> None:
    response, _ = registered(SoftwareAuthenticator())
    raw = response["response"]["attestationObject"]
    document = cbor2.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    for fmt in ("tpm", "android-key", "fido-u2f", "apple", "nonsense"):
        response["response"]["attestationObject"] = b64(cbor2.dumps(document | {"fmt": fmt}))
        with pytest.raises(CeremonyRefused):
            ceremony.check_registration(response, challenge=b"c" * 32, rp=RP)


_FLIPPED = SoftwareAuthenticator(synced=False)
_, _FLIPPED_STORED = registered(_FLIPPED)
_FLIPPED_RESPONSE = used(_FLIPPED)


@given(st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]), st.data())
def test_any_flipped_bit_is_refused(part: str, data: st.DataObject) -> None:
    response = copy.deepcopy(_FLIPPED_RESPONSE)
    raw = response["response"][part]
    content = bytearray(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    content[place // 8] ^= 1 << (place % 8)
    response["response"][part] = b64(bytes(content))
    with pytest.raises(CeremonyRefused):
        check(response, _FLIPPED_STORED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON"]), JSON))
def test_hostile_json_is_a_refusal_and_never_a_crash(response: dict[str, Any]) -> None:
    for hostile in (response, {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response}):
        with pytest.raises(CeremonyRefused):
            ceremony.check_registration(hostile, challenge=b"c" * 32, rp=RP)
        with pytest.raises(CeremonyRefused):
            check(hostile, _FLIPPED_STORED)


def test_the_second_verifier_agrees() -> None:
    authenticator = SoftwareAuthenticator()
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=RP.id, name=RP.name), verify_origin=lambda origin: origin in RP.origins
    )
    challenge = b"c" * 32
    response, stored = registered(authenticator, challenge)
    state = {"challenge": b64(challenge), "user_verification": "required"}
    theirs = server.register_complete(state, RegistrationResponse.from_dict(response))
    assert theirs.credential_data is not None
    assert theirs.credential_data.credential_id == stored.credential_id
    signed = used(authenticator)
    state = {"challenge": b64(b"d" * 32), "user_verification": "required"}
    server.authenticate_complete(state, [theirs.credential_data], AuthenticationResponse.from_dict(signed))
    check(signed, stored)


def test_the_authenticator_survives_in_a_file(tmp_path: Path) -> None:
    authenticator = SoftwareAuthenticator(synced=False)
    _, stored = registered(authenticator)
    check(used(authenticator), stored)
    file = tmp_path / "passkeys.json"
    authenticator.save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    again = SoftwareAuthenticator.load(file)
    assert again == authenticator
    assert check(used(again), stored).sign_count == 2
    options = ceremony.creation_options(
        RP, user_id=USER, user_name="x", challenge=b"c" * 32, known=[stored.credential_id]
    )
    with pytest.raises(NotAllowed):
        again.create(options, ORIGIN)


# --- Web Authentication Level 3, "Test Vectors" ------------------------------------------------------
#
# The chapter derives every random value by HKDF-SHA-256 from one text and signs with RFC 6979, so the
# ceremonies are built here by its rules. That a built signature equals the published one proves that
# client data, authenticator data and key are byte for byte those of the chapter.


@dataclass(frozen=True)
class Vector:
    """One ceremony pair: the chapter's name, its members of the client data, its published signature."""

    info: str
    client: dict[str, Any]
    signature: str


VECTORS = [
    Vector(
        "none.ES256",
        {"crossOrigin": False},
        "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38"
        "0221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
    ),
    Vector(
        "packed-self.ES256",
        {"crossOrigin": False},
        "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf840"
        "02204e94dd00047b316061b3b99772b7efd95994a83ef584b3b6b825ea3550251b66",
    ),
    Vector(
        "none.ES256.crossOrigin",
        {"crossOrigin": True},
        "3046022100eb12fcf23b12764c0f122e22371fab92e283879fd798f38ee1841c951b6e40e7"
        "022100c76237ff9db77b3c56f30837cda6a09acfa2e915544e609c0733b1184036d1cf",
    ),
    Vector(
        "none.ES256.topOrigin",
        {"crossOrigin": True, "topOrigin": "https://example.com"},
        "3045022100b5a70c81780d5fcc9a4f2ae9caae99058f8accaf58b91fb59329646c28ac6ffc"
        "022012e101c165db3c8e9957f0c54dd6ca9b56bc3bd2f280bd2faa6c1d02c6e5c171",
    ),
    Vector(
        "none.ES256.long-credential-id",
        {"crossOrigin": False},
        "304502203ecef83fb12a0cae7841055f9f87103a99fd14b424194bbf06c4623d3ee6e3fd"
        "022100d2ace346db262b1374a6b70faa51f518a42ddca13a4125ce6f5052a75bac9fb6",
    ),
]
VECTOR_RP = RelyingParty("example.org", "Test", ("https://example.org",))


class _Random:
    """The chapter's random values, in their order."""

    def __init__(self, info: str) -> None:
        self._info, self._salt = info.encode(), 0

    def __call__(self, length: int) -> bytes:
        kdf = HKDF(hashes.SHA256(), length, bytes([self._salt]), self._info)
        self._salt += 1
        return kdf.derive(b"WebAuthn test vectors")


def _built(vector: Vector) -> tuple[dict[str, Any], bytes, dict[str, Any], bytes]:
    random = _Random(vector.info)
    challenge = random(32)
    key = ec.derive_private_key(int.from_bytes(random(32), "big"), ec.SECP256R1())
    deterministic = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

    def client_data(kind: str, about: bytes) -> bytes:
        document = {"type": kind, "challenge": b64(about), "origin": "https://example.org", **vector.client}
        if random(1)[0] & 1:
            document["extraData"] = (
                "clientDataJSON may be extended with additional fields in the future, such as this: "
                + b64(random(16))
            )
        return json.dumps(document, separators=(",", ":")).encode()

    created = client_data("webauthn.create", challenge)
    aaguid = random(16)
    credential_id = random(1023 if vector.info.endswith("long-credential-id") else 32)
    eligible = (bits := random(1)[0]) & 0x08
    flags = 0x41 | bits & 0x04 | eligible | (bits & 0x10 if eligible else 0)
    rp_hash = hashlib.sha256(b"example.org").digest()
    attested = aaguid + len(credential_id).to_bytes(2, "big") + credential_id + cose_key(key.public_key())
    auth_data = rp_hash + bytes([flags]) + bytes(4) + attested
    statement: dict[str, Any] = {"fmt": "none", "attStmt": {}}
    if vector.info.startswith("packed-self"):
        signed = key.sign(auth_data + hashlib.sha256(created).digest(), deterministic)
        statement = {"fmt": "packed", "attStmt": {"alg": -7, "sig": signed}}
    name = {"id": b64(credential_id), "rawId": b64(credential_id), "type": "public-key"}
    attestation = {
        "clientDataJSON": b64(created),
        "attestationObject": b64(cbor2.dumps(statement | {"authData": auth_data})),
    }
    use_challenge = random(32)
    got = client_data("webauthn.get", use_challenge)
    bits = random(1)[0]
    use_data = rp_hash + bytes([0x01 | bits & 0x04 | eligible | (bits & 0x10 if eligible else 0)]) + bytes(4)
    signature = key.sign(use_data + hashlib.sha256(got).digest(), deterministic)
    assertion = {
        "clientDataJSON": b64(got),
        "authenticatorData": b64(use_data),
        "signature": b64(signature),
    }
    return name | {"response": attestation}, challenge, name | {"response": assertion}, use_challenge


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.info)
def test_the_vectors_of_level_3(vector: Vector) -> None:
    created, challenge, got, use_challenge = _built(vector)
    assert _bytes(got["response"]["signature"]).hex() == vector.signature
    raw = cbor2.loads(_bytes(created["response"]["attestationObject"]))["authData"]
    data = AuthenticatorData(raw)
    assert isinstance(data.credential_data, AttestedCredentialData)
    # The cryptography of the vectors is right by the library that we stand on ...
    known = verify_registration_response(
        credential=created,
        expected_challenge=challenge,
        expected_rp_id="example.org",
        expected_origin="https://example.org",
    )
    verify_authentication_response(
        credential=got,
        expected_challenge=use_challenge,
        expected_rp_id="example.org",
        expected_origin="https://example.org",
        credential_public_key=known.credential_public_key,
        credential_current_sign_count=0,
    )
    # ... and we accept exactly those in which the person was verified and the page was our own.
    ours = vector.client == {"crossOrigin": False}
    verified = bool(data.flags & AuthenticatorData.FLAG.UV)

    def register() -> ceremony.NewCredential:
        return ceremony.check_registration(created, challenge=challenge, rp=VECTOR_RP)

    def use() -> ceremony.Assertion:
        eligible = bool(data.flags & AuthenticatorData.FLAG.BE)
        stored = StoredCredential(known.credential_id, known.credential_public_key, eligible, USER)
        return ceremony.check_assertion(got, challenge=use_challenge, rp=VECTOR_RP, stored=stored)

    if ours and verified:
        assert register().credential_id == known.credential_id
    else:
        with pytest.raises(CeremonyRefused, match="another origin" if not ours else "registration"):
            register()
    if ours and _bytes(got["response"]["authenticatorData"])[32] & 0x04:
        use()
    else:
        with pytest.raises(CeremonyRefused, match="another origin" if not ours else "assertion"):
            use()
