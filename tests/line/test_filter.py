"""The filter: order and repeats change nothing, silence accuses nobody, unknown codes say nothing."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughline.line import filter as line_filter
from throughline.line import parameters
from throughline.line.adapters.camara.callbacks import PUSH_TYPE, CallbackMalformed, parse
from throughline.line.emissions import read
from throughline.line.filter import believe, cannot_receive, params, predict, public
from throughline.line.parameters import document_of, rates_of, shipped, steps_of
from throughline.line.signals import Signal
from throughline.line.state import INDEX, STATES, PublicState

START = datetime(2026, 3, 1, tzinfo=UTC)
FLAGS = {
    "active": {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"},
    "out": {"voiceSmsIn": "active", "voiceSmsOut": "suspended", "dataService": "active"},
    "both": {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"},
}


def status(hours: float, flags: str) -> Signal:
    return Signal(START + timedelta(hours=hours), "camara.subscription-status", "carrier", None, FLAGS[flags])


def push(hours: float, flags: str) -> Signal:
    return Signal(START + timedelta(hours=hours), "carrier.push", "carrier", None, FLAGS[flags])


def reach(hours: float, reachable: bool) -> Signal:
    at = START + timedelta(hours=hours)
    return Signal(at, "camara.device-reachability", "carrier", None, {"reachable": reachable})


def proof(hours: float) -> Signal:
    return Signal(START + timedelta(hours=hours), "identity.number-proof", "platform", "sms_code", {})


def recycled(hours: float, given: bool) -> Signal:
    said = {"recycled": given, "specified_date": "2026-01-01"}
    return Signal(START + timedelta(hours=hours), "camara.number-recycling", "carrier", None, said)


def belief(*signals: Signal, hours: float) -> line_filter.Belief:
    return believe(signals, at=START + timedelta(hours=hours), start=START)


signals = st.one_of(
    st.builds(status, st.floats(0, 72), st.sampled_from(list(FLAGS))),
    st.builds(push, st.floats(0, 72), st.sampled_from(list(FLAGS))),
    st.builds(reach, st.floats(0, 72), st.booleans()),
    st.builds(
        lambda hours, code: Signal(START + timedelta(hours=hours), "sms.receipt", "cn.gateway", code, {}),
        st.floats(0, 72),
        st.sampled_from(["DELIVRD", "EXPIRED", "UNDELIV", "MA:0001", "whatever"]),
    ),
    st.builds(proof, st.floats(0, 72)),
    st.builds(recycled, st.floats(0, 72), st.booleans()),
)


@settings(max_examples=60)
@given(st.lists(signals, max_size=12), st.randoms())
def test_order_and_repeats_change_nothing(window: list[Signal], random: object) -> None:
    one = believe(window, at=START + timedelta(hours=80), start=START)
    shuffled = window + window[::2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = believe(shuffled, at=START + timedelta(hours=80), start=START)
    assert other.state is one.state
    assert other.since == one.since
    assert max(abs(a - b) for a, b in zip(one.p, other.p, strict=True)) < 1e-9
    assert abs(sum(one.p) - 1) < 1e-9


def test_a_suspension_is_believed_when_the_carrier_confirms_it() -> None:
    told = belief(status(0, "active"), push(100, "both"), hours=100.1)
    assert told.state is PublicState.SUSPENDED
    assert not told.alarm  # a notice waits for the answer to the question that it leads to
    assert belief(status(0, "active"), push(100, "both"), hours=100.2).alarm  # nobody answered
    denied = belief(status(0, "active"), push(100, "both"), status(100.1, "active"), hours=100.2)
    assert (denied.state, denied.alarm) == (PublicState.ACTIVE, False)
    confirmed = belief(status(0, "active"), push(100, "both"), status(100.2, "both"), hours=100.3)
    assert confirmed.state is PublicState.SUSPENDED
    assert confirmed.alarm
    assert confirmed.probability > 0.9
    assert confirmed.since == START + timedelta(hours=100)
    back = belief(push(100, "both"), status(100.2, "both"), status(150, "active"), hours=150.1)
    assert back.state is PublicState.ACTIVE
    assert not back.alarm


def test_the_kinds_of_suspension_are_told_apart() -> None:
    assert belief(status(1, "out"), status(2, "out"), hours=3).state is PublicState.OUT_SUSPENDED
    assert belief(status(1, "both"), status(2, "both"), hours=3).state is PublicState.SUSPENDED


def test_silence_and_a_phone_that_is_off_raise_no_alarm() -> None:
    assert not belief(hours=24 * 60).alarm
    quiet = belief(status(0, "active"), hours=24 * 30)
    assert not quiet.alarm
    assert quiet.probability > 0.8
    off = belief(status(0, "active"), reach(10, False), reach(20, False), hours=21)
    assert not off.alarm


@given(st.text(max_size=20), st.text(max_size=20))
def test_unknown_codes_say_nothing(provider: str, code: str) -> None:
    strange = Signal(START + timedelta(hours=1), "sms.receipt", provider, f"x{code}", {})
    assert read(strange) is None
    assert belief(strange, hours=2).p == belief(hours=2).p


def test_the_same_code_means_other_things_elsewhere() -> None:
    def receipt(provider: str) -> Signal:
        return Signal(START, "sms.receipt", provider, "1", {})

    meanings = {provider: read(receipt(provider)) for provider in ("map", "8x8", "infobip", "cn.gateway")}
    assert {name: one and one.meaning.value for name, one in meanings.items()} == {
        "map": "unknown_number",
        "8x8": "absent",
        "infobip": "unknown_number",
        "cn.gateway": None,
    }


@given(st.integers(0, 10**8))
def test_predictions_are_distributions_and_chain(elapsed: int) -> None:
    by = params()
    later = predict(by.prior, elapsed, by)
    assert abs(later.sum() - 1) < 1e-9
    assert (later > 0).all()
    halves = predict(predict(by.prior, elapsed // 2, by), elapsed - elapsed // 2, by)
    assert np.allclose(later, halves, atol=1e-9)


def test_a_cancelled_number_is_not_resold_at_once() -> None:
    by = params()
    fresh = np.zeros(len(STATES))
    fresh[STATES.index("cancelled_1")] = 1
    after = [public(predict(fresh, days * 86_400, by))[PublicState.REASSIGNED] for days in (1, 30, 90, 400)]
    assert after[0] < 0.001
    assert after == sorted(after)
    assert after[3] > 0.95
    assert cannot_receive(fresh) == 1


def test_a_one_way_stop_goes_on_by_schedule() -> None:
    """Seldom at once, and in the mean when the file says, though it goes through three stages."""
    document = document_of(shipped())
    mean_h = 1 / next(
        row["rate"]
        for row in document["rates"]
        if (row["from"], row["to"]) == ("out_suspended_on", "suspended")
    )
    steps = steps_of("out_suspended_on", "suspended")
    rates = rates_of(document)
    assert sum(1 / rates[one.origin, one.target] for one in steps) == pytest.approx(mean_h)
    assert [STATES[one.target] for one in steps][-1] == "suspended"
    by = params()
    fresh = np.zeros(len(STATES))
    fresh[INDEX["out_suspended_1_on"]] = 1
    # Of the lines that are still stopped, the share of two-way stops; without memory it would be 1 - exp(-t / mean).
    shares = []
    for part in (0.1, 0.25, 1.0, 2.0):
        now = public(predict(fresh, part * mean_h * 3600, by))
        shares.append(
            now[PublicState.SUSPENDED] / (now[PublicState.SUSPENDED] + now[PublicState.OUT_SUSPENDED])
        )
    assert shares[0] < 0.02 < 0.1
    assert shares[1] < 0.5 * 0.22
    assert shares == sorted(shares)
    assert shares[3] > 0.85


def test_still_stopped_becomes_two_way_stopped() -> None:
    """A vendor's one code for both kinds: only how long it has been said tells them apart."""

    def vendor(hours: float, code: str) -> Signal:
        at = START + timedelta(hours=hours)
        return Signal(at, "vendor.aliyun", "aliyun", code, {"check": "status"})

    said = [vendor(0, "NORMAL"), *(vendor(hours, "SHUTDOWN") for hours in range(30, 240, 10))]
    first = belief(*said, hours=50)
    assert (first.state, first.alarm) == (PublicState.OUT_SUSPENDED, False)
    late = belief(*said, hours=231)
    assert (late.state, late.alarm) == (PublicState.SUSPENDED, True)


