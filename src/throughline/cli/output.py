"""How commands end: 0 done, 2 the input is wrong, 1 our fault. Messages go to standard error."""

from __future__ import annotations

from typing import NoReturn

import typer

BAD_INPUT = 2
OUR_FAULT = 1


def say(text: str) -> None:
    """A message for the person, on standard error."""
    typer.echo(text, err=True)


def fail(text: str, code: int = BAD_INPUT) -> NoReturn:
    """End with a message and an exit status."""
    say(text)
    raise typer.Exit(code)
