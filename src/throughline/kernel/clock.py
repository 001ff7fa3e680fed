"""Time: two clocks, both in UTC.

`now()` is business time: due dates, episodes, deadlines of messages. In demo mode it can be moved
forward, so that a month passes in a minute. `real_now()` is the wall clock and never moves:
sessions, challenges, signatures and codes use it, because the borrower's authenticator and a
provider's clock do not follow our demo.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from throughline.kernel.settings import settings

_SHIFT_FILE = "clock-shift-s"


def real_now() -> datetime:
    """The wall clock, timezone-aware UTC."""
    return datetime.now(UTC)


def now() -> datetime:
    """Business time, timezone-aware UTC: the wall clock plus the demo's shift (0 outside demo mode)."""
    return real_now() + demo_shift()


def demo_shift() -> timedelta:
    """How far the demo has moved business time; zero outside demo mode.

    The shift is a file, so that all processes of one machine see a move at once and it survives a crash.
    """
    config = settings()
    if not config.demo:
        return timedelta()
    try:
        text = (config.home / _SHIFT_FILE).read_text(encoding="ascii")
        return timedelta(seconds=int(text))
    except FileNotFoundError:
        return timedelta()
    except ValueError as error:
        raise RuntimeError(f"{config.home / _SHIFT_FILE} must hold a whole number of seconds") from error


def move_demo_forward(by: timedelta) -> timedelta:
    """Move business time forward and return the new shift. Only in demo mode, never backwards."""
    config = settings()
    if not config.demo:
        raise RuntimeError("business time moves only in demo mode")
    if by < timedelta():
        raise ValueError("business time never moves backwards")
    shift = demo_shift() + by
    config.home.mkdir(parents=True, exist_ok=True)
    fresh = config.home / (_SHIFT_FILE + ".new")
    fresh.write_text(str(int(shift.total_seconds())), encoding="ascii")
    fresh.replace(config.home / _SHIFT_FILE)
    return shift


def local_date(at: datetime, zone: str) -> date:
    """The calendar date of an instant in an IANA zone."""
    if at.tzinfo is None:
        raise ValueError("an instant needs its zone")
    return at.astimezone(ZoneInfo(zone)).date()
