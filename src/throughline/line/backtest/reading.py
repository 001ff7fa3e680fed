"""The files of a back-test, read into arrays: lines, observations, claims, and what a query would be answered."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import rfc8785
from pydantic_core import from_json

from throughline.line.backtest.parts import Problem, in_parts
from throughline.line.contradiction import Claim
from throughline.line.emissions import read
from throughline.line.parameters import Floats
from throughline.line.signals import MAX_ATTRIBUTES, Reading, Signal
from throughline.line.state import PublicState

Indices = npt.NDArray[np.int64]
CLAIM = "borrower.claim"
SOURCES = frozenset(
    {
        "camara.subscription-status", "camara.device-reachability", "camara.sim-swap",
        "camara.number-recycling", "camara.kyc-tenure", "carrier.push", "vendor.aliyun", "vendor.baidu",
        "sms.receipt", "voice.sip", "app.heartbeat", "push.fcm", "push.apns", "push.web", "email.bounce",
        CLAIM,
    }
)  # fmt: skip
_SOURCE = re.compile(r"[a-z0-9]+(\.[a-z0-9-]+)+")
_REGION_DIGITS = 7
_MAX_TEXT = 200
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class Wrong(Exception):
    """A row is wrong: (member, what is expected)."""


@dataclass(slots=True)
class Roster:
    """The lines in their order. `due_s`: due dates of loans, as seconds, sorted."""

    names: list[str] = field(default_factory=list)
    number: dict[str, int] = field(default_factory=dict)
    carriers: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    due_s: list[tuple[float, ...]] = field(default_factory=list)
    app: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Shape:
    """All of an observation but its line and its instants; `rank` orders shapes as docs/line.md says."""

    source: str
    provider: str | None
    code: str | None
    canonical: bytes
    reading: Reading | None

    def name(self, observed_s: float) -> str:
        """How evidence is named in answers."""
        return f"{self.source}/{self.provider or '-'}/{self.code or '-'}@{iso(observed_s)}"


class Shapes:
    """Distinct shapes by number; there are few of them however many rows."""

    def __init__(self) -> None:
        self.all: list[Shape] = []
        self._alike: dict[tuple[str, str | None, str | None, bytes], int] = {}
        self._known: dict[tuple[Any, ...], int] = {}  # by the members as they stand in rows

    def known(self, row: Mapping[str, Any]) -> int | None:
        """The number of a row's shape if such a row was met before, and so is right in these members."""
        try:
            return self._known.get(
                _key(row["source"], row.get("provider"), row.get("code"), row.get("attributes"))
            )
        except (KeyError, TypeError, AttributeError):
            return None

    def number(self, source: str, provider: str | None, code: str | None, attributes: dict[str, Any]) -> int:
        """The number of a shape."""
        try:
            canonical = rfc8785.dumps(attributes)
        except (rfc8785.CanonicalizationError, ValueError) as error:
            raise Wrong("attributes", f"expected plain JSON values: {error}") from None
        meaning = read(Signal(_ANY_TIME, source, provider, code, attributes))
        number = self.adopt(Shape(source, provider, code, canonical, meaning))
        # What holds lists or objects is looked at each time.
        with suppress(TypeError):
            self._known[_key(source, provider, code, attributes)] = number
        return number

    def adopt(self, shape: Shape) -> int:
        """The number of a shape that was read elsewhere."""
        alike = (shape.source, shape.provider, shape.code, shape.canonical)
        number = self._alike.setdefault(alike, len(self.all))
        if number == len(self.all):
            self.all.append(shape)
        return number

    def ranks(self) -> Indices:
        """The place of each shape in the order of evidence."""
        order = sorted(
            range(len(self.all)),
            key=lambda one: (
                self.all[one].source,
                self.all[one].provider or "",
                self.all[one].code or "",
                self.all[one].canonical,
            ),
        )
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks


def _key(
    source: str, provider: str | None, code: str | None, attributes: dict[str, Any] | None
) -> tuple[Any, ...]:
    if attributes is None:
        attributes = {}
    values = attributes.values()
    # 1 and true are equal in Python, not in JSON.
    return (source, provider, code, attributes.__class__, *attributes, *values, *map(type, values))


