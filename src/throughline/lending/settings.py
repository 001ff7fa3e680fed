"""Settings of lending."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from throughline.kernel.settings import PackageSettings


class LendingSettings(PackageSettings):
    """`THROUGHLINE_LENDING_…`"""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_LENDING_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    second_person: bool = Field(
        True,
        description="Losses, refunds and products need a second person; false where one person lends alone",
    )
    proposal_days: Annotated[
        int, Field(ge=1, le=90, description="How long a proposal waits for the second person, in days")
    ] = 7
