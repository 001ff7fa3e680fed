"""The resident identity number of the People's Republic of China (GB 11643-1999).

Eighteen characters: six digits of the division where the number was given, the birth date, three
digits of order (odd for men, even for women), and a check character by ISO 7064 MOD 11-2.
"""

from __future__ import annotations

import re
from datetime import date

_FORM = re.compile(r"^[1-9]\d{16}[\dX]$", re.ASCII)
# The first two digits: provinces by GB/T 2260; 81 to 83 are for residents from Hong Kong, Macao and Taiwan.
_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)
_CHECK = "10X98765432"
EARLIEST_BIRTH = date(1900, 1, 1)


def check_character(first_17: str) -> str:
    """The eighteenth character for the first seventeen digits (GB 11643-1999, 4.2.4)."""
    weighted = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first_17))
    return _CHECK[weighted % 11]


def normalise(text: str) -> str:
    """The number without spaces and with a capital X. ValueError if it is not a possible number."""
    number = text.strip().replace(" ", "").upper()
    if not _FORM.match(number) or number[:2] not in _PROVINCES:
        raise ValueError("not an 18-character resident identity number")
    if check_character(number[:17]) != number[17]:
        raise ValueError("the check character does not fit")
    if birth_date(number) < EARLIEST_BIRTH:
        raise ValueError("the birth date is not a possible one")
    return number


def birth_date(number: str) -> date:
    """The birth date inside a number. ValueError if there is no such day."""
    return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))


def age_years(born: date, on: date) -> int:
    """Full years between birth and a day; a birthday of 29 February counts from 1 March in common years."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
