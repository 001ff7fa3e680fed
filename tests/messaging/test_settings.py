"""Settings: the demo lender points at the simulators; anybody else must send encrypted and by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from throughline.kernel import settings as kernel_settings
from throughline.messaging.settings import MessagingSettings, NoSmsAccount, load_settings, read_account


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("SMS_URL", "SMTP_PORT"):
        monkeypatch.delenv(f"THROUGHLINE_MESSAGING_{name}", raising=False)
    monkeypatch.setenv("THROUGHLINE_DEMO", "0")
    kernel_settings.forget()
    yield monkeypatch
    monkeypatch.undo()
    kernel_settings.forget()


def test_the_demo_points_at_the_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMS_URL", "SMTP_PORT"):
        monkeypatch.delenv(f"THROUGHLINE_MESSAGING_{name}", raising=False)
    kernel_settings.forget()
    config = load_settings()
    assert str(config.sms_url) == "http://127.0.0.1:8104/"
    assert (config.smtp_host, config.smtp_port, config.smtp_starttls) == ("127.0.0.1", 8125, False)
    assert config.sms_account_file is not None
    assert read_account(config.sms_account_file).sign_name == "不断线"


def test_nothing_is_set_up_by_itself_in_production(production: pytest.MonkeyPatch) -> None:
    config = load_settings()
    assert (config.sms_url, config.smtp_host, config.smtp_starttls) == (None, None, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"SMS_URL": "http://sms.example", "SMS_ACCOUNT_FILE": "/a"},
        {"SMS_URL": "https://sms.example"},
        {"SMTP_HOST": "mail.example"},
        {"SMTP_HOST": "mail.example", "MAIL_FROM": "a@lender.example", "SMTP_USER": "u"},
        {
            "SMTP_HOST": "mail.example", "MAIL_FROM": "a@lender.example", "SMTP_USER": "u",
            "SMTP_PASSWORD": "p", "SMTP_STARTTLS": "0",
        },
    ],
)  # fmt: skip
def test_what_production_refuses(production: pytest.MonkeyPatch, wrong: dict[str, str]) -> None:
    for name, value in wrong.items():
        production.setenv(f"THROUGHLINE_MESSAGING_{name}", value)
    with pytest.raises(ValidationError):
        MessagingSettings()


def test_a_broken_account_file_says_where_and_not_what(tmp_path: Path) -> None:
    broken = tmp_path / "account.json"
    broken.write_text('{"access_key_secret": "hush-hush"}')
    with pytest.raises(NoSmsAccount) as caught:
        read_account(broken)
    assert "hush" not in str(caught.value)
    assert str(broken) in str(caught.value)
