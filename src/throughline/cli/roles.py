"""What the processes of the platform are called, what each does, and which simulators the demo has."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughline.kernel.supervisor import Role


class RoleName(StrEnum):
    """What one process of the platform does."""

    WEB = "web"
    WORKER = "worker"
    SYSTEM = "system"
    SENDER = "sender"
    SEQUENCER = "sequencer"


# Who reads which queue. A queue that nobody reads is a job that waits for ever: a test looks.
QUEUES_OF = {
    RoleName.WORKER: ("default", "outbox", "batch"),
    RoleName.SYSTEM: ("system",),  # by itself, so that it never waits behind a backlog
    RoleName.SENDER: ("messages", "webhooks"),  # calls to slow strangers hold up nobody else
}
SYSTEM_CONCURRENCY = 2


@dataclass(frozen=True, slots=True)
class Simulator:
    """An outside company of the demo: a process with a ledger of its own, on a port of loopback.

    `port` is its usual one; see `kernel.lab_ports`.
    """

    name: str
    module: str
    port: int
    about: str


SIMULATORS = (
    Simulator("bank", "throughline.lab.bank", 8101, "bank (ISO 20022)"),
    Simulator("wechat", "throughline.lab.wechat", 8102, "WeChat Pay v3"),
    Simulator("carrier", "throughline.lab.carrier", 8103, "carriers (CAMARA)"),
    Simulator("sms", "throughline.lab.sms", 8104, "SMS centre"),
    Simulator("mail", "throughline.lab.mail", 8105, "mailbox"),
    Simulator("vendors", "throughline.lab.vendors", 8106, "vendors of number status (Alibaba Cloud, Baidu)"),
    Simulator("joint", "throughline.lab.joint", 8107, "carrier's desk for joint plans"),
    Simulator("bureau", "throughline.lab.bureau", 8108, "credit bureau"),
)


def simulators_here() -> list[Simulator]:
    """The simulators that are installed."""
    return [one for one in SIMULATORS if find_spec(one.module) and find_spec(f"{one.module}.__main__")]


def all_roles(*, demo: bool) -> list[Role]:
    """The children of `throughline up`."""
    from throughline.continuity.status.settings import load_settings as load_status_settings
    from throughline.kernel.lab_ports import lab_port
    from throughline.kernel.supervisor import Role

    serve = [sys.executable, "-m", "throughline", "serve", "--role"]
    roles = [Role(name.value, [*serve, name.value]) for name in RoleName]
    # It looks from outside and needs nothing of the others: not the database, not their code.
    every_s = str(load_status_settings().interval_s)
    roles.append(Role("probe", [sys.executable, "-m", "throughline.web.status", "probe", "--every", every_s]))
    if demo:
        roles += [
            Role(f"lab:{one.name}", [sys.executable, "-m", one.module, str(lab_port(one.port))])
            for one in simulators_here()
        ]
    return roles


def play(role: RoleName) -> None:
    """Be that role until told to stop."""
    from throughline.kernel.logging import configure
    from throughline.kernel.settings import settings
    from throughline.kernel.telemetry import keep_writing_metrics, set_up_tracing

    configure(role.value)
    check_offers()
    check_routes()
    if role is RoleName.WEB:
        _serve_web()
        return
    set_up_tracing(role.value)
    keep_writing_metrics(role.value)
    if role is RoleName.SEQUENCER:
        _sequence()
        return
    if role is RoleName.SENDER:
        _send()
        return
    concurrency = SYSTEM_CONCURRENCY if role is RoleName.SYSTEM else settings().worker_concurrency
    _work(QUEUES_OF[role], concurrency)


def check_offers() -> None:
    """End with a message if the lender's file of joint offers can't be used: better at the start than before a borrower."""
    from throughline.cli.output import fail
    from throughline.line.joint.offers import OffersWrong, offers

    try:
        offers()
    except OffersWrong as error:
        fail(f"joint offers: {error}")


def check_routes() -> None:
    """End with a message if the lender's file of message routes can't be used."""
    from throughline.cli.output import fail
    from throughline.messaging import registry
    from throughline.messaging.routes.config import RoutesWrong

    try:
        registry.check()
    except RoutesWrong as error:
        fail(f"message routes: {error}")


def _send() -> None:
    """Messages over their routes, and beside them the calls that are jobs."""
    from throughline.kernel import rooms
    from throughline.kernel.settings import settings
    from throughline.messaging.sender import process

    rooms.load_all()
    sender = process.start()
    try:
        _work(QUEUES_OF[RoleName.SENDER], settings().worker_concurrency)
    finally:
        sender.stop()


def _work(queues: Sequence[str], concurrency: int) -> None:
    from throughline.kernel import worker

    worker.run(list(queues), concurrency=concurrency)


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
