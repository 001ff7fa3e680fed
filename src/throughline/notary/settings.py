"""Settings of the notary: `THROUGHLINE_NOTARY_…` or the section `[notary]` of throughline.toml."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from throughline.kernel.settings import PackageSettings, load, settings


class NotarySettings(PackageSettings):
    """Which log this installation keeps and who must witness it."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_NOTARY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    origin: str | None = Field(
        None,
        max_length=200,
        pattern=r"^[A-Za-z0-9._:/-]+$",
        description="Name of the log, a URL without its scheme; fixed for ever at the first record. "
        "Default: the public address with /notary",
    )
    policy_file: Path | None = Field(
        None,
        description="C2SP policy with the witnesses (each with its submission URL) and the quorum; "
        "without it the log stands alone: quorum none",
    )


def wanted_origin() -> str | None:
    """The origin that the settings ask for, if they do."""
    wanted: str | None = load(NotarySettings).origin
    return wanted


def default_origin() -> str:
    """The log's URL prefix without its scheme, as C2SP tlog-tiles recommends."""
    return log_url().partition("://")[2]


def log_url() -> str:
    """The URL prefix under which the log is served."""
    return str(settings().base_url).rstrip("/") + "/notary"
