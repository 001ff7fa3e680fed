"""Ids, money, time, texts, sealed values: the small things that everything else trusts."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from throughline.kernel import clock, crypto, i18n, keyring, money, rooms
from throughline.kernel.errors import Invalid, Problem
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.keyring import KeyRingError
from throughline.kernel.money import Rounding
from throughline.kernel.settings import Settings


def test_ids_are_version_7_unique_and_rising() -> None:
    made: list[list[UUID]] = [[] for _ in range(4)]

    def make(into: list[UUID]) -> None:
        into.extend(new_id() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [one for part in made for one in part]
    assert len(set(everything)) == 20_000
    assert all(one.version == 7 and one.variant == "specified in RFC 4122" for one in everything)
    assert all(part == sorted(part) for part in made)
    millis = everything[0].int >> 80
    assert abs(millis / 1000 - datetime.now(UTC).timestamp()) < 60


@given(st.integers(-(10**13), 10**13), st.sampled_from(["CNY", "JPY", "BHD"]))
def test_minor_units_round_trip(amount_minor: int, currency: str) -> None:
    assert money.to_minor(money.from_minor(amount_minor, currency), currency) == amount_minor


@pytest.mark.parametrize("text", ["", "1.234", "1e30", "NaN", "Infinity", "1,000", "½", "1.2.3", " 0x10"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        money.to_minor(text, "CNY")


def test_rounding_modes_are_what_their_names_say() -> None:
    table = {
        "2.5": (2, 3, 3, 2),
        "3.5": (4, 4, 4, 3),
        "-2.5": (-2, -3, -3, -2),
        "2.1": (2, 2, 3, 2),
    }
    for text, expected in table.items():
        got = tuple(money.round_minor(Decimal(text), mode) for mode in Rounding)
        assert got == expected, text


def test_money_for_people_follows_the_language() -> None:
    assert money.format_money(123450, "CNY", "zh-CN") == "¥1,234.50"
    assert money.format_money(123450, "CNY", "en") == "CN¥1,234.50"


def test_local_date_follows_the_zone() -> None:
    at = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)
    assert clock.local_date(at, "Asia/Shanghai").isoformat() == "2026-03-02"
    with pytest.raises(ValueError, match="zone"):
        clock.local_date(datetime(2026, 3, 1), "Asia/Shanghai")  # noqa: DTZ001


def test_the_demo_clock_moves_forward_only(installation: Path) -> None:
    before = clock.now()
    clock.move_demo_forward(timedelta(days=30))
    assert clock.now() - before >= timedelta(days=30)
    assert clock.real_now() - before < timedelta(minutes=5)
    with pytest.raises(ValueError, match="backwards"):
        clock.move_demo_forward(timedelta(days=-1))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "zh-CN"),
        ("en-GB,en;q=0.9", "en"),
        ("fr;q=0.9, en;q=0.4, zh;q=0.8", "zh-CN"),
        ("de", "zh-CN"),
        ("en;q=banana, zh", "zh-CN"),
        ("," * 5000, "zh-CN"),
    ],
)
def test_languages_are_negotiated(header: str | None, expected: str) -> None:
    assert i18n.negotiate(header) == expected


def test_a_problem_speaks_both_languages() -> None:
    problem = Invalid()
    assert problem.document("en")["title"] == "Something in the request is not valid"
    assert problem.document("zh-CN")["title"] == "请求中有无效的内容"
    assert problem.document("en")["status"] == 422
    assert isinstance(problem, Problem)


class _WithPlaces(Invalid):
    code = "with-places"
    title = N_("Not more than %(years)s years")


def test_a_title_with_places_is_the_detail() -> None:
    document = _WithPlaces(years=3).document("en")
    assert (document["title"], document["detail"]) == (Invalid.title, "Not more than 3 years")
    assert str(_WithPlaces(years=3)) == "Not more than 3 years"


def test_no_problem_has_a_title_with_open_places() -> None:
    rooms.load_all()
    waiting, seen = [Problem], 0
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__init__ is Problem.__init__:
            seen += 1
            for locale in i18n.LOCALES:
                assert "%(" not in kind("x").document(locale)["title"], kind
    assert seen > 50


def test_a_sealed_value_opens_only_in_its_place(session: Session) -> None:
    owner, other = new_id(), new_id()
    place = "party_person|1|name"
    envelope = crypto.seal(session, owner, place, "王𬱖䶮")
    assert crypto.open_sealed(session, owner, place, envelope) == "王𬱖䶮"
    assert "王".encode() not in envelope
    crypto.seal(session, other, place, "x")
    for wrong_owner, wrong_place in ((other, place), (owner, "party_person|2|name")):
        with pytest.raises(crypto.SealBroken):
            crypto.open_sealed(session, wrong_owner, wrong_place, envelope)
    for position in range(len(envelope)):
        damaged = bytearray(envelope)
        damaged[position] ^= 1
        with pytest.raises(crypto.SealBroken):
            crypto.open_sealed(session, owner, place, bytes(damaged))


def test_destroying_a_key_erases(session: Session) -> None:
    owner = new_id()
    envelope = crypto.seal(session, owner, "t|1|c", "secret")
    crypto.destroy_data_key(session, owner)
    session.flush()
    with pytest.raises(crypto.SealBroken, match="erased"):
        crypto.open_sealed(session, owner, "t|1|c", envelope)
    with pytest.raises(crypto.SealBroken, match="erased"):
        crypto.seal(session, owner, "t|1|c", "again")


@pytest.mark.usefixtures("installation")
def test_blind_indexes_depend_on_field_and_value() -> None:
    assert crypto.blind_index("phone", "+8613800138000") == crypto.blind_index("phone", "+8613800138000")
    assert crypto.blind_index("phone", "+8613800138000") != crypto.blind_index("email", "+8613800138000")
    assert len(crypto.blind_index("phone", "1")) == 16
    assert crypto.signing_key("a").public_key() != crypto.signing_key("b").public_key()


def test_the_key_ring_is_private_and_never_replaced(installation: Path) -> None:
    ring = keyring.key_ring()
    path = installation / "keys.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert ring.current_kek()[0] not in repr(ring) or "KeyRing(" in repr(ring)
    path.chmod(0o644)
    keyring.key_ring.cache_clear()
    with pytest.raises(KeyRingError, match="chmod"):
        keyring.key_ring()
    path.chmod(0o600)
    content = json.loads(path.read_text())
    content["current"] = "nobody"
    other = path.with_name("other.json")
    other.write_text(json.dumps(content))
    other.chmod(0o600)
    with pytest.raises(KeyRingError, match="current"):
        keyring._read(other)
    keyring.key_ring.cache_clear()
    assert keyring.key_ring().current_kek() == ring.current_kek()


def test_settings_never_print_a_secret() -> None:
    made = Settings(database_url="postgresql://user:hunter2@127.0.0.1/x")
    assert "hunter2" not in repr(made)
    assert "hunter2" not in str(made.model_dump())


def test_settings_come_from_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "throughline.toml").write_text('port = 9001\nlender_name = "甲"\n[line]\nport = 1\n')
    monkeypatch.setenv("THROUGHLINE_HOME", str(tmp_path))
    assert Settings().port == 9001
    assert Settings().lender_name == "甲"
    monkeypatch.setenv("THROUGHLINE_PORT", "9002")
    assert Settings().port == 9002
    monkeypatch.setenv("THROUGHLINE_PORT", "70000")
    with pytest.raises(ValueError, match="port"):
        Settings()
    monkeypatch.setenv("THROUGHLINE_PORT", "9002")
    monkeypatch.setenv("THROUGHLINE_ZONE", "Mars/Olympus")
    with pytest.raises(ValueError, match="IANA"):
        Settings()
    assert os.environ["THROUGHLINE_ZONE"] == "Mars/Olympus"
