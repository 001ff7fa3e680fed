"""Settings of the credit-record guard. Without an address nothing is reported and nobody is told of reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AnyHttpUrl, Field, model_validator
from pydantic_settings import SettingsConfigDict

from throughline.kernel.lab_ports import lab_url
from throughline.kernel.settings import PackageSettings, load, settings

_DEMO_PORT = 8108
_DEMO_LAG_S = 30


class BureauSettings(PackageSettings):
    """`THROUGHLINE_BUREAU_…`: where the credit bureau is and with which keys we speak to it."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_BUREAU_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    url: AnyHttpUrl | None = Field(
        None, description="The bureau's interface for files; none: nothing is reported"
    )
    member: str = Field(
        "THROUGHLINE", pattern=r"^[A-Za-z0-9-]{1,35}$", description="Our number at the bureau"
    )
    private_key: Path | None = Field(None, description="Our Ed25519 key, PEM")
    trusted_keys: Path | None = Field(None, description="Folder of the bureau's public keys, <key id>.pem")
    call_timeout_s: Annotated[float, Field(gt=0, le=60)] = 20
    not_found_lag_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        900, description="How long the bureau may need to find a file that it has taken"
    )
    file_items: Annotated[int, Field(ge=1, le=1_000)] = Field(
        200, description="At most so many reports in one file"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if settings().demo:
            keys = settings().home / "lab" / "keys" / "bureau"
            demo: dict[str, object] = {
                "url": lab_url(_DEMO_PORT),
                "private_key": keys / "client-key.pem",
                "trusted_keys": keys / "trusted",
                "not_found_lag_s": _DEMO_LAG_S,
            }
            for name in demo.keys() - self.model_fields_set:
                object.__setattr__(self, name, demo[name])
        if self.url and not (self.private_key and self.trusted_keys):
            raise ValueError("url needs private_key and trusted_keys")
        if self.url and self.url.scheme != "https" and not settings().demo:
            raise ValueError("url must begin with https://")
        return self


def bureau_settings() -> BureauSettings:
    """The settings of this process."""
    made: BureauSettings = load(BureauSettings)
    return made


def set_up() -> bool:
    """Whether this lender reports to a bureau."""
    return bureau_settings().url is not None
