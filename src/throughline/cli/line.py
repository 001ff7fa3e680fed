"""`throughline line …`: the filter of lines and its planner on recorded evidence, without the platform."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from throughline.cli.batch import opened
from throughline.cli.line_fit import fit
from throughline.cli.line_input import MAX_PROBLEMS, Problems, TooMany, instant, params_of, seconds
from throughline.cli.output import BAD_INPUT, say

app = typer.Typer(no_args_is_help=True)
app.command()(fit)

MAX_BUDGET = 1_000


@app.callback()
def group() -> None:
    """Phone lines without the platform."""


@app.command()
def replay(
    roster: Annotated[str, typer.Option(metavar="FILE", help="The lines, JSON Lines")],
    events: Annotated[
        str, typer.Option(metavar="FILE", help="Observations, JSON Lines; - is standard input")
    ],
    until: Annotated[str, typer.Option(metavar="INSTANT", help="Rows received later are left out")],
    oracle: Annotated[
        str | None, typer.Option(metavar="FILE", help="What a query would be answered, JSON Lines")
    ] = None,
    query_budget: Annotated[
        int, typer.Option(min=0, max=MAX_BUDGET, help="Most queries for a line in any 30 days")
    ] = 0,
    every: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Tell beliefs so often: 30m, 6h, 1d")
    ] = None,
    params: Annotated[
        str | None, typer.Option(metavar="FILE", help="Other parameters of the filter, YAML")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines on standard output")] = False,
) -> None:
    """Replay evidence: states, alarms, incidents, contradictions and queries in order of time."""
    from throughline.line.backtest.engine import Question
    from throughline.line.backtest.reading import Shapes, read_events, read_oracle, read_roster
    from throughline.line.backtest.replay import replay as replayed
    from throughline.line.planner import Policy

    question = Question(instant(until), Policy(query_budget), seconds(every), params_of(params))
    problems = Problems()
    shapes = Shapes()
    try:
        with opened(roster) as stream:
            lines = read_roster(stream, problems.of(roster))
        with opened(events) as stream:
            seen = read_events(stream, lines, shapes, question.until_s, problems.of(events))
        answers: Any = {}
        if oracle is not None:
            with opened(oracle) as stream:
                answers = read_oracle(stream, lines, shapes, problems.of(oracle))
    except TooMany:
        say(f"more than {MAX_PROBLEMS} problems, the rest is not read")
    if problems.count:
        raise typer.Exit(BAD_INPUT)
    told = replayed(lines, seen, shapes, answers, question)
    if as_json:
        # Not by `echo`, which flushes each line.
        sys.stdout.writelines(text + "\n" for text in told)
        sys.stdout.flush()
    else:
        _show(told)


def _show(told: Iterator[str]) -> None:
    """What happened, a line each; beliefs and queries only in the sum."""
    for text in told:
        row = json.loads(text)
        kind = row["kind"]
        if kind == "state":
            sure = "" if row["probability"] is None else f" {100 * row['probability']:.1f} %"
            typer.echo(f"{row['at']}  {row['line']}  {row['state']}{sure}  {', '.join(row['evidence'])}")
        elif kind == "alarm":
            typer.echo(
                f"{row['raised_at']}  {row['line']}  ALARM {row['cause']}, cleared {row['cleared_at'] or '-'}"
            )
        elif kind == "incident":
            typer.echo(
                f"{row['raised_at']}  INCIDENT {row['carrier']} {row['home_region']}: {row['lines']} lines, "
                f"cleared {row['cleared_at'] or '-'}"
            )
        elif kind == "contradiction":
            typer.echo(
                f"{row['at']}  {row['line']}  contradicts the claim of {row['claim_at']}: {', '.join(row['evidence'])}"
            )
        elif kind == "summary":
            typer.echo(
                f"{row['lines']} lines, {row['events']} events, {row['queries']} queries, {row['seconds']} s"
            )
