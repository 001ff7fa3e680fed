"""`throughline probe` and `throughline status export`: looking from outside. The work is done by a process of `web.status`."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MODULE = "throughline.web.status"
LIFE = timedelta(days=365)
RENEW = timedelta(days=60)  # a key that ends sooner is replaced at the next start
Every = Annotated[
    int | None,
    typer.Option(min=1, max=3_600, help="Seconds between two; without it: once", show_default=False),
]
Url = Annotated[str | None, typer.Option(help="Address of the platform, as its users reach it")]


def probe(
    once: Annotated[
        bool, typer.Option("--once", help="Look once and say what was seen (the default)")
    ] = False,
    every: Every = None,
    url: Url = None,
) -> None:
    """Look at every task, rail, route and carrier with real requests. Exit status 1: something is down."""
    if once and every is not None:
        raise typer.BadParameter("--once and --every exclude each other")
    _be("probe", every, url)


def export(
    to: Annotated[Path, typer.Option(help="Folder of the copy; made if it is not there")],
    every: Every = None,
    url: Url = None,
) -> None:
    """Write the public status page as plain files: both languages, JSON and feeds. `--every`: go on doing so."""
    _be("export", every, url, "--to", str(to))


def _be(what: str, every: int | None, url: str | None, *more: str) -> None:
    command = [sys.executable, "-m", MODULE, what, *more]
    command += ["--every", str(every)] if every is not None else []
    command += ["--url", url] if url is not None else []
    process = subprocess.Popen(command)  # noqa: S603 - our own program
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait(30)  # it has got the same signal and ends in order
    raise typer.Exit(code)


def prepare_key() -> None:
    """Make the key of the prober that `up` runs, in a private file; a key that ends soon is replaced."""
    from throughline.continuity.status.settings import load_settings
    from throughline.identity import service as identity
    from throughline.kernel import clock
    from throughline.kernel.db import database

    config = load_settings()
    now = clock.real_now()
    if config.probe_key is not None or _ends_at(config.key_file) - now > RENEW:
        return

    def make(session: Session) -> str:
        made = identity.create_api_key(
            session, f"probe-{now:%Y%m%d%H%M%S}", ["continuity:probe"], now=now, life=LIFE
        )
        return made.key

    draft = config.key_file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(
        json.dumps({"api_key": database().run(make), "ends_at": (now + LIFE).isoformat()}), encoding="utf-8"
    )
    draft.replace(config.key_file)


def _ends_at(path: Path) -> datetime:
    from throughline.kernel import clock

    try:
        return datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["ends_at"])
    except (OSError, ValueError, KeyError):
        return clock.real_now()
