"""Settings of identity, and the relying party that follows from the public address."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from throughline.identity.ceremony import RelyingParty
from throughline.kernel.settings import PackageSettings, settings


class IdentitySettings(PackageSettings):
    """Limits for one source address; guesses against one account have fixed limits of their own."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_IDENTITY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    registrations_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] = 30
    sign_ins_per_quarter_hour: Annotated[int, Field(ge=1, le=1_000_000)] = 120


def relying_party() -> RelyingParty:
    """Passkeys belong to the host of the public address; ceremonies come from its origin."""
    config = settings()
    address = urlsplit(str(config.base_url))
    default_port = {"https": 443, "http": 80}.get(address.scheme)
    port = "" if address.port in {None, default_port} else f":{address.port}"
    host = address.hostname or "localhost"
    return RelyingParty(id=host, name=config.lender_name, origins=(f"{address.scheme}://{host}{port}",))
