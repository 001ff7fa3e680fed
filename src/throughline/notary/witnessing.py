"""Other parties as witnesses: which policy holds here, what to ask of whom, what to keep of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import jobs
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import load
from throughline.notary import merkle, note, policy, store, tiles
from throughline.notary.adapters.witness_client import Answer, Cosigned, Failed, KnownSize
from throughline.notary.checkpoint import Checkpoint
from throughline.notary.encoding import ProofError
from throughline.notary.keys import log_signer, promise_signer
from throughline.notary.models import Cosignature, SignedCheckpoint, WitnessState
from throughline.notary.note import Note, VerifierKey
from throughline.notary.policy import Policy, Witness
from throughline.notary.settings import NotarySettings, log_url
from throughline.notary.witness_wire import AddCheckpoint

log = get_logger(__name__)

ASK_TASK = "notary.ask_witness"
LEASE = timedelta(seconds=60)  # one question at a time for each witness; longer than a question can take
AHEAD_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE_S = 900


class LogBehind(RuntimeError):
    """Somebody holds a larger tree of this log than the database: signing now would fork the log."""


def policy_file() -> str:
    """The policy of this installation as its operator wrote it (UTF-8); a lone one asks for no witness."""
    path = load(NotarySettings).policy_file
    return "quorum none\n" if path is None else path.read_text(encoding="utf-8")


def rules() -> Policy:
    """The policy of this installation, parsed. `Malformed` if the operator's file is not one."""
    return policy.parse(policy_file().encode())


def policy_text(origin: str) -> str:
    """The policy that goes with a receipt: this log's keys and the operator's witnesses and quorum."""
    written = policy_file()
    key = log_signer(origin).verifier
    head = f"# Promises of this log are signed by {promise_signer(origin).verifier}\n"
    if all(key.public != other.public for other in policy.parse(written.encode()).logs):
        head += f"log {key} {log_url()}\n"
    return head + written


@dataclass(frozen=True, slots=True)
class Question:
    """What to send to one witness."""

    key: VerifierKey
    url: str
    size: int
    request: AddCheckpoint


def reachable(known: Policy) -> list[tuple[Witness, str]]:
    """The witnesses of a policy that have an address."""
    return [(witness, witness.url) for witness in known.witnesses.values() if witness.url is not None]


def cosigners(session: Session, known: Policy, sizes: Sequence[int]) -> dict[int, set[VerifierKey]]:
    """Which keys of a policy have cosigned the checkpoints of these sizes, in order of size."""
    keys = {(key.name, key.key_id): key for key in known.witness_keys()}
    found: dict[int, set[VerifierKey]] = {}
    for size, cosigner, key_id in session.execute(
        select(Cosignature.size, Cosignature.cosigner, Cosignature.key_id)
        .where(Cosignature.size.in_(sizes))
        .order_by(Cosignature.size)
    ):
        if (cosigner, key_id) in keys:
            found.setdefault(size, set()).add(keys[cosigner, key_id])
    return found


def defer_due(session: Session, *, now: datetime) -> int:
    """Defer a question to each witness that lags behind the log and may be asked; returns how many."""
    newest = store.newest_checkpoint(session)
    witnesses = reachable(rules())
    if newest is None or not witnesses:
        return 0
    for witness, _ in witnesses:
        session.execute(
            insert(WitnessState)
            .values(
                key_name=witness.key.name,
                key_id=witness.key.key_id,
                known_size=0,
                state="new",
                failures=0,
                next_try_at=now,
            )
            .on_conflict_do_nothing()
        )
    due = session.scalars(
        select(WitnessState)
        .where(WitnessState.known_size < newest.size, WitnessState.next_try_at <= now)
        .order_by(WitnessState.key_name)
        .limit(len(witnesses) * 2)
        .with_for_update(skip_locked=True)
    ).all()
    asked = {(witness.key.name, witness.key.key_id) for witness, _ in witnesses}
    due = [state for state in due if (state.key_name, state.key_id) in asked]
    for state in due:
        state.next_try_at = now + LEASE
    jobs.defer_many(
        session,
        [jobs.NewJob(ASK_TASK, {"key_name": state.key_name, "key_id": state.key_id.hex()}) for state in due],
    )
    return len(due)


