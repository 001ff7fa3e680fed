"""The thinking alone: lattice, plan, standing, outcomes, retries, texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.kernel.i18n import LOCALES
from throughline.messaging import schedule, standing
from throughline.messaging.classes import POLICIES, ContentClass, MessageClass
from throughline.messaging.lattice import LIVE, AttemptState, risen
from throughline.messaging.models import LIVE_ATTEMPT
from throughline.messaging.plan import Channel, steps_for
from throughline.messaging.registered import registered_texts
from throughline.messaging.settings import load_settings
from throughline.messaging.steps import OUTCOMES, StepState, outcome_of
from throughline.messaging.templates import Outside, Template, fill, template, templates
from throughline.parties.contact import ContactKind
from throughline.parties.records import ContactPoint

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATES = st.sampled_from(AttemptState)


def point(kind: ContactKind = ContactKind.PHONE, **changes: Any) -> ContactPoint:
    given_: dict[str, Any] = {
        "id": uuid4(), "borrower_id": uuid4(), "kind": kind, "owner": "self", "masked": "138****0001",
        "verified_at": NOW, "suspended_at": None, "reassigned_probability": Decimal(0), "frozen_at": None,
        "frozen_reason": None, "added_at": NOW,
    }  # fmt: skip
    return ContactPoint(**(given_ | changes))


@given(st.lists(STATES, min_size=1, max_size=8), st.randoms())
def test_any_order_of_news_ends_in_the_same_state(news: list[AttemptState], chance: Any) -> None:
    shuffled = news.copy()
    chance.shuffle(shuffled)
    start = AttemptState.PREPARED
    assert reduce(risen, news, start) is reduce(risen, shuffled + news, start)


@given(STATES, STATES, STATES)
def test_the_lattice_is_one(a: AttemptState, b: AttemptState, c: AttemptState) -> None:
    assert risen(a, a) is a
    assert risen(a, b) is risen(b, a)
    assert risen(risen(a, b), c) is risen(a, risen(b, c))


def test_delivered_beats_failed_and_the_index_knows_the_live_states() -> None:
    assert risen(AttemptState.FAILED, AttemptState.DELIVERED) is AttemptState.DELIVERED
    assert risen(AttemptState.DELIVERED, AttemptState.FAILED) is AttemptState.DELIVERED
    assert set(re.findall(r"'(\w+)'", LIVE_ATTEMPT)) == {state.value for state in LIVE}


def test_sms_first_then_mail_and_never_somebody_elses_address() -> None:
    phone, mail = point(), point(ContactKind.EMAIL)
    aunt = point(owner="other")
    assert [(step.channel, step.contact_point_id) for step in steps_for([aunt, mail, phone], now=NOW)] == [
        (Channel.SMS, phone.id),
        (Channel.EMAIL, mail.id),
    ]
    assert steps_for([aunt, point(ContactKind.WEB_PUSH)], now=NOW) == ()


def test_a_working_number_goes_before_one_that_is_off() -> None:
    off, works = point(suspended_at=NOW), point()
    assert steps_for([off, works], now=NOW)[0].contact_point_id == works.id
    assert steps_for([off], now=NOW)[0].contact_point_id == off.id


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"frozen_at": NOW}, standing.FROZEN),
        ({"reassigned_probability": Decimal("0.2")}, None),
        ({"reassigned_probability": Decimal("0.21")}, standing.STRANGER),
        ({"suspended_at": NOW - timedelta(days=59)}, standing.LINE_OFF),
        ({"suspended_at": NOW - timedelta(days=60)}, standing.LONG_OFF),
        ({"suspended_at": NOW, "frozen_at": NOW}, standing.FROZEN),
    ],
)
def test_what_stands_in_the_way_of_a_number(changes: dict[str, Any], why: str | None) -> None:
    assert standing.obstacle(point(**changes), now=NOW) == why


@pytest.mark.parametrize(
    ("changes", "highest"),
    [
        ({}, ContentClass.C3),
        ({"verified_at": NOW - timedelta(days=31)}, ContentClass.C2),
        ({"verified_at": NOW - timedelta(days=45)}, ContentClass.C2),
        ({"verified_at": NOW - timedelta(days=46)}, ContentClass.C0),  # nobody has told of the line since
        ({"verified_at": NOW - timedelta(days=46), "content_until": NOW}, ContentClass.C2),
        ({"verified_at": NOW - timedelta(days=91), "content_until": NOW}, ContentClass.C0),
        ({"verified_at": NOW, "content_until": NOW - timedelta(days=1)}, ContentClass.C0),
        ({"verified_at": NOW - timedelta(days=91)}, ContentClass.C0),
        ({"verified_at": None}, ContentClass.C0),
        ({"suspended_at": NOW}, ContentClass.C0),
        ({"owner": "other"}, ContentClass.C0),
    ],
)
def test_what_an_address_may_be_told(changes: dict[str, Any], highest: ContentClass) -> None:
    assert standing.ceiling(point(**changes), now=NOW) is highest


@given(st.lists(st.sampled_from(StepState)))
def test_the_outcome_does_not_hang_on_the_order_of_steps(states: list[StepState]) -> None:
    assert outcome_of(states) == outcome_of(reversed(states))
    assert outcome_of(states) in OUTCOMES
    if StepState.DELIVERED in states:
        assert outcome_of(states) == "delivered"


@given(st.integers(1, 60), st.floats(0, 1), st.booleans())
def test_waits_between_tries_are_bounded(tries: int, chance: float, throttled: bool) -> None:
    wait = schedule.back_off(tries, chance, throttled=throttled)
    assert timedelta() <= wait <= schedule.LONGEST
    if throttled:
        assert wait >= min(schedule.LONGEST, schedule.BASE * 2 ** min(tries, 20)) / 2


def test_twelve_tries_take_about_as_long_as_the_wait_for_a_receipt() -> None:
    mean = sum(
        (schedule.back_off(n, 0.5, throttled=False) for n in range(1, schedule.MAX_TRIES)), timedelta()
    )
    assert timedelta(minutes=8) < mean < timedelta(minutes=20)


# --- texts -------------------------------------------------------------------------------------------

DEBT = re.compile(
    "贷|债|逾期|还款|欠|借|罚|分期|账单|额度|催|loan|debt|overdue|repay|amount|credit|borrow|lend|owe|due|pay",
    re.IGNORECASE,
)
OUTSIDE = {text.outside.name: text.outside for text in templates().values()}


@pytest.mark.parametrize("outside", OUTSIDE.values(), ids=lambda one: one.name)
def test_what_leaves_the_house_says_nothing_of_money(outside: Outside) -> None:
    assert outside.content_class is ContentClass.C0
    for text in (outside.sms, outside.subject, outside.body):
        shown = fill(text, {"count": 3, "code": "012345"})
        for locale in LOCALES:
            assert not DEBT.search(shown[locale]), shown[locale]
    assert not re.search(r"https?:|\{base_url\}|\{lender\}", outside.sms["zh-CN"] + outside.sms["en"])
    links = re.findall(r"https?://\S+", "".join(fill(outside.body, {"count": 3, "code": "012345"}).values()))
    assert set(links) == {"http://localhost:8000"}


@pytest.mark.parametrize("outside", OUTSIDE.values(), ids=lambda one: one.name)
def test_every_outside_text_is_registered_in_both_languages(outside: Outside) -> None:
    codes = load_settings().sms_template_codes
    assert {f"{outside.name}.{locale}" for locale in LOCALES} <= set(codes)


def test_the_texts_to_register_are_written_as_the_provider_wants_them() -> None:
    texts = registered_texts()
    assert texts["SMS_480000003"].startswith("您有 ${count} 条新消息")
    assert all("{" not in text.replace("${count}", "").replace("${code}", "") for text in texts.values())
    assert all(len(text) <= 70 for code, text in texts.items() if code in {"SMS_480000001", "SMS_480000003"})


@pytest.mark.parametrize("chosen", templates().values(), ids=lambda one: one.id)
def test_every_template_is_whole(chosen: Template) -> None:
    for text in (chosen.subject, chosen.body):
        if text is not None:
            assert set(text) == set(LOCALES)
            assert len(text["zh-CN"].strip().split("\n")) == len(text["en"].strip().split("\n"))
            assert set(re.findall(r"\{\w+\}", text["zh-CN"])) == set(re.findall(r"\{\w+\}", text["en"]))


def test_callers_templates_are_there_and_unknown_ones_are_refused() -> None:
    wanted = {"outage_protection_granted", "outage_ended", "decision_made", "contract_copy", "payout_sent"}
    assert wanted <= set(templates())
    with pytest.raises(ValueError, match="no message template"):
        template("nothing")


def test_classes_of_the_design() -> None:
    never = {name for name, policy in POLICIES.items() if policy.resend_after is None}
    assert never == {MessageClass.CONTRACT, MessageClass.COLLECTION, MessageClass.MARKETING}
