"""A number is proved over the carrier's network: a browser without JavaScript, the carrier as a process of its own."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from lab_sms.running import Simulator
from support.jobs import drain
from throughline.continuity import network
from throughline.identity.models import Challenge
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.line import feeds, privacy
from throughline.line.feed import export, number_checks
from throughline.line.feed.directory import directory
from throughline.line.feed.number_checks import CheckResult, Told
from throughline.line.models import CarrierVisit, Line, LineSignal
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from throughline.parties.records import ContactPoint
from web import scene
from web.browsing import PlainBrowser
from web.people import approve, register, sign_in

Browsers = Callable[..., PlainBrowser]
AT_THE_NUMBER = "/account/numbers"
GONE = {
    "zh-CN": "运营商的这次答复不属于本次登录",
    "en": "This answer of your carrier does not belong to this sign-in",
}
SAID = {
    CheckResult.PROVED: ("运营商已确认", "Your carrier has confirmed"),
    CheckResult.OTHER_NUMBER: ("通过另一个号码的线路", "over the line of another number"),
    CheckResult.NOT_ON_NETWORK: ("请关闭 Wi-Fi", "Turn Wi-Fi off"),
    CheckResult.DENIED: ("没有得到您的许可", "has no permission of yours"),
    CheckResult.REFUSED: ("重试多半无用", "Trying again will hardly help"),
    CheckResult.TOO_LATE: ("用时过长", "It took too long"),
    CheckResult.NO_ANSWER: ("运营商没有答复", "Your carrier has not answered"),
}


@pytest.fixture(scope="module")
def carrier(installation: Path, _nobody_outside: None) -> Iterator[Simulator]:
    """Two carriers; only the first checks numbers by its network, and it answers within two seconds or not at all."""
    running = Simulator("throughline.lab.carrier", installation).start()
    patch = pytest.MonkeyPatch()
    carriers = [
        {
            "name": "simulator",
            "api_url": running.url,
            "sells": ["camara.subscription-status", "camara.number-verification"],
            "notices": [],
            "price_minor": 7,
        },
        {"name": "southern", "api_url": f"{running.url}/southern", "prefixes": ["+86166"], "notices": []},
    ]
    patch.setenv("THROUGHLINE_LINE_CARRIERS", json.dumps(carriers))
    patch.setenv("THROUGHLINE_LINE_TOTAL_S", "2")
    patch.setenv("THROUGHLINE_LINE_TIMEOUT_S", "1")
    kernel_settings.load.cache_clear()
    directory.cache_clear()
    try:
        yield running
    finally:
        running.stop()
        patch.undo()
        kernel_settings.load.cache_clear()
        directory.cache_clear()


@dataclass
class Person:
    """Somebody with a passkey, in a browser that is signed in, and the number that is in doubt."""

    database: Database
    browser: PlainBrowser
    authenticator: SoftwareAuthenticator
    phone: str
    id: UUID
    point_id: UUID

    def point(self) -> ContactPoint:
        with self.database.transaction() as session:
            return parties.contact_point(session, self.point_id)

    @property
    def base(self) -> str:
        return f"{AT_THE_NUMBER}/{self.point_id}"

    def go(self) -> str:
        """Press the button; the address at the carrier that the page leads to by itself."""
        self.browser.open(self.base)
        return address_on(self.browser.submit(f"{self.base}/network"))

    def checks(self) -> list[CarrierVisit]:
        with self.database.transaction() as session:
            wanted = select(CarrierVisit).where(CarrierVisit.borrower_id == self.id).order_by(CarrierVisit.id)
            return list(session.scalars(wanted))


def address_on(page: str) -> str:
    found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]+)">', page)
    assert found, page
    address = html.unescape(found[1])
    assert f'href="{found[1]}"' in page  # and by a link, where the browser does not go on by itself
    return address


def follow(address: str) -> str:
    """What the browser does at the carrier; the path of ours where it is sent to."""
    answer = httpx.get(address, follow_redirects=False, timeout=10, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "http://localhost:8000/account/number-proof"
    return f"{back.path}?{back.query}"


def over(carrier: Simulator, phone: str | None) -> None:
    """From now on the carrier sees its browsers come over this line; none: over Wi-Fi."""
    settings = {"device_line": f"+86{phone}" if phone else None}
    assert carrier.http.post("/control/settings", json=settings).status_code == 200


def known(database: Database, browser: PlainBrowser, **given: str) -> Person:
    person, authenticator = scene.enrolled(browser, **given)
    drain(database, rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        borrower_id = parties.find_borrower(session, id_number=person.id_number)
        assert borrower_id is not None
        points = parties.contact_points(session, borrower_id)
    (point,) = [one for one in points if one.kind is ContactKind.PHONE]
    return Person(database, browser, authenticator, person.phone[-11:], borrower_id, point.id)


@pytest.fixture(scope="module")
def shared(database: Database, browsers: Browsers, carrier: Simulator) -> Person:
    """One person for all that goes wrong: nothing of it may change anything."""
    del carrier
    return known(database, browsers())


@pytest.fixture
def person(shared: Person, carrier: Simulator) -> Iterator[Person]:
    """The number is in doubt, the browser comes over its line, the carrier is calm."""

    def doubt(session: Session) -> None:
        session.execute(text("DELETE FROM identity_attempts"))
        session.execute(
            text(
                "UPDATE party_contact_point SET verified_at = NULL, content_until = NULL, frozen_at = now(),"
                " frozen_reason = :reason WHERE id = :id"
            ),
            {"reason": privacy.LONG_OFF, "id": shared.point_id},
        )

    shared.database.run(doubt)
    over(carrier, shared.phone)
    shared.browser.cookies["lang"] = "zh-CN"
    yield shared
    carrier.http.delete("/control/faults").raise_for_status()


def untouched(person: Person) -> None:
    """The number stands as it did, and both ways to prove it are still there."""
    point = person.point()
    assert (point.verified_at, point.frozen_reason) == (None, privacy.LONG_OFF)
    person.browser.open(person.base)
    person.browser.form(f"{person.base}/code")
    person.browser.form(f"{person.base}/network")


def in_both(person: Person, result: CheckResult) -> None:
    """The page of the result says it in both languages, and says so each time it is opened."""
    assert re.fullmatch(r"/account/number-proof/[0-9a-f-]{36}", person.browser.path)
    for language, words in zip(("zh-CN", "en"), SAID[result], strict=True):
        person.browser.cookies["lang"] = language
        page = person.browser.open(person.browser.path)
        assert words in page
        if result is not CheckResult.PROVED:
            assert 'role="alert"' in page
            assert 'href="/callback"' in page  # staff
            assert f'href="{person.base}"' in page  # the code
    person.browser.cookies["lang"] = "zh-CN"


# --- it goes well ---------------------------------------------------------------------------------------


def test_a_number_is_proved_by_coming_over_its_line(
    database: Database, person: Person, carrier: Simulator, capfd: pytest.CaptureFixture[str]
) -> None:
    page = person.browser.open(person.base)
    assert "通过移动网络核验" in page
    assert "<script" not in page
    capfd.readouterr()
    address = person.go()
    assert address.startswith(f"{carrier.url}/oauth2/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["scope"] == "openid dpv:FraudPreventionAndDetection number-verification:verify"
    assert (asked["prompt"], asked["response_type"], asked["code_challenge_method"]) == (
        "none",
        "code",
        "S256",
    )
    assert person.phone not in address  # an address stands in histories and logs
    with database.transaction() as session:
        rows = [
            row
            for table in ("identity_challenge", "kernel_idempotency", "kernel_event")
            for row in session.execute(text(f"SELECT t::text FROM {table} t")).scalars()
        ]
    secrets = [form for one in (asked["state"], asked["nonce"]) for form in (one, one.encode().hex())]
    assert not any(secret in row for row in rows for secret in secrets)
    back = follow(address)
    code = parse_qs(urlsplit(back).query)["code"][0]
    before = clock.now()
    page = person.browser.open(back)
    assert SAID[CheckResult.PROVED][0] in page
    in_both(person, CheckResult.PROVED)

    point = person.point()
    assert (point.frozen_at, point.frozen_reason) == (None, None)
    assert point.verified_at is not None
    assert point.verified_at >= before
    with database.transaction() as session:
        until = session.execute(
            text("SELECT content_until FROM party_contact_point WHERE id = :id"), {"id": point.id}
        ).scalar_one()
        kinds = session.execute(
            text("SELECT payload ->> 'method' FROM kernel_event WHERE type = 'identity.number_proved.v1'")
        )
        assert list(kinds.scalars()) == ["mobile_network"]
    assert until == point.verified_at + parties.PROOF_GOOD_FOR == point.verified_at + timedelta(days=45)
    check = person.checks()[-1]
    assert (check.result, check.cost_minor, check.provider) == ("proved", 7, "simulator")
    assert check.purpose == Purpose.IDENTITY
    assert person.phone not in repr(vars(check))

    drain(database, rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        said = session.scalars(select(LineSignal).where(LineSignal.source == "identity.number-proof")).all()
        assert [(one.code, one.meaning, one.grade) for one in said] == [("mobile_network", "proved", "A")]
        told = export.export(session, person.id)
        assert [one["result"] for one in told["carrier_visits"]][-1] == "proved"
        reads = parties.access_log(session, person.id, limit=5)
        assert ("line", "identity_verification") in {(one.reader, one.purpose) for one in reads}
    assert "手机号码已核验" in person.browser.open("/receipts")
    assert "您的手机号码已重新核验" in person.browser.open("/inbox")
    printed = "".join(capfd.readouterr())
    assert not any(one in printed for one in (asked["state"], asked["nonce"], code, person.phone))


def test_a_return_that_comes_twice_is_asked_about_once(person: Person) -> None:
    back = follow(person.go())
    first = person.browser.open(back)
    checks = person.checks()
    proved_at = person.point().verified_at
    assert SAID[CheckResult.PROVED][0] in first
    # Also with another code: the visit is over.
    for again in (back, re.sub(r"code=[^&]+", "code=another", back)):
        assert SAID[CheckResult.PROVED][0] in person.browser.open(again)
    assert [one.id for one in person.checks()] == [one.id for one in checks]
    assert person.point().verified_at == proved_at


def test_a_new_number_is_approved_with_a_passkey_first(
    database: Database, person: Person, carrier: Simulator
) -> None:
    browser = person.browser
    browser.open(AT_THE_NUMBER)
    browser.submit(AT_THE_NUMBER, phone="13922220001")
    base = browser.path
    browser.submit(f"{base}/network")
    assert browser.page.status_code == 403
    browser.open(base)
    address = address_on(approve(browser, f"{base}/network", person.authenticator))
    over(carrier, "13922220001")
    assert SAID[CheckResult.PROVED][0] in browser.open(follow(address))
    with database.transaction() as session:
        added = parties.contact_point(session, UUID(base.rsplit("/", 1)[1]))
    assert (added.owner, added.verified_at is not None) == ("self", True)
    # A number of the carrier that checks none: told when it is read, and nothing is begun.
    browser.open(AT_THE_NUMBER)
    browser.submit(AT_THE_NUMBER, phone="16622220001")
    page = approve(browser, f"{browser.path}/network", person.authenticator)
    assert browser.page.status_code == 409
    assert "不为我们提供移动网络核验" in page


def test_the_api_gives_the_address_and_takes_what_came_back(person: Person) -> None:
    api = person.browser.api
    listed = person.browser.client.get("/api/v1/me/numbers", headers=person.browser._headers()).json()[
        "items"
    ]
    mine = next(one for one in listed if one["contact_point_id"] == str(person.point_id))
    assert mine["by_network"] is True
    going = api(f"/me/numbers/{person.point_id}/network", {})
    brought = {name: values[0] for name, values in parse_qs(urlsplit(follow(going["url"])).query).items()}
    for _ in range(2):
        done = api("/me/numbers/network/finish", brought)
        assert (done["result"], done["number"]["state"]) == ("proved", "proved")
        assert set(done["why"]) == {"zh-CN", "en"}
    for wrong in (
        {"state": "x" * 60, "code": "c"},
        {"state": brought["state"]},
        {"state": brought["state"], "code": "c", "error": "access_denied"},
    ):
        answer = person.browser.client.post(
            "/api/v1/me/numbers/network/finish", json=wrong, headers=person.browser._headers()
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "carrier-visit-gone")


# --- it does not ----------------------------------------------------------------------------------------

# Faults of the carrier by name, with what they take, and what the person is told.
WRONG: dict[str, tuple[dict[str, Any], CheckResult]] = {
    "denied": ({"name": "authorize_error", "error": "access_denied"}, CheckResult.DENIED),
    "no consent": ({"name": "authorize_error", "error": "consent_required"}, CheckResult.DENIED),
    "interaction": ({"name": "authorize_error", "error": "interaction_required"}, CheckResult.NOT_ON_NETWORK),
    "not for us": ({"name": "authorize_error", "error": "unauthorized_client"}, CheckResult.REFUSED),
    "hostile word": ({"name": "authorize_error", "error": "<script>alert(1)</script>"}, CheckResult.REFUSED),
    "down for now": ({"name": "authorize_error", "error": "temporarily_unavailable"}, CheckResult.NO_ANSWER),
    "another server": ({"name": "wrong_issuer"}, CheckResult.REFUSED),
    "late": ({"name": "late_code"}, CheckResult.TOO_LATE),
    "no token": ({"name": "token_503"}, CheckResult.NO_ANSWER),
    "slow token": ({"name": "slow_token", "after_s": 3}, CheckResult.NO_ANSWER),
    "half a token": ({"name": "token_malformed"}, CheckResult.NO_ANSWER),
    "another visit's token": ({"name": "wrong_nonce"}, CheckResult.NO_ANSWER),
    "no ID token": ({"name": "no_id_token"}, CheckResult.NO_ANSWER),
    "verify is down": ({"name": "error_503", "times": 5}, CheckResult.NO_ANSWER),
    "verify is slow": ({"name": "slow", "after_s": 3, "times": 5}, CheckResult.NO_ANSWER),
    "verify says half": ({"name": "malformed"}, CheckResult.NO_ANSWER),
    "verify says a number": ({"name": "wrong_type"}, CheckResult.NO_ANSWER),
    "verify is lost": ({"name": "drop_answer", "times": 5}, CheckResult.NO_ANSWER),
    "verify knows no token": ({"name": "expired_token"}, CheckResult.NO_ANSWER),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_carrier_does_wrong_proves_nothing_and_loses_nothing(
    person: Person, carrier: Simulator, case: str
) -> None:
    fault, result = WRONG[case]
    address = person.go()
    carrier.http.post("/control/faults", json=fault).raise_for_status()
    page = person.browser.open(follow(address))
    carrier.http.delete("/control/faults").raise_for_status()
    assert "<script" not in page
    in_both(person, result)
    assert (person.checks()[-1].result, person.checks()[-1].cost_minor) == (result, 0)
    untouched(person)


def test_over_wifi_or_another_line_nothing_is_proved(person: Person, carrier: Simulator) -> None:
    for line, result in (
        (None, CheckResult.NOT_ON_NETWORK),
        ("16612340000", CheckResult.NOT_ON_NETWORK),  # of another carrier
        ("13912340000", CheckResult.OTHER_NUMBER),
    ):
        over(carrier, line)
        person.browser.open(follow(person.go()))
        in_both(person, result)
        untouched(person)
    # Data is stopped: the network knows nobody.
    over(carrier, person.phone)
    number = f"/control/numbers/+86{person.phone}"
    carrier.http.put(number, json={"data": "suspended"}).raise_for_status()
    person.browser.open(follow(person.go()))
    in_both(person, CheckResult.NOT_ON_NETWORK)
    carrier.http.put(number, json={"data": "active"}).raise_for_status()


def test_a_consent_that_was_refused_at_the_carrier(person: Person, carrier: Simulator) -> None:
    consents = f"/control/numbers/+86{person.phone}/consents"
    wish = {"purpose": "dpv:FraudPreventionAndDetection", "state": "DENIED"}
    carrier.http.put(consents, json=wish).raise_for_status()
    person.browser.open(follow(person.go()))
    in_both(person, CheckResult.DENIED)
    untouched(person)
    carrier.http.put(consents, json=wish | {"state": "GRANTED"}).raise_for_status()
    person.browser.open(follow(person.go()))
    in_both(person, CheckResult.PROVED)


def test_a_carrier_that_answers_the_browser_with_an_error_leaves_all_as_it_was(
    person: Person, carrier: Simulator
) -> None:
    checks = len(person.checks())
    address = person.go()
    carrier.fault("authorize_500")
    assert httpx.get(address, timeout=10, trust_env=False).status_code == 500
    assert f'href="{person.base}"' in person.browser.page.text  # the page that led there leads back, too
    untouched(person)
    # The same address once more, when the carrier works again.
    assert SAID[CheckResult.PROVED][0] in person.browser.open(follow(address))
    assert len(person.checks()) == checks + 1


def test_a_carrier_that_is_down_when_the_browser_is_back(
    person: Person, carrier: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = follow(person.go())
    config = directory().carrier("simulator")
    assert config is not None
    monkeypatch.setitem(vars(config), "token_url", "http://127.0.0.1:1/oauth2/token")
    person.browser.open(back)
    monkeypatch.undo()
    in_both(person, CheckResult.NO_ANSWER)
    untouched(person)


def gone(browser: PlainBrowser, path: str) -> None:
    for language, words in GONE.items():
        browser.cookies["lang"] = language
        page = browser.open(path)
        assert browser.page.status_code == 422
        assert words in page
        assert 'href="/account/numbers"' in page
    browser.cookies["lang"] = "zh-CN"


def test_a_state_of_nobody_of_before_or_of_another_session_is_none(
    database: Database, person: Person, browsers: Browsers, carrier: Simulator
) -> None:
    checks = len(person.checks())
    # The carrier, or somebody between, changes the state.
    address = person.go()
    carrier.fault("wrong_state")
    gone(person.browser, follow(address))
    back = follow(address)
    # Somebody else follows the address of return: their browser is in another session.
    other = browsers()
    register(other)
    other.open("/home")
    stranger = browsers()
    scene.enrolled(stranger)
    gone(stranger, back)
    # So is another browser of the same person.
    mine = browsers()
    mine.open("/sign-in")
    sign_in(mine, person.authenticator)
    gone(mine, back)
    # Whoever is signed in nowhere is asked to sign in, and the code does not go along.
    nobody = browsers()
    nobody.send("GET", back, None)
    answer = nobody.send("GET", back, None)
    assert answer.headers["location"] == "/sign-in?next=/account/number-proof"
    # And half an answer, none, or nonsense.
    state = parse_qs(urlsplit(back).query)["state"][0]
    for wrong in (
        "",
        f"?state={state}",
        "?code=x",
        f"?state={state}&code=x&error=y",
        f"?state={state}&code=%00",
        f"?state={state}&code={'x' * 4_001}",
    ):
        gone(person.browser, f"/account/number-proof{wrong}")
    assert len(person.checks()) == checks
    untouched(person)
    # None of that used it up.
    assert SAID[CheckResult.PROVED][0] in person.browser.open(back)

    late = follow(person.go())
    database.run(
        lambda s: s.execute(
            text("UPDATE identity_challenge SET expires_at = now() WHERE purpose = 'carrier_visit'")
        )
    )
    checks = len(person.checks())
    gone(person.browser, late)
    assert len(person.checks()) == checks


def test_a_newer_visit_ends_the_one_before(person: Person) -> None:
    first = follow(person.go())
    second = follow(person.go())
    gone(person.browser, first)
    assert SAID[CheckResult.PROVED][0] in person.browser.open(second)


def test_results_are_for_their_owner_alone(person: Person, browsers: Browsers) -> None:
    person.browser.open(follow(person.go()))
    path = person.browser.path
    stranger = browsers()
    scene.enrolled(stranger)
    stranger.open(path)
    assert stranger.page.status_code == 404
    stranger.open(f"/account/number-proof/{uuid4()}")
    assert stranger.page.status_code == 404
    stranger.open("/account/numbers")
    form = stranger.forms()[-1]
    answer = stranger.send(
        "POST", f"{person.base}/network", {"idempotency_key": form.fields["idempotency_key"]}
    )
    assert answer.status_code == 404


def test_without_a_consent_the_carrier_is_not_asked(database: Database, person: Person) -> None:
    back = follow(person.go())
    checks = len(person.checks())
    database.run(lambda s: parties.withdraw_consent(s, person.id, Purpose.IDENTITY, {}, now=clock.now()))
    person.browser.open(back)
    assert person.browser.page.status_code == 403
    assert len(person.checks()) == checks
    database.run(
        lambda s: parties.give_consents(s, person.id, [Purpose.IDENTITY], {"page": "test"}, now=clock.now())
    )
    untouched(person)


def test_an_answer_that_comes_after_its_consent_or_its_time_is_not_believed(
    database: Database, person: Person
) -> None:
    now, visit_id = clock.now(), uuid4()

    def begin(session: Session, check_id: UUID) -> None:
        number_checks.begin(session, person.id, check_id, person.point_id, "simulator", now=now)

    database.run(lambda s: begin(s, visit_id))
    database.run(lambda s: parties.withdraw_consent(s, person.id, Purpose.IDENTITY, {}, now=now))
    database.run(lambda s: parties.give_consents(s, person.id, [Purpose.IDENTITY], {"page": "test"}, now=now))
    yes = Told(CheckResult.PROVED, None, 7)
    assert database.run(lambda s: number_checks.record(s, person.id, visit_id, yes, now=now)) == "denied"
    lost = uuid4()
    database.run(lambda s: begin(s, lost))
    assert database.run(lambda s: feeds.settle_lost(s, now=now + timedelta(minutes=4))) == 0
    assert database.run(lambda s: feeds.settle_lost(s, now=now + timedelta(minutes=6))) >= 1
    assert database.run(lambda s: number_checks.record(s, person.id, lost, yes, now=now)) == "no_answer"
    assert [one.code for one in person.checks() if one.id == lost] == ["lost"]
    person.browser.open(f"/account/number-proof/{lost}")
    in_both(person, CheckResult.NO_ANSWER)


def test_a_number_that_was_barred_meanwhile_stays_barred(database: Database, person: Person) -> None:
    back = follow(person.go())
    database.run(
        lambda s: s.execute(
            text("UPDATE party_contact_point SET frozen_reason = 'wrong person' WHERE id = :id"),
            {"id": person.point_id},
        )
    )
    person.browser.open(back)
    in_both(person, CheckResult.REFUSED)
    assert person.point().frozen_reason == "wrong person"
    assert "通过移动网络核验" not in person.browser.open(person.base)
    with pytest.raises(network.NumberNotUsed):
        _begin(database, person)


def _begin(database: Database, person: Person) -> network.Going:
    from throughline.identity import service as identity

    def verb(session: Session) -> network.Going:
        now = clock.real_now()
        (login, *_) = identity.sessions_of(session, person.id, now=now)
        return network.begin(session, login, person.point_id, now=clock.now(), real_now=now)

    return database.run(verb)


def test_visits_of_a_day_are_few(database: Database, person: Person) -> None:
    for _ in range(12):
        _begin(database, person)
    page = person.browser.open(person.base)
    page = person.browser.submit(f"{person.base}/network")
    assert person.browser.page.status_code == 429
    assert "今天向运营商询问的次数已达上限" in page
    person.browser.form(f"{person.base}/code")
    with database.transaction() as session:
        waiting = session.scalar(
            select(func.count()).where(
                Challenge.purpose == "carrier_visit",
                Challenge.borrower_id == person.id,
                Challenge.expires_at > clock.real_now(),
                Challenge.consumed_at.is_(None),
            )
        )
    assert waiting == 1


def test_a_carrier_that_checks_no_numbers_is_not_offered(
    database: Database, person: Person, carrier: Simulator
) -> None:
    def port(session: Session, to: str) -> None:
        line = session.scalars(select(Line).where(Line.contact_point_id == person.point_id)).one()
        line.carrier = to

    database.run(lambda s: port(s, "southern"))
    page = person.browser.open(person.base)
    assert "通过移动网络核验" not in page
    assert f"{person.base}/network" not in page
    with pytest.raises(network.NotOffered):
        _begin(database, person)
    database.run(lambda s: port(s, "simulator"))
    person.browser.open(person.base)
    person.browser.form(f"{person.base}/network")
