"""The texts: in full for the inbox, behind the sign-in; without personal meaning for outside.

They live in `templates.yaml`, both languages side by side. What leaves the house is one of a few
outside texts of class C0, because whoever holds the phone may not be the borrower.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files

import yaml
from babel.dates import format_date

from throughline.kernel.i18n import LOCALES, Text
from throughline.kernel.settings import settings
from throughline.messaging.classes import ContentClass

CATCH_UP = "catch_up"
Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Outside:
    """A text that leaves the house, in both languages. `name` finds its registration with the SMS provider."""

    name: str
    content_class: ContentClass
    sms: Text
    subject: Text
    body: Text


@dataclass(frozen=True, slots=True)
class Template:
    """A message: what the inbox shows (None: the inbox has it already) and the text for outside."""

    id: str
    version: int
    subject: Text | None
    body: Text | None
    outside: Outside


@lru_cache(maxsize=1)
def templates() -> Mapping[str, Template]:
    """All templates by id."""
    text = files("throughline.messaging").joinpath("templates.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    outside = {
        name: Outside(name, ContentClass[row["class"]], row["sms"], row["subject"], row["body"])
        for name, row in document["outside"].items()
    }
    return {
        name: Template(name, row["version"], row.get("subject"), row.get("body"), outside[row["outside"]])
        for name, row in document["templates"].items()
    }


def template(name: str) -> Template:
    """The template of that id. ValueError for one that is not there: a fault of ours."""
    found = templates().get(name)
    if found is None:
        raise ValueError(f"there is no message template {name!r}")
    return found


def outside_names() -> frozenset[str]:
    """The names under which texts for outside are registered with providers: "<text>.<locale>"."""
    return frozenset(f"{one.outside.name}.{locale}" for one in templates().values() for locale in LOCALES)


def places(text: str) -> list[str]:
    """The places of a text, each once, in the order in which they stand in it."""
    return list(dict.fromkeys(place for _, place, _, _ in string.Formatter().parse(text) if place))


def fill(text: Text, params: Params) -> Text:
    """A text in both languages with its places filled; a line whose place has no value is left out."""
    return {locale: _filled(text[locale], params, locale) for locale in LOCALES}


def _filled(text: str, params: Params, locale: str) -> str:
    values = {name: _shown(name, value, locale) for name, value in params.items()}
    values |= {
        "base_url": str(settings().base_url).rstrip("/"),
        "lender": settings().lender_name if locale == "zh-CN" else settings().lender_name_en,
    }
    return "\n".join(
        line.format_map(values)
        for line in text.strip().split("\n")
        if all(values[place] != "" for place in places(line))
    )


def _shown(name: str, value: str | int, locale: str) -> str:
    if value != "" and name.endswith(("_date", "_day")):
        day = date.fromisoformat(str(value))
        return format_date(day, format="long", locale="zh_CN" if locale == "zh-CN" else "en_GB")
    return str(value)
