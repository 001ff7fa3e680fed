"""People for tests: each with an ID number of their own, valid by its checksum."""

from __future__ import annotations

import secrets

from throughline.parties.chinese_id import check_character
from throughline.parties.records import NewPerson


def id_number(born: str = "19900115") -> str:
    """A random valid ID number with that birth date."""
    first = f"110105{born}{secrets.randbelow(1000):03d}"
    # The division is random too, so that thousands of people can share a birthday.
    first = f"{secrets.choice((11, 31, 44, 51))}{secrets.randbelow(10000):04d}" + first[6:]
    return first + check_character(first)


def new_person(born: str = "19900115", **given: str) -> NewPerson:
    """A person with random ID number, phone and e-mail unless given."""
    values = {
        "name": "王小明",
        "id_number": id_number(born),
        "phone": f"138{secrets.randbelow(10**8):08d}",
        "email": f"p{secrets.token_hex(6)}@example.com",
        "locale": "zh-CN",
        "zone": "Asia/Shanghai",
    }
    return NewPerson(**(values | given))
