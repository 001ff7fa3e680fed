"""Error codes of the provider, each with its HTTP status and words. The `isv.` ones come with HTTP 200."""

from __future__ import annotations

_WORDS = {
    "OK": (200, "OK"),
    "SignatureDoesNotMatch": (400, "Specified signature is not matched with our calculation."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "IncompleteSignature": (400, "The request signature does not conform to Aliyun standards."),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "InvalidAction.NotFound": (404, "Specified api is not found, please check your url and method."),
    "InvalidVersion": (400, "Specified parameter Version is not valid."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "InternalError": (500, "The request processing has failed due to some unknown error."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    "isv.MOBILE_NUMBER_ILLEGAL": (200, "手机号码格式错误"),
    "isv.MOBILE_COUNT_OVER_LIMIT": (200, "手机号码数量超过限制"),
    "isv.SMS_TEMPLATE_ILLEGAL": (200, "模版不合法(不存在或被拉黑)"),
    "isv.SMS_SIGNATURE_ILLEGAL": (200, "签名不合法(不存在或被拉黑)"),
    "isv.TEMPLATE_MISSING_PARAMETERS": (200, "模版缺少变量"),
    "isv.INVALID_JSON_PARAM": (200, "参数格式错误，请修改为字符串值"),
    "isv.INVALID_PARAMETERS": (200, "参数异常"),
    "isv.PARAM_LENGTH_LIMIT": (200, "变量内容超过长度限制"),
    "isv.PARAM_NOT_SUPPORT_URL": (200, "变量不支持传入URL"),
    "isv.BLACK_KEY_CONTROL_LIMIT": (200, "变量中传入疑似违规信息"),
    "isv.BUSINESS_LIMIT_CONTROL": (200, "触发流控"),
}


class Refused(Exception):
    """The provider says no, with one of its codes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def status_and_words(code: str) -> tuple[int, str]:
    """HTTP status and message of a code; an unknown one is a business code."""
    return _WORDS.get(code, (200, code))
