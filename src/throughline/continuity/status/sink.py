"""Where the public copy goes: a port, and a folder behind it. A web server elsewhere serves the folder.

A sink to an object store or a repository is another class with this one method.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from throughline.kernel.ids import new_id

MOST_FILES = 500


class StatusSink(Protocol):
    """Takes a whole copy of the status page."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Publish these files, by path relative to the root; what the copy had beside them may stay."""


class DirectorySink:
    """A folder. Each file is replaced in one step, so that no reader ever sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write them; the front page comes last, so that it never links to what is not there yet."""
        if len(files) > MOST_FILES:
            raise ValueError(f"a copy has at most {MOST_FILES} files")
        root = self._folder.absolute()
        for name in sorted(files, key=lambda one: (one.endswith((".html", ".json")) and "/" not in one, one)):
            target = (root / name).resolve()
            if not target.is_relative_to(root.resolve()):
                raise ValueError(f"{name!r} leads out of the folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.{new_id().hex}")
            try:
                with draft.open("wb") as stream:
                    stream.write(files[name])
                    stream.flush()
                    os.fsync(stream.fileno())
                draft.chmod(0o644)  # a web server under another account reads it
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
