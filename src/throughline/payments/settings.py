"""Settings of the rails. In demo mode everything points at the simulators and at the keys made for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from throughline.kernel.lab_ports import lab_url
from throughline.kernel.settings import PackageSettings, settings

_DEMO_BANK_PORT = 8101
_DEMO_LAG_S = 30
_DEMO_WECHAT_PORT = 8102


class PaymentSettings(PackageSettings):
    """Where the rails are and with which keys we speak to them. A rail without its URL is not set up."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_PAYMENTS_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    call_timeout_s: Annotated[float, Field(gt=0, le=60)] = 15
    not_found_lag_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        600, description="How long a provider may need to find what it has taken"
    )
    collection_open_min: Annotated[int, Field(ge=5, le=7 * 24 * 60)] = 120

    bank_url: AnyHttpUrl | None = Field(None, description="The bank's interface for ISO 20022 files")
    bank_client_id: str = Field("THROUGHLINE", pattern=r"^[A-Za-z0-9-]{1,35}$")
    bank_account: str = Field("6210000000000001", pattern=r"^[A-Z0-9]{6,34}$", description="Our account")
    bank_code: str = Field("999100000019", pattern=r"^[A-Z0-9]{3,12}$", description="The bank of our account")
    bank_private_key: Path | None = Field(None, description="Our Ed25519 key, PEM")
    bank_trusted_keys: Path | None = Field(None, description="Folder of the bank's public keys, <key id>.pem")
    bank_max_amount_minor: Annotated[int, Field(gt=0)] = 20_000_000

    wechat_url: AnyHttpUrl | None = Field(
        None, description="https://api.mch.weixin.qq.com when it is set up in production"
    )
    wechat_mchid: str = Field("1900000001", pattern=r"^[0-9]{8,32}$")
    wechat_appid: str = Field("wx0000000000000001", pattern=r"^wx[0-9a-z]{6,30}$")
    wechat_merchant_key: Path | None = Field(None, description="Our RSA key, PEM")
    wechat_merchant_certificate: Path | None = Field(
        None, description="Its certificate, for the serial number"
    )
    wechat_platform_keys: Path | None = Field(
        None, description="Folder of platform certificates and of public keys named PUB_KEY_ID_….pem"
    )
    wechat_api_v3_key: SecretStr | None = Field(None, description="32 characters; or in a file, see below")
    wechat_api_v3_key_file: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        # In demo mode the keys are those that the simulators' `ensure_keys` has made.
        if settings().demo:
            keys = settings().home / "lab" / "keys"
            for name, value in {
                "bank_url": lab_url(_DEMO_BANK_PORT),
                "bank_private_key": keys / "bank" / "client-key.pem",
                "bank_trusted_keys": keys / "bank" / "trusted",
                "wechat_url": lab_url(_DEMO_WECHAT_PORT),
                "wechat_merchant_key": keys / "wechat" / "merchant-key.pem",
                "wechat_merchant_certificate": keys / "wechat" / "merchant-certificate.pem",
                "wechat_platform_keys": keys / "wechat" / "platform",
                "wechat_api_v3_key_file": keys / "wechat" / "api-v3-key.txt",
            }.items():
                if getattr(self, name) is None:
                    object.__setattr__(self, name, value)
            if "not_found_lag_s" not in self.model_fields_set:
                # The simulators find at once what they took: a restarted demo need not wait long.
                object.__setattr__(self, "not_found_lag_s", _DEMO_LAG_S)
        if self.bank_url and not (self.bank_private_key and self.bank_trusted_keys):
            raise ValueError("bank_url needs bank_private_key and bank_trusted_keys")
        if self.wechat_url and not (
            self.wechat_merchant_key
            and self.wechat_merchant_certificate
            and self.wechat_platform_keys
            and (self.wechat_api_v3_key or self.wechat_api_v3_key_file)
        ):
            raise ValueError(
                "wechat_url needs the merchant key and certificate, platform keys and API v3 key"
            )
        return self
