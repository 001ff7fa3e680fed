"""What a borrower tells in an application, and what follows from it by arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import N_

MAX_INCOME_MINOR = 10**10
MAX_MONTHS = 720
HUNDREDTH = Decimal("0.01")


class FactsInvalid(Invalid):
    """A fact is out of any sensible range."""

    code = "facts-invalid"
    title = N_("Please check the field %(field)s: it must be between %(low)s and %(high)s")


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """Means of a borrower. Amounts in minor units a month; everything here was told by the borrower.

    There is no sex, place, family or phone line here, and no place to put them.
    """

    monthly_income_minor: int
    monthly_debt_minor: int
    monthly_living_minor: int
    employment_months: int

    def check(self) -> None:
        """Raise FactsInvalid for a number that can't be meant."""
        for field, value, high in (
            ("monthly_income_minor", self.monthly_income_minor, MAX_INCOME_MINOR),
            ("monthly_debt_minor", self.monthly_debt_minor, MAX_INCOME_MINOR),
            ("monthly_living_minor", self.monthly_living_minor, MAX_INCOME_MINOR),
            ("employment_months", self.employment_months, MAX_MONTHS),
        ):
            if not 0 <= value <= high:
                raise FactsInvalid(FactsInvalid.title, field=field, low=0, high=high)


def derived(
    facts: ApplicationFacts, *, age_years: int, principal_minor: int, installment_minor: int
) -> dict[str, Decimal]:
    """The numbers that rules and scorecard read. Shares are percent with two decimals; nothing left is 999."""
    income = Decimal(facts.monthly_income_minor)
    free = income - facts.monthly_debt_minor - facts.monthly_living_minor
    return {
        "age_years": Decimal(age_years),
        "monthly_income_minor": income,
        "employment_months": Decimal(facts.employment_months),
        "debt_to_income_percent": _share(Decimal(facts.monthly_debt_minor), income),
        "installment_to_free_income_percent": _share(Decimal(installment_minor), free),
        "requested_to_annual_income_percent": _share(Decimal(principal_minor), income * 12),
    }


def _share(part: Decimal, whole: Decimal) -> Decimal:
    if whole <= 0:
        return Decimal(999)
    return min(Decimal(999), (part * 100 / whole).quantize(HUNDREDTH, ROUND_HALF_EVEN))
