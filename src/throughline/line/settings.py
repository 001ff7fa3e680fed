"""Settings of line: whom it asks, at which price and pace, and how often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from throughline.kernel.lab_ports import lab_url
from throughline.kernel.settings import PackageSettings, load, settings

_DEMO_PORT = 8103

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
Sold = Literal[
    "camara.subscription-status",
    "camara.device-reachability",
    "camara.number-recycling",
    "camara.kyc-tenure",
    "camara.device-data-volume",
    "camara.sim-swap",
    "camara.device-swap",
    "camara.consent-info",
    "camara.number-verification",
]
Notices = Literal["reachability", "sim-swap", "data-volume"]


Prefix = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,13}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CarrierSettings(_Entry):
    """One carrier: `[[line.carriers]]`. `price_minor` is of one answered question."""

    name: Name
    api_url: AnyHttpUrl
    prefixes: tuple[Prefix, ...] = Field(
        (), max_length=1_000, description="Numbers that begin so are its own, as long as nobody knows better"
    )
    issuer: AnyHttpUrl | None = Field(
        None,
        description="Audience of the client's assertion; default: token_url. Issuer of ID tokens; default: api_url",
    )
    token_url: AnyHttpUrl | None = Field(None, description="Default: api_url + /oauth2/token")
    authorize_url: AnyHttpUrl | None = Field(
        None,
        description="Where a browser goes to be known by its mobile network; default: api_url + /oauth2/authorize",
    )
    client_id: str = Field("throughline", max_length=100)
    client_key: Path | None = None
    sells: tuple[Sold, ...] = ("camara.subscription-status", "camara.device-reachability")
    notices: tuple[Notices, ...] = ("reachability",)
    pushes: bool = Field(True, description="It sends our own suspension event by agreement")
    price_minor: Annotated[int, Field(ge=0)] = 0
    per_s: Annotated[float, Field(gt=0, le=10_000)] = 50
    expected_gap_s: Annotated[float | None, Field(ge=10)] = Field(
        None, description="Longest usual silence of its notices; default: learned from what it sends"
    )

    @property
    def base(self) -> str:
        """The API root without its last slash."""
        return str(self.api_url).rstrip("/")

    @property
    def token_endpoint(self) -> str:
        """Where tokens are asked for."""
        return str(self.token_url) if self.token_url else f"{self.base}/oauth2/token"

    @property
    def authorize_endpoint(self) -> str:
        """Where a person's browser is sent."""
        return str(self.authorize_url) if self.authorize_url else f"{self.base}/oauth2/authorize"

    @property
    def issued_by(self) -> str:
        """The issuer that its ID tokens name."""
        return str(self.issuer).rstrip("/") if self.issuer else self.base

    @property
    def audience(self) -> str:
        """For whom the client's assertion is made."""
        return str(self.issuer).rstrip("/") if self.issuer else self.token_endpoint

    @property
    def key_file(self) -> Path:
        """Where the client's key is."""
        return self.client_key or settings().home / "lab" / "keys" / "carrier-client.pem"


class AliyunSettings(_Entry):
    """Alibaba Cloud 号码百科 (dytnsapi 2020-02-17): `[line.aliyun]`. The list price is 0.1 CNY an answer."""

    api_url: AnyHttpUrl = AnyHttpUrl("https://dytnsapi.aliyuncs.com")
    access_key_id: str = Field(max_length=128)
    access_key_secret: SecretStr
    auth_code: SecretStr = Field(SecretStr(""), description="Of the second-hand check; empty: not bought")
    hash_numbers: bool = Field(True, description="Send SHA-256 of the number where the operation takes it")
    price_minor: Annotated[int, Field(ge=0)] = 10
    recycling_price_minor: Annotated[int, Field(ge=0)] = 40
    per_s: Annotated[float, Field(gt=0, le=300)] = 100


class BaiduSettings(_Entry):
    """Baidu number service (pnvs): `[line.baidu]`. Path and member of the status are those of the contract."""

    api_url: AnyHttpUrl = AnyHttpUrl("https://pnvs.baidubce.com")
    access_key_id: str = Field(max_length=128)
    secret_access_key: SecretStr
    app_key: SecretStr
    hash_numbers: bool = Field(True, description="Send SHA-256 of the number instead of its digits")
    status_path: str = Field("/haoma-cloud/openapi/phone-status/1.0", pattern=r"^/[A-Za-z0-9/._-]{1,200}$")
    price_minor: Annotated[int, Field(ge=0)] = 10
    per_s: Annotated[float, Field(gt=0, le=1_000)] = 10


_OF_CARRIERS = {"carrier", "api_url", "client_id", "client_key", "carriers"}
_DEMO_VENDORS_PORT = 8106


def _demo_carriers() -> tuple[CarrierSettings, ...]:
    return (
        CarrierSettings(
            name="simulator",
            api_url=lab_url(_DEMO_PORT),
            sells=(
                "camara.subscription-status",
                "camara.device-reachability",
                "camara.number-recycling",
                "camara.kyc-tenure",
                "camara.device-data-volume",
                "camara.number-verification",
            ),
            notices=("reachability", "data-volume"),
            price_minor=5,
        ),
        CarrierSettings(
            name="southern",
            api_url=AnyHttpUrl(f"{lab_url(_DEMO_PORT)}southern"),
            prefixes=("+86166", "+86175", "+86176"),
            sells=("camara.device-reachability", "camara.number-recycling"),
            pushes=False,
            price_minor=8,
        ),
    )


