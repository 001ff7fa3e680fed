"""Offers agreed with carriers, as dated data: read from YAML and checked before anybody is shown one. Pure but for the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from throughline.kernel.i18n import Text
from throughline.kernel.settings import settings
from throughline.line.joint.settings import load_settings
from throughline.line.state import PublicState

MAX_OFFERS = 200
MAX_FILE_BYTES = 256 * 1024


class Kind(StrEnum):
    """What sort of help an offer is."""

    SPONSORED_DATA = "sponsored_data"
    BRIDGING_CREDIT = "bridging_credit"  # 垫付话费 / 保号
    PLAN_DISCOUNT = "plan_discount"


class DataState(StrEnum):
    """What is known of the mobile data of a line."""

    OK = "ok"
    LOW = "low"  # 90 % of the volume is used
    EXHAUSTED = "exhausted"
    THROTTLED = "throttled"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class OffersWrong(ValueError):
    """The file of offers can't be used; the text names file, offer and member."""


@dataclass(frozen=True, slots=True)
class Gives:
    """What one grant gives. `amount_minor`: the credit, or the discount of each month."""

    megabytes: int | None
    minutes: int | None
    amount_minor: int | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Offer:
    """One agreed offer, in force from `valid_from` to `valid_until`, both inside.

    `cost_minor` is what one grant costs the lender; grants of a month may cost `monthly_budget_minor` together. At
    most `limit_count` grants of a line begin in `limit_days` days. `payer`: lender, carrier, or borrower (who pays
    the carrier back later). `works_while_suspended`: the agreement says that it works on a line stopped both ways.
    `past_due_days_up_to`: of the borrower's loans, by contract; `due_within_days`: an installment must be due so soon
    or overdue. None: not asked.
    """

    id: str
    carrier: str
    carrier_name: Text  # who gets the phone number, as the consent names it
    kind: Kind
    agreement: str
    valid_from: date
    valid_until: date
    gives: Gives
    payer: str
    cost_minor: int
    currency: str
    limit_count: int
    limit_days: int
    monthly_budget_minor: int
    line_states: frozenset[str]
    data_states: frozenset[str]
    min_probability_percent: int
    works_while_suspended: bool
    past_due_days_up_to: int | None
    due_within_days: int | None
    name: Text
    terms: Text
    campaign: str | None

    def in_force(self, today: date) -> bool:
        """Whether it may be granted on a day."""
        return self.valid_from <= today <= self.valid_until


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid")

    zh: Annotated[str, Field(alias="zh-CN", min_length=1, max_length=600)]
    en: Annotated[str, Field(min_length=1, max_length=900)]

    def text(self) -> Text:
        return {"zh-CN": self.zh, "en": self.en}


class _Gives(BaseModel):
    model_config = ConfigDict(extra="forbid")

    megabytes: Annotated[int, Field(ge=1, le=1000)] | None = None  # limits of CAMARA's sponsored_data
    minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    amount_minor: Annotated[int, Field(ge=1, le=100_000_00)] | None = None
    days: Annotated[int, Field(ge=1, le=180)] | None = None


class _Limit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=100)]
    days: Annotated[int, Field(ge=1, le=366)]


class _Loan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    past_due_days_up_to: Annotated[int, Field(ge=0, le=3650)] | None = None
    due_within_days: Annotated[int, Field(ge=0, le=366)] | None = None


