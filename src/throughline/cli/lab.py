"""`throughline lab …`: experiments on made-up people, without the platform."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from throughline.cli.output import fail

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
    typer.echo(_shipped(), nl=False)


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

    read = [(file, *_policy(file)) for file in files]
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail(f"{out}: {error.strerror}")
    with TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "throughline.lab.outage", "--borrowers", str(borrowers), "--months", str(months),
            "--seed", str(seed),
        ]  # fmt: skip
        for number, (file, text, _) in enumerate(read or [("", _shipped(), newest())]):
            # What was checked is what is played: the file, or standard input, is read once.
            path = Path(folder) / f"{number}.yaml"
            path.write_text(text, encoding="utf-8")
            command += ["--policy", file, str(path)]
        command += ["--out", str(out)] if out is not None else []
        command += ["--json"] if as_json else []
        done = subprocess.run(command, check=False)  # noqa: S603 - our own program
    raise typer.Exit(done.returncode)


def _shipped() -> str:
    from importlib.resources import files

    from throughline.contracts.outage import newest

    folder = files("throughline.contracts").joinpath("data/outage")
    return folder.joinpath(f"{newest().version}.yaml").read_text(encoding="utf-8")


def _policy(file: str) -> tuple[str, OutagePolicy]:
    """A policy from a file, with its text; ends the command where it can't be one, naming row and field."""
    import yaml

    from throughline.cli.batch import opened
    from throughline.contracts.outage import PolicyRefused, parse_policy

    with opened(file) as stream:
        text = stream.read(MAX_POLICY_BYTES + 1)
    if len(text) > MAX_POLICY_BYTES:
        fail(f"{file}: expected at most {MAX_POLICY_BYTES} bytes")
    try:
        return text.decode("utf-8"), parse_policy(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        fail(f"{file}: expected YAML: {' '.join(str(error).split())}")
    except PolicyRefused as error:
        fail(f"{file}: {error}")
