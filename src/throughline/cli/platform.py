"""`throughline up | down | status | serve | migrate`: the platform as processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli import probe
from throughline.cli.output import OUR_FAULT, fail, say
from throughline.cli.roles import RoleName

if TYPE_CHECKING:
    from throughline.kernel.settings import Settings

STOP_S = 60
READY_S = 120
PORT_S = 30  # the children of a supervisor that was killed need a moment to leave


def attach(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(up)
    app.command()(down)
    standing = typer.Typer(invoke_without_command=True)
    standing.callback()(status)
    standing.command("export")(probe.export)
    app.add_typer(
        standing, name="status", help="What runs here; and `export`: the public status page as files."
    )
    app.command()(probe.probe)
    app.command()(serve)
    app.command()(migrate)


def up() -> None:
    """Start everything: the database if none is set, the schema, all roles, and in demo mode the simulators."""
    from throughline.kernel import postgres
    from throughline.kernel.logging import configure
    from throughline.kernel.postgres_watch import watched
    from throughline.kernel.settings import settings
    from throughline.kernel.supervisor import AlreadyRunning, only_one

    configure("up")
    # Until the supervisor takes the signals over, a SIGTERM must still stop the database again.
    signal.signal(signal.SIGTERM, _interrupt)
    config = settings()
    embedded = config.database_url is None
    try:
        with only_one(config.home):
            _await_ports(config)
            try:
                if embedded:
                    postgres.start(config)
                with watched(config) if embedded else nullcontext():
                    _supervise(config.home, demo=config.demo, prefix=config.log_format == "console")
            finally:
                if embedded:
                    postgres.stop(config)
    except (AlreadyRunning, postgres.EmbeddedError) as error:
        fail(str(error), OUR_FAULT)
    except KeyboardInterrupt:
        say("stopped before it was ready")
        raise typer.Exit(OUR_FAULT) from None


def _supervise(home: Path, *, demo: bool, prefix: bool) -> None:
    from throughline import migrations
    from throughline.cli import demo_lender
    from throughline.cli.roles import all_roles, check_offers
    from throughline.kernel import worker
    from throughline.kernel.db import database_url
    from throughline.kernel.supervisor import Supervisor

    check_offers()
    migrations.upgrade(database_url())
    worker.strike_out_all()  # of a run that was killed: we hold the lock, so none of them is ours
    if demo:
        demo_lender.prepare()
    probe.prepare_key()
    Supervisor(
        home, all_roles(demo=demo), on_death=lambda _name, pid: worker.strike_out(pid), prefix=prefix
    ).run(ready=_announce)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _await_ports(config: Settings) -> None:
    """End with a message if another program holds a port of ours; a demo must not hear another's simulators."""
    from throughline.cli.roles import simulators_here
    from throughline.kernel.lab_ports import lab_port

    _await_port(config.host, config.port, "THROUGHLINE_PORT")
    for one in simulators_here() if config.demo else ():
        _await_port("127.0.0.1", lab_port(one.port), "THROUGHLINE_LAB_PORT")


def _await_port(host: str, port: int, setting: str) -> None:
    deadline = time.monotonic() + PORT_S
    told = False
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    fail(
                        f"port {port} of {host} is not free ({error.strerror}): stop the program that holds it, "
                        f"or set {setting}",
                        OUR_FAULT,
                    )
            else:
                return
        if not told:
            say(f"waiting for port {port} of {host}: another program holds it")
            told = True
        time.sleep(0.5)


def down() -> None:
    """Stop the platform of this home folder, and its embedded database."""
    from throughline.kernel import postgres
    from throughline.kernel.settings import settings
    from throughline.kernel.supervisor import running_pid

    config = settings()
    pid = running_pid(config.home)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while running_pid(config.home) == pid:
            if time.monotonic() >= deadline:
                fail(f"process {pid} has not stopped within {STOP_S} s", OUR_FAULT)
            time.sleep(0.1)
    if config.database_url is None:
        try:
            postgres.stop(config)
        except postgres.EmbeddedError as error:
            fail(str(error), OUR_FAULT)
    say("stopped")


def status(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="One JSON document")] = False
) -> None:
    """What runs here. Exit status 0: ready to serve; 1: not."""
    if context.invoked_subcommand is not None:
        return
    from throughline.kernel import postgres
    from throughline.kernel.settings import settings
    from throughline.kernel.supervisor import role_states, running_pid

    config = settings()
    pid = running_pid(config.home)
    found: dict[str, Any] = {
        "home": str(config.home),
        "supervisor_pid": pid,
        "database": "external" if config.database_url else postgres.status(config).value,
        "url": str(config.base_url),
        "ready": _is_ready(config.host, config.port, timeout_s=5),
        "roles": role_states(config.home) if pid is not None else {},
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(found)
    if not found["ready"]:
        raise typer.Exit(OUR_FAULT)


def _show(found: dict[str, Any]) -> None:
    roles = found.pop("roles")
    for name, value in found.items():
        shown = {None: "-", True: "yes", False: "no"}.get(value, value)
        typer.echo(f"{name:<16}{shown}")
    for name, state in roles.items():
        pid = f"process {state['pid']}" if state["pid"] else "waits to restart"
        typer.echo(f"{'  ' + name:<16}{pid}, restarted {state['restarts']} times")


def serve(role: Annotated[RoleName, typer.Option(help="Which role this process plays")]) -> None:
    """Run one role in this process, against a database that is there already."""
    from throughline.cli.roles import play
    from throughline.kernel.postgres import EmbeddedError

    try:
        play(role)
    except EmbeddedError as error:
        fail(str(error), OUR_FAULT)


def migrate() -> None:
    """Bring the database's schema up to this version."""
    from throughline import migrations
    from throughline.kernel import postgres
    from throughline.kernel.db import database_url
    from throughline.kernel.settings import settings

    config = settings()
    try:
        if config.database_url is None:
            postgres.start(config)
        migrations.upgrade(database_url())
    except postgres.EmbeddedError as error:
        fail(str(error), OUR_FAULT)
    say("the schema is current")


def _is_ready(host: str, port: int, *, timeout_s: float) -> bool:
    import httpx

    try:
        return (
            httpx.get(f"http://{host}:{port}/readyz", timeout=timeout_s, trust_env=False).status_code == 200
        )
    except httpx.HTTPError:
        return False


def _announce() -> None:
    from throughline.cli import demo_lender
    from throughline.cli.roles import simulators_here
    from throughline.kernel.lab_ports import lab_port
    from throughline.kernel.settings import settings

    config = settings()
    deadline = time.monotonic() + READY_S
    while not _is_ready(config.host, config.port, timeout_s=5):
        if time.monotonic() >= deadline:
            say(f"not ready after {READY_S} s; the messages above say why. Still trying.")
            return
        time.sleep(0.25)
    say(f"\n  Throughline is ready:  {config.base_url}")
    if config.demo:
        say(
            f"  Staff console:         {config.base_url}console   (sign-in: {demo_lender.credentials_file()})"
        )
        for one in simulators_here():
            say(f"  {'Simulator: ' + one.about + ':':<70} http://127.0.0.1:{lab_port(one.port)}")
    say("  Stop it with Ctrl-C, or `throughline down`.\n")
