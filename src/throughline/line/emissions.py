"""What an observation means, by reviewed tables of (source, provider, code). Unknown codes are no information.

Code numbers clash between providers, so nothing is ever guessed from a similar one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from throughline.line.signals import Reading, Signal
from throughline.line.state import Meaning


@dataclass(frozen=True, slots=True)
class _Row:
    source: str
    provider: str
    code: str | None
    when: Mapping[str, Any]
    reading: Reading


@lru_cache(maxsize=1)
def _tables() -> tuple[_Row, ...]:
    rows = []
    folder = files("throughline.line").joinpath("emissions")
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if not entry.name.endswith(".yaml"):
            continue
        document = yaml.safe_load(entry.read_text(encoding="utf-8"))
        for row in document["rows"]:
            rows.append(
                _Row(
                    row["source"],
                    row.get("provider", document.get("provider", "*")),
                    row.get("code"),
                    row.get("when", {}),
                    Reading(Meaning(row["meaning"]), row["grade"], document["version"]),
                )
            )
    return tuple(rows)


@lru_cache(maxsize=1)
def sources() -> frozenset[str]:
    """The sources that some table knows."""
    return frozenset(row.source for row in _tables())


def read(signal: Signal) -> Reading | None:
    """The meaning of a signal by the first row that fits; None: no information."""
    for row in _tables():
        if row.source != signal.source:
            continue
        if row.provider not in {"*", signal.provider}:
            continue
        if row.code is not None and row.code != signal.code:
            continue
        if row.code is None and signal.code is not None and not row.when:
            continue
        if all(_same(signal.attributes.get(name), value) for name, value in row.when.items()):
            return row.reading
    return None


def _same(said: Any, expected: Any) -> bool:
    """Whether an attribute is what a row names; a number may come as text."""
    if isinstance(expected, bool) or isinstance(said, bool):
        return said is expected
    return said is not None and str(said) == str(expected)
