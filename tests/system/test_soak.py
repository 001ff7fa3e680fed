"""Many stories on one installation with kill -9 at a random moment of every step: what is rare shows up here.

SOAK_STORIES says how many (10 unless set; each takes about two minutes), SOAK_SEED repeats a run.
"""

from __future__ import annotations

import logging
import os
import random
import secrets

import pytest

from system.installation import Installation
from system.killing import play_and_kill
from throughline.lab.story.people import invent
from throughline.lab.story.stage import set_up
from throughline.lab.story.suspended_line import STEPS

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.soak, pytest.mark.system, pytest.mark.chaos]


def test_story_after_story_while_everything_is_killed(own_platform: Installation) -> None:
    seed = os.environ.get("SOAK_SEED") or secrets.token_hex(4)
    chance = random.Random(seed)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    told = 0
    for number in range(int(os.environ.get("SOAK_STORIES", "10"))):
        stage = set_up(own_platform.url, ("zh-CN", "en")[number % 2], own_platform.home, invent())
        for step in STEPS:
            moment_s = chance.uniform(0.02, 4)
            log.info("seed %s, story %s, %s: killed after %.2f s", seed, number + 1, step.title, moment_s)
            play_and_kill(own_platform, stage, step, moment_s=moment_s)
        stage.close()  # its last step compared the books with the bank's, WeChat's and the mailbox's
        told += 1
    assert told
