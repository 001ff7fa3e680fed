"""`throughline drill`: a failure rehearsed in the running sandbox. The drills live with the simulators."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class DrillName(StrEnum):
    """The drills that there are."""

    CARRIER_OUTAGE = "carrier-outage"
    SMS_ROUTE_LOSS = "sms-route-loss"
    PAYMENT_CHANNEL_LOSS = "payment-channel-loss"
    DATA_CENTRE_LOSS = "data-centre-loss"


def drill(
    name: Annotated[DrillName, typer.Argument(help="Which failure")],
    loans: Annotated[int, typer.Option(min=1, max=20, help="Borrowers with a loan that falls due")] = 2,
    url: Annotated[str | None, typer.Option(help="Address of the running sandbox")] = None,
    tolerances: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML of impact tolerances")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder of the reports; default: drills in the home folder")
    ] = None,
) -> None:
    """Inject a failure into the sandbox, measure what it does to borrowers, and mend it. It must run (`make run`).

    Exit status 0: within the tolerances; 1: not, or it could not be played.
    """
    from throughline.kernel.settings import settings

    address = url or f"http://localhost:{settings().port}"
    command = [
        sys.executable, "-m", "throughline.lab.drills", name.value, "--loans", str(loans), "--url", address,
    ]  # fmt: skip
    command += ["--tolerances", str(tolerances)] if tolerances is not None else []
    command += ["--to", str(to)] if to is not None else []
    # As with stories: what makes it move only in a sandbox are the demo's credentials and what the pages say.
    process = subprocess.Popen(command, env=os.environ | {"THROUGHLINE_DEMO": "1"})  # noqa: S603 - our own program
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait(120)  # it mends the failure first
    raise typer.Exit(code)
