"""Two routes of two vendors: one dies, the traffic moves, and no text is doubled. Texts are counted at the providers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from messaging import sms_provider as aliyun
from messaging import tencent_provider as tencent
from messaging.people import register, states
from messaging.sms_provider import SmsProvider
from messaging.tencent_provider import TencentProvider
from support.sending import send
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.messaging import service
from throughline.messaging.models import MsgRoute
from throughline.messaging.service import IntentStory
from throughline.messaging.templates import outside_names, places
from throughline.parties.purposes import Purpose

Ask = Callable[..., UUID]
Story = Callable[[UUID], IntentStory]


@pytest.fixture(scope="module")
def tencent_provider() -> Iterator[TencentProvider]:
    provider = TencentProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def other(tencent_provider: TencentProvider) -> Iterator[TencentProvider]:
    tencent_provider.calm()
    yield tencent_provider
    tencent_provider.calm()


@pytest.fixture
def both(
    use: Callable[..., Path], tmp_path: Path, sms: SmsProvider, other: TencentProvider
) -> Callable[[str], None]:
    """Set up one route of each vendor, this adapter first."""

    def order(first: str) -> None:
        rows = []
        for adapter, url, account in (
            ("aliyun-sms", sms.url, aliyun.ACCOUNT),
            ("tencent-sms", other.url, tencent.ACCOUNT),
        ):
            file = tmp_path / f"{adapter}.json"
            file.write_text(json.dumps(account), encoding="utf-8")
            options = {"url": url, "account_file": str(file)}
            priority = 1 if adapter == first else 2
            rows.append(
                {
                    "name": adapter.removesuffix("-sms"),
                    "channel": "sms",
                    "adapter": adapter,
                    "priority": priority,
                    "options": options,
                }
            )
        use(rows)

    return order


def numbers(sms: SmsProvider, other: TencentProvider) -> list[str]:
    """The number of each text that a provider has."""
    return [one["PhoneNumbers"] for one in sms.accepted] + [
        one["PhoneNumberSet"][0].removeprefix("+86") for one in other.accepted
    ]


def why(database: Database, name: str) -> str:
    with database.transaction() as session:
        found = session.get(MsgRoute, name)
        return found.why if found is not None else ""


@pytest.mark.parametrize("dying", ["aliyun", "tencent"])
@pytest.mark.parametrize("klass", ["reminder", "contract"])
def test_a_vendor_that_refuses_is_left_and_each_text_goes_out_once(
    dying: str,
    klass: str,
    database: Database,
    both: Callable[[str], None],
    sms: SmsProvider,
    other: TencentProvider,
    ask: Ask,
    story: Story,
) -> None:
    both(f"{dying}-sms")
    made = [ask(register(database), klass=klass) for _ in range(10)]
    send(database)
    sms.mode, sms.status = ("ServiceUnavailable", 503) if dying == "aliyun" else (sms.mode, sms.status)
    other.mode = "error:UnauthorizedOperation.SdkAppIdIsDisabled" if dying == "tencent" else other.mode
    made += [ask(register(database), klass=klass) for _ in range(15)]
    send(database)
    assert {states(story(one))[0] for one in made} == {("sms", "sent")}
    assert len(set(numbers(sms, other))) == len(numbers(sms, other)) == 25
    living = "tencent" if dying == "aliyun" else "aliyun"
    assert {story(one).steps[0].attempts[-1].route for one in made[10:]} == {living}


@pytest.mark.parametrize("dying", ["aliyun", "tencent"])
def test_a_vendor_that_takes_and_never_answers_doubles_nothing_of_a_class_that_allows_no_copy(
    dying: str,
    database: Database,
    both: Callable[[str], None],
    sms: SmsProvider,
    other: TencentProvider,
    ask: Ask,
    story: Story,
) -> None:
    both(f"{dying}-sms")
    peer: SmsProvider | TencentProvider = sms if dying == "aliyun" else other
    peer.mode = "mute"
    made = [ask(register(database), klass="contract") for _ in range(12)]
    send(database)
    made += [ask(register(database), klass="contract") for _ in range(10)]
    send(database)
    assert {states(story(one))[0][1] for one in made} == {"sent", "unknown"}
    assert {states(story(one))[0] for one in made[12:]} == {("sms", "sent")}  # the route had fallen by then
    assert len(set(numbers(sms, other))) == len(numbers(sms, other)) == 22
    assert why(database, dying)


@pytest.mark.parametrize(("locale", "template_id"), [("zh-CN", "1101"), ("en", "1102")])
def test_texts_go_by_their_registration_in_the_borrowers_language(
    locale: str,
    template_id: str,
    database: Database,
    both: Callable[[str], None],
    other: TencentProvider,
    ask: Ask,
) -> None:
    both("tencent-sms")
    ask(register(database, locale=locale), klass="reminder")
    send(database)
    [sent] = other.accepted
    assert (sent["TemplateId"], sent["TemplateParamSet"]) == (template_id, [])


def test_a_code_fills_the_first_place(
    database: Database, both: Callable[[str], None], other: TencentProvider
) -> None:
    both("tencent-sms")
    person, now = register(database, Purpose.IDENTITY), clock.now()
    with database.transaction() as session:
        until = now + timedelta(minutes=10)
        service.send_code(session, person.id, person.phone, "042137", key="k", deadline=until, now=now)
    send(database)
    [sent] = other.accepted
    assert (sent["TemplateId"], sent["TemplateParamSet"]) == ("1105", ["042137"])


def test_the_names_and_places_of_texts() -> None:
    assert places("b {two} a {one} {two}") == ["two", "one"]
    assert outside_names() == tencent.TEMPLATE_IDS.keys()
