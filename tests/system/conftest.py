"""One running platform for all stories that only use it, and one of its own for each that kills it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from system.installation import Installation, running


class House:
    """Room for one platform at a time: the ports of its simulators are fixed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._shared: Installation | None = None

    def shared(self) -> Installation:
        """The platform of those who do it no harm; started when the first of them comes."""
        if self._shared is None:
            self._shared = self._stack.enter_context(running())
        return self._shared

    def clear(self) -> None:
        """End the shared platform, if it runs."""
        self._shared = None
        self._stack.close()


@pytest.fixture(scope="package")
def house() -> Iterator[House]:
    made = House()
    yield made
    made.clear()


@pytest.fixture
def platform(house: House) -> Installation:
    """The shared platform. Leave it as it was found: running, its people left alone."""
    return house.shared()


@pytest.fixture
def own_platform(house: House) -> Iterator[Installation]:
    """A platform of this test's own, for whoever kills it."""
    house.clear()
    with running() as installation:
        yield installation