def test_silence_alone_raises_no_alarm_however_long() -> None:
    beats = [
        Signal(START + timedelta(hours=hour), "app.heartbeat", None, None, {"transport": transport})
        for hour, transport in [(hour, "cellular") for hour in range(0, 240, 3)]
        + [(hour, "wifi") for hour in range(240, 24 * 60, 6)]
    ]
    for days in (11, 12, 15, 20, 40, 60, 200, 400):
        assert not belief(*beats, hours=24 * days).alarm


def test_the_past_is_not_predicted() -> None:
    with pytest.raises(ValueError, match="future"):
        predict(params().prior, -1, params())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"{}", b'{"specversion":"1.0"}', b"x" * 70_000,
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","time":"yesterday","data":{}}',
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-01-01T00:00:00","data":{}}',
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-01-01T00:00:00Z","data":[]}',
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-01-01T00:00:00Z","data":{}}',
    ],
)  # fmt: skip
def test_malformed_callbacks_are_refused(body: bytes) -> None:
    with pytest.raises(CallbackMalformed):
        parse(body)


@given(st.binary(max_size=200))
def test_no_callback_breaks_the_parser(body: bytes) -> None:
    with contextlib.suppress(CallbackMalformed):
        parse(body)


def test_the_push_extension_names_itself_as_ours() -> None:
    assert PUSH_TYPE.startswith("org.throughline.")


