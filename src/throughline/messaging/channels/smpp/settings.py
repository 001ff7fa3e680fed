"""The settings of one SMPP route."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from throughline.messaging.channels.smpp.ids import IdDialect
from throughline.messaging.channels.smpp.text import Alphabet, Joining
from throughline.messaging.ports import Verdict

_Seconds = Annotated[float, Field(gt=0, le=600)]
_Kind = Annotated[int, Field(ge=0, le=255)]
_ASCII = r"^[\x21-\x7e]*$"


class SmppRoute(BaseModel):
    """One account at one SMSC. Times are seconds. Texts of errors never repeat what was set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9-]+$")]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] = 2775
    system_id: Annotated[str, Field(min_length=1, max_length=64, pattern=_ASCII)]
    password: SecretStr = Field(max_length=64)
    system_type: Annotated[str, Field(max_length=12, pattern=_ASCII)] = ""
    bind: Literal["transceiver", "pair"] = Field("transceiver", description="pair: transmitter and receiver")
    address_range: Annotated[str, Field(max_length=40, pattern=_ASCII)] = ""

    tls: bool = Field(True, description="Off only where the way to the SMSC is sealed otherwise")
    tls_ca_file: Path | None = Field(None, description="PEM of the authorities to trust; else the system's")
    tls_server_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None

    source_address: Annotated[str, Field(max_length=20, pattern=r"^[\x20-\x7e]*$")] = ""
    source_ton: _Kind = 0
    source_npi: _Kind = 0
    dest_ton: _Kind = 1
    dest_npi: _Kind = 1
    service_type: Annotated[str, Field(max_length=5, pattern=_ASCII)] = ""
    receipts: bool = Field(True, description="Ask for delivery receipts")

    window: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="Messages without an answer at once")
    rate_per_s: Annotated[float, Field(gt=0, le=10_000)] | None = None
    slot_wait_s: _Seconds = Field(0.2, description="How long a message waits for the window and the rate")
    submit_timeout_s: _Seconds = 1.0
    late_answer_s: _Seconds = Field(30.0, description="How long a slot is kept for an answer that is late")
    bind_timeout_s: _Seconds = 3.0
    enquire_idle_s: _Seconds = 5.0
    enquire_busy_s: _Seconds = 1.0
    answer_limit_s: _Seconds = 1.0
    reconnect_base_s: _Seconds = 0.5
    reconnect_cap_s: _Seconds = 30.0

    alphabets: tuple[Alphabet, ...] = Field((Alphabet.GSM7, Alphabet.UCS2), min_length=1, max_length=3)
    joining: Joining = Joining.UDH
    max_parts: Annotated[int, Field(ge=1, le=255)] = 10
    default_alphabet: Alphabet = Field(Alphabet.GSM7, description="What data_coding 0 means in what comes in")

    id_dialect: IdDialect = IdDialect.SAME
    receipt_zone: str = Field("UTC", max_length=64, description="IANA zone of the dates in receipts")
    unmarked_receipts: bool = Field(
        False, description="Take texts that look like receipts for such; a person could write one"
    )
    verdicts: dict[Annotated[int, Field(ge=1, le=0xFFFF_FFFF)], Verdict] = Field(
        {}, max_length=500, description="Verdicts on the SMSC's own command_status values"
    )

    inbound_limit: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="Receipts and texts in hand at once"
    )
    sink_timeout_s: _Seconds = 5.0
    text_time_limit_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        600.0, description="How long the parts of an incoming text may take"
    )
    max_unfinished_texts: Annotated[int, Field(ge=1, le=100_000)] = 1000

    @field_validator("receipt_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError("receipt_zone is no IANA zone") from error
        return value

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if not self.password.get_secret_value().isascii() or "\0" in self.password.get_secret_value():
            raise ValueError("password must be ASCII")
        if self.enquire_busy_s > self.enquire_idle_s:
            raise ValueError("enquire_busy_s must not be longer than enquire_idle_s")
        if self.reconnect_base_s > self.reconnect_cap_s:
            raise ValueError("reconnect_base_s must not be longer than reconnect_cap_s")
        if any(verdict in {Verdict.ACCEPTED, Verdict.NOT_SENT} for verdict in self.verdicts.values()):
            raise ValueError("verdicts: a refusal is neither accepted nor not_sent")
        if not self.tls and (self.tls_ca_file or self.tls_server_name):
            raise ValueError("tls_ca_file and tls_server_name need tls")
        return self
