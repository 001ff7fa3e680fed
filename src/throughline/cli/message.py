"""`throughline message …`: the routes of this installation, and a message to try one with."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Annotated, Any

import typer

from throughline.cli.output import BAD_INPUT, OUR_FAULT, fail, say

app = typer.Typer(no_args_is_help=True)
WAIT_S = 60.0


@app.callback()
def group() -> None:
    """Messages: routes, and a try of one."""


@app.command()
def routes(as_json: Annotated[bool, typer.Option("--json", help="As JSON")] = False) -> None:
    """The routes that are set up, by channel and priority. Exit status 2: the file of routes can't be used."""
    from throughline.messaging import registry
    from throughline.messaging.routes.config import RoutesWrong
    from throughline.messaging.routes.config import routes as configured

    try:
        registry.check()
        found = sorted(configured(), key=lambda one: (one.channel.value, one.priority, one.name))
    except RoutesWrong as error:
        fail(str(error), BAD_INPUT)
    rows = [
        {
            "name": one.name,
            "channel": one.channel.value,
            "adapter": one.adapter,
            "priority": one.priority,
            "window": one.window,
            "missing": registry.missing(one),
        }
        for one in found
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        say("No route is set up: see docs/routes.md.")
    for row in rows:
        state = f"missing: {row['missing']}" if row["missing"] else "ready"
        typer.echo(f"{row['channel']:<10}{row['priority']:>2}  {row['name']:<28}{row['adapter']:<20}{state}")


@app.command()
def send(
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="Number as +86…, e-mail address: your own")],
    channel: Annotated[str | None, typer.Option(help="sms or email: its first route")] = None,
    route: Annotated[str | None, typer.Option(help="Or a route by its name")] = None,
    lang: Annotated[str, typer.Option(help="zh-CN or en")] = "zh-CN",
) -> None:
    """Send the text "you have a new message" over a route, past the ledger, and tell what the provider said.

    It names nobody and counts for nobody's caps: meant for an address of your own. Exit status 0: accepted.
    1: refused or unknown. 2: the input is wrong.
    """
    from throughline.kernel.i18n import LOCALES
    from throughline.messaging import registry
    from throughline.messaging.routes.config import RouteSettings, RoutesWrong
    from throughline.messaging.routes.config import routes as configured

    if lang not in LOCALES:
        fail(f"--lang: expected one of {', '.join(LOCALES)}")
    try:
        registry.check()
        found: list[RouteSettings] = [
            one
            for one in sorted(configured(), key=lambda each: (each.priority, each.name))
            if (route is None or one.name == route) and (channel is None or one.channel.value == channel)
        ]
    except RoutesWrong as error:
        fail(str(error), BAD_INPUT)
    if route is None and channel is None:
        fail("name a --channel or a --route; `throughline message routes` lists them")
    if not found:
        fail(f"no such route is set up: {route or channel}; `throughline message routes` lists them")
    try:
        adapter = registry.adapter(found[0], registry.Nobody())
    except registry.NotSetUp as error:
        fail(f"route {found[0].name}: {error}")
    said = asyncio.run(_try(adapter, _text(to, lang)))
    typer.echo(json.dumps({"route": found[0].name, **said}, ensure_ascii=False))
    if said["verdict"] != "accepted":
        raise typer.Exit(OUR_FAULT)


def _text(to: str, lang: str) -> Any:
    from throughline.kernel.ids import new_id
    from throughline.messaging.ports import Outbound
    from throughline.messaging.settings import load_settings
    from throughline.messaging.templates import fill, templates

    outside = next(one.outside for one in templates().values() if one.outside.name == "new_message")
    return Outbound(
        client_ref=new_id().hex,
        address=to,
        locale=lang,
        text=fill(outside.sms, {})[lang],
        subject=fill(outside.subject, {})[lang],
        template=f"{outside.name}.{lang}",
        template_code=load_settings().sms_template_codes.get(f"{outside.name}.{lang}", ""),
    )


async def _try(adapter: Any, message: Any) -> dict[str, Any]:
    await adapter.open()
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(WAIT_S):
            result = await adapter.submit(message)
    finally:
        await adapter.close()
    return {
        "verdict": result.verdict.value,
        "code": result.code,
        "provider_ref": result.provider_ref,
        "client_ref": message.client_ref,
        "took_ms": round((time.monotonic() - began_s) * 1000),
    }
