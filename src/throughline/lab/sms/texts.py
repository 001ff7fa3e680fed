"""What clients may say: the templates that the company of this installation has had approved, and numbers."""

from __future__ import annotations

import json
import re

from throughline.lab.sms.answers import Refused

# The registrations of "不断线", made by hand in the provider's console; not read from the client's files.
REGISTERED = {
    "SMS_480000001": "您有一条新消息，请登录查看。无需回复，我们不会通过短信索要密码或验证码。",
    "SMS_480000002": "You have a new message. Please sign in to read it. We never ask for passwords or codes by text.",
    "SMS_480000003": "您有 ${count} 条新消息，请登录查看。无需回复，我们不会通过短信索要密码或验证码。",
    "SMS_480000004": (
        "You have ${count} new messages. Please sign in to read them. We never ask for passwords or codes by text."
    ),
    "SMS_480000005": (
        "${code} 是号码核验码，10 分钟内有效。请只填写在您自己打开的页面中，不要告诉任何人。非本人操作请忽略。"
    ),
    "SMS_480000006": (
        "${code} is a code to check this number, good for 10 minutes. Type it only on a page that you opened yourself "
        "and tell nobody. If you did not ask for it, ignore it."
    ),
}
MAX_NUMBERS = 1000
MAX_VALUE = 35

_PLACE = re.compile(r"\$\{(\w+)\}", re.ASCII)
_MAINLAND = re.compile(r"1[3-9]\d{9}", re.ASCII)
_ABROAD = re.compile(r"[1-9]\d{7,14}", re.ASCII)
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)


def filled(text: str, sign_name: str, params: str) -> str:
    """A template with its places filled, the company's sign before it. Raises `Refused`."""
    try:
        values = json.loads(params or "{}")
    except (ValueError, RecursionError):
        raise Refused("isv.INVALID_JSON_PARAM") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise Refused("isv.INVALID_JSON_PARAM")
    for name in _PLACE.findall(text):
        if not values.get(name):
            raise Refused("isv.TEMPLATE_MISSING_PARAMETERS")
        if not values[name].isprintable():
            raise Refused("isv.INVALID_PARAMETERS")
        if len(values[name]) > MAX_VALUE:
            raise Refused("isv.PARAM_LENGTH_LIMIT")
        if _LINK.search(values[name]):
            raise Refused("isv.PARAM_NOT_SUPPORT_URL")
    return f"【{sign_name}】" + _PLACE.sub(lambda place: str(values[place[1]]), text)


def numbers(text: str) -> list[str]:
    """The numbers of a request, as digits with the country code. Raises `Refused`."""
    found = [_number(one) for one in text.split(",")]
    if len(found) > MAX_NUMBERS:
        raise Refused("isv.MOBILE_COUNT_OVER_LIMIT")
    return found


def _number(text: str) -> str:
    bare = text.removeprefix("+").removeprefix("00")
    if _MAINLAND.fullmatch(bare):
        return f"86{bare}"
    mainland = bare.startswith("86")
    good = _MAINLAND.fullmatch(bare[2:]) if mainland else _ABROAD.fullmatch(bare)
    if not good:
        raise Refused("isv.MOBILE_NUMBER_ILLEGAL")
    return bare


def digits(text: str) -> str:
    """A number as we keep it, from however it is written; what is no number stays as its digits."""
    bare = "".join(char for char in text if char in "0123456789")
    return f"86{bare}" if _MAINLAND.fullmatch(bare) else bare


def as_shown(phone: str) -> str:
    """A number as receipts and details name it: of the mainland without the country code."""
    return phone[2:] if phone.startswith("86") and _MAINLAND.fullmatch(phone[2:]) else phone


def parts(text: str) -> int:
    """How many short messages a text is charged as."""
    return 1 if len(text) <= 70 else -(-len(text) // 67)
