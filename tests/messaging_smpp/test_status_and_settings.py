"""The reviewed table of statuses, and the settings of a route."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from messaging_smpp.recorder import route
from throughline.messaging.channels.smpp import Fault, PartResult, SmppRoute
from throughline.messaging.channels.smpp.outgoing import relative
from throughline.messaging.channels.smpp.sink import verdict_of
from throughline.messaging.channels.smpp.status import MEANINGS, Status, meaning, name
from throughline.messaging.ports import AGAIN, Verdict


def test_every_status_has_a_meaning_and_only_one_says_yes() -> None:
    assert set(MEANINGS) == set(Status)
    assert [status for status in Status if MEANINGS[status].verdict is Verdict.ACCEPTED] == [Status.ROK]
    for status in range(1, 0x10000):
        assert meaning(status).verdict not in {Verdict.ACCEPTED, Verdict.NOT_SENT}


def test_faults_of_number_and_content_are_final() -> None:
    for status in Status:
        meant = MEANINGS[status]
        if meant.fault in {Fault.NUMBER, Fault.CONTENT, Fault.PROTOCOL}:
            assert meant.verdict is Verdict.REJECTED_FINAL
        if meant.fault in {Fault.THROTTLE, Fault.QUEUE}:
            assert meant.verdict in AGAIN


def test_a_providers_own_codes_go_before_the_table() -> None:
    own = {0x451: Verdict.THROTTLED, 0x14: Verdict.THROTTLED, 0: Verdict.REJECTED_FINAL}
    assert meaning(0x451, own).verdict is Verdict.THROTTLED
    assert meaning(0x14, own).verdict is Verdict.THROTTLED
    assert meaning(0, own).verdict is Verdict.ACCEPTED
    assert [name(status) for status in (0x58, 0x451)] == ["ESME_RTHROTTLED", "0x0451"]


@pytest.mark.parametrize(
    ("verdicts", "total", "whole"),
    [
        ([], 1, Verdict.NOT_SENT),
        ([Verdict.NOT_SENT], 3, Verdict.NOT_SENT),
        ([Verdict.UNKNOWN], 3, Verdict.UNKNOWN),
        ([Verdict.ACCEPTED], 1, Verdict.ACCEPTED),
        ([Verdict.ACCEPTED], 2, Verdict.UNKNOWN),
        ([Verdict.ACCEPTED, Verdict.NOT_SENT], 2, Verdict.UNKNOWN),
        ([Verdict.ACCEPTED, Verdict.UNKNOWN], 2, Verdict.UNKNOWN),
        ([Verdict.ACCEPTED, Verdict.REJECTED_FINAL], 2, Verdict.REJECTED_FINAL),
        ([Verdict.ACCEPTED, Verdict.ACCEPTED], 2, Verdict.ACCEPTED),
    ],
)
def test_the_verdict_on_a_text_of_parts(verdicts: list[Verdict], total: int, whole: Verdict) -> None:
    assert verdict_of([PartResult(verdict) for verdict in verdicts], total) is whole


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Route 1"},
        {"host": ""},
        {"system_id": ""},
        {"system_id": "with blank"},
        {"password": "p" * 65},
        {"password": "pässword"},
        {"password": "nul\0"},
        {"window": 0},
        {"rate_per_s": 0},
        {"submit_timeout_s": 0},
        {"enquire_idle_s": 0.5},
        {"reconnect_base_s": 60},
        {"alphabets": []},
        {"max_parts": 256},
        {"receipt_zone": "Mars/Olympus"},
        {"receipt_zone": "../etc/passwd"},
        {"verdicts": {0x451: "accepted"}},
        {"verdicts": {0: "throttled"}},
        {"tls_ca_file": "/tmp/ca.pem"},  # noqa: S108
        {"no_such_setting": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused_without_the_secret(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        route(2775, **changes)
    assert "pässword" not in str(refused.value)
    assert "pppp" not in str(refused.value)


def test_settings_come_from_json_and_the_password_is_not_printed() -> None:
    text = (
        '{"name": "east", "host": "smsc.example", "system_id": "us", "password": "hunter2", "bind": "pair",'
        ' "verdicts": {"1105": "throttled"}, "alphabets": ["gsm7", "latin1", "ucs2"], "id_dialect": "hex_then_decimal"}'
    )
    made = SmppRoute.model_validate_json(text)
    assert made.tls
    assert made.verdicts == {1105: Verdict.THROTTLED}
    assert "hunter2" not in repr(made)


def test_durations_as_the_protocol_writes_them() -> None:
    assert relative(1) == "000000000001000R"
    assert relative(99 * 86_400 + 3_600 * 23 + 60 * 59 + 59) == "000099235959000R"
    for seconds in (0, -1, 100 * 86_400):
        with pytest.raises(ValueError, match="validity_s"):
            relative(seconds)
