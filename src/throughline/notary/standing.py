"""How the log stands: its size, its backlog, and how old the last head is that the witnesses have signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel.telemetry import INSTALLATION
from throughline.notary import store, witnessing
from throughline.notary.models import Cosignature, QueueRow, Record, SignedCheckpoint, WitnessState
from throughline.notary.policy import Policy

WAITING = Gauge("throughline_notary_waiting", "Records that are not in the log yet", registry=INSTALLATION)
SIZE = Gauge("throughline_notary_size", "Leaves in the log", registry=INSTALLATION)
UNWITNESSED = Gauge(
    "throughline_notary_unwitnessed",
    "Leaves above the last checkpoint that met the quorum",
    registry=INSTALLATION,
)
_LOOK_BACK = 64  # cosigned checkpoints that are looked through for one that meets the quorum


@dataclass(frozen=True, slots=True)
class WitnessStanding:
    """A witness of the policy: the size it last cosigned; state new, current, failing or ahead."""

    key_name: str
    known_size: int
    state: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The log at one instant. `witnessed_size` is None while no checkpoint has met the quorum."""

    origin: str | None
    size: int
    waiting: int
    oldest_waiting_at: datetime | None
    checkpoint_at: datetime | None
    quorum: str
    witnessed_size: int | None
    witnessed_at: datetime | None
    witnesses: tuple[WitnessStanding, ...]


def standing(session: Session) -> Standing:
    """Read how the log stands, for the console, the status page and the metrics."""
    head, newest, rules = store.head(session), store.newest_checkpoint(session), witnessing.rules()
    waiting, oldest = session.execute(
        select(func.count(), func.min(Record.recorded_at))
        .select_from(QueueRow)
        .join(Record, Record.id == QueueRow.record_id)
        .where(QueueRow.leaf_index.is_(None))
    ).one()
    witnessed = _witnessed(session, rules)
    states = session.scalars(select(WitnessState).order_by(WitnessState.key_name).limit(100))
    return Standing(
        origin=head.origin if head else None,
        size=head.size if head else 0,
        waiting=waiting,
        oldest_waiting_at=oldest,
        checkpoint_at=newest.signed_at if newest else None,
        quorum="none" if rules.quorum is None else rules.quorum.decode("utf-8", "replace"),
        witnessed_size=witnessed.size if witnessed else None,
        witnessed_at=witnessed.signed_at if witnessed else None,
        witnesses=tuple(WitnessStanding(each.key_name, each.known_size, each.state) for each in states),
    )


def observe(session: Session) -> None:
    """Set the gauges of the notary from the database."""
    now = standing(session)
    WAITING.set(now.waiting)
    SIZE.set(now.size)
    UNWITNESSED.set(now.size - (now.witnessed_size or 0))


def _witnessed(session: Session, rules: Policy) -> SignedCheckpoint | None:
    if rules.quorum is None:
        return None
    sizes = session.scalars(
        select(Cosignature.size).distinct().order_by(Cosignature.size.desc()).limit(_LOOK_BACK)
    ).all()
    met = [
        size for size, keys in witnessing.cosigners(session, rules, sizes).items() if rules.satisfied_by(keys)
    ]
    return session.get(SignedCheckpoint, met[-1]) if met else None
