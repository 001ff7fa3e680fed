"""Webmail: the list, and one mail as text with what a locked phone would show of it. Everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

PREVIEW = 100

_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
{head}<title>邮箱（模拟） Mailbox (simulated)</title>
<style>
body{{font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;margin:0;background:#f3f3f3;color:#111}}
main{{max-width:44rem;margin:2rem auto;padding:0 1rem}}
section,li{{background:#fff;border-radius:12px;padding:1rem 1.5rem;margin-bottom:1rem;overflow-wrap:anywhere}}
ul{{list-style:none;padding:0}} pre{{font:inherit;white-space:pre-wrap;margin:0}}
.lock{{background:#222;color:#fff;max-width:22rem}} time,small{{color:#595959}}
</style></head><body><main>
{content}
<p><small>模拟环境 <span lang="en">Simulation</span></small></p>
</main></body></html>"""
_REFRESH = '<meta http-equiv="refresh" content="5">\n'


def render_list(mails: Iterable[Mapping[str, Any]]) -> str:
    """All mails, newest first."""
    lines = [
        f'<li><a href="/messages/{int(mail["id"])}">{escape(mail["subject"] or "—")}</a><br>'
        f"{escape(mail['from'])} → {escape(mail['to'])} <time>{escape(mail['at'])}</time></li>"
        for mail in mails
    ]
    shown = (
        f"<ul>{''.join(reversed(lines))}</ul>" if lines else '<p>没有邮件 <span lang="en">No mail</span></p>'
    )
    return _PAGE.format(head=_REFRESH, content=f'<h1>邮箱 <span lang="en">Mailbox</span></h1>{shown}')


def render_mail(mail: Mapping[str, Any]) -> str:
    """One mail."""
    preview = " ".join(mail["body"].split())[:PREVIEW]
    content = (
        '<p><a href="/">返回 <span lang="en">Back</span></a></p>'
        '<h2>锁屏预览 <span lang="en">Lock screen preview</span></h2>'
        f'<section class="lock"><strong>{escape(mail["from"])}</strong><br>{escape(mail["subject"])}<br>'
        f"{escape(preview)}</section>"
        f'<h2>邮件 <span lang="en">Mail</span></h2><section><p>{escape(mail["from"])} → {escape(mail["to"])}<br>'
        f"<time>{escape(mail['at'])}</time><br><strong>{escape(mail['subject'])}</strong></p>"
        f"<pre>{escape(mail['body'])}</pre></section>"
    )
    return _PAGE.format(head="", content=content)
