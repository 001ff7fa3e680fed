"""Every text has its Chinese: what code and templates mark is in a catalog, whole, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import throughline

ROOT = Path(throughline.__file__).parent
PACKAGES = sorted(
    entry.name for entry in ROOT.iterdir() if entry.is_dir() and (entry / "__init__.py").exists()
)
KEYWORDS = {"_": None, "N_": None, "gettext": None, "bilingual": None}
PLACE = re.compile(r"%\((\w+)\)")


@cache
def marked(package: str) -> frozenset[str]:
    """The message ids that a package's code and templates mark."""
    found: set[str] = set()
    for path in sorted((ROOT / package).rglob("*.py")):
        found |= _ids(one[1] for one in extract("python", BytesIO(path.read_bytes()), keywords=KEYWORDS))
    for path in sorted((ROOT / package).rglob("*.html")):
        found |= _ids(one[2] for one in babel_extract(BytesIO(path.read_bytes()), list(KEYWORDS), (), {}))
    return frozenset(found)


def _ids(messages: Iterable[object]) -> set[str]:
    # A call with more arguments than its text gives a tuple, with the text first.
    first = (one[0] if isinstance(one, tuple) else one for one in messages)
    return {one for one in first if isinstance(one, str) and one}


@cache
def catalog(package: str) -> dict[str, Message]:
    """The entries of a package's catalog; none if it has no catalog."""
    path = ROOT / package / "locale" / "zh_CN.po"
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        return {str(one.id): one for one in read_po(stream, locale="zh_CN") if one.id}


def _everywhere() -> Iterator[tuple[str, Message]]:
    for package in PACKAGES:
        for message in catalog(package).values():
            yield package, message


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_of_a_package_is_translated(package: str) -> None:
    translated = {str(message.id) for _, message in _everywhere() if message.string}
    missing = sorted(marked(package) - translated)
    assert not missing, f"{len(missing)} texts of {package} have no Chinese: {missing}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_catalog_is_whole_and_holds_nothing_else(package: str) -> None:
    entries = catalog(package)
    assert not sorted(entries.keys() - marked(package)), "nobody uses these"
    assert not sorted(name for name, message in entries.items() if message.fuzzy), "these are only guessed"
    assert not sorted(name for name, message in entries.items() if not message.string), "these are empty"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_translation_fills_in_the_same_places(package: str) -> None:
    for name, message in catalog(package).items():
        places = set(PLACE.findall(name))
        assert places == set(PLACE.findall(str(message.string))), name
        if places:
            # Also a lone percent sign would fail only when somebody reads the text.
            filled = dict.fromkeys(places, "x")
            assert name % filled, name
            assert str(message.string) % filled, name


def test_a_text_reads_the_same_wherever_it_stands() -> None:
    # The catalogs are read as one: of two translations only the first would ever be seen.
    known: dict[str, tuple[str, str]] = {}
    for package, message in _everywhere():
        text = str(message.string)
        first = known.setdefault(str(message.id), (package, text))
        assert first[1] == text, f"{message.id!r}: {first} and {(package, text)}"


def test_the_marks_are_found_in_code_and_templates() -> None:
    assert "There is no such outage episode" in marked("continuity")
    assert "Skip to the content" in marked("web")
    assert "%(count)s months" in marked("web")
