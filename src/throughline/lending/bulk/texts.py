"""Texts of plain cells as numbers. Whatever is not plain is left to `read_terms`, which says what is wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation

from throughline.kernel.money import MAX_MINOR
from throughline.lending.bulk.dates import FIRST_DAY, LAST_DAY
from throughline.lending.rates import rate_ratio
from throughline.lending.terms import MAX_RATE_PERCENT

_MAX_RATIO = 2**31  # of a rate's numerator and denominator, so that products stay small
_MAX_TEXT = 30


def rate(text: str) -> tuple[int, int]:
    """A yearly rate in percent as a ratio; (0, 0) for what is not plain."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return 0, 0
    if len(text) > _MAX_TEXT or not value.is_finite() or not 0 <= value <= MAX_RATE_PERCENT:
        return 0, 0
    if abs(value.adjusted()) > _MAX_TEXT:  # refused when it is read: 1e-999999 is a megabyte as a ratio
        return 0, 0
    numerator, denominator = rate_ratio(value)
    return (numerator, denominator) if max(numerator, denominator) < _MAX_RATIO else (0, 0)


def day(text: str) -> int:
    """The ordinal of an ISO date; 0 for none, -1 for what is not plain."""
    if not text:
        return 0
    try:
        ordinal = date.fromisoformat(text).toordinal()
    except ValueError:
        return -1
    return ordinal if FIRST_DAY <= ordinal <= LAST_DAY else -1


def minor(text: str, digits: int) -> int:
    """Minor units of a decimal text such as "1234.50"; -1 for what is not plain."""
    whole, _, fraction = text.partition(".")
    if not text.isascii() or not whole.isdigit() or len(text) > _MAX_TEXT:
        return -1
    if fraction:
        if not fraction.isdigit() or fraction[digits:].strip("0"):
            return -1
        fraction = fraction[:digits]
        whole += fraction
    elif whole != text:  # "12."
        return -1
    value = int(whole) * 10 ** (digits - len(fraction))
    return value if value <= MAX_MINOR else -1
