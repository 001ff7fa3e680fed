"""The accounts at the vendors, made at the first start for both sides."""

from __future__ import annotations

import fcntl
import json
import secrets
import string
from dataclasses import asdict, dataclass
from pathlib import Path

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the client and the vendors both know."""

    aliyun_key_id: str
    aliyun_key_secret: str
    aliyun_auth_code: str
    baidu_key_id: str
    baidu_key_secret: str


def ensure_keys(home: Path) -> Path:
    """Make the accounts if they are missing and return their file. Safe when two processes start at once."""
    path = home / "lab" / "keys" / "vendors" / "accounts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = Accounts(f"LTAI{_random(20)}", _random(30), _random(10), _random(32), _random(32))
            draft = path.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.chmod(0o600)
            draft.write_text(json.dumps(asdict(made), indent=1), encoding="utf-8")
            draft.replace(path)
    return path


def read_accounts(home: Path) -> Accounts:
    """The accounts, made if they are missing."""
    return Accounts(**json.loads(ensure_keys(home).read_text(encoding="utf-8")))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
