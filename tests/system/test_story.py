"""The story of a suspended line over HTTP, in both languages; and again with kill -9 in each of its steps."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from system.installation import Installation, running
from throughline.lab.story.people import invent
from throughline.lab.story.stage import Stage, set_up
from throughline.lab.story.suspended_line import STEPS, Step

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
        _play_and_kill(platform, stage, step, moment_s=random.Random(number).uniform(0.05, 1.5))
    # The last step has compared the books with the bank's, WeChat's and the mailbox's: nothing twice.
    stage.close()


def _play_and_kill(platform: Installation, stage: Stage, step: Step, *, moment_s: float) -> None:
    told: list[str] = []
    failed: list[BaseException] = []
    over = threading.Event()

    def play() -> None:
        try:
            told.extend(step.play(stage))
        except BaseException as error:
            failed.append(error)
        finally:
            over.set()

    player = threading.Thread(target=play)
    player.start()
    over.wait(moment_s)  # the fault falls where it falls; a step that was faster is killed behind
    platform.kill()
    platform.start()
    player.join(240)
    assert not player.is_alive(), f"{step.title} hangs"
    if failed:
        raise failed[0]
    assert told
