"""An import that is killed in its middle, and begun again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from book.files import borrower, loan, payment, write
from book.importing import run
from throughline.book.models import BookReference
from throughline.kernel.db import Database
from throughline.ledger import service as ledger


def test_killed_in_the_middle_a_repeat_brings_the_rest(
    database: Database, env: dict[str, str], numbers: Iterator[int], tmp_path: Path
) -> None:
    mine = [next(numbers) for _ in range(1_200)]
    file = write(tmp_path / "book.csv", [row for nr in mine for row in (borrower(nr), loan(nr), payment(nr))])
    references = select(func.count()).where(
        BookReference.kind == "loan", BookReference.external_id.in_([f"L{nr}" for nr in mine])
    )

    def there() -> int:
        with database.transaction() as session:
            return session.execute(references).scalar_one()

    process = subprocess.Popen(
        [sys.executable, "-m", "throughline", "import", "book", str(file)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while there() == 0:
        assert process.poll() is None, "ended before its first chunk was there"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    after_kill = there()
    assert 0 < after_kill < len(mine)
    found = json.loads(run(env, "import", "book", str(file), "--json").stdout)
    assert (found["loans"], found["refused"]) == (len(mine) - after_kill, 0)
    assert there() == len(mine)
    with database.transaction() as session:
        balances = ledger.trial_balance(session)
    assert sum(one.debit_minor - one.credit_minor for one in balances) == 0
