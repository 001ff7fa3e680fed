"""The SMS provider as a process, with the carrier that it asks and the hook that it reports to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_sms.client import Client
from lab_sms.hook import Hook
from lab_sms.running import Simulator

_numbers = itertools.count(13900000001)


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    door = Hook()
    yield door
    door.stop()


@pytest.fixture(scope="module")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator("throughline.lab.carrier", tmp_path_factory.mktemp("carrier"))
    try:
        yield simulator.start()
    finally:
        simulator.stop()


@pytest.fixture
def make_centre(hook: Hook) -> Iterator[Callable[..., Simulator]]:
    made: list[Simulator] = []

    def make(home: Path, **env: str) -> Simulator:
        made.append(Simulator("throughline.lab.sms", home, {"THROUGHLINE_BASE_URL": hook.url, **env}))
        return made[-1].start()

    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, hook: Hook, carrier: Simulator) -> Iterator[Simulator]:
    env = {"THROUGHLINE_BASE_URL": hook.url, "THROUGHLINE_LAB_CARRIER_URL": carrier.url}
    simulator = Simulator("throughline.lab.sms", tmp_path_factory.mktemp("sms"), env)
    try:
        yield simulator.start()
    finally:
        simulator.stop()


@pytest.fixture
def centre(shared: Simulator) -> Simulator:
    shared.http.delete("/control/faults")
    return shared


@pytest.fixture
def client(centre: Simulator) -> Client:
    return Client(centre)


@pytest.fixture
def phone() -> str:
    """A number of this test's own."""
    return str(next(_numbers))
