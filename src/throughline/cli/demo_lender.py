"""Making the demo lender: keys that platform and simulators share, a staff member, an API key."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CREDENTIALS = "demo-credentials.json"


def credentials_file() -> Path:
    """Where the demo's sign-in stands, mode 0600."""
    from throughline.kernel.settings import settings

    return settings().home / CREDENTIALS


def prepare() -> None:
    """Make what is missing; safe to repeat. The credentials are made once and kept in a private file."""
    from throughline.identity import service as identity
    from throughline.identity.roles import scopes_of
    from throughline.kernel import clock
    from throughline.kernel.db import database

    subprocess.run([sys.executable, "-m", "throughline.lab.prepare"], check=True)
    path = credentials_file()
    if path.exists():
        return
    password = secrets.token_urlsafe(12)
    now = clock.real_now()
    name = f"demo-{secrets.token_hex(2)}"

    def make(session: Session) -> str:
        identity.create_staff(session, name, password, ["admin"], now=now)
        made = identity.create_api_key(
            session, name, sorted(scopes_of(["admin"])), now=now, life=timedelta(days=365)
        )
        return made.key

    key = database().run(make)
    document = {"staff": {"name": name, "password": password}, "api_key": key}
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document, indent=1), encoding="utf-8")
    draft.replace(path)
