"""An installation for a bench: a fresh home with its own PostgreSQL, gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from throughline import migrations
from throughline.kernel import postgres, rooms
from throughline.kernel.db import Database, database
from throughline.kernel.settings import forget, settings


@contextmanager
def fresh() -> Iterator[Database]:
    """The database of a fresh installation, migrated, with the settings that a user gets."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another account when we are root
        os.environ["THROUGHLINE_HOME"] = folder
        os.environ.pop("THROUGHLINE_DATABASE_URL", None)
        forget()  # this process may have had another one before
        database.cache_clear()
        config = settings()
        postgres.start(config)
        try:
            where = database()
            migrations.upgrade(where.url)
            rooms.load_all()
            yield where
            where.close()
        finally:
            postgres.stop(config)