_GIVEN = {
    Kind.SPONSORED_DATA: {"megabytes", "minutes"},
    Kind.BRIDGING_CREDIT: {"amount_minor", "days"},
    Kind.PLAN_DISCOUNT: {"amount_minor", "days"},
}


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{2,39}$")]
    carrier: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    carrier_name: _Words
    kind: Kind
    agreement: Annotated[str, Field(min_length=1, max_length=100)]
    valid_from: date
    valid_until: date
    gives: _Gives
    payer: Literal["lender", "carrier", "borrower"]
    cost_minor: Annotated[int, Field(ge=0, le=100_000_00)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    limit_per_line: _Limit
    monthly_budget_minor: Annotated[int, Field(ge=0, le=10**12)]
    line_states: list[PublicState] = []
    data_states: list[DataState] = []
    min_probability_percent: Annotated[int, Field(ge=50, le=99)]
    works_while_suspended: bool = False
    loan: _Loan = _Loan()
    campaign: Annotated[str, Field(max_length=300)] | None = None
    name: _Words
    terms: _Words

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        given = {name for name, value in self.gives if value is not None}
        if given != _GIVEN[self.kind]:
            raise ValueError(f"gives of {self.kind} must be exactly {', '.join(sorted(_GIVEN[self.kind]))}")
        if self.payer == "borrower" and self.kind is not Kind.BRIDGING_CREDIT:
            raise ValueError("only a bridging_credit may be paid by the borrower")
        if self.payer == "lender" and not self.cost_minor:
            raise ValueError("the lender pays, so cost_minor must be above 0")
        if self.monthly_budget_minor < self.cost_minor:
            raise ValueError("monthly_budget_minor is less than one grant costs")
        if not self.line_states and not self.data_states:
            raise ValueError("line_states and data_states are empty: nobody could have it")
        return self._possible()

    def _possible(self) -> Self:
        helped = {PublicState.ACTIVE, PublicState.OUT_SUSPENDED, PublicState.SUSPENDED}
        if not set(self.line_states) <= helped:
            raise ValueError("line_states may be active, out_suspended and suspended only")
        if not set(self.data_states) <= {*DataState} - {DataState.OK, DataState.UNKNOWN}:
            raise ValueError("data_states may be low, exhausted, throttled and suspended only")
        if self.kind is Kind.SPONSORED_DATA:
            # A line stopped both ways normally has no data either: the sponsorship would help nobody.
            if PublicState.SUSPENDED in self.line_states and not self.works_while_suspended:
                raise ValueError(
                    "sponsored data for a suspended line needs an agreement that says so (works_while_suspended)"
                )
            if not self.campaign:
                raise ValueError("sponsored_data needs the campaign that the carrier gave")
        return self


def parse_offers(document: Any, source: str) -> tuple[Offer, ...]:
    """Offers from a YAML document. Raises `OffersWrong`."""
    if not isinstance(document, list) or len(document) > MAX_OFFERS:
        raise OffersWrong(f"{source}: must be a list of at most {MAX_OFFERS} offers")
    found: dict[str, Offer] = {}
    for place, row in enumerate(document, start=1):
        name = row.get("id", f"no. {place}") if isinstance(row, Mapping) else f"no. {place}"
        try:
            offer = _offer(_Row.model_validate(row))
        except ValidationError as error:
            raise OffersWrong(f"{source}: offer {name}: {_first(error)}") from None
        if offer.id in found:
            raise OffersWrong(f"{source}: offer {name}: this id stands twice")
        found[offer.id] = offer
    return tuple(found.values())


def _first(error: ValidationError) -> str:
    one = error.errors()[0]
    place = ".".join(str(part) for part in one["loc"])
    return f"{place}: {one['msg']}" if place else str(one["msg"])


def _offer(row: _Row) -> Offer:
    return Offer(
        id=row.id,
        carrier=row.carrier,
        carrier_name=row.carrier_name.text(),
        kind=row.kind,
        agreement=row.agreement,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        gives=Gives(row.gives.megabytes, row.gives.minutes, row.gives.amount_minor, row.gives.days),
        payer=row.payer,
        cost_minor=row.cost_minor,
        currency=row.currency,
        limit_count=row.limit_per_line.count,
        limit_days=row.limit_per_line.days,
        monthly_budget_minor=row.monthly_budget_minor,
        line_states=frozenset(row.line_states),
        data_states=frozenset(row.data_states),
        min_probability_percent=row.min_probability_percent,
        works_while_suspended=row.works_while_suspended,
        past_due_days_up_to=row.loan.past_due_days_up_to,
        due_within_days=row.loan.due_within_days,
        name=row.name.text(),
        terms=row.terms.text(),
        campaign=row.campaign,
    )


def read_offers(path: Path) -> tuple[Offer, ...]:
    """The offers of a file. Raises `OffersWrong`."""
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_FILE_BYTES:
            raise OffersWrong(f"{path}: larger than {MAX_FILE_BYTES // 1024} KiB")
        document = yaml.safe_load(raw)
    except OSError as error:
        raise OffersWrong(f"{path}: {error.strerror or type(error).__name__}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OffersWrong(f"{path}: not YAML: {str(error)[:300]}") from None
    return parse_offers(document, str(path))


def offers() -> tuple[Offer, ...]:
    """The offers of this installation: the lender's file; in demo mode without one, those of the demo lender; else none.

    Read once by each process. Raises `OffersWrong`.
    """
    return _offers(load_settings().offers_file, settings().demo)


@lru_cache(maxsize=1)
def _offers(path: Path | None, demo: bool) -> tuple[Offer, ...]:
    if path is not None:
        return read_offers(path)
    if demo:
        text = files("throughline.line.joint").joinpath("offers.yaml").read_text(encoding="utf-8")
        return parse_offers(yaml.safe_load(text), "offers.yaml of the demo lender")
    return ()


def find(rows: Sequence[Offer], offer_id: str) -> Offer | None:
    """The offer of that id."""
    return next((one for one in rows if one.id == offer_id), None)
