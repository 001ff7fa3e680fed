"""The verbs of identity, for the packages above: one place to import from; each lives in the file of its subject."""

from throughline.identity.accounts import Factor, FactorSummary, factors
from throughline.identity.actions import BadAction, action_hash
from throughline.identity.api_keys import (
    ApiKeyRefused,
    InvalidApiKey,
    NewApiKey,
    api_key_caller,
    create_api_key,
    revoke_api_key,
)
from throughline.identity.attempts import FactorStopped, TooManyAttempts
from throughline.identity.callers import caller_from_request, require_level
from throughline.identity.challenges import ChallengeGone
from throughline.identity.code_factors import (
    CodeAppPresent,
    NewCodeApp,
    WrongCode,
    begin_totp,
    confirm_totp,
    create_recovery_codes,
)
from throughline.identity.cookies import (
    DEVICE_COOKIE,
    SESSION_COOKIE,
    clear_session_cookie,
    device_cookie,
    device_label,
    session_cookie,
)
from throughline.identity.enrolment import add_authenticator_action, begin_enrolment
from throughline.identity.levels import Level
from throughline.identity.passkey_enrolment import (
    Enrolled,
    PasskeyOptions,
    PasskeyTaken,
    TooManyPasskeys,
    begin_passkey,
    finish_passkey,
)
from throughline.identity.problems import (
    EnrolmentClosed,
    LevelTooLow,
    NoPasskey,
    PasskeyRefused,
    SignInRefused,
    StepUpNeeded,
)
from throughline.identity.registration import ConsentNeeded, register
from throughline.identity.sessions import (
    LoginSession,
    UnknownSession,
    current_session,
    end_other_sessions,
    end_session,
    living,
    sessions_of,
)
from throughline.identity.sign_in import (
    Browser,
    SignedIn,
    SignInOptions,
    begin_sign_in,
    finish_sign_in,
    sign_in_with_codes,
)
from throughline.identity.staff import (
    InvalidStaff,
    StaffNameTaken,
    create_staff,
    disable_staff,
    staff_name,
    staff_session,
    staff_sign_in,
)
from throughline.identity.step_up import (
    ActionProof,
    ProofRefused,
    StepUpChallenge,
    begin_step_up,
    finish_step_up,
    require_proof,
)

__all__ = [
    "DEVICE_COOKIE",
    "SESSION_COOKIE",
    "ActionProof",
    "ApiKeyRefused",
    "BadAction",
    "Browser",
    "ChallengeGone",
    "CodeAppPresent",
    "ConsentNeeded",
    "Enrolled",
    "EnrolmentClosed",
    "Factor",
    "FactorStopped",
    "FactorSummary",
    "InvalidApiKey",
    "InvalidStaff",
    "Level",
    "LevelTooLow",
    "LoginSession",
    "NewApiKey",
    "NewCodeApp",
    "NoPasskey",
    "PasskeyOptions",
    "PasskeyRefused",
    "PasskeyTaken",
    "ProofRefused",
    "SignInOptions",
    "SignInRefused",
    "SignedIn",
    "StaffNameTaken",
    "StepUpChallenge",
    "StepUpNeeded",
    "TooManyAttempts",
    "TooManyPasskeys",
    "UnknownSession",
    "WrongCode",
    "action_hash",
    "add_authenticator_action",
    "api_key_caller",
    "begin_enrolment",
    "begin_passkey",
    "begin_sign_in",
    "begin_step_up",
    "begin_totp",
    "caller_from_request",
    "clear_session_cookie",
    "confirm_totp",
    "create_api_key",
    "create_recovery_codes",
    "create_staff",
    "current_session",
    "device_cookie",
    "device_label",
    "disable_staff",
    "end_other_sessions",
    "end_session",
    "factors",
    "finish_passkey",
    "finish_sign_in",
    "finish_step_up",
    "living",
    "register",
    "require_level",
    "require_proof",
    "revoke_api_key",
    "session_cookie",
    "sessions_of",
    "sign_in_with_codes",
    "staff_name",
    "staff_session",
    "staff_sign_in",
]