@dataclass(slots=True)
class Observations:
    """Observations as columns."""

    line: Indices
    observed_s: Floats
    received_s: Floats
    shape: Indices
    claims: dict[int, list[Claim]]
    rows: int


@dataclass(frozen=True, slots=True)
class Span:
    """What a query would be answered from an instant to another (which is outside)."""

    from_s: float
    to_s: float
    shape: int


@dataclass(frozen=True, slots=True)
class Truth:
    """How a line stood from an instant to another, by somebody who knows."""

    line: int
    from_s: float
    to_s: float
    state: PublicState


Oracle = Mapping[str, Mapping[int, list[Span]]]  # by source and line


def rows_of(stream: Iterable[bytes], problem: Problem) -> Iterator[tuple[int, dict[str, Any]]]:
    """JSON Lines as objects with the number of their line; blank lines are left out."""
    for number, text in enumerate(stream, start=1):
        if text.isspace():
            continue
        try:
            row = from_json(text, cache_strings="keys")
        except ValueError as error:
            problem(number, "$", f"expected one JSON object a line: {error}")
            continue
        if not isinstance(row, dict):
            problem(number, "$", "expected a JSON object")
            continue
        yield number, row


def read_roster(stream: Iterable[bytes], problem: Problem) -> Roster:
    """The lines that may have evidence."""
    roster = Roster()
    for number, row in rows_of(stream, problem):
        try:
            _only(row, {"line", "carrier", "home_region", "loan_due_dates", "app_installed"})
            line = _text(row, "line")
            if line in roster.number:
                raise Wrong("line", "expected each line once")
            dues = row.get("loan_due_dates") or []
            if not isinstance(dues, list) or len(dues) > 1_000:
                raise Wrong("loan_due_dates", "expected a list of at most 1,000 dates")
            app = row.get("app_installed", False)
            if not isinstance(app, bool):
                raise Wrong("app_installed", "expected true or false")
            due_s = tuple(sorted(_day(one) for one in dues))
            carrier = _text(row, "carrier")
            region = _maybe(row, "home_region") or _segment(line)
        except Wrong as error:
            problem(number, *error.args)
            continue
        roster.number[line] = len(roster.names)
        roster.names.append(line)
        roster.carriers.append(carrier)
        roster.regions.append(region)
        roster.due_s.append(due_s)
        roster.app.append(app)
    return roster


def read_events(
    stream: Iterable[bytes], roster: Roster, shapes: Shapes, until_s: float, problem: Problem
) -> Observations:
    """Observations received until then, sorted by line, receipt and order of evidence; repeats are taken out."""
    parts = in_parts(stream, lambda some, wrong: _events(some, roster, until_s, wrong), problem)
    columns: list[tuple[Indices, Floats, Floats, Indices]] = []
    claims: dict[int, list[Claim]] = {}
    said: set[tuple[int, Claim]] = set()
    count = 0
    for part in parts:
        numbers = np.array([shapes.adopt(one) for one in part.shapes], dtype=np.int64)
        shape = numbers[part.shape] if len(numbers) else part.shape
        columns.append((part.line.astype(np.int64), part.observed_s, part.received_s, shape))
        for of, claim in part.claims:
            # Received again, it is the same claim.
            if (key := (of, replace(claim, received_s=0.0))) not in said:
                said.add(key)
                claims.setdefault(of, []).append(claim)
        count += part.rows
    line, observed, received, shape = (np.concatenate(some) for some in zip(*columns, strict=True))
    del columns
    return Observations(*_once(line, observed, received, shape, shapes.ranks()), claims, count)


@dataclass(frozen=True, slots=True)
class _Events:
    """The observations of a part of a file; `shape` are places in its own `shapes`."""

    line: npt.NDArray[np.int32]
    observed_s: Floats
    received_s: Floats
    shape: Indices
    shapes: list[Shape]
    claims: list[tuple[int, Claim]]
    rows: int


