"""The story of a suspended line over HTTP, in both languages; and again with kill -9 in each of its steps."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from system.installation import Installation, running
from system.killing import play_and_kill
from throughline.lab.story.people import invent
from throughline.lab.story.stage import set_up
from throughline.lab.story.suspended_line import STEPS

pytestmark = [pytest.mark.system]


@pytest.fixture(scope="module")
def platform() -> Iterator[Installation]:
    with running() as installation:
        yield installation


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_story_comes_true(platform: Installation, language: str) -> None:
    stage = set_up(platform.url, language, platform.home, invent())
    told = [list(step.play(stage)) for step in STEPS]
    stage.close()
    assert len(told) == 9
    assert all(told)
    assert "Traceback" not in platform.said()


@pytest.mark.chaos
def test_the_story_goes_on_after_kill_9_in_each_of_its_steps(platform: Installation) -> None:
    stage = set_up(platform.url, "zh-CN", platform.home, invent())
    for number, step in enumerate(STEPS, start=1):
        play_and_kill(platform, stage, step, moment_s=random.Random(number).uniform(0.05, 1.5))
    # The last step has compared the books with the bank's, WeChat's and the mailbox's: nothing twice.
    stage.close()
