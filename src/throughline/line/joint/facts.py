"""What a decision needs to know of a line, read from its belief and its newest signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.line.joint.eligibility import LineFacts
from throughline.line.joint.offers import DataState
from throughline.line.models import Line, LineSignal
from throughline.parties import service as parties

# A word about the data of a line is of use for so long; later nobody knows.
FRESH = timedelta(hours=72)
SOURCES = ("camara.subscription-status", "carrier.push", "camara.device-data-volume")
_LOOKED_AT = 10

_FLAGS = {"active": DataState.OK, "throttled": DataState.THROTTLED, "suspended": DataState.SUSPENDED}
# Events of device-data-volume-subscriptions and categories of device-data-volume (CAMARA 0.1).
_VOLUME = {
    "data-50-percent": DataState.OK,
    "data-75-percent": DataState.OK,
    "data-90-percent": DataState.LOW,
    "data-exceeded": DataState.EXHAUSTED,
    "<200MiB": DataState.LOW,
    "<1GiB": DataState.OK,
    "<5GiB": DataState.OK,
    ">=5GiB": DataState.OK,
}


def line_facts(session: Session, line: Line, *, now: datetime) -> LineFacts:
    """The facts of a line at an instant."""
    point = parties.contact_point(session, line.contact_point_id)
    return LineFacts(
        carrier=line.carrier,
        state=line.state,
        percent=int(Decimal(line.probability) * 100),
        data=_data(session, line, now=now),
        stranger_percent=int(point.reassigned_probability * 100),
    )


def _data(session: Session, line: Line, *, now: datetime) -> DataState:
    rows = session.execute(
        select(LineSignal.source, LineSignal.code, LineSignal.attributes)
        .where(
            LineSignal.line_id == line.id,
            LineSignal.source.in_(SOURCES),
            LineSignal.observed_at > now - FRESH,
            LineSignal.observed_at <= now,
        )
        .order_by(LineSignal.observed_at.desc())
        .limit(_LOOKED_AT)
    )
    return data_state((row.source, row.code, row.attributes) for row in rows)


def data_state(newest_first: Iterable[tuple[str, str | None, Mapping[str, Any]]]) -> DataState:
    """What the newest word about data says. A flag "active" does not gainsay a volume that is used up.

    The carrier's flag tells whether data is allowed, the volume whether some is left: the worse of the two counts.
    """
    flag = volume = None
    for source, code, attributes in newest_first:
        if source == "camara.device-data-volume":
            told = code or attributes.get("dataVolumeCategory")
            volume = volume or _VOLUME.get(str(told))
        else:
            flag = flag or _FLAGS.get(str(attributes.get("dataService")))
    if flag in {DataState.SUSPENDED, DataState.THROTTLED}:
        return flag
    return volume or flag or DataState.UNKNOWN
