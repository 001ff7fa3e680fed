"""Pages in two languages: the template environment and what every page may use."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from throughline.kernel import i18n, money
from throughline.kernel.http import locale_of
from throughline.kernel.settings import settings


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of all pages, escaped by themselves."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def show_day(on: date, locale: str) -> str:
    """A date in the reader's language."""
    return format_date(on, "medium", locale=locale.replace("-", "_"))


def page(request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template in the request's language.

    Every template has: `_` (translate), `pick` (a stored bilingual text), `money`, `day`, `instant`,
    `percent`, `locale`, `other_locale`, `lender`, `demo`, `path`.
    """
    locale = locale_of(request)
    config = settings()
    zone = ZoneInfo(config.zone)

    def translate(msgid: str, /, **params: Any) -> str:
        return i18n.gettext(msgid, locale, **params)

    def pick(text: i18n.Text | None) -> str:
        return i18n.pick(text, locale) if text else ""

    def show_money(amount_minor: int, currency: str | None = None) -> str:
        return money.format_money(amount_minor, currency or config.currency, locale)

    def day(value: date | str | None) -> str:
        if value is None:
            return "–"
        return show_day(date.fromisoformat(value) if isinstance(value, str) else value, locale)

    def instant(value: datetime | str | None) -> str:
        if value is None:
            return "–"
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return format_datetime(at.astimezone(zone), "medium", locale=locale.replace("-", "_"))

    def percent(value: Decimal | str, digits: int = 2) -> str:
        return f"{Decimal(value):.{digits}f}%"

    html = (
        environment()
        .get_template(template)
        .render(
            _=translate,
            pick=pick,
            money=show_money,
            day=day,
            instant=instant,
            percent=percent,
            locale=locale,
            other_locale="en" if locale == "zh-CN" else "zh-CN",
            lender=config.lender_name if locale == "zh-CN" else config.lender_name_en,
            demo=config.demo,
            path=request.url.path,
            **context,
        )
    )
    return HTMLResponse(
        html, status_code=status, headers={"Content-Language": locale, "Vary": "Cookie, Accept-Language"}
    )
