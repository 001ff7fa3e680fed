"""`throughline line replay`: the filter of lines and its planner on recorded evidence, without the platform."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli.batch import opened
from throughline.cli.output import BAD_INPUT, fail, say

if TYPE_CHECKING:
    from throughline.line.parameters import Params

app = typer.Typer(no_args_is_help=True)

MAX_PROBLEMS = 1_000
MAX_BUDGET = 1_000
_EVERY = re.compile(r"([1-9][0-9]{0,4})(m|h|d)")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


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

    question = Question(_instant(until), Policy(query_budget), _seconds(every), _params(params))
    problems = _Problems()
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
    except _TooMany:
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


class _TooMany(Exception):
    """So many rows are wrong that the files are not what they were thought to be."""


class _Problems:
    """Says what is wrong, a line a problem."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, file: str) -> Callable[[int, str, str], None]:
        """Where to tell the problems of a file: line, member, what is expected."""

        def problem(number: int, member: str, expected: str) -> None:
            if self.count == MAX_PROBLEMS:
                raise _TooMany
            self.count += 1
            say(f"{file}:{number}: {member}: {expected}"[:500].replace("\n", " "))

        return problem


def _instant(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        fail(f'--until {text}: expected an instant with its offset, such as "2026-03-01T00:00:00+08:00"')
    return at.timestamp()


def _seconds(every: str | None) -> float | None:
    if every is None:
        return None
    found = _EVERY.fullmatch(every)
    if found is None or (86_400 % (seconds := int(found[1]) * _SECONDS[found[2]]) and seconds % 86_400):
        fail(
            f"--every {every}: expected a duration such as 30m, 6h or 1d that divides a day or is whole days"
        )
    return float(seconds)


def _params(file: str | None) -> Params:
    from throughline.line.parameters import MAX_BYTES, ParamsError, params, parse_params

    if file is None:
        return params()
    try:
        with opened(file) as stream:
            return parse_params(stream.read(MAX_BYTES + 1))
    except ParamsError as error:
        fail(f"--params {file}: {error}")
