"""Settings of the channels. In demo mode everything points at the simulators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from throughline.kernel.lab_ports import lab_port, lab_url
from throughline.kernel.settings import PackageSettings, load, settings

_DEMO_SMS_PORT = 8104
_DEMO_SMTP_HOST = "127.0.0.1"
_DEMO_SMTP_PORT = 8125
MAX_ACCOUNT_BYTES = 64 * 1024

Account = TypeVar("Account", bound=BaseModel)


class SmsAccount(BaseModel):
    """An account at the SMS provider. `callback_token` is the last part of the address of our receipts hook."""

    access_key_id: str = Field(min_length=1, max_length=100)
    access_key_secret: SecretStr = Field(min_length=8)
    sign_name: str = Field(min_length=2, max_length=20)
    callback_token: SecretStr = Field(min_length=16)


class TencentAccount(BaseModel):
    """An application of an account at Tencent Cloud SMS. `template_ids`: of the registered texts, by "<text>.<locale>".

    `callback_token` is part of the addresses of our hooks.
    """

    secret_id: str = Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")
    secret_key: SecretStr = Field(min_length=8, max_length=200)
    app_id: str = Field(pattern=r"^[0-9]{1,20}$")
    sign_name: str = Field(min_length=2, max_length=20)
    region: str = Field("ap-guangzhou", pattern=r"^[a-z0-9-]{2,40}$")
    template_ids: dict[str, Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]] = Field(max_length=200)
    callback_token: SecretStr = Field(min_length=16, max_length=200)


class NoSmsAccount(Exception):
    """The file of the account is not there or can't be read."""


class MessagingSettings(PackageSettings):
    """`THROUGHLINE_MESSAGING_…`: where SMS and mail are handed over. A channel without its address is not set up."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_MESSAGING_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    call_timeout_s: Annotated[float, Field(gt=0, le=30)] = 15
    routes_file: Path | None = Field(
        None,
        description="JSON: several routes for a channel, see docs/routes.md; without it one for each channel",
    )

    sms_url: AnyHttpUrl | None = Field(
        None, description="https://dysmsapi.aliyuncs.com when it is set up in production"
    )
    sms_account_file: Path | None = Field(
        None, description="JSON: access_key_id, access_key_secret, sign_name, callback_token"
    )
    sms_template_codes: dict[str, str] = Field(
        {
            "new_message.zh-CN": "SMS_480000001",
            "new_message.en": "SMS_480000002",
            "catch_up.zh-CN": "SMS_480000003",
            "catch_up.en": "SMS_480000004",
            "number_code.zh-CN": "SMS_480000005",
            "number_code.en": "SMS_480000006",
        },
        description='Codes under which the outside texts are registered with the provider: "<text>.<locale>"',
    )

    smtp_host: str | None = Field(None, max_length=253)
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_starttls: bool = Field(True, description="Refuse to send without TLS")
    smtp_user: str | None = Field(None, max_length=254)
    smtp_password: SecretStr | None = None
    mail_from: str = Field("no-reply@throughline.invalid", max_length=254, pattern=r"^[^\s@<>]+@[^\s@<>]+$")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        # In demo mode whatever is not set points at the simulators and at the account that they make.
        if settings().demo:
            demo: dict[str, object] = {
                "sms_url": lab_url(_DEMO_SMS_PORT),
                "sms_account_file": settings().home / "lab" / "keys" / "sms" / "account.json",
                "smtp_host": _DEMO_SMTP_HOST,
                "smtp_port": lab_port(_DEMO_SMTP_PORT),
                "smtp_starttls": False,
            }
            for name in demo.keys() - self.model_fields_set:
                object.__setattr__(self, name, demo[name])
        if self.sms_url and not self.sms_account_file:
            raise ValueError("sms_url needs sms_account_file")
        if not settings().demo:
            self._fit_for_people()
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("smtp_user and smtp_password belong together")
        return self

    def _fit_for_people(self) -> None:
        """Outside the demo lender numbers, addresses and passwords travel encrypted."""
        if self.sms_url and self.sms_url.scheme != "https":
            raise ValueError("sms_url must begin with https://")
        if self.smtp_user and not self.smtp_starttls:
            raise ValueError("smtp_user without smtp_starttls would send the password in the clear")
        if self.smtp_host and self.mail_from.endswith(".invalid"):
            raise ValueError("smtp_host needs mail_from")


def read_account(file: Path) -> SmsAccount:
    """The account at Alibaba Cloud in a file. Raises `NoSmsAccount`."""
    return read_account_of(SmsAccount, file)


def read_account_of(kind: type[Account], file: Path) -> Account:
    """The account in a file. Raises `NoSmsAccount`. Not cached: a simulator makes its account at its first start."""
    try:
        with file.open("rb") as stream:
            return kind.model_validate(json.loads(stream.read(MAX_ACCOUNT_BYTES)))
    except (OSError, ValueError, RecursionError) as error:
        # Without the cause: its text may repeat the secret.
        raise NoSmsAccount(f"{file}: {type(error).__name__}") from None


def load_settings() -> MessagingSettings:
    """The settings of this process."""
    made: MessagingSettings = load(MessagingSettings)
    return made
