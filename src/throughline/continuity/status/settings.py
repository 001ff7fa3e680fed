"""Settings of the status page and its probes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from throughline.kernel.settings import PackageSettings, load, settings


class StatusSettings(PackageSettings):
    """`THROUGHLINE_STATUS_…`: how the service is looked at from outside, and where the public copy goes."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_STATUS_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    probe_url: AnyHttpUrl | None = Field(
        None, description="Where probes ask; default: the web role of this machine. Set the public address"
    )
    probe_source: str = Field(
        "here", pattern=r"^[a-z0-9-]{1,32}$", description="Name of this prober; each network has its own"
    )
    probe_key: SecretStr | None = Field(
        None, description="API key with the scope continuity:probe; default: the file that `up` makes"
    )
    probe_timeout_s: Annotated[float, Field(gt=0, le=30)] = 10
    slow_ms: Annotated[int, Field(ge=100, le=30_000)] = Field(3_000, description="An answer later is slow")
    interval_s: Annotated[int, Field(ge=1, le=3_600)] = Field(60, description="Between two probes")
    failures: Annotated[int, Field(ge=2, le=60)] = Field(
        3, description="So many failed probes in a row open an incident, so many good ones end it"
    )
    publish_floor: Annotated[int, Field(ge=0)] = Field(
        20, description="Carrier incidents that touch fewer borrowers are not published"
    )
    export_dir: Path | None = Field(
        None, description="Where the static copy goes; default: status-site in the home folder"
    )

    @property
    def key_file(self) -> Path:
        """The key that `throughline up` makes for its prober, mode 0600."""
        return settings().home / "probe-key.json"

    @property
    def spool_file(self) -> Path:
        """Where probes wait while the platform does not answer."""
        return settings().home / "probe-spool.jsonl"

    @property
    def site_dir(self) -> Path:
        """The folder of the static copy."""
        return self.export_dir or settings().home / "status-site"


def load_settings() -> StatusSettings:
    """The settings of this process."""
    made: StatusSettings = load(StatusSettings)
    return made
