"""The status page from its document: pages in both languages, feed, JSON. Pure, but for the templates and two files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from throughline.continuity.status.tasks import STATE_NAMES, name_of
from throughline.kernel import i18n
from throughline.kernel.i18n import LOCALES, N_
from throughline.web import texts

STALE_AFTER_S = 300
STATIC = Path(__file__).parent.parent / "static"
HEADLINES = {
    "working": N_("Everything works."),
    "slow": N_("Something is slow."),
    "partly": N_("Something is partly down."),
    "down": N_("Something is down."),
    "maintenance": N_("Announced maintenance is under way."),
    "unknown": N_("We do not know how the service is: nobody has looked lately."),
}
STAGE_NAMES = {
    "noticed": N_("noticed"),
    "identified": N_("cause found"),
    "fixed": N_("mended"),
    "closed": N_("closed"),
    "update": N_("update"),
}
_SAFE = re.compile(r"^[A-Za-z0-9-]{1,60}$")


@dataclass(frozen=True, slots=True)
class Links:
    """Where things are, as this page reaches them."""

    front: str
    other: str
    style: str
    script: str
    feed: str
    json: str
    incident: Callable[[str], str]


def live(locale: str, path: str = "/status") -> Links:
    """Addresses of the platform itself."""
    other = "en" if locale == "zh-CN" else "zh-CN"
    return Links(
        front=f"/status?lang={locale}",
        other=f"{path}?lang={other}",
        style="/static/status.css",
        script="/static/stale.js",
        feed=f"/status/feed.xml?lang={locale}",
        json="/status.json",
        incident=lambda one: f"/status/incidents/{one}?lang={locale}",
    )


def front_page(document: Mapping[str, Any], locale: str, at: Links, *, stale: bool = False) -> str:
    """All tasks, what goes on, what was."""

    def summary(task: Mapping[str, Any]) -> str:
        return i18n.gettext(
            N_("90 days: %(percent)s of the observed time; not observed: %(unknown)s h"),
            locale,
            percent=f"{task['uptime_percent']} %" if task["uptime_percent"] is not None else "–",
            unknown="–" if task["unknown_minutes"] is None else f"{task['unknown_minutes'] / 60:.1f}",
        )

    incidents = document["incidents"]
    headline = HEADLINES[document["state"]]
    return _render(
        "status/index.html",
        document,
        locale,
        at,
        stale=stale,
        headline=i18n.gettext(headline, locale),
        running=[one for one in incidents if one["open"]],
        over=[one for one in incidents if not one["open"]],
        state=lambda code: i18n.gettext(STATE_NAMES[code], locale),
        summary=summary,
        runs=runs,
    )


def incident_page(
    document: Mapping[str, Any], one: Mapping[str, Any], locale: str, at: Links, *, stale: bool = False
) -> str:
    """One incident with its timeline."""
    return _render(
        "status/incident.html",
        document,
        locale,
        at,
        stale=stale,
        one=one,
        touched=("、" if locale == "zh-CN" else ", ").join(
            i18n.pick(name_of(task), locale) for task in one["tasks"]
        ),
        stage=lambda code: i18n.gettext(STAGE_NAMES[code], locale),
    )


def feed(document: Mapping[str, Any], locale: str) -> str:
    """Atom (RFC 4287): an entry for each incident and each note."""
    base = document["url"]
    entries: list[dict[str, str]] = []
    for one in document["incidents"]:
        link = f"{base}/status/incidents/{one['id']}?lang={locale}"
        title = i18n.pick(one["title"], locale)
        for note in reversed(one["notes"]):
            stage = STAGE_NAMES[note["stage"]]
            said = f"{i18n.gettext(stage, locale)}: {i18n.pick(note['text'], locale)}"
            entries.append(
                {"id": note["id"], "title": title, "updated": note["at"], "link": link, "text": said}
            )
        text = "\n".join(i18n.pick(part, locale) for part in (one["reason"], one["do_now"], one["due_dates"]))
        updated = one["ended_at"] or one["noticed_at"]
        entries.append({"id": one["id"], "title": title, "updated": updated, "link": link, "text": text})
    return (
        texts.environment()
        .get_template("status/feed.xml")
        .render(
            locale=locale,
            base=base,
            title=f"{i18n.pick(document['lender'], locale)} · {i18n.gettext(N_('Service status'), locale)}",
            lender=i18n.pick(document["lender"], locale),
            updated=max(
                (one["updated"] for one in entries), default=document["as_of"] or "1970-01-01T00:00:00Z"
            ),
            entries=entries,
        )
    )


def as_json(document: Mapping[str, Any]) -> bytes:
    """The document for programs."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def copy_of(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The whole page as plain files, by path: Chinese first, English beside it; links are relative."""
    files: dict[str, bytes] = {
        "status.json": as_json(document),
        "feed.xml": feed(document, "zh-CN").encode(),
        "feed.en.xml": feed(document, "en").encode(),
        "status.css": (STATIC / "status.css").read_bytes(),
        "stale.js": (STATIC / "stale.js").read_bytes(),
    }
    for locale in LOCALES:
        files[_name("index", locale)] = front_page(document, locale, _beside("", "index", locale)).encode()
        for one in document["incidents"]:
            if _SAFE.match(one["id"]):
                page = incident_page(document, one, locale, _beside("../", f"incidents/{one['id']}", locale))
                files[_name(f"incidents/{one['id']}", locale)] = page.encode()
    return files


def _name(stem: str, locale: str) -> str:
    return f"{stem}.html" if locale == "zh-CN" else f"{stem}.en.html"


def _beside(up: str, stem: str, locale: str) -> Links:
    other = "en" if locale == "zh-CN" else "zh-CN"
    return Links(
        front=up + _name("index", locale),
        other=up + _name(stem, other),
        style=f"{up}status.css",
        script=f"{up}stale.js",
        feed=up + ("feed.xml" if locale == "zh-CN" else "feed.en.xml"),
        json=f"{up}status.json",
        incident=lambda one: up + _name(f"incidents/{one}", locale),
    )


def runs(letters: str) -> list[tuple[int, int, str]]:
    """Equal neighbours as one bar: (place, width, letter)."""
    found, place = [], 0
    for letter, group in groupby(letters):
        width = len(list(group))
        found.append((place, width, letter))
        place += width
    return found


def _render(
    template: str, document: Mapping[str, Any], locale: str, at: Links, *, stale: bool, **context: Any
) -> str:
    zone = ZoneInfo(str(document["zone"]))

    def instant(text: str | None) -> str:
        if not text:
            return "–"
        moment = datetime.fromisoformat(text).astimezone(zone)
        return format_datetime(moment, "medium", locale=locale.replace("-", "_"))

    return (
        texts.environment()
        .get_template(template)
        .render(
            _=lambda msgid, **params: i18n.gettext(msgid, locale, **params),
            pick=lambda text: i18n.pick(text, locale),
            instant=instant,
            locale=locale,
            other_locale="en" if locale == "zh-CN" else "zh-CN",
            document=document,
            at=at,
            limit_s=STALE_AFTER_S,
            stale=stale,
            **context,
        )
    )
