"""`throughline up | down | status | serve | migrate`: the platform as processes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from throughline.cli.output import OUR_FAULT, fail, say

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from throughline.kernel.supervisor import Role

CREDENTIALS = "demo-credentials.json"
STOP_S = 40
READY_S = 120
QUEUES = ["default", "outbox", "batch", "messages"]
# The outside world of the demo: each is a process of its own with its own ledger.
SIMULATORS = ("bank", "wechat", "carrier", "mail", "sms")


class RoleName(StrEnum):
    """What one process of the platform does."""

    WEB = "web"
    WORKER = "worker"
    SYSTEM = "system"
    SEQUENCER = "sequencer"


def attach(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(serve)
    app.command()(migrate)


def up() -> None:
    """Start everything: the database if none is set, the schema, all roles, and in demo mode the simulators."""
    from throughline import migrations
    from throughline.kernel import postgres
    from throughline.kernel.db import database_url
    from throughline.kernel.logging import configure
    from throughline.kernel.settings import settings
    from throughline.kernel.supervisor import AlreadyRunning, Supervisor, only_one

    configure("up")
    config = settings()
    embedded = config.database_url is None
    try:
        with only_one(config.home):
            try:
                if embedded:
                    postgres.start(config)
                migrations.upgrade(database_url())
                if config.demo:
                    prepare_demo()
                Supervisor(_roles()).run(ready=_announce)
            finally:
                if embedded:
                    postgres.stop(config)
    except (AlreadyRunning, postgres.EmbeddedError) as error:
        fail(str(error), OUR_FAULT)


def down() -> None:
    """Stop the platform of this home folder, and its embedded database."""
    from throughline.kernel import postgres
    from throughline.kernel.settings import settings

    config = settings()
    pid_file = config.home / "supervisor.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text(encoding="ascii"))
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pid_file.unlink(missing_ok=True)
        deadline = time.monotonic() + STOP_S
        while pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        if pid_file.exists():
            fail(f"process {pid} has not stopped within {STOP_S} s", OUR_FAULT)
    if config.database_url is None:
        postgres.stop(config)
    say("stopped")


def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON document")] = False) -> None:
    """What runs here."""
    from throughline.kernel import postgres
    from throughline.kernel.settings import settings

    config = settings()
    pid_file = config.home / "supervisor.pid"
    found = {
        "home": str(config.home),
        "supervisor_pid": int(pid_file.read_text(encoding="ascii")) if pid_file.exists() else None,
        "database": "external" if config.database_url else postgres.status(config).value,
        "url": str(config.base_url),
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        typer.echo(f"{name:<16}{value if value is not None else '-'}")


def serve(role: Annotated[RoleName, typer.Option(help="Which role this process plays")]) -> None:
    """Run one role in this process, against a database that is there already."""
    from throughline.kernel import worker
    from throughline.kernel.logging import configure
    from throughline.kernel.settings import settings

    configure(role.value)
    config = settings()
    match role:
        case RoleName.WEB:
            _serve_web()
        case RoleName.WORKER:
            worker.run(QUEUES, concurrency=config.worker_concurrency)
        case RoleName.SYSTEM:
            worker.run(["system"], concurrency=2)
        case RoleName.SEQUENCER:
            _sequence()


def migrate() -> None:
    """Bring the database's schema up to this version."""
    from throughline import migrations
    from throughline.kernel import postgres
    from throughline.kernel.db import database_url
    from throughline.kernel.settings import settings

    config = settings()
    if config.database_url is None:
        postgres.start(config)
    migrations.upgrade(database_url())
    say("the schema is current")


def _serve_web() -> None:
    from granian import Granian
    from granian.constants import Interfaces

    from throughline.kernel.settings import settings

    config = settings()
    Granian(
        "throughline.web.asgi:app",
        address=config.host,
        port=config.port,
        interface=Interfaces.ASGI,
        workers=config.web_workers,
        blocking_threads=1,
        respawn_failed_workers=True,
        log_enabled=False,
    ).serve()


def _sequence() -> None:
    import threading

    from throughline.notary.sequencer import run_sequencer

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_sequencer(stop)


def _roles() -> list[Role]:
    from throughline.kernel.settings import settings
    from throughline.kernel.supervisor import Role

    command = [sys.executable, "-m", "throughline", "serve", "--role"]
    roles = [Role(name.value, [*command, name.value]) for name in RoleName]
    if settings().demo:
        roles += [
            Role(f"lab:{name}", [sys.executable, "-m", f"throughline.lab.{name}"]) for name in SIMULATORS
        ]
    return roles


def prepare_demo() -> None:
    """Keys that platform and simulators share, a staff member and an API key; made once, kept in a private file."""
    import subprocess

    from throughline.identity import service as identity
    from throughline.identity.roles import scopes_of
    from throughline.kernel import clock
    from throughline.kernel.db import database
    from throughline.kernel.settings import settings

    subprocess.run([sys.executable, "-m", "throughline.lab.prepare"], check=True)
    path = settings().home / CREDENTIALS
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


def _announce() -> None:
    import httpx

    from throughline.kernel.settings import settings

    config = settings()
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://{config.host}:{config.port}/readyz", timeout=5).status_code == 200:
                break
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    else:
        say(f"not ready after {READY_S} s; the messages above say why. Still trying.")
        return
    say(f"\n  Throughline is ready:  {config.base_url}")
    if config.demo:
        say(f"  Staff console:         {config.base_url}console   (sign-in: {config.home / CREDENTIALS})")
        say(
            "  Simulators:            bank 8101, WeChat Pay 8102, carrier 8103, SMS 8104, mailbox http://127.0.0.1:8105"
        )
    say("  Stop it with Ctrl-C.\n")
