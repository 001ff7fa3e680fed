"""A supervisor as a process: `supervised.py HOME ROLES-AS-JSON`. With a database, deaths are struck out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from throughline.kernel import worker
from throughline.kernel.logging import configure
from throughline.kernel.supervisor import Role, Supervisor, only_one


def main() -> None:
    configure("up")
    home, roles = Path(sys.argv[1]), json.loads(sys.argv[2])
    strike_out = "THROUGHLINE_DATABASE_URL" in os.environ
    with only_one(home):
        Supervisor(
            home,
            [Role(name, [sys.executable, *command]) for name, command in roles.items()],
            on_death=lambda _name, pid: strike_out and worker.strike_out(pid),
        ).run(ready=(home / "ready").touch)


if __name__ == "__main__":
    main()
