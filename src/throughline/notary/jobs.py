"""Background work of the notary: the newest checkpoint goes to each witness that has not cosigned it."""

from __future__ import annotations

from functools import partial

from throughline.kernel.clock import real_now
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.notary import witnessing
from throughline.notary.adapters import witness_client

_ROUNDS = 2  # a witness that tells its size is asked once more


@periodic("* * * * * */5", "notary.collect_cosignatures")
def collect_cosignatures(timestamp: int) -> None:
    """Every 5 s: ask the witnesses that lag behind and may be asked."""
    del timestamp
    database().run(lambda session: witnessing.defer_due(session, now=real_now()))


@task(witnessing.ASK_TASK, max_attempts=3, max_run_s=120)
def ask_witness(*, key_name: str, key_id: str) -> None:
    """Send the newest checkpoint to one witness. Cosigning twice is harmless, so a repeat is too."""
    for _ in range(_ROUNDS):
        asked = database().run(lambda session: witnessing.question(session, key_name, bytes.fromhex(key_id)))
        if asked is None:
            return
        answer = witness_client.add_checkpoint(asked.url, asked.request)
        if not database().run(partial(witnessing.take, asked=asked, answer=answer, now=real_now())):
            return
