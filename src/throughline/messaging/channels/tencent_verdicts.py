"""What Tencent Cloud's answers to SendSms mean. Pure.

Codes: https://cloud.tencent.com/document/api/382/59177 (sending) and https://cloud.tencent.com/document/api/382/52075
(all operations). A code is a family and, after a dot, its reason.
"""

from __future__ import annotations

from throughline.messaging.ports import Verdict

OK = "Ok"

_HTTP_OK, _TOO_MANY, _SERVER_ERROR = 200, 429, 500
_THROTTLED = frozenset({"LimitExceeded", "RequestLimitExceeded"})
# The account or the moment, not the message: nothing was sent, and another route may carry it.
_LATER_FAMILIES = frozenset(
    {
        "ActionOffline",
        "AuthFailure",
        "InvalidAction",
        "IpInBlacklist",
        "IpNotInWhitelist",
        "NoSuchProduct",
        "NoSuchVersion",
        "ResourceInsufficient",
        "ResourceUnavailable",
        "UnauthorizedOperation",
        "UnsupportedProtocol",
        "UnsupportedRegion",
    }
)
_LATER = frozenset(
    {
        "FailedOperation.FailResolvePacket",
        "FailedOperation.InsufficientBalanceInSmsPackage",
        "FailedOperation.JsonParseFail",
        "FailedOperation.MarketingSendTimeConstraint",
        "FailedOperation.MissingSignature",
        "FailedOperation.SignatureIncorrectOrUnapproved",
        "FailedOperation.TemplateIncorrectOrUnapproved",
        "InternalError.RequestTimeException",
        "InternalError.RestApiInterfaceNotExist",
        "InternalError.SigFieldMissing",
        "InternalError.SigVerificationFail",
        "InvalidParameter.AppidAndBizId",
        "InvalidParameterValue.SdkAppIdNotExist",
    }
)
# "Other" says that something failed, not what: whether the message left is open.
_OPEN = frozenset({"FailedOperation.OtherError", "FailedOperation.ParametersOtherError"})
_FINAL_FAMILIES = frozenset(
    {
        "FailedOperation",
        "InvalidParameter",
        "InvalidParameterValue",
        "InvalidRequest",
        "MissingParameter",
        "UnknownParameter",
        "UnsupportedOperation",
    }
)


def verdict_of(status: int, code: str) -> Verdict:
    """The verdict of an answer by its HTTP status and code. What is not clearly a refusal leaves a doubt."""
    family = code.partition(".")[0]
    if code == OK:
        return Verdict.ACCEPTED if status == _HTTP_OK else Verdict.UNKNOWN
    if family in _THROTTLED or status == _TOO_MANY:
        return Verdict.THROTTLED
    if code in _LATER or family in _LATER_FAMILIES:
        return Verdict.REJECTED_RETRY
    if status >= _SERVER_ERROR or code in _OPEN or family not in _FINAL_FAMILIES:
        return Verdict.UNKNOWN
    return Verdict.REJECTED_FINAL
