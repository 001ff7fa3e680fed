"""Finding the rooms of the packages: handlers, jobs and models register themselves when imported.

The lower floors may not import the upper ones, yet a publisher must know who listens. So each process
calls `load` once at start; it imports `throughline.<package>.<room>` wherever that file exists.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import throughline


@lru_cache(maxsize=8)
def load(room: str) -> tuple[str, ...]:
    """Import one room of every package and return the names of the modules."""
    found = []
    for package in sorted(module.name for module in iter_modules(throughline.__path__) if module.ispkg):
        name = f"throughline.{package}.{room}"
        if find_spec(name) is not None:
            import_module(name)
            found.append(name)
    return tuple(found)


def load_all() -> None:
    """Import all models, jobs and handlers: what a process that publishes or works needs."""
    for room in ("models", "jobs", "handlers"):
        load(room)