def _events(stream: Iterable[bytes], roster: Roster, until_s: float, problem: Problem) -> _Events:
    # Millions of numbers: arrays hold them in a quarter of what lists take.
    line, shape = array("i"), array("q")
    observed, received = array("d"), array("d")
    claims: list[tuple[int, Claim]] = []
    shapes = Shapes()
    members = {"line", "observed_at", "received_at", "source", "provider", "code", "attributes"}
    count = 0
    for number, row in rows_of(stream, problem):
        try:
            if not row.keys() <= members:
                _only(row, members)
            of = _line(row, roster)
            at = _instant(row, "observed_at")
            # What our own app says is received as it is observed.
            again = row.get("received_at") == row["observed_at"]
            heard = at if again else _instant(row, "received_at")
            kind = shapes.known(row)
            if kind is None:
                source, provider, code, attributes = _said(row)
            if heard > until_s:
                continue
            # Nothing is observed after it was received: a clock is wrong, and ours is believed.
            at = min(at, heard)
            count += 1
            if kind is None:
                if source == CLAIM:
                    claims.append((of, _claim(at, heard, attributes)))
                    continue
                kind = shapes.number(source, provider, code, attributes)
        except Wrong as error:
            problem(number, *error.args)
            continue
        line.append(of)
        observed.append(at)
        received.append(heard)
        shape.append(kind)
    return _Events(
        np.frombuffer(line, dtype=np.int32),
        np.frombuffer(observed),
        np.frombuffer(received),
        np.frombuffer(shape, dtype=np.int64),
        shapes.all,
        claims,
        count,
    )


def _once(
    line: Indices, observed: Floats, received: Floats, shape: Indices, ranks: Indices
) -> tuple[Indices, Floats, Floats, Indices]:
    """Rows that are equal but for their receipt are one: the first received counts."""
    if not len(line):
        return line, observed, received, shape
    order = np.lexsort((received, shape, observed, line))
    line, observed, received, shape = line[order], observed[order], received[order], shape[order]
    new = np.ones(len(line), dtype=bool)
    new[1:] = (line[1:] != line[:-1]) | (observed[1:] != observed[:-1]) | (shape[1:] != shape[:-1])
    line, observed, received, shape = line[new], observed[new], received[new], shape[new]
    order = np.lexsort((ranks[shape], observed, received, line))
    return line[order], observed[order], received[order], shape[order]


def read_oracle(stream: Iterable[bytes], roster: Roster, shapes: Shapes, problem: Problem) -> Oracle:
    """What queries would be answered, by source and line, in order of time."""
    oracle: dict[str, dict[int, list[Span]]] = {}
    for part in in_parts(stream, lambda some, wrong: _spans(some, roster, wrong), problem):
        numbers = [(one.source, shapes.adopt(one)) for one in part.shapes]
        for of, begins, ends, shape in zip(*(one.tolist() for one in part.columns), strict=True):
            source, kind = numbers[shape]
            oracle.setdefault(source, {}).setdefault(of, []).append(Span(begins, ends, kind))
    for source, by_line in oracle.items():
        for of, spans in by_line.items():
            spans.sort(key=lambda one: one.from_s)
            for one, other in pairwise(spans):
                if other.from_s < one.to_s:
                    problem(
                        0,
                        "from",
                        f"expected one answer of {source} for {roster.names[of]} at {iso(other.from_s)}, found two",
                    )
                    break
    return oracle


def read_truths(stream: Iterable[bytes], roster: Roster, problem: Problem) -> list[Truth]:
    """How lines stood, as far as somebody knows."""
    truths = []
    known = {one.value for one in PublicState if one is not PublicState.UNKNOWN}
    for number, row in rows_of(stream, problem):
        try:
            _only(row, {"line", "from", "to", "state"})
            of, begins, ends = _line(row, roster), _instant(row, "from"), _instant(row, "to")
            if ends <= begins:
                raise Wrong("to", "expected an instant after `from`")
            if row.get("state") not in known:
                raise Wrong("state", f"expected one of {', '.join(sorted(known))}")
        except Wrong as error:
            problem(number, *error.args)
            continue
        truths.append(Truth(of, begins, ends, PublicState(row["state"])))
    return truths


@dataclass(frozen=True, slots=True)
class _Spans:
    """The answers in a part of a file: line, from, to, place in its own `shapes`."""

    columns: tuple[Indices, Floats, Floats, Indices]
    shapes: list[Shape]


