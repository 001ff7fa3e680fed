"""`throughline staff create`, `throughline api-key create`: who may come in by the back door of the console."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Annotated

import typer

from throughline.cli.output import OUR_FAULT, fail, say

staff = typer.Typer(no_args_is_help=True)
api_key = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


@staff.callback()
def staff_group() -> None:
    """Accounts of the lender's people."""


@api_key.callback()
def api_key_group() -> None:
    """Keys of the lender's programs."""


@staff.command("create")
def create_staff(
    name: Annotated[str, typer.Argument(help="Sign-in name")],
    role: Annotated[list[str], typer.Option(help="agent, credit, operations, compliance or admin; repeat")],
    as_json: Json = False,
) -> None:
    """Make a staff account. The password is asked for twice, or read from standard input when it is no terminal."""
    from throughline.identity import service as identity
    from throughline.kernel import clock
    from throughline.kernel.db import database
    from throughline.kernel.errors import Problem
    from throughline.kernel.postgres import EmbeddedError

    password = _password()
    try:
        staff_id = database().run(
            lambda session: identity.create_staff(session, name, password, role, now=clock.real_now())
        )
    except Problem as error:
        fail(str(error))
    except EmbeddedError as error:
        fail(str(error), OUR_FAULT)
    if as_json:
        typer.echo(json.dumps({"id": str(staff_id), "name": name, "roles": sorted(set(role))}))
    else:
        say(f"{name} may sign in")


@api_key.command("create")
def create_api_key(
    name: Annotated[str, typer.Argument(help="What program uses it")],
    scope: Annotated[list[str], typer.Option(help='Such as "line:write"; repeat')],
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is good")] = 365,
    as_json: Json = False,
) -> None:
    """Make a key for a program. It is shown this once, on standard output."""
    from throughline.identity import service as identity
    from throughline.kernel import clock
    from throughline.kernel.db import database
    from throughline.kernel.errors import Problem
    from throughline.kernel.postgres import EmbeddedError

    try:
        made = database().run(
            lambda session: identity.create_api_key(
                session, name, scope, now=clock.real_now(), life=timedelta(days=days)
            )
        )
    except Problem as error:
        fail(str(error))
    except EmbeddedError as error:
        fail(str(error), OUR_FAULT)
    if as_json:
        typer.echo(json.dumps({"id": str(made.id), "name": name, "key": made.key}))
    else:
        typer.echo(made.key)
        say("keep it now: it is not shown again")


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline(200).rstrip("\n")
