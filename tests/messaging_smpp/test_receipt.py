"""Receipts: every dialect is read, nothing raises, what is malformed says so and stays as it came."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from throughline.messaging.channels.smpp import ids, receipt, states
from throughline.messaging.channels.smpp.ids import IdDialect
from throughline.messaging.channels.smpp.states import MessageState, attempt_state
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.lattice import AttemptState

FORMS = yaml.safe_load((Path(__file__).parent / "receipts.yaml").read_text(encoding="utf-8"))


def tlvs_of(form: dict[str, Any]) -> dict[int, bytes]:
    return {Tag[name]: bytes.fromhex(value) for name, value in form.get("tlvs", {}).items()}


@pytest.mark.parametrize("form", FORMS["readable"], ids=lambda form: str(form["name"]))
def test_a_dialect_is_read(form: dict[str, Any]) -> None:
    read = receipt.parse(form["text"], tlvs_of(form), raw=b"raw")
    assert not read.malformed
    assert read.ref == form["ref"]
    assert read.state is MessageState[form["state"]]
    assert read.err == form.get("err", "")
    assert read.network_error == form.get("network_error", "")
    assert read.done_at == (
        datetime.fromisoformat(form["done"]).replace(tzinfo=UTC) if "done" in form else None
    )
    assert list(read.flaws) == form.get("flaws", [])


@pytest.mark.parametrize("form", FORMS["malformed"], ids=lambda form: str(form["name"]))
def test_a_malformed_form_is_kept_and_said_to_be_so(form: dict[str, Any]) -> None:
    read = receipt.parse(form["text"], tlvs_of(form), raw=b"the whole PDU")
    assert read.malformed
    assert read.flaws
    assert read.raw == b"the whole PDU"


def test_there_are_enough_malformed_forms() -> None:
    assert len(FORMS["malformed"]) >= 40
    assert len({form["name"] for form in FORMS["malformed"]}) == len(FORMS["malformed"])


KEYS = ["id", "ID ", "stat", "Status", "err", "submit date", "done_date", "text", "sub", "dlvrd"]


@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(":="), st.text(max_size=30))).map(
            lambda pieces: " ".join("".join(piece) for piece in pieces)
        ),
    ),
    st.dictionaries(st.sampled_from(Tag), st.binary(max_size=80)),
    st.sampled_from(IdDialect),
)
def test_nothing_raises(text: str, tlvs: dict[int, bytes], dialect: IdDialect) -> None:
    read = receipt.parse(text, tlvs, dialect=dialect)
    assert read.malformed == (read.ref is None or read.state is None)
    assert not read.malformed or read.flaws
    assert all(len(other) <= 2 * ids.MAX_ID_CHARS for other in read.other_refs)
    receipt.looks_like_receipt(text)


def test_a_long_text_takes_no_long_time() -> None:
    assert receipt.parse("id:" * 200_000, {}).malformed


def test_dates_are_in_the_zone_of_the_route() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    read = receipt.parse("id:1 stat:DELIVRD done date:2606010931", {}, zone=zone)
    assert read.done_at == datetime(2026, 6, 1, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dialect", "answer", "text"),
    [
        (IdDialect.SAME, "00A1", "00A1"),
        (IdDialect.HEX_THEN_DECIMAL, "0A1B2C3D", "169552957"),
        (IdDialect.HEX_THEN_DECIMAL, "a1", "0000000161"),
        (IdDialect.DECIMAL_THEN_HEX, "169552957", "0a1b2c3d"),
        (IdDialect.DECIMAL_THEN_HEX, "0000000161", "A1"),
    ],
)
def test_an_id_in_two_bases_meets_itself(dialect: IdDialect, answer: str, text: str) -> None:
    read = receipt.parse(f"id:{text} stat:DELIVRD", {}, dialect=dialect)
    assert read.ref == ids.of_answer(answer, dialect)


@pytest.mark.parametrize(
    ("answer", "text"), [("0a1b2c3d", "169552957"), ("169552957", "A1B2C3D"), ("A1", "161")]
)
def test_with_the_wrong_dialect_the_other_forms_are_offered(answer: str, text: str) -> None:
    read = receipt.parse(f"id:{text} stat:DELIVRD", {})
    assert read.ref == text
    assert ids.of_answer(answer, IdDialect.SAME) in read.other_refs


def test_the_parameter_has_the_form_of_the_answer_whatever_the_text_has() -> None:
    tlvs = {Tag.RECEIPTED_MESSAGE_ID: b"A1\0"}
    read = receipt.parse("id:161 stat:DELIVRD", tlvs, dialect=IdDialect.HEX_THEN_DECIMAL)
    assert read.ref == "161" == ids.of_answer("a1", IdDialect.HEX_THEN_DECIMAL)


def test_what_a_state_makes_of_an_attempt() -> None:
    assert attempt_state(MessageState.DELIVERED) is AttemptState.DELIVERED
    assert attempt_state(MessageState.UNDELIVERABLE) is AttemptState.FAILED
    assert attempt_state(MessageState.UNDELIVERABLE, intermediate=True) is AttemptState.ACCEPTED
    assert attempt_state(MessageState.DELIVERED, intermediate=True) is AttemptState.DELIVERED
    assert attempt_state(MessageState.UNKNOWN) is None


def test_every_state_is_known_by_its_number_and_its_name() -> None:
    for state in MessageState:
        assert states.by_number(state.value) is state
        assert states.by_word(state.name) is state
    assert states.by_number(0) is states.by_number(None) is None


def test_a_text_that_only_looks_like_a_receipt() -> None:
    assert receipt.looks_like_receipt("id:1 stat:DELIVRD")
    assert not receipt.looks_like_receipt("my id: 5, the stat: good")
