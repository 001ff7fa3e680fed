"""`throughline lab …`: experiments on made-up people, without the platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli.output import fail, say

if TYPE_CHECKING:
    from throughline.contracts.outage import OutagePolicy

app = typer.Typer(no_args_is_help=True)

MAX_BORROWERS = 1_000_000
MAX_MONTHS = 12
MAX_POLICY_BYTES = 1024 * 1024


@app.callback()
def group() -> None:
    """The Outage Lab: what a policy of outages gives, and what it costs."""


@app.command()
def policy() -> None:
    """Print the shipped policy, to edit and to run."""
    from importlib.resources import files

    from throughline.contracts.outage import newest

    folder = files("throughline.contracts").joinpath("data/outage")
    typer.echo(folder.joinpath(f"{newest().version}.yaml").read_text(encoding="utf-8"), nl=False)


@app.command()
def run(
    borrowers: Annotated[int, typer.Option(min=1, max=MAX_BORROWERS)] = 10_000,
    months: Annotated[int, typer.Option(min=1, max=MAX_MONTHS, help="Of 30 days")] = 6,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Policy of outages, YAML; twice compares two. Default: the shipped one"
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="The policy to compare with, as a second --policy")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**62)] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.html and result.json there")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on standard output")] = False,
) -> None:
    """An ordinary lender and ours on the same made-up borrowers: fees, reports, protections and their price."""
    files = [*(policy or []), *([baseline] if baseline is not None else [])]
    if len(files) > 2:
        fail("at most two policies are compared")
    from throughline.contracts.outage import newest
    from throughline.lab.outage.document import document, text_of
    from throughline.lab.outage.report import page_of
    from throughline.lab.outage.run import Plan
    from throughline.lab.outage.run import run as play

    read = [(file, _policy(file)) for file in files] or [("", newest())]
    for file, one in read:
        _asleep(file, one, months)
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail(f"{out}: {error.strerror}")
    names = ("ours", "ours_2")
    plan = Plan(
        borrowers, months, seed, tuple((name, one) for name, (_, one) in zip(names, read, strict=False))
    )
    found = document(
        plan, play(plan), {name: Path(file).name for name, (file, _) in zip(names, read, strict=False)}
    )
    text = text_of(found)
    if out is not None:
        (out / "result.json").write_text(text, encoding="utf-8")
        (out / "report.html").write_text(page_of(found), encoding="utf-8")
        say(f"{out / 'report.html'}, {out / 'result.json'}")
    if as_json:
        typer.echo(text, nl=False)
    else:
        _show(found)


def _policy(file: str) -> OutagePolicy:
    """A policy from a file; ends the command where it can't be one, naming row and field."""
    import yaml

    from throughline.cli.batch import opened
    from throughline.contracts.outage import PolicyRefused, parse_policy

    with opened(file) as stream:
        text = stream.read(MAX_POLICY_BYTES + 1)
    if len(text) > MAX_POLICY_BYTES:
        fail(f"{file}: expected at most {MAX_POLICY_BYTES} bytes")
    try:
        return parse_policy(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        fail(f"{file}: expected YAML: {' '.join(str(error).split())}")
    except PolicyRefused as error:
        fail(f"{file}: {error}")


def _asleep(file: str, policy: OutagePolicy, months: int) -> None:
    """Warn of rows that are not in force on any of the lab's days."""
    from throughline.lab.outage.population.people import due_date

    first, last = due_date(0), due_date(30 * months - 1)
    for row in policy.rows:
        if row.valid_from > last or (row.valid_until is not None and row.valid_until < first):
            say(f"{file}: {row.id}: from, to: not in force on the days of the lab, {first} to {last}")


def _show(found: dict[str, Any]) -> None:
    """The table, in English as all commands are."""
    from throughline.lab.outage.report import labels, table

    arms = labels(found, str)
    typer.echo("  ".join([f"{'':66}", *(f"{label:>24}" for _, label in arms), f"{'difference':>20}"]))
    for row in table(found, str):
        cells = [f"{cell['value']:>24}" for cell in row["cells"][:-1]]
        typer.echo("  ".join([f"{row['label']:66}", *cells, f"{row['cells'][-1]['value']:>20}"]).rstrip())
    for key, one in found["targets"].items():
        word = {True: "holds", False: "FALLS SHORT", None: "nothing to judge"}[one["met"]]
        typer.echo(f"{key}: {one['value']} ({one['low']} to {one['high']}), {word}")
