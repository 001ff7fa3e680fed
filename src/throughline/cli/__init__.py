"""The `throughline` command. Each group of commands has a file; heavy imports wait until a command runs."""

from __future__ import annotations

from throughline.cli.main import app

__all__ = ["app"]