@settings(max_examples=60)
@given(st.lists(signals, max_size=12), st.randoms())
def test_a_proof_ends_the_doubt_whatever_was_said_before(window: list[Signal], random: object) -> None:
    heard = [*window, recycled(73, given=True), proof(74)]
    at = START + timedelta(hours=80)
    one = believe(heard, at=at, start=START)
    chances = public(np.array(one.p))
    assert chances[PublicState.REASSIGNED] < 0.1
    assert cannot_receive(np.array(one.p)) < 0.2
    mixed = heard * 2
    with contextlib.suppress(AttributeError):
        random.shuffle(mixed)  # type: ignore[attr-defined]
    other = believe(mixed, at=at, start=START)
    assert np.allclose(one.p, other.p, atol=1e-9)
    # A proof from before says nothing against what a source that knows says afterwards.
    later = believe([*heard, recycled(74 + 24 * 30, given=True)], at=at + timedelta(days=30), start=START)
    assert public(np.array(later.p))[PublicState.REASSIGNED] > 0.5


def test_a_proof_is_no_word_of_the_carrier_on_a_stop() -> None:
    """Outgoing calls stay barred for all that a code that arrived can tell."""
    before = belief(status(0, "out"), hours=1)
    after = belief(status(0, "out"), proof(1), hours=1)
    assert before.state is PublicState.OUT_SUSPENDED
    assert after.state is PublicState.OUT_SUSPENDED


def test_a_young_contract_is_a_weak_sign_of_a_new_owner_and_data_says_nothing_of_the_line() -> None:
    def told(source: str, hours: float, code: str | None = None, **said: object) -> Signal:
        return Signal(START + timedelta(hours=hours), source, "carrier", code, said)

    def stranger(*heard: Signal) -> float:
        return public(np.array(belief(status(0, "active"), *heard, hours=1).p))[PublicState.REASSIGNED]

    nothing = stranger()
    young = told("camara.kyc-tenure", 1, tenureDateCheck=False, tenureDate="2026-01-01")
    old = told("camara.kyc-tenure", 1, tenureDateCheck=True, tenureDate="2026-01-01")
    assert 3 * nothing < stranger(young) < 11 * nothing
    assert stranger(young) < 0.2  # porting by the same person looks alike: alone it freezes nothing
    assert stranger(old) < nothing
    twice = stranger(young, told("camara.number-recycling", 1, recycled=True))
    assert twice > 0.9
    for said in (
        told("camara.device-data-volume", 1, dataVolumeCategory="<200MiB"),
        told("camara.device-data-volume", 1, "data-90-percent"),
    ):
        reading = read(said)
        assert reading is not None
        assert reading.meaning == "data_low"
        assert np.allclose(
            belief(status(0, "active"), said, hours=1).p, belief(status(0, "active"), hours=1).p, atol=1e-12
        )
    # Nor does it make the carrier's next answer about the line count for more or less.
    volume = told("camara.device-data-volume", 0.5, dataVolumeCategory="<1GiB")
    with_it = belief(status(0, "active"), volume, status(1, "active"), hours=1)
    assert np.allclose(with_it.p, belief(status(0, "active"), status(1, "active"), hours=1).p, atol=1e-9)


def test_a_file_that_is_older_than_a_meaning_takes_the_shipped_fit() -> None:
    document = parameters.document_of(parameters.shipped())
    for name in parameters.LATER:
        del document["fits"][name]
    old = parameters.read_params(document)
    assert (old.likelihood["proved", "A"] == params().likelihood["proved", "A"]).all()
