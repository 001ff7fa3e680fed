"""WebAuthn ceremonies: options for the browser, and the check of what comes back. Pure.

Signatures and structures are checked by py_webauthn. On top of it: no cross-origin use (the library
reads `crossOrigin` and ignores it, and ignores `topOrigin`), only the attestation formats that we ask
for, and a backup-eligibility flag that never changes (WebAuthn Level 3, 7.2).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_attestation_object
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

TIMEOUT_MS = 300_000
MAX_RESPONSE_CHARS = 20_000
MAX_CREDENTIAL_ID_BYTES = 1023  # WebAuthn Level 3, 7.1
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
# "none" is what we ask for; "packed" is self-attestation, which some authenticators send all the same.
FORMATS = frozenset({AttestationFormat.NONE, AttestationFormat.PACKED})


class CeremonyRefused(Exception):
    """The answer of a browser is not acceptable. The text is for logs and tests, never for the sender."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Us: the id that passkeys are bound to, and the origins that ceremonies may come from."""

    id: str
    name: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A passkey as registered."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    backed_up: bool
    aaguid: str
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """What we know of a passkey when it is used. `user_id` is the person it was made for."""

    credential_id: bytes
    public_key: bytes
    backup_eligible: bool
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Assertion:
    """A passkey was used: the new counter and backup state."""

    sign_count: int
    backed_up: bool


def creation_options(
    rp: RelyingParty, *, user_id: UUID, user_name: str, challenge: bytes, known: Sequence[bytes]
) -> dict[str, Any]:
    """Options for `navigator.credentials.create()` as JSON: resident key and user verification required."""
    options = generate_registration_options(
        rp_id=rp.id,
        rp_name=rp.name,
        user_name=user_name,
        user_id=user_id.bytes,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in known],
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json_dict(options)


def request_options(rp: RelyingParty, *, challenge: bytes, allowed: Sequence[bytes] = ()) -> dict[str, Any]:
    """Options for `navigator.credentials.get()` as JSON. `allowed` empty: any passkey made for us."""
    options = generate_authentication_options(
        rp_id=rp.id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
        allow_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in allowed],
    )
    return options_to_json_dict(options)


def check_registration(response: dict[str, Any], *, challenge: bytes, rp: RelyingParty) -> NewCredential:
    """The passkey in a registration response. Raises `CeremonyRefused`."""
    try:
        _own_checks(response, "webauthn.create", rp)
        attested = parse_attestation_object(base64url_to_bytes(response["response"]["attestationObject"]))
        if attested.fmt not in FORMATS:
            raise CeremonyRefused("attestation format that we did not ask for")
        verified = verify_registration_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=list(rp.origins),
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
        known = {transport.value for transport in AuthenticatorTransport}
        given = response["response"].get("transports") or []
        transports = tuple(sorted({name for name in given if name in known}))
    except CeremonyRefused:
        raise
    except Exception as error:
        # The parsers meet hostile bytes: whatever they raise is a refusal, never our fault.
        raise CeremonyRefused(f"registration: {type(error).__name__}") from error
    if len(verified.credential_id) > MAX_CREDENTIAL_ID_BYTES:
        raise CeremonyRefused("credential id too long")
    if verified.credential_id != base64url_to_bytes(response["id"]):
        raise CeremonyRefused("credential id differs from the attested one")
    return NewCredential(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
        aaguid=verified.aaguid,
        transports=transports,
    )


def check_assertion(
    response: dict[str, Any], *, challenge: bytes, rp: RelyingParty, stored: StoredCredential
) -> Assertion:
    """The use of a known passkey. Raises `CeremonyRefused`.

    The counter is given back, not judged: synced passkeys send 0 for ever.
    """
    try:
        _own_checks(response, "webauthn.get", rp)
        if base64url_to_bytes(response["id"]) != stored.credential_id:
            raise CeremonyRefused("another credential")
        handle = response["response"].get("userHandle")
        if handle is not None and base64url_to_bytes(handle) != stored.user_id.bytes:
            raise CeremonyRefused("the user handle belongs to somebody else")
        verified = verify_authentication_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=list(rp.origins),
            credential_public_key=stored.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except CeremonyRefused:
        raise
    except Exception as error:
        raise CeremonyRefused(f"assertion: {type(error).__name__}") from error
    eligible = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    if eligible != stored.backup_eligible:
        raise CeremonyRefused("the backup-eligible flag has changed")
    return Assertion(sign_count=verified.new_sign_count, backed_up=verified.credential_backed_up)


def credential_id_of(response: dict[str, Any]) -> bytes:
    """The credential id that a response names, unchecked. Raises `CeremonyRefused` if it names none."""
    try:
        return base64url_to_bytes(response["id"])
    except Exception as error:
        raise CeremonyRefused("no credential id") from error


def text(data: bytes) -> str:
    """Bytes as base64url without padding, the form of all WebAuthn JSON."""
    return bytes_to_base64url(data)


def rewritten(value: str) -> str:
    """A base64url text in its one canonical form."""
    return text(base64url_to_bytes(value))


def _own_checks(
    response: dict[str, Any], ceremony: Literal["webauthn.create", "webauthn.get"], rp: RelyingParty
) -> None:
    raw = response["response"]["clientDataJSON"]
    if len(raw) > MAX_RESPONSE_CHARS:
        raise CeremonyRefused("client data too long")
    client_data = json.loads(base64url_to_bytes(raw))
    if client_data["type"] != ceremony:
        raise CeremonyRefused("another ceremony")
    if client_data["origin"] not in rp.origins:
        raise CeremonyRefused("another origin")
    if client_data.get("crossOrigin", False) is not False or "topOrigin" in client_data:
        raise CeremonyRefused("used inside a page of another origin")
