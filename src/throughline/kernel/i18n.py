"""Texts in two languages: the message id is the English text, zh-CN comes from each package's catalog.

A catalog is `locale/zh_CN.po` inside a package, read as it is: no compile step can be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from babel.messages.pofile import read_po

LOCALES = ("zh-CN", "en")
DEFAULT_LOCALE = "zh-CN"

Text = dict[
    str, str
]  # {"zh-CN": ..., "en": ...}: a sentence kept in both languages with the fact that it explains


def N_(msgid: str) -> str:  # noqa: N802 - the gettext convention
    """Mark a message id for translation and return it unchanged."""
    return msgid


def gettext(msgid: str, locale: str, /, **params: object) -> str:
    """The text of a message id in a locale, its `%(name)s` places filled from params.

    An unknown locale falls back to zh-CN, a missing translation to English (CI refuses the latter).
    """
    text = msgid if locale == "en" else _chinese().get(msgid, msgid)
    return text % params if params else text


def bilingual(msgid: str, /, **params: object) -> Text:
    """Both languages of one message: for reasons that are stored and shown later."""
    return {locale: gettext(msgid, locale, **params) for locale in LOCALES}


def pick(text: Text, locale: str) -> str:
    """The reader's language of a stored text; the other one if that is missing."""
    return text.get(locale) or text.get(DEFAULT_LOCALE) or next(iter(text.values()), "")


def negotiate(accept_language: str | None) -> str:
    """The best of our locales for an Accept-Language header (RFC 9110, 12.5.4); zh-CN when none fits."""
    if not accept_language:
        return DEFAULT_LOCALE
    wanted: list[tuple[float, int, str]] = []
    for position, item in enumerate(accept_language[:200].split(",")[:20]):
        tag, _, weight = item.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        wanted.append((-quality, position, tag.strip().lower()))
    for _, _, tag in sorted(wanted):
        if tag.startswith("zh") or tag == "*":
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
    return DEFAULT_LOCALE


def catalogs() -> Iterable[Traversable]:
    """The zh_CN catalogs of all packages."""
    for package in sorted(files("throughline").iterdir(), key=lambda entry: entry.name):
        catalog = package / "locale" / "zh_CN.po"
        if catalog.is_file():
            yield catalog


@lru_cache(maxsize=1)
def _chinese() -> dict[str, str]:
    texts: dict[str, str] = {}
    for catalog in catalogs():
        with catalog.open("rb") as stream:
            for message in read_po(stream, locale="zh_CN"):
                if message.id and isinstance(message.id, str) and isinstance(message.string, str):
                    texts.setdefault(message.id, message.string)
    return texts
