"""Whatever is heard of a line, in whatever order and however often: one open episode, each case ends once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, debtor, rolled_back, today
from throughline.continuity import policy, service
from throughline.continuity.models import TimelineEntry
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent

STATES = sorted(policy.CANNOT_RECEIVE | policy.BACK | {"unknown"})


@pytest.fixture(scope="module")
def one(database: Database) -> Debtor:
    return debtor(database)


def _rows(session: Session) -> tuple[int, int]:
    session.flush()
    return (
        session.execute(select(func.count()).select_from(TimelineEntry)).scalar_one(),
        session.execute(select(func.count()).select_from(OutboxEvent)).scalar_one(),
    )


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(STATES), st.sampled_from(["0.5000", "0.9000", "0.9900"])),
        min_size=1,
        max_size=7,
    )
)
def test_one_open_episode_and_each_case_ends_once(
    database: Database, one: Debtor, heard: list[tuple[str, str]]
) -> None:
    with rolled_back(database) as session:
        ended: dict[object, object] = {}
        dark = False
        for state, probability in heard:
            since = one.due if state in policy.CANNOT_RECEIVE else today()
            news = one.news(state, probability, since=since)
            first = service.on_line_news(session, news, now=clock.now())
            before = _rows(session)
            again = service.on_line_news(session, news, now=clock.now())
            assert _rows(session) == before  # said twice, done once
            assert again in {first, None}
            dark = state in policy.CANNOT_RECEIVE or (dark and state not in policy.BACK)
            episodes = service.episodes_page(session, borrower_id=one.id, after=None, limit=50)
            assert [row.state for row in episodes].count("open") == int(dark)
            cases = one.cases(session)
            assert len({case.episode_id for case in cases}) == len(cases)
            for case in cases:
                assert ended.get(case.id, case.last_day) == case.last_day
                if case.state == "ended":
                    ended[case.id] = case.last_day
            open_cases = {case.episode_id for case in cases if case.state == "granted"}
            assert open_cases <= {row.id for row in episodes if row.state == "open"}
        granted = any(
            state in policy.CANNOT_RECEIVE and probability != "0.5000" for state, probability in heard
        )
        assert bool(one.cases(session)) == granted
        endings = session.scalars(
            select(OutboxEvent.payload["case_id"].as_string()).where(
                OutboxEvent.type == "continuity.protection_ended.v1"
            )
        )
        assert max(Counter(endings).values(), default=0) <= 1
