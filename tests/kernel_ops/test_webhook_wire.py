"""The wire format against the reference library, and where webhooks may go."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from throughline.kernel import webhook_wire as wire
from throughline.kernel.events import StoredEvent


@given(st.text(max_size=200), st.uuids())
def test_the_reference_library_takes_our_signature(text: str, event_id: object) -> None:
    secret = wire.new_secret()
    body = json.dumps({"x": text}, ensure_ascii=False).encode()
    headers = wire.headers(secret, str(event_id), datetime.now(UTC), body)
    assert Webhook(secret).verify(body, headers) == {"x": text}


def test_the_vector_of_the_specification() -> None:
    """standard-webhooks.md, the example of its signature scheme."""
    signed = wire.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_reference_library_refuses_a_changed_body_and_another_secret() -> None:
    secret, body = wire.new_secret(), b'{"a":1}'
    headers = wire.headers(secret, "1", datetime.now(UTC), body)
    for other_secret, other_body in ((secret, b'{"a":2}'), (wire.new_secret(), body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(other_secret).verify(other_body, headers)


def test_the_body_is_a_cloud_event() -> None:
    aggregate = uuid4()
    event = StoredEvent(
        uuid4(),
        "line.state_changed.v1",
        "line",
        aggregate,
        7,
        None,
        {"new": "停机"},
        datetime(2026, 11, 24, tzinfo=UTC),
    )
    document = json.loads(wire.body_of(event, "https://lender.example/"))
    assert document == {
        "specversion": "1.0",
        "id": str(event.id),
        "source": "https://lender.example/",
        "type": "line.state_changed.v1",
        "subject": f"line/{aggregate}",
        "time": "2026-11-24T00:00:00Z",
        "datacontenttype": "application/json",
        "sequence": "7",
        "data": {"new": "停机"},
    }


@pytest.mark.parametrize(
    ("patterns", "event_type", "wanted"),
    [
        (["*"], "a.b.v1", True),
        (["line.*"], "line.state_changed.v1", True),
        (["line.*"], "linear.state_changed.v1", False),
        (["line.state_changed.v1"], "line.state_changed.v1", True),
        (["line.state_changed.v1"], "line.state_changed.v10", False),
        ([], "a.b.v1", False),
    ],
)
def test_patterns(patterns: list[str], event_type: str, wanted: bool) -> None:
    assert wire.wants(patterns, event_type) is wanted


@pytest.mark.parametrize(
    "text", ["", "**", "line", "line.", "line.*.v1", "Line.x.v1", "line.x.v0", "a" * 101, "*.*"]
)
def test_what_is_no_pattern(text: str) -> None:
    assert not wire.is_pattern(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:pw@example.com/",
        "https://example.com/#f",
        "https://",
        "https:///x",
        "//example.com",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://example.com\\@10.0.0.1/",
        "https://exa\nmple.com/",
        "https://例子.中国/",
        "https://example.com/" + "a" * 500,
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    assert wire.url_problem(url, demo=False) is not None


def test_addresses_that_are_taken() -> None:
    assert wire.url_problem("https://example.com/hook?tenant=1", demo=False) is None
    assert wire.url_problem("https://example.com:8443/hook", demo=False) is None
    assert wire.url_problem("http://127.0.0.1:9/x", demo=True) is None
    assert wire.url_problem("http://localhost:9/x", demo=True) is None
    assert wire.url_problem("http://10.0.0.1:9/x", demo=True) is not None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1",  # noqa: S104 - never listened on
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "2001::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_private_addresses_are_never_reached_outside_demo(address: str) -> None:
    assert not wire.may_connect(ipaddress.ip_address(address), demo=False)


def test_link_local_is_refused_in_demo_too() -> None:
    assert not wire.may_connect(ipaddress.ip_address("169.254.169.254"), demo=True)
    assert wire.may_connect(ipaddress.ip_address("127.0.0.1"), demo=True)
    assert wire.may_connect(ipaddress.ip_address("8.8.8.8"), demo=False)
    assert wire.may_connect(ipaddress.ip_address("2606:4700::1111"), demo=False)


@given(st.integers(1, 40), st.floats(0, 1), st.none() | st.integers(0, 999_999))
def test_waits_grow_to_hours_and_no_further(attempts: int, draw: float, asked_s: int | None) -> None:
    wait_s = wire.next_wait(attempts, asked_s, draw).total_seconds()
    assert 4 <= wait_s <= 14_400 * 1.2
    if asked_s is not None:
        assert wait_s >= min(asked_s, 14_400)


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), (None, None), ("-1", None), ("Wed, 21 Oct", None), ("9" * 9, None)]
)
def test_retry_after(header: str | None, seconds: int | None) -> None:
    assert wire.retry_after_s(header) == seconds
