"""The story of a suspended line, with kill -9 of everything in each of its steps."""

from __future__ import annotations

import random

import pytest

from system.installation import Installation
from system.killing import play_and_kill
from throughline.lab.story.people import invent
from throughline.lab.story.stage import set_up
from throughline.lab.story.suspended_line import STEPS

pytestmark = [pytest.mark.system, pytest.mark.chaos]


def test_the_story_goes_on_after_kill_9_in_each_of_its_steps(own_platform: Installation) -> None:
    stage = set_up(own_platform.url, "zh-CN", own_platform.home, invent())
    for number, step in enumerate(STEPS, start=1):
        play_and_kill(own_platform, stage, step, moment_s=random.Random(number).uniform(0.05, 1.5))
    # The last step has compared the books with the bank's, WeChat's and the mailbox's: nothing twice.
    stage.close()
