"""Become a command that ends when its supervisor ends: `python -m throughline.kernel.orphan PID COMMAND…`.

PR_SET_PDEATHSIG survives exec, so the command itself needs to know nothing of it.
"""

from __future__ import annotations

import os
import sys

from throughline.kernel.supervisor import die_with


def main() -> None:
    """Set the signal, then replace this process by the command."""
    parent, *command = sys.argv[1:]
    die_with(int(parent))
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command line


if __name__ == "__main__":
    main()
