"""Settings of line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, Field
from pydantic_settings import SettingsConfigDict

from throughline.kernel.settings import PackageSettings, load, settings


class LineSettings(PackageSettings):
    """`THROUGHLINE_LINE_…`: the carrier's APIs and how often they are asked."""

    model_config = SettingsConfigDict(env_prefix="THROUGHLINE_LINE_")

    carrier: str = Field("simulator", pattern=r"^[a-z0-9_-]{1,32}$", description="Name of the carrier feed")
    api_url: AnyHttpUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8103"), description="Base address of its CAMARA APIs"
    )
    client_id: str = Field("throughline", max_length=100)
    client_key: Path | None = Field(
        None, description="PEM file of the client's EC key for private_key_jwt; demo: made in the home folder"
    )
    sink_url: AnyHttpUrl | None = Field(
        None, description="Where the carrier posts its events; default: our base address"
    )
    poll_hours: Annotated[int, Field(ge=1, le=720)] = 72
    queries_per_30_days: Annotated[int, Field(ge=1, le=1000)] = 40
    query_band_from: Annotated[float, Field(gt=0, lt=1)] = 0.15
    query_band_to: Annotated[float, Field(gt=0, lt=1)] = 0.9
    params_file: Path | None = Field(
        None,
        description="YAML of the filter's parameters, as `line fit` writes it; default: the shipped ones",
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5

    @property
    def key_file(self) -> Path:
        """Where the client's key is."""
        return self.client_key or settings().home / "lab" / "keys" / "carrier-client.pem"

    @property
    def sink(self) -> str:
        """The address of our callback."""
        return str(self.sink_url or settings().base_url).rstrip("/") + "/hooks/line/camara"


def load_settings() -> LineSettings:
    """The settings of this process."""
    made: LineSettings = load(LineSettings)
    return made
