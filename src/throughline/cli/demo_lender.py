"""Making the demo lender: keys that platform and simulators share, two staff members, an API key."""

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
    """Make what is missing; safe to repeat. The credentials are made once and kept in a private file: `staff`
    and `second` are two people of the lender, each with name and password, `api_key` is a program's."""
    from throughline.identity import service as identity
    from throughline.identity.roles import scopes_of
    from throughline.kernel import clock
    from throughline.kernel.db import database

    subprocess.run([sys.executable, "-m", "throughline.lab.prepare"], check=True)
    path = credentials_file()
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if known.keys() >= {"staff", "second", "api_key"}:
        return
    now = clock.real_now()
    suffix = secrets.token_hex(2)

    def account(session: Session, name: str) -> dict[str, str]:
        password = secrets.token_urlsafe(12)
        identity.create_staff(session, name, password, ["admin"], now=now)
        return {"name": name, "password": password}

    def make(session: Session) -> dict[str, object]:
        made = dict(known)
        if "staff" not in made:
            made["staff"] = account(session, f"demo-{suffix}")
        if "second" not in made:  # what one may not do alone can be shown only by two
            made["second"] = account(session, f"demo-second-{suffix}")
        if "api_key" not in made:
            scopes = sorted(scopes_of(["admin"]))
            key = identity.create_api_key(
                session, f"demo-{suffix}", scopes, now=now, life=timedelta(days=365)
            )
            made["api_key"] = key.key
        return made

    document = database().run(make)
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document, indent=1), encoding="utf-8")
    draft.replace(path)
