"""The phones of the demo on one page: what each of them received."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from throughline.lab.sms.books import local

_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>收到的短信（模拟） Text messages received (simulated)</title>
<style>
body{{font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;margin:0;background:#f3f3f3;color:#111}}
main{{max-width:40rem;margin:2rem auto;padding:0 1rem}}
section{{background:#fff;border-radius:12px;padding:1rem 1.5rem;margin-bottom:1rem}}
li{{margin:.5rem 0;overflow-wrap:anywhere}} ul{{list-style:none;padding:0}} time{{color:#595959}}
</style></head><body><main>
<h1>收到的短信 <span lang="en">Text messages received</span></h1>
{phones}
<p><small>模拟环境 <span lang="en">Simulation</span></small></p>
</main></body></html>"""
_NOTHING = '<p>还没有短信 <span lang="en">No messages yet</span></p>'


def render(messages: Iterable[Mapping[str, Any]]) -> str:
    """The page; only what was delivered is on a phone. Newest first."""
    phones: dict[str, list[str]] = {}
    for message in messages:
        if message["state"] == "delivered":
            line = f"<li><time>{escape(local(message['at']))}</time><br>{escape(message['text'])}</li>"
            phones.setdefault(message["phone"], []).insert(0, line)
    shown = [
        f"<section><h2>+{escape(phone)}</h2><ul>{''.join(lines)}</ul></section>"
        for phone, lines in sorted(phones.items())
    ]
    return _PAGE.format(phones="".join(shown) or _NOTHING)
