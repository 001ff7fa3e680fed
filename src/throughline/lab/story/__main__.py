"""`python -m throughline.lab.story suspended-line`: play a story in the terminal against the running platform."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule

from throughline.kernel.i18n import LOCALES, gettext
from throughline.kernel.settings import settings
from throughline.lab.story.client import StoryError
from throughline.lab.story.people import invent
from throughline.lab.story.stage import Stage, set_up
from throughline.lab.story.suspended_line import STEPS, Step

STORIES = {"suspended-line": STEPS}
FAILED = 1


def main() -> int:
    """Play it; exit status 0 when every step came true, 1 when one did not."""
    parser = argparse.ArgumentParser(prog="throughline story", description="Play a story, live.")
    parser.add_argument("story", choices=sorted(STORIES))
    parser.add_argument("--url", default=str(settings().base_url), help="Address of the running platform")
    parser.add_argument("--lang", choices=LOCALES, default=LOCALES[0], help="Language of the story")
    given = parser.parse_args()
    console = Console(highlight=False)
    try:
        stage = set_up(given.url, given.lang, settings().home, invent())
    except StoryError as error:
        console.print(f"[red]{error}[/red]")
        return FAILED
    try:
        for number, step in enumerate(STORIES[given.story], start=1):
            _show(console, stage, number, step)
    except StoryError as error:
        console.print(f"[red]✗ {error}[/red]")
        return FAILED
    finally:
        stage.close()
    return 0


def _show(console: Console, stage: Stage, number: int, step: Step) -> None:
    console.print(Rule(f"[bold]{number}. {gettext(step.title, stage.language)}[/bold]", align="left"))
    console.print(Padding(f"[italic dim]{gettext(step.why, stage.language)}[/italic dim]", (0, 0, 0, 3)))
    lines: Iterator[str] = step.play(stage)
    for line in lines:
        console.print(Padding(line, (0, 0, 0, 3)), markup=False)


if __name__ == "__main__":
    sys.exit(main())