def question(session: Session, key_name: str, key_id: bytes) -> Question | None:
    """What to ask a witness now: the newest checkpoint, skipping the sizes in between; None if nothing."""
    found = [
        (witness.key, url)
        for witness, url in reachable(rules())
        if (witness.key.name, witness.key.key_id) == (key_name, key_id)
    ]
    state = session.get(WitnessState, (key_name, key_id))
    newest = store.newest_checkpoint(session)
    if not found or state is None or newest is None or state.known_size >= newest.size:
        return None
    path: list[bytes] = []
    if state.known_size:
        node = tiles.node_reader(store.tile_reader(session))
        path = merkle.consistency_path(state.known_size, newest.size, node)
    key, url = found[0]
    return Question(key, url, newest.size, AddCheckpoint(state.known_size, tuple(path), newest.note))


def take(session: Session, asked: Question, answer: Answer, *, now: datetime) -> bool:
    """Keep what a witness answered. True if it should be asked again at once: it told us its size."""
    state = session.get_one(
        WitnessState, (asked.key.name, asked.key.key_id), with_for_update=True, populate_existing=True
    )
    if isinstance(answer, Cosigned):
        answer = _keep(session, asked, answer)
    if isinstance(answer, Cosigned):
        state.known_size = max(state.known_size, asked.size)
        state.state, state.failures, state.next_try_at = "current", 0, now
        return False
    if isinstance(answer, KnownSize):
        if answer.size != asked.request.old_size:
            return _correct(session, state, answer.size, now)
        answer = Failed("it refuses the size that it names itself")
    state.state = "failing"
    state.failures += 1
    pause_s = min(_LONGEST_PAUSE_S, 5 * 2 ** min(state.failures, 10))
    state.next_try_at = now + timedelta(seconds=pause_s)
    log.warning("witness gives no cosignature", witness=asked.key.name, reason=answer.reason, pause_s=pause_s)
    return False


def _keep(session: Session, asked: Question, answer: Cosigned) -> Cosigned | Failed:
    text = session.execute(
        select(SignedCheckpoint.note).where(SignedCheckpoint.size == asked.size)
    ).scalar_one()
    body = note.parse(text.encode("utf-8")).text
    try:
        held = note.verify(Note(body, answer.signatures), [asked.key])
    except ProofError as error:
        return Failed(str(error))
    for each in held:
        session.execute(
            insert(Cosignature)
            .values(
                size=asked.size,
                cosigner=each.key.name,
                key_id=each.key.key_id,
                signed_at=datetime.fromtimestamp(each.time_s or 0, UTC),
                line=each.signature.line(),
            )
            .on_conflict_do_nothing()
        )
    return answer


def _correct(session: Session, state: WitnessState, size: int, now: datetime) -> bool:
    newest = store.newest_checkpoint(session)
    if newest is None or size > newest.size:
        # It has seen more of this log than the database holds: data was lost here, or it lies.
        state.state = "ahead"
        state.next_try_at = now + AHEAD_PAUSE
        log.critical("a witness knows more of the log than the database", witness=state.key_name, size=size)
        return False
    state.known_size = size
    state.next_try_at = now
    return size < newest.size


def probe(origin: str, checkpoint: str | None) -> AddCheckpoint:
    """A question that only asks for a witness's size: `old 0` with what was signed before, or the empty tree.

    The empty tree is consistent with every tree, so signing it can fork nothing.
    """
    empty = Checkpoint(origin, 0, merkle.EMPTY_ROOT)
    return AddCheckpoint(0, (), checkpoint or empty.signed(log_signer(origin)))


def may_sign(known: Policy, answers: Sequence[tuple[Witness, Answer]], size: int) -> bool:
    """Whether the sequencer may sign, having asked all witnesses for their size.

    Not when the silent ones alone could meet the quorum: they may have cosigned what this database lost.
    Raises `LogBehind` when one knows more than the database.
    """
    silent = {
        witness.key for witness in known.witnesses.values() if witness.url is None
    }  # asked by somebody else, or by nobody: they can't warn us
    for witness, answer in answers:
        if isinstance(answer, KnownSize) and answer.size > size:
            raise LogBehind(
                f"the witness {witness.key.name} has cosigned size {answer.size}, the database holds {size}: "
                "data was lost; restore it, never sign on"
            )
        if isinstance(answer, Failed):
            silent.add(witness.key)
    return known.quorum is None or not known.satisfied_by(silent)
