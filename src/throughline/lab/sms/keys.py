"""The account at the provider, made at the first start for both sides."""

from __future__ import annotations

import fcntl
import json
import secrets
import string
from dataclasses import asdict, dataclass
from pathlib import Path

SIGN_NAME = "不断线"
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Account:
    """What client and provider both know. `callback_token` ends the address that receipts are pushed to."""

    access_key_id: str
    access_key_secret: str
    sign_name: str
    callback_token: str


def account_file(home: Path) -> Path:
    """Where the account is kept."""
    return home / "lab" / "keys" / "sms" / "account.json"


def ensure_keys(home: Path) -> Path:
    """Make the account if it is missing and return its file. Safe when two processes start at once."""
    path = account_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = Account(f"LTAI{_random(20)}", _random(30), SIGN_NAME, _random(40))
            draft = path.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.chmod(0o600)
            draft.write_text(json.dumps(asdict(made), ensure_ascii=False, indent=1), encoding="utf-8")
            draft.replace(path)
    return path


def read_account(home: Path) -> Account:
    """The account, made if it is missing."""
    return Account(**json.loads(ensure_keys(home).read_text(encoding="utf-8")))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
