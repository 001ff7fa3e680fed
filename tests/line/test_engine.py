"""The engine in the database: any order, repetition and splitting of the same evidence gives the same belief; a
kill loses nothing and counts nothing twice."""

from __future__ import annotations

import os
import random
import signal as signals_of_unix
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from line.watched import ACTIVE, BOTH, beat, believed, hours, lines, push, reach, receipt, status, told
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.line import beliefs, engine, intake, parameters, service, track
from throughline.line import filter as line_filter
from throughline.line.emissions import read
from throughline.line.models import LineBelief, LineDirty, LineSignal, LineTransition
from throughline.line.signals import Signal
from throughline.line.track import STATES_SHOWN, instant
from throughline.messaging import standing
from throughline.parties import service as parties

HERE = Path(__file__).parent

evidence = st.one_of(
    st.builds(lambda h, how: status(hours(h), how), st.floats(-5, 140), st.sampled_from([ACTIVE, BOTH])),
    st.builds(lambda h, how: push(hours(h), how), st.floats(-5, 140), st.sampled_from([ACTIVE, BOTH])),
    st.builds(lambda h, by: beat(hours(h), by), st.floats(-5, 140), st.sampled_from(["cellular", "wifi"])),
    st.builds(
        lambda h, code: receipt(hours(h), code),
        st.integers(0, 12).map(lambda ten: ten * 11.0),  # at one instant, too
        st.sampled_from(["DELIVRD", "EXPIRED", "UNDELIV", "MA:0001"]),
    ),
    st.builds(lambda h, up: reach(hours(h), up), st.floats(-5, 140), st.booleans()),
    st.builds(
        lambda h: Signal(hours(h), "identity.number-proof", "platform", "sms_code", {}), st.floats(-5, 140)
    ),
)


