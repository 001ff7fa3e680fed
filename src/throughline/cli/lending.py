"""`throughline lending replay`: a loan as a pure function, terms and dated events in, the books out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli import schedules
from throughline.cli.batch import Document, WrongInput, run

if TYPE_CHECKING:
    from throughline.lending.periods import ScheduleError
    from throughline.lending.reading_json import Node

app = typer.Typer(no_args_is_help=True)
app.command()(schedules.schedules)


@app.callback()
def group() -> None:
    """Loans without the platform."""


@app.command()
def replay(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON, or JSON Lines (.jsonl); - is standard input")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Standard input holds one document a line")] = False,
) -> None:
    """Replay a loan: schedule, totals, transactions, delinquency and journal as of a day."""
    run(file, _replayed, _show, lines=lines, as_json=as_json)


def _replayed(value: Any) -> Document:
    from throughline.cli.loan_answer import Answer
    from throughline.cli.loan_books import LoanBooks
    from throughline.cli.loan_input import check_event, read_event
    from throughline.lending.history import LoanEvent
    from throughline.lending.periods import ScheduleError
    from throughline.lending.reading_json import InputError, Node
    from throughline.lending.terms_json import read_terms

    try:
        document = Node.of(value, "$")
        document.only("currency", "as_of", "terms", "events")
        currency = document.text("currency")
        document.require("terms")
        books = LoanBooks(read_terms(document.child("terms"), currency), document.day("as_of"))
        for number, node in enumerate(document.items("events"), start=1):
            event = read_event(node, number, currency)
            if not isinstance(event, LoanEvent):
                books.close_through(event)
                continue
            check_event(node, books, event)
            try:
                books.record(event)
            except ScheduleError as error:
                raise InputError(_place(node, error), str(error)) from None
        try:
            return Answer(books).document()
        except ScheduleError as error:
            raise InputError(_place(document, error), str(error)) from None
    except InputError as error:
        raise WrongInput(error.path, error.expected) from None


# Which members of an event a schedule cannot take; the first one that is there is named.
_MEMBERS = {
    "installment_not_found": ("from_due_date",),
    "due_date_out_of_order": ("to_due_date", "new_due_date", "first_due_date", "extra_installments"),
    "tranche_after_maturity": ("date",),
}


def _place(node: Node, error: ScheduleError) -> str:
    if error.code == "installment_too_small":
        return "$.terms.installment_amount"
    if error.code == "due_dates_meet":
        return "$.terms.due_date_adjustment.convention"
    named = next((name for name in _MEMBERS.get(error.code, ()) if node.has(name)), None)
    return node.at(named) if named else node.path


def _show(answer: Document) -> None:
    names = ("nr", "due_date", "principal", "interest", "fees", "penalties", "due", "paid", "outstanding")
    typer.echo(f"status: {answer['status']}")
    typer.echo("".join(f"{name:>13}" for name in names))
    for row in answer["schedule"]:
        typer.echo("".join(f"{row[name]!s:>13}" for name in names))
    for one in answer["transactions"]:
        mark = "  (reversed)" if one["reversed"] else ""
        typer.echo(f"{one['date']}  {one['type']:<18}{one['amount']:>14}  {one['id']}{mark}")
    late = answer["delinquency"]
    typer.echo(f"past due {late['past_due_days']} days, delinquent {late['delinquent_days']} days")
