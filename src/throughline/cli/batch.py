"""Commands that take JSON and give JSON: one document, or one a line, in order (docs/batch-commands.md).

`-` is standard input. A FILE that ends in .jsonl, or `--lines`, holds a document a line; a wrong one is
answered `{"error": …}` in its place, and the exit status is 2 at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import typer

from throughline.cli.output import BAD_INPUT, fail, say

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

Document = dict[str, Any]


class WrongInput(Exception):
    """The input is wrong; `place` is a JSON path, `expected` says what should stand there."""

    def __init__(self, place: str, expected: str) -> None:
        super().__init__(f"{place}: {expected}")


def run(
    file: str,
    compute: Callable[[Any], Document],
    show: Callable[[Document], None],
    *,
    lines: bool,
    as_json: bool,
) -> None:
    """Feed the documents of a file to `compute` and print what it answers. Ends with 2 if one was wrong."""
    several = lines or file.endswith(".jsonl")
    wrong = False
    with opened(file) as stream:
        for place, text in _documents(stream, several):
            try:
                answer = compute(_parsed(text))
            except WrongInput as error:
                wrong = True
                say(f"{file}{place}: {error}")
                if several:
                    typer.echo(json.dumps({"error": str(error)}, ensure_ascii=False))
                continue
            if several or as_json:
                typer.echo(json.dumps(answer, ensure_ascii=False, indent=None if several else 1))
            else:
                show(answer)
    if wrong:
        raise typer.Exit(BAD_INPUT)


@contextmanager
def opened(file: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, or of standard input for `-`. Ends the command if it can't be read."""
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with open(file, "rb") as stream:
            yield stream
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _documents(stream: IO[bytes], several: bool) -> Iterator[tuple[str, bytes]]:
    if not several:
        yield "", stream.read(MAX_DOCUMENT_BYTES + 1)
        return
    number = 0
    while line := stream.readline(MAX_DOCUMENT_BYTES + 1):
        number += 1
        if line.strip():
            yield f":{number}", line


def _parsed(text: bytes) -> Any:
    if len(text) > MAX_DOCUMENT_BYTES:
        raise WrongInput("$", f"expected at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        # Floats stay texts: 0.1 must not become the nearest binary fraction.
        return json.loads(text, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WrongInput("$", f"expected JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")
