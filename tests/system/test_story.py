"""The story of a suspended line over HTTP, in both languages."""

from __future__ import annotations

import pytest

from system.installation import Installation
from throughline.lab.story.people import invent
from throughline.lab.story.stage import set_up
from throughline.lab.story.suspended_line import STEPS

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_story_comes_true(platform: Installation, language: str) -> None:
    stage = set_up(platform.url, language, platform.home, invent())
    told = [list(step.play(stage)) for step in STEPS]
    stage.close()
    assert len(told) == 9
    assert all(told)
    assert "Traceback" not in platform.said()
