"""The failures, each with its way back. What is about to be injected is written down first, so that a drill that was
killed in the middle can be mended by the next one.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.supervisor import role_states, running_pid
from throughline.lab.story.client import StoryError
from throughline.lab.story.outside import CARRIER, SMS, WECHAT

NOTE = "fault.json"
PLATFORM_ROLES = ("web", "worker", "system", "sender", "sequencer")
RESTORE_S = 60


class DrillRefused(StoryError):
    """The drill may not, or cannot, be played here; the message says why."""


@contextmanager
def injected(home: Path, name: str, **wish: str) -> Iterator[None]:
    """Inject a failure of `FAULTS` and take it back at the end, whatever happens meanwhile."""
    note = home / "drills" / NOTE
    note.parent.mkdir(parents=True, exist_ok=True)
    inject, restore = FAULTS[name]
    note.write_text(json.dumps({"name": name, "wish": wish}), encoding="utf-8")
    try:
        inject(home, wish)
        yield
    finally:
        _undo(restore, home, wish)
        note.unlink(missing_ok=True)


def mend_what_was_left(home: Path) -> bool:
    """Take back the failure of a drill that was killed; returns whether there was one."""
    note = home / "drills" / NOTE
    try:
        left = json.loads(note.read_text(encoding="utf-8"))
        _, restore = FAULTS[left["name"]]
    except (OSError, ValueError, KeyError):
        return False
    _undo(restore, home, left["wish"])
    note.unlink(missing_ok=True)
    return True


def _undo(restore: Callable[[Path, Mapping[str, str]], None], home: Path, wish: Mapping[str, str]) -> None:
    """Take it back; whoever presses Ctrl-C again has to wait for that. Tried for a minute."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        deadline = time.monotonic() + RESTORE_S
        while True:
            try:
                restore(home, wish)
                return
            except (httpx.HTTPError, OSError) as error:
                if time.monotonic() >= deadline:
                    raise StoryError(f"the failure could not be taken back: {error}") from error
                time.sleep(1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _control(method: str, port: int, path: str, body: Any = None) -> None:
    answer = httpx.request(
        method, f"http://127.0.0.1:{lab_port(port)}/control{path}", json=body, timeout=30, trust_env=False
    )
    answer.raise_for_status()


def _cells(method: str) -> Callable[[Path, Mapping[str, str]], None]:
    return lambda _home, wish: _control(method, CARRIER, f"/outages/{wish['prefix']}")


def _service(port: int, *, down: bool) -> Callable[[Path, Mapping[str, str]], None]:
    return lambda _home, _wish: _control("POST", port, "/settings", {"down": down})


def _lose_the_site(home: Path, _wish: Mapping[str, str]) -> None:
    """Halt the supervisor, so that it starts nothing anew, and kill what it runs, with its embedded database."""
    supervisor, roles = owned(home)
    os.kill(supervisor, signal.SIGSTOP)
    for name in PLATFORM_ROLES:
        pid = roles.get(name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    database = _postmaster(home)
    if database is not None:
        with suppress(ProcessLookupError):
            os.kill(database, signal.SIGKILL)


def _give_the_site_back(home: Path, _wish: Mapping[str, str]) -> None:
    """Let the supervisor go on: it finds its dead and starts them anew, the database too."""
    supervisor = running_pid(home)
    if supervisor is not None:
        os.kill(supervisor, signal.SIGCONT)


def owned(home: Path) -> tuple[int, dict[str, int]]:
    """The supervisor of this home and the processes of its roles. Raises DrillRefused where they are not ours to stop."""
    supervisor = running_pid(home)
    if supervisor is None:
        raise DrillRefused(
            f"no platform runs from {home} under `throughline up`: there is nothing to stop here"
        )
    roles = {name: int(state["pid"]) for name, state in role_states(home).items() if state["pid"]}
    for name, pid in {"supervisor": supervisor, **roles}.items():
        try:
            mine = Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
            parent = _parent(pid)
        except OSError:
            continue  # it has just ended by itself
        if not mine or (name != "supervisor" and parent != supervisor):
            raise DrillRefused(
                f"process {pid} ({name}) is not ours to stop: run the drill as the user of `up`"
            )
    return supervisor, roles


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def _postmaster(home: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    return None


FAULTS: dict[
    str, tuple[Callable[[Path, Mapping[str, str]], None], Callable[[Path, Mapping[str, str]], None]]
] = {
    "carrier-outage": (_cells("PUT"), _cells("DELETE")),
    "sms-route-loss": (_service(SMS, down=True), _service(SMS, down=False)),
    "payment-channel-loss": (_service(WECHAT, down=True), _service(WECHAT, down=False)),
    "data-centre-loss": (_lose_the_site, _give_the_site_back),
}
