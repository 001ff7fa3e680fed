"""Two carriers as one process, as the demo starts them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from lab_carrier.client import Client, Sink
from lab_sms.running import Simulator

_numbers = itertools.count(13_810_000_001)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    running = Simulator("throughline.lab.carrier", tmp_path_factory.mktemp("carriers"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    """The first carrier, calm and with its usual habits."""
    made = Client(simulator)
    yield made
    made.calm()
    made.http.close()


@pytest.fixture
def southern(simulator: Simulator) -> Iterator[Client]:
    made = Client(simulator, "/southern")
    yield made
    made.http.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.stop()


@pytest.fixture
def phone() -> str:
    """A number of this test's own, of the first carrier."""
    return f"+86{next(_numbers)}"
