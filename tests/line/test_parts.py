"""Files read in parts on several cores say what one reader would say, problems with their lines included."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from throughline.lab.lines.population import populate
from throughline.line.backtest import parts
from throughline.line.backtest.reading import Observations, Shapes, read_events, read_oracle, read_roster

Problems = list[tuple[int, str, str]]


def events_of(text: bytes, roster: bytes, path: Path | None) -> tuple[Observations, Shapes, Problems]:
    problems: Problems = []

    def problem(*one: int | str) -> None:
        problems.append(one)  # type: ignore[arg-type]

    lines, shapes = read_roster(io.BytesIO(roster), problem), Shapes()
    if path is None:
        return read_events(io.BytesIO(text), lines, shapes, 2e9, problem), shapes, problems
    path.write_bytes(text)
    with path.open("rb") as stream:
        return read_events(stream, lines, shapes, 2e9, problem), shapes, problems


def test_parts_and_the_whole_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = populate(60, 30, 3, claiming=1.0, evaders=0.2)
    rows = [json.dumps(row).encode() for row in made.events]
    # Blank lines, wrong rows, repeats, and no line end at the end.
    rows[100:100] = [b"", b"   ", b"{", b"[]", rows[7], rows[8]]
    rows[2_000] = rows[2_000].replace(b'"source"', b'"sauce"')
    claims = [row for row in rows if b"borrower.claim" in row]
    text, roster = (
        b"\n".join(rows + claims[:3]),
        b"\n".join(json.dumps(row).encode() for row in made.roster),
    )
    monkeypatch.setattr(parts, "PART_BYTES", 40_000)
    whole, in_one, told = events_of(text, roster, None)
    some, in_many, told_in_parts = events_of(text, roster, tmp_path / "events.jsonl")
    assert len(text) > 10 * 40_000
    assert [number for number, _, _ in told] == [103, 104, 2_001]
    assert told_in_parts == told
    assert (whole.rows, whole.claims) == (some.rows, some.claims)
    assert len(whole.claims) == len(set(claims))
    assert in_one.all == in_many.all
    for name in ("line", "observed_s", "received_s", "shape"):
        assert np.array_equal(getattr(whole, name), getattr(some, name))


def test_answers_are_read_in_parts_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = populate(60, 30, 3)
    text = b"".join(json.dumps(row).encode() + b"\n" for row in made.oracle)
    monkeypatch.setattr(parts, "PART_BYTES", 20_000)
    (tmp_path / "oracle.jsonl").write_bytes(text)
    found: list[Problems] = []
    answers = []
    for stream in (io.BytesIO(text), (tmp_path / "oracle.jsonl").open("rb")):
        problems: Problems = []
        lines = read_roster(
            [json.dumps(row).encode() for row in made.roster], lambda *one, to=problems: to.append(one)
        )
        shapes = Shapes()
        with stream:
            answers.append(read_oracle(stream, lines, shapes, lambda *one, to=problems: to.append(one)))
        found.append(problems)
    assert found == [[], []]
    assert answers[0] == answers[1]
    assert sum(map(len, answers[0]["camara.subscription-status"].values())) == len(made.oracle)


def test_a_file_of_nothing_but_wrong_rows_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 10_000)
    roster = json.dumps({"line": "+8613800000000", "carrier": "cmcc"}).encode()
    with pytest.raises(parts.TooManyProblems):
        events_of(b"{}}\n" * 20_000, roster, tmp_path / "events.jsonl")