def _demo_vendors(home: Path) -> dict[str, AliyunSettings | BaiduSettings]:
    """The vendors' accounts, which are made before the first process starts; none where they are not."""
    try:
        accounts = json.loads((home / "lab" / "keys" / "vendors" / "accounts.json").read_text("utf-8"))
        return {
            "aliyun": AliyunSettings(
                api_url=lab_url(_DEMO_VENDORS_PORT),
                access_key_id=accounts["aliyun_key_id"],
                access_key_secret=accounts["aliyun_key_secret"],
                auth_code=accounts["aliyun_auth_code"],
                recycling_price_minor=15,
            ),
            "baidu": BaiduSettings(
                api_url=lab_url(_DEMO_VENDORS_PORT),
                access_key_id=accounts["baidu_key_id"],
                secret_access_key=accounts["baidu_key_secret"],
                app_key=SecretStr("demo"),
                price_minor=8,
            ),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class LineSettings(PackageSettings):
    """`THROUGHLINE_LINE_…`: whom we ask about lines and how often.

    One carrier stands in `carrier`, `api_url`, `client_id` and `client_key`; several stand in `carriers`.
    """

    model_config = SettingsConfigDict(env_prefix="THROUGHLINE_LINE_")

    carrier: Name = Field(
        "simulator", description="Name of the carrier of lines of which nothing else is known"
    )
    api_url: AnyHttpUrl = Field(
        default_factory=lambda: lab_url(_DEMO_PORT), description="Base address of its CAMARA APIs"
    )
    client_id: str = Field("throughline", max_length=100)
    client_key: Path | None = Field(
        None, description="PEM file of the client's EC key for private_key_jwt; demo: made in the home folder"
    )
    carriers: tuple[CarrierSettings, ...] = Field((), max_length=20)
    aliyun: AliyunSettings | None = None
    baidu: BaiduSettings | None = None
    sink_url: AnyHttpUrl | None = Field(
        None, description="Where the carrier posts its events; default: our base address"
    )
    queries_per_30_days: Annotated[int, Field(ge=1, le=1000)] = 40
    planned_queries_per_30_days: Annotated[int, Field(ge=0, le=1000)] = Field(
        11, description="Questions of one line that the planner spends; confirmations may go beyond"
    )
    query_spend_minor_per_30_days: Annotated[int, Field(ge=0)] = Field(
        200, description="Most that the planner's questions of one line may cost, minor units"
    )
    query_band_from: Annotated[float, Field(gt=0, lt=1)] = 0.15
    query_band_to: Annotated[float, Field(gt=0, lt=1)] = 0.9
    segments_file: Path | None = Field(
        None, description="CSV of number segments and their home regions: +861380000,region"
    )
    params_file: Path | None = Field(
        None,
        description="YAML of the filter's parameters, as `line fit` writes it; default: the shipped ones",
    )
    timeout_s: Annotated[float, Field(gt=0, le=20)] = 5
    total_s: Annotated[float, Field(gt=0, le=40)] = Field(
        20, description="Of a question with its repeats; less than the 60 s in which a withdrawal must count"
    )
    repeats: Annotated[int, Field(ge=0, le=5)] = Field(2, description="Of one request, where repeating helps")
    raw_days: Annotated[int, Field(ge=30, le=90)] = Field(
        60, description="How long answers are kept as they came"
    )
    credit_use: bool = Field(
        False, description="May carriers be asked for credit decisions? A consent of its own"
    )

    @model_validator(mode="after")
    def _demo(self) -> LineSettings:
        # In demo mode, where nothing is said of carriers, those of the simulators are there: one that sells and pushes
        # all, one that tells no status, so that vendors are asked; and the vendors, as far as their accounts are made.
        if settings().demo and not self.model_fields_set & _OF_CARRIERS:
            object.__setattr__(self, "carriers", _demo_carriers())
            for name, made in _demo_vendors(settings().home).items():
                if name not in self.model_fields_set:
                    object.__setattr__(self, name, made)
        return self

    @model_validator(mode="after")
    def _named_once(self) -> LineSettings:
        names = [one.name for one in self.carriers]
        if len(set(names)) != len(names):
            raise ValueError("two carriers have one name")
        if names and self.carrier not in names:
            raise ValueError("`carrier` must name one of `carriers`")
        return self

    @property
    def all_carriers(self) -> tuple[CarrierSettings, ...]:
        """The carriers that are set up, at least one."""
        if self.carriers:
            return self.carriers
        return (
            CarrierSettings(
                name=self.carrier, api_url=self.api_url, client_id=self.client_id, client_key=self.client_key
            ),
        )

    def carrier_of(self, number: str) -> str:
        """Whose a number in E.164 is by the longest prefix that fits; porting is not known here."""
        fitting = [
            (len(prefix), one.name)
            for one in self.carriers
            for prefix in one.prefixes
            if number.startswith(prefix)
        ]
        return max(fitting)[1] if fitting else self.carrier

    @property
    def sink(self) -> str:
        """The address of our callback."""
        return str(self.sink_url or settings().base_url).rstrip("/") + "/hooks/line/camara"


def load_settings() -> LineSettings:
    """The settings of this process."""
    made: LineSettings = load(LineSettings)
    return made
