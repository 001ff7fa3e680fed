"""Looking at the service from outside: one round of real requests, each with its time-out, all at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import httpx

from throughline.continuity.status import tasks
from throughline.continuity.status.intake import Observation
from throughline.kernel.settings import settings
from throughline.line.settings import load_settings as line_settings
from throughline.messaging.routes.config import routes as message_routes
from throughline.payments.settings import PaymentSettings

AT_ONCE = 8
# A page that a person needs for the task, and a word of it that must be there: an empty answer is no service.
PAGES = {
    "sign_in": ("/sign-in", "<form"),
    "apply": ("/register", "<form"),
    "sign": ("/outage-clause", "<main"),
    "support": ("/help", "<main"),
    # What these need is the database and the workers behind the pages.
    "repay": ("/readyz", '"ok"'),
    "get_paid": ("/readyz", '"ok"'),
    "notices": ("/readyz", '"ok"'),
    tasks.PLATFORM: ("/readyz", '"ok"'),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request came to; `reason` is empty where all is well."""

    state: str
    reason: str
    took_ms: int


def parts() -> dict[str, str]:
    """The rails, routes and carriers that are set up here, and where each answers (http://… or smtp://…)."""
    from throughline.kernel.settings import load

    found: dict[str, str] = {}
    payments, line = load(PaymentSettings), line_settings()
    if payments.wechat_url:
        found["rail:wechat"] = str(payments.wechat_url)
    if payments.bank_url:
        found["rail:bank"] = str(payments.bank_url)
    for route in sorted(message_routes(), key=lambda one: -one.priority):  # the first of each channel remains
        address = (
            route.options.get("url") or f"smtp://{route.options.get('host')}:{route.options.get('port', 25)}"
        )
        if route.adapter in {"aliyun-sms", "tencent-sms", "smtp"}:
            found[f"route:{route.channel.value}"] = str(address)
    if settings().demo or line.carriers or "api_url" in line.model_fields_set:
        found |= {f"carrier:{one.name}": str(one.api_url) for one in line.all_carriers}
    return found


def look(
    base_url: str, where: dict[str, str], *, timeout_s: float, slow_ms: int, interval_s: int, at: datetime
) -> list[Observation]:
    """One round. `at`: business time of the round; `where`: the parts."""
    base = base_url.rstrip("/")
    jobs: dict[str, Callable[[], Seen]] = {}
    with httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as http:
        for path, word in dict(PAGES.values()).items():
            jobs[path] = _page(http, base + path, word, slow_ms)
        for part, address in where.items():
            jobs[part] = _part(http, address, timeout_s, slow_ms)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = {name: pool.submit(job) for name, job in jobs.items()}
            seen = {name: future.result() for name, future in running.items()}
    platform = seen[PAGES[tasks.PLATFORM][0]]
    found = [_observe(tasks.PLATFORM, platform, at, interval_s)]
    found += [_observe(part, seen[part], at, interval_s) for part in sorted(where)]
    for task in tasks.TASKS:
        own = seen[PAGES[task][0]]
        mine = {part: seen[part].state for part in where if tasks.task_of(part) == task}
        found.append(_observe(task, _whole(own, platform, mine), at, interval_s))
    return found


def _whole(own: Seen, platform: Seen, mine: dict[str, str]) -> Seen:
    if own.state == tasks.DOWN:
        return Seen(own.state, tasks.PLATFORM if platform.state == tasks.DOWN else own.reason, own.took_ms)
    state = tasks.whole(own.state, mine.values())
    if state == own.state:
        return own
    bad = next((part for part, one in sorted(mine.items()) if one != tasks.WORKING), "")
    return Seen(state, f"part:{bad}", own.took_ms)


def _observe(component: str, seen: Seen, at: datetime, interval_s: int) -> Observation:
    return Observation(component, at, seen.state, seen.reason, seen.took_ms, interval_s)


def _page(http: httpx.Client, url: str, word: str, slow_ms: int) -> Callable[[], Seen]:
    def ask() -> Seen:
        return _timed(lambda: _judge_page(http.get(url), word), slow_ms)

    return ask


def _judge_page(answer: httpx.Response, word: str) -> str:
    if answer.status_code != 200:
        return f"http-{answer.status_code}"
    return "" if word in answer.text else "wrong-page"


def _part(http: httpx.Client, address: str, timeout_s: float, slow_ms: int) -> Callable[[], Seen]:
    """A provider is there when it answers at all: that it wants a signature of us (4xx) is its way of being well."""

    def ask_http() -> str:
        status = http.get(address).status_code
        return "" if status < 500 else f"http-{status}"

    def ask_smtp() -> str:
        url = httpx.URL(address)
        with socket.create_connection((url.host, url.port or 25), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            return "" if connection.recv(64).startswith(b"220") else "no-greeting"

    return lambda: _timed(ask_smtp if address.startswith("smtp:") else ask_http, slow_ms)


def _timed(ask: Callable[[], str], slow_ms: int) -> Seen:
    started = time.monotonic()
    try:
        reason = ask()
    except (httpx.TimeoutException, TimeoutError):
        reason = "timeout"
    except httpx.ConnectError:
        reason = "refused"
    except (httpx.HTTPError, OSError):
        reason = "broken"
    took_ms = round((time.monotonic() - started) * 1000)
    if reason:
        return Seen(tasks.DOWN, reason, took_ms)
    return Seen(
        tasks.SLOW if took_ms > slow_ms else tasks.WORKING, "slow" if took_ms > slow_ms else "", took_ms
    )
