"""`throughline line fit`: parameters of the filter from a lender's own history."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from throughline.cli.batch import opened
from throughline.cli.line_input import MAX_PROBLEMS, Problems, TooMany, document_of, instant
from throughline.cli.output import BAD_INPUT, fail, say


def fit(
    roster: Annotated[str, typer.Option(metavar="FILE", help="The lines, JSON Lines")],
    events: Annotated[
        str, typer.Option(metavar="FILE", help="Observations, JSON Lines; - is standard input")
    ],
    until: Annotated[str, typer.Option(metavar="INSTANT", help="Rows received later are left out")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the parameters are written, YAML")],
    truth: Annotated[
        str | None, typer.Option(metavar="FILE", help="How lines stood, where somebody knows it, JSON Lines")
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Begin with these parameters; else with the shipped ones"),
    ] = None,
    pseudo_count: Annotated[
        float,
        typer.Option(min=1, max=100_000, help="How many observations the parameters to begin with count for"),
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="What changed, as one JSON document")] = False,
) -> None:
    """Learn rates, prior, heartbeats and grades; refuse what is worse on lines held out."""
    from throughline.line.backtest.reading import Shapes, Truth, read_events, read_roster, read_truths
    from throughline.line.learning.fit import FitRefused
    from throughline.line.learning.fit import fit as fitted
    from throughline.line.parameters import ParamsError

    until_s = instant(until)
    document = document_of(params, "--params")
    problems = Problems()
    shapes = Shapes()
    truths: list[Truth] = []
    try:
        with opened(roster) as stream:
            lines = read_roster(stream, problems.of(roster))
        with opened(events) as stream:
            seen = read_events(stream, lines, shapes, until_s, problems.of(events))
        if truth is not None:
            with opened(truth) as stream:
                truths = read_truths(stream, lines, problems.of(truth))
    except TooMany:
        say(f"more than {MAX_PROBLEMS} problems, the rest is not read")
    if problems.count:
        raise typer.Exit(BAD_INPUT)
    try:
        found = fitted(document, lines, seen, shapes, until_s, truths, pseudo_count)
    except FitRefused as refused:
        fail(f"refused: {refused}")
    except ParamsError as error:
        fail(f"--params {params or 'shipped'}: {error}")
    _write(out, found.document, f"{found.lines} lines, {found.days:.0f} days of lines, until {until}")
    told = {
        "version": found.document["version"],
        "lines": found.lines,
        "held_out_lines": found.held_out,
        "line_days": round(found.days, 1),
        "rounds": found.rounds,
        "log_likelihood": {"before": round(found.before, 3), "after": round(found.after, 3)},
        "changes": [
            {"name": one.name, "was": one.was, "now": one.now, "seen": round(one.seen, 1)}
            for one in found.changes
        ],
        "kept": list(found.kept),
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    typer.echo(f"{found.document['version']} in {out}")
    typer.echo(
        f"log-likelihood of {found.held_out} lines held out: {found.before:.1f} before, {found.after:.1f} after"
    )
    for one in found.changes:
        typer.echo(f"{one.name:36} {one.was:>12.5g} -> {one.now:>12.5g}   from {one.seen:.1f}")
    for why in found.kept:
        typer.echo(f"unchanged: {why}")


def _write(out: Path, document: dict[str, Any], origin: str) -> None:
    import yaml

    text = f"# Parameters of the filter of lines, learned by `throughline line fit` from {origin}.\n"
    text += yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    # Whole or not at all: the platform may be reading it.
    beside = out.with_name(out.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, out)
    except OSError as error:
        fail(f"{out}: {error.strerror}")
