"""`throughline demo`: what only the demo lender has."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from throughline.cli.output import fail, say

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """The demo lender: move business time."""


@app.command()
def forward(days: Annotated[int, typer.Option(min=1, max=400, help="How many days")] = 1) -> None:
    """Move business time forward; the close of business catches up day by day."""
    from throughline.kernel import clock
    from throughline.kernel.settings import settings

    if not settings().demo:
        fail("business time moves only in demo mode: set THROUGHLINE_DEMO=1, or start with `make run`")
    clock.move_demo_forward(timedelta(days=days))
    say(f"business time is now {clock.now():%Y-%m-%d %H:%M} UTC")
