"""Files of JSON Lines read in parts, on as many cores as there are.

A part is some megabytes between two line ends. Workers are forked, so they know what the process knows, and
give back what they made of a part; problems are told in the order of the file, with its line numbers.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, TypeVar

Problem = Callable[[int, str, str], None]  # line of the file, member, what is expected
Made = TypeVar("Made")
Read = Callable[[Iterable[bytes], Problem], Made]

PART_BYTES = 8 * 1024 * 1024
MAX_WORKERS = 8
MAX_PROBLEMS = 2_000  # of a part; the caller gives up before
_CHUNK_BYTES = 64 * 1024


class TooManyProblems(Exception):
    """So many rows are wrong that nobody will read on."""


def in_parts(stream: Iterable[bytes], read: Read[Made], problem: Problem) -> Iterator[Made]:
    """What `read` makes of each part of a stream, in order. What is no file of some size is one part."""
    spans = _spans(stream)
    workers = min(len(os.sched_getaffinity(0)), len(spans), MAX_WORKERS)
    if workers < 2:
        yield read(stream, problem)
        return
    number = 0
    whole = (_descriptor(stream), read)
    with multiprocessing.get_context("fork").Pool(workers, _take, whole) as pool:
        for made, problems, lines in pool.imap(_read, spans):
            for of, member, expected in problems:
                # Line 0 is the file as a whole.
                problem(of and number + of, member, expected)
            if made is None:
                raise TooManyProblems
            number += lines
            yield made


def _spans(stream: Iterable[bytes]) -> list[tuple[int, int]]:
    """Where parts begin and end: at line ends of a file that stands at its beginning."""
    file = _descriptor(stream)
    if file is None or not stat.S_ISREG((about := os.fstat(file)).st_mode):
        return []
    if isinstance(stream, io.BufferedReader) and stream.tell() != 0:
        return []
    spans, begin = [], 0
    while begin < about.st_size:
        end = _line_end(file, begin + PART_BYTES, about.st_size)
        spans.append((begin, end))
        begin = end
    return spans


def _line_end(file: int, at: int, size: int) -> int:
    """The place after the first line end from `at` on."""
    while at < size:
        chunk = os.pread(file, _CHUNK_BYTES, at)
        if not chunk:
            break
        place = chunk.find(b"\n")
        if place >= 0:
            return at + place + 1
        at += len(chunk)
    return size


def _descriptor(stream: Iterable[bytes] | IO[bytes]) -> int | None:
    try:
        return stream.fileno()  # type: ignore[union-attr]
    except (AttributeError, OSError):
        return None


_whole: tuple[int, Read[Any]] | None = None  # of a process that was forked to read parts of it


def _take(file: int, read: Read[Any]) -> None:
    global _whole
    _whole = file, read


def _read(span: tuple[int, int]) -> tuple[Any, list[tuple[int, str, str]], int]:
    """What is made of a part, its problems and how many lines it has."""
    if _whole is None:
        raise RuntimeError("a worker reads parts only after it was given the file")
    file, read = _whole
    begin, end = span
    text = b""
    while len(text) < end - begin:
        more = os.pread(file, end - begin - len(text), begin + len(text))
        if not more:
            break  # the file was cut meanwhile
        text = text + more if text else more
    problems: list[tuple[int, str, str]] = []

    def problem(number: int, member: str, expected: str) -> None:
        problems.append((number, member, expected))
        if len(problems) >= MAX_PROBLEMS:
            raise TooManyProblems

    try:
        made = read(io.BytesIO(text), problem)
    except TooManyProblems:
        made = None
    return made, problems, text.count(b"\n")
