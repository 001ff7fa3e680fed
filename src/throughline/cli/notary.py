"""`throughline notary verify | log | witness`: check receipts and logs anywhere; no database is asked.

Exit status (docs/notary.md): 0 it holds, 2 malformed input, 3 it does not hold, 4 the quorum is not met.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli.batch import opened
from throughline.cli.output import BAD_INPUT, fail, say

if TYPE_CHECKING:
    from throughline.notary.verify import Outcome

app = typer.Typer(no_args_is_help=True)
log = typer.Typer(no_args_is_help=True)
witness = typer.Typer(no_args_is_help=True)
app.add_typer(log, name="log", help="Inspect any log in the published formats.")
app.add_typer(witness, name="witness", help="Be a witness of logs.")

DOES_NOT_HOLD = 3


class Lang(StrEnum):
    """Language of the sentence."""

    ZH = "zh"
    EN = "en"


def _usual_lang() -> Lang:
    wanted = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return Lang.ZH if wanted.startswith("zh") else Lang.EN


Json = Annotated[bool, typer.Option("--json", help="JSON on standard output")]
Language = Annotated[
    Lang, typer.Option("--lang", default_factory=_usual_lang, help="Language of the sentence")
]
Keys = Annotated[list[str] | None, typer.Option("--key", help="Verifier key of the log or a witness; repeat")]
Source = Annotated[str, typer.Argument(metavar="DIR|URL", help="Where the log's files are")]
ProofFile = Annotated[str, typer.Argument(metavar="FILE", help="JSON Lines; - is standard input")]


@app.command()
def verify(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="The receipt's proof")],
    record: Annotated[Path, typer.Option(help="The record that it is about")],
    policy: Annotated[Path, typer.Option(help="Whom you trust: logs, witnesses, quorum (C2SP policy)")],
    lang: Language,
    as_json: Json = False,
) -> None:
    """Check a receipt: what is proved, by whom, as of when."""
    from throughline.notary.verify import verify_files

    _end(verify_files(proof, record, policy, lang.value), as_json)


@log.command()
def checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    lang: Language,
    key: Keys = None,
    as_json: Json = False,
) -> None:
    """Parse, verify and show a checkpoint."""
    from throughline.notary.logtools import log_checkpoint

    _end(log_checkpoint(file, key or [], lang.value), as_json)


@log.command()
def tiles(source: Source, lang: Language, key: Keys = None, as_json: Json = False) -> None:
    """Check every tile and entry of a log against its checkpoint."""
    from throughline.notary.logtools import log_tiles

    _end(log_tiles(source, key or [], lang.value), as_json)


@log.command()
def prove(
    source: Source,
    size: Annotated[int, typer.Option(min=1, help="Size of the tree")],
    index: Annotated[int | None, typer.Option(min=0, help="Prove that this leaf is in it")] = None,
    old_size: Annotated[
        int | None, typer.Option("--from", min=0, help="Prove that it grew from this size")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an inclusion or consistency proof from a log's tiles; it is always JSON."""
    from throughline.notary.encoding import Malformed, ProofError
    from throughline.notary.logtools import log_prove

    del as_json
    if (index is None) == (old_size is None):
        fail("give either --index or --from")
    try:
        typer.echo(json.dumps(log_prove(source, size, index=index, old_size=old_size)))
    except (Malformed, ValueError) as error:
        fail(str(error), BAD_INPUT)
    except ProofError as error:
        fail(str(error), DOES_NOT_HOLD)


@log.command()
def check_inclusion(file: ProofFile, as_json: Json = False) -> None:
    """Check inclusion proofs, one a line: index, size, leaf_hash, root, proof."""
    from throughline.notary.logtools import log_check_inclusion

    _verdicts(file, log_check_inclusion, as_json)


@log.command()
def check_consistency(file: ProofFile, as_json: Json = False) -> None:
    """Check consistency proofs, one a line: old_size, old_root, size, root, proof."""
    from throughline.notary.logtools import log_check_consistency

    _verdicts(file, log_check_consistency, as_json)


@witness.command()
def serve(
    home: Annotated[Path, typer.Option(help="Folder of its key and of what it has signed")],
    name: Annotated[str, typer.Option(help="Name of the witness, such as witness.example/one")],
    logs: Annotated[Path, typer.Option(help="C2SP policy whose `log` lines are the logs it serves")],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8200,
) -> None:
    """Cosign checkpoints of other companies' logs until told to stop."""
    from throughline.notary.encoding import Malformed
    from throughline.notary.witness_server import serve as serve_witness

    try:
        serve_witness(home, name, logs, host=host, port=port)
    except OSError as error:
        fail(f"{error.filename or home}: {error.strerror}")
    except (Malformed, ValueError) as error:
        fail(str(error))


def _end(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(outcome.document, ensure_ascii=False))
        say(outcome.sentence)
    else:
        typer.echo(outcome.sentence)
    raise typer.Exit(outcome.exit_code)


def _verdicts(
    file: str, check: Callable[[Iterable[bytes]], Iterator[tuple[int, dict[str, Any]]]], as_json: bool
) -> None:
    from throughline.notary.logtools import MAX_LINE_BYTES, overall

    codes = []
    with opened(file) as stream:
        for number, (code, verdict) in enumerate(check(_lines(stream, MAX_LINE_BYTES)), start=1):
            codes.append(code)
            shown = json.dumps(verdict, ensure_ascii=False)
            typer.echo(shown if as_json else f"{number}: {'holds' if code == 0 else shown}")
    raise typer.Exit(overall(codes))


def _lines(stream: IO[bytes], limit: int) -> Iterator[bytes]:
    while line := stream.readline(limit + 1):
        if line.strip():
            yield line
