"""Numbers for invented people, and the environment of the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_ops import places
from throughline.kernel.db import Database

_counter = iter(range(1, 100_000))


@pytest.fixture
def numbers() -> Iterator[int]:
    """Numbers that no other test of this process has."""
    return _counter


@pytest.fixture
def env(database: Database, installation: Path) -> dict[str, str]:
    """What a command of this module's installation needs to know."""
    return places.environment(installation, THROUGHLINE_DATABASE_URL=database.url, THROUGHLINE_DEMO="1")
