"""Settings of joint service plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AnyHttpUrl, Field, model_validator
from pydantic_settings import SettingsConfigDict

from throughline.kernel.lab_ports import lab_url
from throughline.kernel.settings import PackageSettings, load, settings

_DEMO_PORT = 8107


class JointSettings(PackageSettings):
    """`THROUGHLINE_LINE_JOINT_…`: the file of offers and where orders go. What has no address is not set up.

    `sponsored_data` is a flag of its own because CAMARA has released no version of that API.
    """

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_LINE_JOINT_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    offers_file: Path | None = Field(None, description="YAML file of the offers agreed with carriers")
    sponsored_data: bool = Field(False, description="Use CAMARA's unreleased sponsored_data API")
    sponsored_url: AnyHttpUrl | None = Field(None, description="API root of sponsored_data and its tokens")
    sponsor_id: str | None = Field(
        None, max_length=200, pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$"
    )
    contract_url: AnyHttpUrl | None = Field(None, description="Where orders of contract-level offers go")
    client_id: str = Field("throughline", max_length=100)
    client_key: Path | None = Field(None, description="PEM file of our EC key (P-256) that signs orders")
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 10

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if settings().demo:
            demo: dict[str, object] = {
                "sponsored_data": True,
                "sponsored_url": lab_url(_DEMO_PORT),
                "sponsor_id": "throughline@lender.example.com",
                "contract_url": lab_url(_DEMO_PORT),
                "client_key": settings().home / "lab" / "keys" / "joint-client.pem",
            }
            for name in demo.keys() - self.model_fields_set:
                object.__setattr__(self, name, demo[name])
        if self.sponsored_data and not (self.sponsored_url and self.sponsor_id):
            raise ValueError("sponsored_data needs sponsored_url and sponsor_id")
        if (self.sponsored_data or self.contract_url) and not self.client_key:
            raise ValueError("client_key must be set: orders are signed")
        for name in ("sponsored_url", "contract_url"):
            url: AnyHttpUrl | None = getattr(self, name)
            if url and url.scheme != "https" and not settings().demo:
                raise ValueError(f"{name} must begin with https://")
        return self


def load_settings() -> JointSettings:
    """The settings of this process."""
    made: JointSettings = load(JointSettings)
    return made
