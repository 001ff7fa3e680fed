"""Settings of contracts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from throughline.kernel.settings import PackageSettings


class ContractSettings(PackageSettings):
    """`THROUGHLINE_CONTRACTS_…`"""

    model_config = SettingsConfigDict(env_prefix="THROUGHLINE_CONTRACTS_")

    reading_time_s: Annotated[
        int, Field(ge=1, le=600, description="Forced reading time of the cost table")
    ] = 10
