"""The contract as a document: one self-contained HTML file in both languages, and the check that it says it all.

Its bytes are what is hashed and signed; they never change. Names with rare characters are kept as the
borrower wrote them; the read-back refuses a document in which the name, number, amount or account is
not found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from html import unescape
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from throughline.contracts import outage, outage_words
from throughline.kernel.money import format_money, from_minor

TEMPLATE = "cash-loan-1"


class DocumentIncomplete(RuntimeError):
    """The rendered document does not say what it must. A fault of ours: nothing may be signed."""


@dataclass(frozen=True, slots=True)
class Party:
    """The borrower as named in the contract."""

    name: str
    id_number: str
    account_last_four: str
    bank_code: str


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render(
    *,
    contract_id: str,
    table: dict[str, Any],
    party: Party,
    lender_zh: str,
    lender_en: str,
    agreed_on: date,
    cost_table_hash: str,
) -> bytes:
    """The contract's bytes (UTF-8). Raises DocumentIncomplete."""
    source = files("throughline.contracts").joinpath(f"templates/{TEMPLATE}.html").read_text(encoding="utf-8")
    currency = table["currency"]

    def money_zh(amount_minor: int) -> str:
        return format_money(amount_minor, currency, "zh-CN")

    def money_en(amount_minor: int) -> str:
        return f"{currency} {from_minor(amount_minor, currency)}"

    policy = outage.newest()
    sentences = outage_words.clause(policy)
    html = (
        _environment()
        .from_string(source)
        .render(
            contract_id=contract_id,
            template=TEMPLATE,
            table=table,
            party=party,
            lender_zh=lender_zh,
            lender_en=lender_en,
            agreed_on=agreed_on.isoformat(),
            cost_table_hash=cost_table_hash,
            clause_version=policy.version,
            clause_digest=policy.digest,
            clause=sentences,
            money_zh=money_zh,
            money_en=money_en,
        )
    )
    text = unescape(html)
    must = {
        "name": party.name,
        "ID number": party.id_number,
        "account": party.account_last_four,
        "amount": money_zh(table["principal_minor"]),
        "rate": table["apr"]["percent"],
        "clause": sentences[0]["zh-CN"],
    }
    lost = [what for what, value in must.items() if value not in text]
    if lost:
        raise DocumentIncomplete(f"the rendered contract lacks: {', '.join(lost)}")
    return html.encode("utf-8")