@settings(max_examples=30)
@given(st.lists(evidence, min_size=1, max_size=40), st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_order_repetition_and_splitting_gives_the_same_belief(
    database: Database, window: list[Signal], chance: random.Random, parts: int
) -> None:
    """Batches come between hour 140 and hour 500, so that checkpoints are cut, moved and passed by late evidence."""
    rows = [*window, *chance.sample(window, len(window) // 3)]
    chance.shuffle(rows)
    batches: list[list[Signal]] = [[] for _ in range(parts)]
    for row in rows:
        chance.choice(batches).append(row)
    end = hours(520)
    with database.transaction() as session:
        (line_id,) = lines(session, 1)
        for number, batch in enumerate(batches):
            now = hours(140 + 360 * number / parts)
            service.take_in(
                session, [(line_id, one) for one in batch], now=now, at_once=chance.random() < 0.5
            )
            if chance.random() < 0.5:
                since, pushed = intake.claim(session, now=now)
                engine.believe(session, since, pushed, now=now)
        since, pushed = intake.claim(session, now=end)
        engine.believe(session, since, pushed, now=end)
        engine.look(session, [line_id], now=end)
        tracks, shown = believed(session, line_id, end)
        start = min([hours(0), *(one.observed_at for one in window if read(one))])
        wanted = line_filter.believe(window, at=end, start=start)
        assert np.abs(shown.p[0] - np.array(wanted.p)).max() < 1e-9
        assert STATES_SHOWN[shown.state[0]] is wanted.state
        assert bool(shown.alarm[0]) is wanted.alarm
        assert instant(float(shown.since_s[0])) == wanted.since
        moved = session.scalars(
            select(LineSignal.key).where(LineSignal.id.in_([UUID(bytes=one) for one in tracks.moved[0]]))
        )
        assert set(moved) == set(wanted.evidence)
        line = told(session, line_id)
        assert (line.state, line.alarm) == (wanted.state, wanted.alarm)
        session.rollback()


def test_new_evidence_steps_forward_and_late_evidence_is_put_in_its_place(session: Session) -> None:
    (line_id,) = lines(session, 1)

    def folded(how: str) -> float:
        from throughline.line.measures import FOLDED

        return float(FOLDED.labels(how)._value.get())

    service.ingest(session, line_id, [beat(hours(hour)) for hour in range(0, 200, 4)], now=hours(200))
    before = {how: folded(how) for how in ("forward", "checkpoint", "whole")}
    service.ingest(session, line_id, [beat(hours(201))], now=hours(201))
    assert folded("forward") == before["forward"] + 1
    service.ingest(session, line_id, [status(hours(190), ACTIVE)], now=hours(202))
    assert folded("checkpoint") == before["checkpoint"] + 1
    service.ingest(session, line_id, [status(hours(3), ACTIVE)], now=hours(203))
    assert folded("whole") == before["whole"] + 1


def test_a_belief_is_small_and_other_parameters_replay(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line_id,) = lines(session, 1)
    words = [status(hours(hour), ACTIVE if hour % 40 else BOTH) for hour in range(0, 200, 10)]
    service.ingest(session, line_id, words, now=hours(200))
    size = session.execute(
        select(func.pg_column_size(text("line_belief.*")))
        .select_from(LineBelief)
        .where(LineBelief.line_id == line_id)
    ).scalar_one()
    assert size < 2_048
    session.execute(
        text("UPDATE line_belief SET params_version = 'other', track = track WHERE line_id = :id"),
        {"id": line_id},
    )
    batch = beliefs.peek(session, [line_id])
    assert batch.stale == {0}
    engine.look(session, [line_id], now=hours(201))
    row = session.scalars(
        select(LineBelief).where(LineBelief.line_id == line_id).execution_options(populate_existing=True)
    ).one()
    assert row.params_version == beliefs.kept_by(parameters.params())
    _, shown = believed(session, line_id, hours(201))
    wanted = line_filter.believe(words, at=hours(201), start=hours(0))
    assert np.abs(shown.p[0] - np.array(wanted.p)).max() < 1e-9


def test_tracks_of_an_edition_with_other_states_are_folded_anew(session: Session) -> None:
    """The same file of parameters in an edition with ten states: shorter rows under the bare version."""
    (line_id,) = lines(session, 1)
    words = [status(hours(hour), ACTIVE if hour % 40 else BOTH) for hour in range(0, 200, 10)]
    service.ingest(session, line_id, words, now=hours(200))
    row = session.scalars(select(LineBelief).where(LineBelief.line_id == line_id)).one()
    old_row = bytes(8 * (track.WIDTH - 4))
    names = bytes(16 * 5)  # long enough to pass for a row of today
    session.execute(
        text(
            "UPDATE line_belief SET params_version = :version, track = :track, checkpoint = :track WHERE line_id = :id"
        ),
        {"id": line_id, "version": parameters.params().version, "track": old_row + names},
    )
    session.expire(row)
    assert len(old_row + names) > 8 * track.WIDTH
    assert beliefs.peek(session, [line_id]).stale == {0}
    service.ingest(session, line_id, [status(hours(201), ACTIVE)], now=hours(201))
    session.expire(row)
    assert row.params_version == beliefs.kept_by(parameters.params())
    _, shown = believed(session, line_id, hours(202))
    wanted = line_filter.believe([*words, status(hours(201), ACTIVE)], at=hours(202), start=hours(0))
    assert np.abs(shown.p[0] - np.array(wanted.p)).max() < 1e-9


def test_decay_is_read_and_not_written(session: Session) -> None:
    (line_id,) = lines(session, 1)
    service.ingest(session, line_id, [status(hours(0), ACTIVE)], now=hours(0))
    stored = session.execute(select(LineBelief.track).where(LineBelief.line_id == line_id)).scalar_one()
    _, soon = believed(session, line_id, hours(1))
    _, late = believed(session, line_id, hours(24 * 30))
    assert late.dark[0] > soon.dark[0]
    engine.look(session, [line_id], now=hours(24 * 30))
    assert (
        session.execute(select(LineBelief.track).where(LineBelief.line_id == line_id)).scalar_one() == stored
    )


def test_what_is_dated_in_the_future_is_taken_as_of_now(session: Session) -> None:
    (line_id,) = lines(session, 1)
    service.ingest(session, line_id, [status(hours(10_000), BOTH)], now=hours(5))
    service.ingest(session, line_id, [status(hours(6), ACTIVE)], now=hours(6))
    assert told(session, line_id).state == "active"


def test_changes_alone_are_told(session: Session) -> None:
    (line_id,) = lines(session, 1)
    for hour in range(10):
        service.ingest(session, line_id, [status(hours(hour), ACTIVE)], now=hours(hour))
    changes = session.scalars(select(LineTransition).where(LineTransition.line_id == line_id)).all()
    assert [(one.old, one.new) for one in changes] == [("unknown", "active")]
    published = session.execute(
        text("SELECT type FROM kernel_event WHERE aggregate_id = :id ORDER BY seq"), {"id": line_id}
    ).scalars()
    assert list(published) == ["line.state_changed.v1"]


def test_a_push_that_nobody_answers_becomes_an_alarm(
    database: Database, run_jobs: Callable[..., int], demo_clock: Callable[..., Any]
) -> None:
    """No carrier is there to be asked: the question ends unknown, and after ten minutes the push stands alone."""
    now = clock.now()
    with database.transaction() as session:
        (line_id,) = lines(session, 1, registered_at=now - timedelta(days=9))
        service.ingest(session, line_id, [status(now - timedelta(hours=9), ACTIVE)], now=now)
    database.run(lambda session: service.ingest(session, line_id, [push(now, BOTH)], now=now))
    run_jobs()
    with database.transaction() as session:
        line = told(session, line_id)
        assert (line.state, line.alarm) == ("suspended", False)
        reasons = session.execute(
            text(
                "SELECT count(*) FROM kernel_event WHERE aggregate_id = :id AND type = 'line.alarm_raised.v1'"
            ),
            {"id": line_id},
        ).scalar_one()
        assert reasons == 0
    demo_clock(minutes=11)
    with database.transaction() as session:
        service.look(session, told(session, line_id).borrower_id, line_id, now=clock.now())
    with database.transaction() as session:
        assert told(session, line_id).alarm


def test_evidence_that_breaks_the_fold_holds_up_nobody_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        good, bad = lines(session, 2)
        service.take_in(session, [(one, status(clock.now(), BOTH)) for one in (good, bad)], now=clock.now())
        session.execute(text("UPDATE line_signal SET meaning = 'nonsense' WHERE line_id = :id"), {"id": bad})
    engine.work_off(database)
    with database.transaction() as session:
        assert told(session, good).state == "suspended"
        (left,) = session.scalars(select(LineDirty)).all()
        assert (left.line_id, left.failures) == (bad, 1)
        session.execute(
            text("UPDATE line_signal SET meaning = 'suspended_both' WHERE line_id = :id"), {"id": bad}
        )
        session.execute(text("UPDATE line_dirty SET not_before = NULL"))
    engine.work_off(database)
    with database.transaction() as session:
        assert told(session, bad).state == "suspended"
        assert session.scalars(select(LineDirty)).all() == []


@pytest.fixture
def crew(home: Path, database_url: str) -> Iterator[Callable[[str, str], subprocess.Popen[bytes]]]:
    """Starts processes of this module's installation; none is left behind."""
    started: list[subprocess.Popen[bytes]] = []

    def start(what: str, argument: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "THROUGHLINE_HOME": str(home),
            "THROUGHLINE_DATABASE_URL": database_url,
            "THROUGHLINE_DEMO": "1",
        }
        started.append(
            subprocess.Popen(
                [sys.executable, str(HERE / "burst_process.py"), what, argument], env=environment
            )
        )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait(10)


@pytest.mark.chaos
def test_a_burst_survives_kills_of_those_who_send_and_those_who_fold(
    database: Database, crew: Callable[[str, str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """20,000 signals; senders and workers are killed in the middle of it and begin again where they were."""
    count, many = 500, 40
    with database.transaction() as session:
        watched = lines(session, count, registered_at=clock.now() - timedelta(days=30))
    names = tmp_path / "lines"
    names.write_text("\n".join(map(str, watched)))
    base = clock.now() - timedelta(days=2)
    (tmp_path / "base").write_text(base.isoformat())
    chance = random.Random(5)
    ends_at = time.monotonic() + 240
    sender, worker = crew("send", str(tmp_path)), crew("work", str(tmp_path))
    kills = 0
    while time.monotonic() < ends_at:
        if kills < 6:
            time.sleep(chance.uniform(0.5, 2.5))  # the fault falls where it falls
            victim = chance.choice((sender, worker))
            victim.send_signal(signals_of_unix.SIGKILL)
            victim.wait(10)
            kills += 1
            if victim is sender:
                sender = crew("send", str(tmp_path))
            else:
                worker = crew("work", str(tmp_path))
            continue
        with database.transaction() as session:
            waiting = session.execute(select(func.count()).select_from(LineDirty)).scalar_one()
        if sender.poll() is not None and not waiting:
            break
        time.sleep(0.2)
    assert sender.poll() == 0
    with database.transaction() as session:
        assert session.execute(select(func.count()).select_from(LineDirty)).scalar_one() == 0
        stored = session.execute(
            select(func.count()).select_from(LineSignal).where(LineSignal.line_id.in_(watched))
        ).scalar_one()
        assert stored == count * many
        end = clock.now()
        for line_id in watched[:: count // 25]:
            from line.burst_process import signals_of

            number = watched.index(line_id)
            wanted = line_filter.believe(
                signals_of(number, base, many), at=end, start=end - timedelta(days=30)
            )
            _, shown = believed(session, line_id, end)
            assert STATES_SHOWN[shown.state[0]] is wanted.state
            assert bool(shown.alarm[0]) is wanted.alarm
            assert told(session, line_id).state == wanted.state
        told_states = session.execute(
            text(
                "SELECT count(*) FROM kernel_event WHERE type = 'line.state_changed.v1' AND aggregate_id = ANY (:ids)"
            ),
            {"ids": watched},
        ).scalar_one()
        transitions = session.execute(
            select(func.count()).select_from(LineTransition).where(LineTransition.line_id.in_(watched))
        ).scalar_one()
        assert told_states == transitions >= count


def test_standings_stop_messages_when_the_number_is_somebody_elses(database: Database) -> None:
    """Recycling evidence is told once, and stands where messaging reads it in the transaction that sends."""
    from line.people import borrower_with_line

    _, point_id, line_id = borrower_with_line(database)
    now = clock.now()
    said = Signal(now, "camara.number-recycling", "carrier", None, {"recycled": True})
    database.run(lambda session: service.ingest(session, line_id, [said], now=now))
    with database.transaction() as session:
        point = parties.contact_point(session, point_id)
        events = session.execute(
            text(
                "SELECT count(*) FROM kernel_event WHERE aggregate_id = :id AND type LIKE 'line.number_reassignment%'"
            ),
            {"id": line_id},
        ).scalar_one()
        assert point.reassigned_probability > 0.2
        assert standing.obstacle(point, now=now) == standing.FROZEN  # so nothing is sent
        assert events == 1
    again = Signal(now + timedelta(seconds=1), "camara.number-recycling", "carrier", None, {"recycled": True})
    database.run(lambda session: service.ingest(session, line_id, [again], now=now + timedelta(minutes=1)))
    with database.transaction() as session:
        events = session.execute(
            text(
                "SELECT count(*) FROM kernel_event WHERE aggregate_id = :id AND type LIKE 'line.number_reassignment%'"
            ),
            {"id": line_id},
        ).scalar_one()
        assert events == 1
