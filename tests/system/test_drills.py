"""Drills against the running platform: measured, within the tolerances, and mended afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kernel_ops import places
from system.conftest import House
from system.installation import Installation, running
from throughline.kernel.lab_ports import lab_port
from throughline.lab.drills.faults import NOTE
from throughline.lab.story.outside import SMS

pytestmark = [pytest.mark.system, pytest.mark.soak]  # minutes each: detection, messages, mending
WITHIN_S = 3_000


@pytest.fixture(scope="module")
def platform(house: House) -> Iterator[Installation]:
    house.clear()
    with running(
        THROUGHLINE_STATUS_INTERVAL_S="5", THROUGHLINE_IDENTITY_REGISTRATIONS_PER_HOUR="200"
    ) as installation:
        yield installation


def measures(platform: Installation, name: str) -> dict[str, float | None]:
    done = places.command("drill", name, "--url", platform.url, env=platform.env, timeout_s=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (platform.home / "drills" / NOTE).exists()
    (path,) = Path(platform.home / "drills").glob(f"{name}-*.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    return {row["measure"]: row["value"] for row in document["measures"]}


def test_the_only_sms_route_is_lost(platform: Installation) -> None:
    found = measures(platform, "sms-route-loss")
    assert (found["reached_percent"], found["saved_percent"]) == (100, 100)
    assert (found["wrong_fees"], found["to_strangers"]) == (0, 0)
    assert found["end_recorded_s"] is not None
    assert httpx.get(f"http://127.0.0.1:{lab_port(SMS)}/", trust_env=False).status_code == 200


def test_a_region_of_a_carrier_is_out(platform: Installation) -> None:
    found = measures(platform, "carrier-outage")
    assert found["detection_s"] is not None
    assert (found["reached_percent"], found["saved_percent"]) == (100, 100)
    assert (found["wrong_fees"], found["to_strangers"]) == (0, 0)


def test_a_payment_channel_is_lost(platform: Installation) -> None:
    found = measures(platform, "payment-channel-loss")
    assert (found["reached_percent"], found["saved_percent"]) == (100, 100)
    assert (found["wrong_fees"], found["to_strangers"]) == (0, 0)


@pytest.mark.chaos
def test_the_data_centre_is_lost(platform: Installation) -> None:
    found = measures(platform, "data-centre-loss")
    assert found["recovery_s"] is not None
    assert (found["reached_percent"], found["saved_percent"]) == (100, 100)
    assert (found["wrong_fees"], found["to_strangers"]) == (0, 0)
