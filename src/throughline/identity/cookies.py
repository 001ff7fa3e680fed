"""Cookies: names with the `__Host-` prefix (Secure, no domain, path /), so no other host can set or read them."""

from __future__ import annotations

from datetime import timedelta

SESSION_COOKIE = "__Host-throughline"
DEVICE_COOKIE = "__Host-throughline-device"
DEVICE_LIFE = timedelta(days=90)


def session_cookie(token: str) -> str:
    """The Set-Cookie value that begins a session; it ends with the browser, or when the server says so."""
    return f"{SESSION_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"


def device_cookie(token: str) -> str:
    """The Set-Cookie value that makes a browser known for 90 days."""
    return f"{DEVICE_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={int(DEVICE_LIFE.total_seconds())}"


def clear_session_cookie() -> str:
    """The Set-Cookie value that makes the browser forget the session."""
    return f"{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"


def device_label(user_agent: str | None) -> str:
    """A browser in two words for the list of sessions: "Chrome, Android". The full text is not kept."""
    text = (user_agent or "")[:500]
    browser = next(
        (name for mark, name in _BROWSERS if mark in text),
        "Browser" if text.startswith("Mozilla/") else "Program",
    )
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    return f"{browser}, {system}" if system else browser


# Order matters: most browsers also name the ones that they descend from.
_BROWSERS = (
    ("MicroMessenger/", "WeChat"),
    ("Edg/", "Edge"),
    ("HuaweiBrowser/", "Huawei"),
    ("HeyTapBrowser/", "OPPO"),
    ("VivoBrowser/", "vivo"),
    ("MiuiBrowser/", "Xiaomi"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
