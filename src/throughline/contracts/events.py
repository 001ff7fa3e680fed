"""Events of contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ContractSigned:
    """A contract was concluded."""

    TYPE: ClassVar[str] = "contracts.contract_signed.v1"
    contract_id: UUID
    borrower_id: UUID
    sha256: str
    record_id: UUID
