"""Money: integer minor units with an ISO 4217 code; `Decimal` only inside a calculation."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from enum import StrEnum

from babel.numbers import format_currency, get_currency_precision, list_currencies

MAX_MINOR = 10**15  # far above any consumer loan; catches a wrong unit before it is booked


class Rounding(StrEnum):
    """A rounding mode by name. `up` is away from zero, `down` towards zero."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    UP = "up"
    DOWN = "down"


_DECIMAL_MODE = {
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
}


def round_minor(value: Decimal, mode: Rounding) -> int:
    """Round an amount in minor units to a whole number of them."""
    return int(value.quantize(Decimal(1), rounding=_DECIMAL_MODE[mode]))


def digits_of(currency: str) -> int:
    """Digits after the point of an ISO 4217 currency (CNY 2, JPY 0). ValueError for an unknown code."""
    if currency not in list_currencies():
        raise ValueError(f"{currency!r} is not an ISO 4217 currency")
    return int(get_currency_precision(currency))


def to_minor(text: str, currency: str) -> int:
    """Minor units of a decimal text: ("1234.50", "CNY") -> 123450.

    ValueError when the text is no plain decimal number, has more digits than the currency, or is
    beyond any amount that this platform lends.
    """
    digits = digits_of(currency)
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a decimal number") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    if abs(value) > MAX_MINOR:
        raise ValueError(f"{text!r} is too large")
    minor = value.scaleb(digits)
    if minor != minor.to_integral_value():
        raise ValueError(f"{text!r} has more than {digits} digits after the point")
    return int(minor)


def from_minor(amount_minor: int, currency: str) -> str:
    """Decimal text of minor units: (123450, "CNY") -> "1234.50"."""
    digits = digits_of(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):.{digits}f}"


def format_money(amount_minor: int, currency: str, locale: str) -> str:
    """For people: (123450, "CNY", "zh-CN") -> "¥1,234.50"."""
    value = Decimal(amount_minor).scaleb(-digits_of(currency))
    return format_currency(value, currency, locale=locale.replace("-", "_"))
