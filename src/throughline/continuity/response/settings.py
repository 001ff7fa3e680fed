"""Settings of responses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from throughline.kernel.settings import PackageSettings, load, settings


class ResponseSettings(PackageSettings):
    """`THROUGHLINE_RESPONSE_…`: who must be told of incidents, and how long a draft waits for a person."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_RESPONSE_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    regimes: tuple[str, ...] = Field(
        (), max_length=20, description="Regimes whose clocks run, such as CN, EU; default: the jurisdiction"
    )
    critical_infrastructure: bool = Field(
        False, description="Critical information infrastructure: shorter clocks"
    )
    neutral_note_min: Annotated[int, Field(ge=1, le=60)] = Field(
        10, description="After so many minutes without approval a neutral note goes out by itself"
    )

    @property
    def all_regimes(self) -> tuple[str, ...]:
        """Those that were set, else the lender's own place."""
        return self.regimes or (settings().jurisdiction,)


def load_settings() -> ResponseSettings:
    """The settings of this process."""
    made: ResponseSettings = load(ResponseSettings)
    return made
