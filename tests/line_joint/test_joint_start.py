"""A file of offers that can't be used is told when a process starts, before anything else is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_wrong_file_ends_the_start(tmp_path: Path, role: str) -> None:
    wrong = tmp_path / "offers.yaml"
    wrong.write_text("- {id: OUR-DATA, carrier: simulator}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "throughline", "serve", "--role", role],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "THROUGHLINE_HOME": str(tmp_path),
            "THROUGHLINE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "THROUGHLINE_LINE_JOINT_OFFERS_FILE": str(wrong),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"joint offers: {wrong}: offer OUR-DATA: carrier_name: Field required" in done.stderr
