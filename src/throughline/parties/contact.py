"""Addresses of people: one written form for each, so that the same address is found again."""

from __future__ import annotations

import json
import re
import unicodedata
from enum import StrEnum
from urllib.parse import urlsplit

import phonenumbers

_LOCAL_PART = re.compile(r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
MAX_NAME = 100
MAX_PUSH_CHARS = 2000


class ContactKind(StrEnum):
    """What sort of address a contact point is."""

    PHONE = "phone"
    EMAIL = "email"
    WEB_PUSH = "web_push"


def normalise(kind: ContactKind, value: str) -> str:
    """The one written form of an address. ValueError if it can't be one."""
    match kind:
        case ContactKind.PHONE:
            return phone(value)
        case ContactKind.EMAIL:
            return email(value)
        case ContactKind.WEB_PUSH:
            return web_push(value)


def phone(text: str) -> str:
    """A telephone number in E.164; a number without country code is read as Chinese."""
    if len(text) > 40:
        raise ValueError("too long for a telephone number")
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a telephone number") from error
    if number.extension or not phonenumbers.is_valid_number(number):
        raise ValueError("not a telephone number that can exist")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(text: str) -> str:
    """An e-mail address in lower case (RFC 5321 limits, dot-atom local part, ASCII domain).

    Lower case also before the @: two mailboxes that differ by case alone are not found in practice,
    and a person who types a capital must be found.
    """
    address = text.strip().lower()
    local, at, domain = address.rpartition("@")
    labels = domain.split(".")
    if (
        not at
        or len(address) > 254
        or len(local) > 64
        or len(labels) < 2
        or labels[-1].isdigit()
        or not _LOCAL_PART.match(local)
        or not all(_LABEL.match(label) for label in labels)
    ):
        raise ValueError("not an e-mail address")
    return address


def web_push(text: str) -> str:
    """A push subscription (W3C Push API JSON) with its members in one order."""
    if len(text) > MAX_PUSH_CHARS:
        raise ValueError("too long for a push subscription")
    try:
        document = json.loads(text)
        endpoint, keys = document["endpoint"], document["keys"]
        wanted = {"endpoint": endpoint, "keys": {"auth": keys["auth"], "p256dh": keys["p256dh"]}}
        parts = urlsplit(endpoint)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a push subscription") from error
    if (
        parts.scheme != "https"
        or not parts.hostname
        or not all(isinstance(k, str) for k in wanted["keys"].values())
    ):
        raise ValueError("a push subscription needs an https endpoint and two keys")
    return json.dumps(wanted, sort_keys=True, separators=(",", ":"))


def person_name(text: str) -> str:
    """A person's name in NFC with single spaces; rare characters stay as they are."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > MAX_NAME:
        raise ValueError("a name has 1 to 100 characters")
    # Letters, marks, and what stands between parts of names (· in Chinese transcriptions, ' and -).
    if not all(unicodedata.category(char)[0] in "LM" or char in " ·•.'’-" for char in name):
        raise ValueError("a name has letters only")
    if not any(unicodedata.category(char)[0] == "L" for char in name):
        raise ValueError("a name has letters")
    return name
