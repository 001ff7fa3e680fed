"""`throughline story`: plays a story against the running platform. The stories live with the simulators."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from typing import Annotated

import typer


class StoryName(StrEnum):
    """The stories that there are."""

    SUSPENDED_LINE = "suspended-line"


class StoryLanguage(StrEnum):
    """The languages in which they are told."""

    ZH = "zh-CN"
    EN = "en"


def story(
    name: Annotated[StoryName, typer.Argument(help="Which story")] = StoryName.SUSPENDED_LINE,
    lang: Annotated[StoryLanguage, typer.Option(help="Language")] = StoryLanguage.ZH,
    url: Annotated[str | None, typer.Option(help="Address of the running platform")] = None,
) -> None:
    """Play a story live, with what happens and why. The platform must run (`make run`)."""
    from throughline.kernel.settings import settings

    address = url or f"http://localhost:{settings().port}"
    command = [
        sys.executable,
        "-m",
        "throughline.lab.story",
        name.value,
        "--lang",
        lang.value,
        "--url",
        address,
    ]
    # The stage asks for the demo's credentials: on a real lender's machine there are none, and nothing moves.
    done = subprocess.run(command, env=os.environ | {"THROUGHLINE_DEMO": "1"}, check=False)  # noqa: S603 - our own program
    raise typer.Exit(done.returncode)
