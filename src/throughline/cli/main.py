"""The command's root: groups are attached here."""

from __future__ import annotations

import typer

from throughline.cli import (
    access,
    book,
    compliance,
    demo,
    drill,
    lab,
    lending,
    line,
    message,
    notary,
    platform,
    story,
)

app = typer.Typer(
    name="throughline",
    help="Throughline (不断线): consumer lending that keeps serving a borrower whose phone line has stopped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
platform.attach(app)
app.command()(story.story)
app.command()(drill.drill)
app.add_typer(demo.app, name="demo", help="The demo lender: move business time.")
app.add_typer(notary.app, name="notary", help="Receipts and logs: check them anywhere.")
app.add_typer(compliance.app, name="compliance", help="Rates and rules without the platform.")
app.add_typer(lending.app, name="lending")
app.add_typer(line.app, name="line")
app.add_typer(message.app, name="message")
app.add_typer(lab.app, name="lab")
app.add_typer(book.imports, name="import")
app.add_typer(book.exports, name="export")
app.add_typer(access.staff, name="staff")
app.add_typer(access.api_key, name="api-key")
