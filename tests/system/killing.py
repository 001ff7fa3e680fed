"""Playing a step of a story while the platform is killed under it."""

from __future__ import annotations

import threading

from system.installation import Installation
from throughline.lab.story.stage import Stage
from throughline.lab.story.suspended_line import Step


def play_and_kill(platform: Installation, stage: Stage, step: Step, *, moment_s: float) -> None:
    """Play a step; after `moment_s` kill -9 everything and start it again. The step must come to its end."""
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
