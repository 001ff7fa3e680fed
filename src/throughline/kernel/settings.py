"""Settings: environment first (`THROUGHLINE_…`), then the file `throughline.toml` in the home folder.

Values are checked when they are read. Secrets are `SecretStr`, so that printing a settings object
never shows them. A package with settings of its own declares a class with its prefix and calls `load`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AnyHttpUrl, Field, SecretStr, UrlConstraints, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

S = TypeVar("S", bound="PackageSettings")
LAB_PORT = 8101


def default_home() -> Path:
    """Where data lives when nothing is set: /var/lib for root, else the user's data folder (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/throughline")
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "throughline"


def _home() -> Path:
    return Path(os.environ.get("THROUGHLINE_HOME") or default_home()).absolute()


class PackageSettings(BaseSettings):
    """Base of every settings class: environment, then `[section]` of throughline.toml.

    The section is the class variable `section`; it is empty for the platform's own settings.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        prefix = str(cls.model_config.get("env_prefix", "THROUGHLINE_"))
        section = prefix.removeprefix("THROUGHLINE_").rstrip("_").lower()
        return init_settings, env_settings, _TomlSection(settings_cls, _home() / "throughline.toml", section)


class _TomlSection(TomlConfigSettingsSource):
    """One table of throughline.toml: the top level for the platform, `[line]` for THROUGHLINE_LINE_."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path, section: str) -> None:
        self._section = section
        super().__init__(settings_cls, toml_file=path)

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        content = super()._read_file(file_path)
        if not self._section:
            return {name: value for name, value in content.items() if not isinstance(value, dict)}
        section = content.get(self._section, {})
        return section if isinstance(section, dict) else {}


class Settings(PackageSettings):
    """Settings of the platform itself."""

    model_config = SettingsConfigDict(
        env_prefix="THROUGHLINE_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(default_factory=_home, description="Folder of all data of this installation")
    demo: bool = Field(False, description="Demo lender: simulators run, business time can be moved")
    database_url: SecretStr | None = Field(
        None, description="postgresql://… of a PostgreSQL 16 or later; empty: an embedded one is started"
    )
    postgres_account: str = Field(
        "throughline",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="Account of the embedded server when root",
    )
    lab_port: Annotated[int, Field(ge=1024, le=65_000)] = Field(
        LAB_PORT, description="The first of the ports of the demo's simulators, which follow one another"
    )
    host: str = Field("127.0.0.1", description="Address that the web role listens on")
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    base_url: Annotated[AnyHttpUrl, UrlConstraints(max_length=200)] = Field(
        AnyHttpUrl("http://localhost:8000"),
        description="The public address: links, passkeys and cookies hang on it",
    )
    zone: str = Field("Asia/Shanghai", description="IANA zone of the lender's business days")
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$")
    jurisdiction: str = Field("CN", pattern=r"^[A-Z]{2}(-[A-Za-z]{2})?$")
    lender_name: str = Field("示范消费金融有限公司", max_length=100)
    lender_name_en: str = Field("Demo Consumer Finance Ltd.", max_length=100)
    lender_contact: str = Field(
        "", max_length=200, description="Where borrowers ask or object, as documents print it"
    )
    lender_contact_en: str = Field("", max_length=200, description="The same in English")
    lender_type: str = Field("consumer_finance", pattern=r"^(bank|consumer_finance|small_loan|private)$")
    key_ring: Path | None = Field(None, description="Key-ring file; default: keys.json in the home folder")
    log_format: str = Field("console", pattern=r"^(console|json)$")
    web_threads: Annotated[int, Field(ge=1, le=256)] = 16
    web_workers: Annotated[int, Field(ge=1, le=64)] = 1
    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 8

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone") from error
        return value

    @property
    def key_ring_file(self) -> Path:
        """Where the key ring is kept in this installation."""
        return self.key_ring or self.home / "keys.json"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()


@lru_cache(maxsize=64)
def load(cls: type[S]) -> S:
    """The settings of one package, read once. The class sets `env_prefix="THROUGHLINE_<PKG>_"`."""
    return cls()


def forget() -> None:
    """Drop what was read, so that the next call reads again. For tests and for commands that set the home."""
    settings.cache_clear()
    load.cache_clear()
