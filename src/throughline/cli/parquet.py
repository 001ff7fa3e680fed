"""pyarrow, where it is installed: Parquet is an extra, CSV always works."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from throughline.cli.output import fail


def pyarrow(file: str) -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet. Ends the command with a message where they are missing."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        fail(
            f"{file}: Parquet needs the package pyarrow (pip install 'throughline[parquet]'); or use a .csv file"
        )