def _spans(stream: Iterable[bytes], roster: Roster, problem: Problem) -> _Spans:
    line, shape = array("q"), array("q")
    begin, end = array("d"), array("d")
    shapes = Shapes()
    members = {"line", "from", "to", "source", "provider", "code", "attributes"}
    for number, row in rows_of(stream, problem):
        try:
            if not row.keys() <= members:
                _only(row, members)
            of = _line(row, roster)
            begins, ends = _instant(row, "from"), _instant(row, "to")
            if ends <= begins:
                raise Wrong("to", "expected an instant after `from`")
            kind = shapes.known(row)
            if kind is None:
                kind = shapes.number(*_said(row))
        except Wrong as error:
            problem(number, *error.args)
            continue
        line.append(of)
        begin.append(begins)
        end.append(ends)
        shape.append(kind)
    return _Spans(
        (
            np.frombuffer(line, dtype=np.int64),
            np.frombuffer(begin),
            np.frombuffer(end),
            np.frombuffer(shape, dtype=np.int64),
        ),
        shapes.all,
    )


def _claim(at: float, heard: float, attributes: dict[str, Any]) -> Claim:
    _only(attributes, {"claimed_state", "from", "to"})
    state = _text(attributes, "claimed_state")
    if state not in {one.value for one in PublicState}:
        raise Wrong("attributes.claimed_state", f"expected one of {', '.join(PublicState)}")
    begins = _instant(attributes, "from")
    ends = None if attributes.get("to") is None else _instant(attributes, "to")
    if ends is not None and ends < begins:
        raise Wrong("attributes.to", "expected an instant not before `from`")
    return Claim(at, heard, state, begins, ends)


def _line(row: dict[str, Any], roster: Roster) -> int:
    line = row.get("line")
    of = roster.number.get(line) if isinstance(line, str) else None
    if of is None:
        raise Wrong("line", "expected a line of the roster")
    return of


def _said(row: dict[str, Any]) -> tuple[str, str | None, str | None, dict[str, Any]]:
    source = row.get("source")
    if source not in SOURCES and not (isinstance(source, str) and _SOURCE.fullmatch(source)):
        raise Wrong("source", "expected a source such as carrier.push or sms.receipt")
    attributes = row.get("attributes")
    if attributes is None:
        attributes = {}
    if not isinstance(attributes, dict) or len(attributes) > MAX_ATTRIBUTES:
        raise Wrong("attributes", f"expected an object of at most {MAX_ATTRIBUTES} members")
    return str(source), _maybe(row, "provider"), _maybe(row, "code"), attributes


def _maybe(row: Mapping[str, Any], member: str) -> str | None:
    value = row.get(member)
    if value is not None and (not isinstance(value, str) or len(value) > _MAX_TEXT):
        raise Wrong(member, "expected a text or null")
    return value


def _text(row: Mapping[str, Any], member: str) -> str:
    value = row.get(member)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise Wrong(member, f"expected a text of 1 to {_MAX_TEXT} characters")
    return value


def _only(row: Mapping[str, Any], members: set[str]) -> None:
    if unknown := row.keys() - members:
        raise Wrong(min(unknown)[:_MAX_TEXT], f"unknown member; expected {', '.join(sorted(members))}")


def _instant(row: Mapping[str, Any], member: str) -> float:
    try:
        at = datetime.fromisoformat(row[member])
        if at.tzinfo is not None and 1990 < at.year < 2200:
            return at.timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise Wrong(member, 'expected an instant with its offset, such as "2026-03-01T08:00:00+08:00"')


def _day(value: Any) -> float:
    try:
        return datetime.combine(date.fromisoformat(value), time_of_day(), UTC).timestamp()
    except (TypeError, ValueError):
        raise Wrong("loan_due_dates", 'expected dates such as "2026-02-01"') from None


def _segment(line: str) -> str:
    """The number's segment: its first seven national digits."""
    digits = line.removeprefix("+86") if line.startswith("+86") else line.lstrip("+")
    return digits[:_REGION_DIGITS]


def iso(at_s: float) -> str:
    """An instant as ISO in UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat()
