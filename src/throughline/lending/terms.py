"""The terms of a loan: what the contract fixes for its whole life. Pure values, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from throughline.compliance.working_days import Convention, WorkingDays
from throughline.kernel.money import MAX_MINOR, Rounding, round_minor

MAX_INSTALLMENTS = 600  # fifty years of months; anything longer is a typing error
MAX_RATE_PERCENT = Decimal(1000)
SHORTEST_ADJUSTED_DAYS = 14  # the longest holidays are ten days with their weekends


class TermsError(ValueError):
    """Terms that make no loan. `field` is the path of the wrong one, `expected` what it should be."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


class InterestMethod(StrEnum):
    """What interest is reckoned on: the balance that is left, or the whole principal for the whole term."""

    DECLINING_BALANCE = "declining_balance"
    FLAT = "flat"


class InterestPeriod(StrEnum):
    """What the interest of a cumulative schedule counts: whole periods, or days."""

    SAME_AS_REPAYMENT = "same_as_repayment"
    DAILY = "daily"


class ScheduleType(StrEnum):
    """How a schedule is calculated (docs/lending.md, "Rate factors")."""

    PROGRESSIVE = "progressive"
    CUMULATIVE = "cumulative"


class Amortization(StrEnum):
    """How principal is repaid."""

    EQUAL_INSTALLMENTS = "equal_installments"  # 等额本息
    EQUAL_PRINCIPAL = "equal_principal"  # 等额本金
    BULLET = "bullet"  # 先息后本: all principal with the last installment


class PeriodUnit(StrEnum):
    """The unit of a repayment period."""

    MONTHS = "months"
    WEEKS = "weeks"
    DAYS = "days"


class YearBasis(StrEnum):
    """Days in a year for interest; `actual` counts each day by its own calendar year."""

    ACTUAL = "actual"
    D360 = "360"
    D364 = "364"
    D365 = "365"


class MonthBasis(StrEnum):
    """Days in a whole month for interest."""

    ACTUAL = "actual"
    D30 = "30"


class DueDates(StrEnum):
    """Where in the month an installment falls."""

    SAME_DAY = "same_day"
    MONTH_END = "month_end"


class OverdueBase(StrEnum):
    """What penalty interest is charged on."""

    PRINCIPAL = "principal"
    PRINCIPAL_AND_INTEREST = "principal_and_interest"


class AllocationPreset(StrEnum):
    """Named orders in which money pays debt; `custom` gives the twelve buckets itself."""

    STANDARD = "standard"
    DUE_FIRST_IN_ADVANCE_PRINCIPAL = "due_first_in_advance_principal"
    DUE_FIRST_INTEREST_PRINCIPAL = "due_first_interest_principal"
    CN_STATUTORY = "cn_statutory"
    CUSTOM = "custom"


class Direction(StrEnum):
    """Finish an installment before the next one, or a component on all installments before the next."""

    HORIZONTAL = "horizontal"
    VERTICAL = "vertical"


class FutureInstallments(StrEnum):
    """Which installment money in advance reaches first."""

    NEXT = "next"
    LAST = "last"
    REAMORTIZE = "reamortize"


class InterestRounding(StrEnum):
    """Round the interest of each period, or go on with the exact fraction and round only what is shown."""

    EACH_PERIOD = "each_period"
    NONE = "none"


class Rest(StrEnum):
    """When a payment changes the balance that bears interest: on its value date, or at the next due date."""

    DAILY = "daily"
    SAME_AS_REPAYMENT = "same_as_repayment"


class Prepayment(StrEnum):
    """What becomes of a cumulative plan when principal is paid ahead of it."""

    REDUCE_INSTALLMENT_AMOUNT = "reduce_installment_amount"
    REDUCE_INSTALLMENT_COUNT = "reduce_installment_count"
    RESCHEDULE_NEXT = "reschedule_next"
    ADJUST_LAST = "adjust_last"


class Preclosure(StrEnum):
    """To which day a pay-off bears interest: the day itself, or the next due date."""

    TILL_PRECLOSURE_DATE = "till_preclosure_date"
    TILL_REST_DATE = "till_rest_date"


class NonWorkingDays(StrEnum):
    """Whether a borrower whose due date is a day off is late before the next working day is over."""

    COUNT = "count"
    SKIP = "skip"


class InterestDates(StrEnum):
    """To which date the interest of an installment runs whose due date has moved: the contract's, or the moved one."""

    CONTRACTUAL = "contractual"
    ADJUSTED = "adjusted"


@dataclass(frozen=True, slots=True)
class Frequency:
    """One period: `count` units long."""

    count: int = 1
    unit: PeriodUnit = PeriodUnit.MONTHS

    @property
    def days_at_least(self) -> int:
        """The days of the shortest such period."""
        return self.count * {PeriodUnit.MONTHS: 28, PeriodUnit.WEEKS: 7, PeriodUnit.DAYS: 1}[self.unit]


@dataclass(frozen=True, slots=True)
class DayCount:
    """How days become a share of a year."""

    year: YearBasis = YearBasis.ACTUAL
    month: MonthBasis = MonthBasis.ACTUAL


@dataclass(frozen=True, slots=True)
class RoundingRules:
    """Rounding of interest and accruals, and of the installment to a multiple (in minor units).

    `unit_minor` is the smallest amount of a plan: 1, or 100 for a currency of two decimals that is
    calculated in whole units.
    """

    mode: Rounding = Rounding.HALF_EVEN
    unit_minor: int = 1
    interest: InterestRounding = InterestRounding.EACH_PERIOD
    installment_multiple_minor: int = 1
    installment_multiple_mode: Rounding = Rounding.HALF_EVEN


@dataclass(frozen=True, slots=True)
class OverdueInterest:
    """Penalty interest: percent a year on the overdue base, for days after the grace."""

    annual_rate_percent: Decimal
    grace_days: int = 0
    base: OverdueBase = OverdueBase.PRINCIPAL


@dataclass(frozen=True, slots=True)
class Grace:
    """Installments at the beginning that are lighter: no principal, interest collected later, no interest."""

    principal: int = 0
    interest_payment: int = 0
    interest_free: int = 0


@dataclass(frozen=True, slots=True)
class Recalculation:
    """Whether interest follows the real balance, and how (lending.md section 5)."""

    enabled: bool = False
    rest: Rest = Rest.DAILY
    prepayment: Prepayment = Prepayment.REDUCE_INSTALLMENT_AMOUNT
    preclosure: Preclosure = Preclosure.TILL_PRECLOSURE_DATE


@dataclass(frozen=True, slots=True)
class AllocationRule:
    """How a payment is spread. `order` holds the twelve "due_type.component" buckets of a custom rule."""

    preset: AllocationPreset = AllocationPreset.STANDARD
    direction: Direction = Direction.HORIZONTAL
    future: FutureInstallments = FutureInstallments.NEXT
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DelinquencyRange:
    """A bucket of delinquent days, both ends included; the last may be open."""

    name: str
    from_day: int
    to_day: int | None


@dataclass(frozen=True, slots=True)
class DueDateAdjustment:
    """Where due dates go that fall on a day off, and whether interest goes with them."""

    convention: Convention = Convention.NONE
    interest: InterestDates = InterestDates.CONTRACTUAL


NO_ADJUSTMENT = DueDateAdjustment()


@dataclass(frozen=True, slots=True)
class DelinquencyFloor:
    """The past-due amount from which on a borrower is delinquent: the larger of an amount (minor units) and a
    percentage of the contract's principal. Nobody is delinquent over less."""

    amount_minor: int = 0
    percent: Decimal | None = None


NO_FLOOR = DelinquencyFloor()

# lending.md section 8: the start buckets.
STANDARD_RANGES = tuple(
    DelinquencyRange(f"RANGE_{nr}", first, last)
    for nr, (first, last) in enumerate(
        [
            (1, 3),
            (4, 30),
            (31, 60),
            (61, 90),
            (91, 120),
            (121, 150),
            (151, 180),
            (181, 240),
            (241, None),
        ],
        1,
    )
)


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """The terms of one loan.

    `annual_rate_percent` is nominal a year. `installment_minor`, when given, fixes the installment and
    the number of installments follows from it. `arrears_days` is the grace of delinquency. `calendar` says
    which days are worked, as known when the loan was made.
    """

    currency: str
    principal_minor: int
    annual_rate_percent: Decimal
    installments: int
    amortization: Amortization = Amortization.EQUAL_INSTALLMENTS
    repay_every: Frequency = field(default_factory=Frequency)
    expected_disbursement_date: date | None = None
    first_due_date: date | None = None
    due_dates: DueDates = DueDates.SAME_DAY
    day_count: DayCount = field(default_factory=DayCount)
    rounding: RoundingRules = field(default_factory=RoundingRules)
    installment_minor: int | None = None
    overdue_interest: OverdueInterest | None = None
    arrears_days: int = 0
    allocation: AllocationRule = field(default_factory=AllocationRule)
    schedule_type: ScheduleType = ScheduleType.PROGRESSIVE
    interest_method: InterestMethod = InterestMethod.DECLINING_BALANCE
    interest_period: InterestPeriod = InterestPeriod.SAME_AS_REPAYMENT
    grace: Grace = field(default_factory=Grace)
    recalculation: Recalculation = field(default_factory=Recalculation)
    down_payment_percent: Decimal | None = None
    ranges: tuple[DelinquencyRange, ...] = STANDARD_RANGES
    floor: DelinquencyFloor = NO_FLOOR
    calendar: WorkingDays | None = None
    non_working_days: NonWorkingDays = NonWorkingDays.COUNT
    adjustment: DueDateAdjustment = NO_ADJUSTMENT

    def __post_init__(self) -> None:
        _within("principal", self.principal_minor, 1, MAX_MINOR)
        _within("installments", self.installments, 1, MAX_INSTALLMENTS)
        _rate("annual_rate_percent", self.annual_rate_percent)
        _within("repay_every.count", self.repay_every.count, 1, 366)
        _within("rounding.installment_multiple", self.rounding.installment_multiple_minor, 1, MAX_MINOR)
        _within("grace.arrears_days", self.arrears_days, 0, 366)
        if self.installment_minor is not None:
            _within("installment_amount", self.installment_minor, 1, MAX_MINOR)
            if self.interest_method is InterestMethod.FLAT:
                raise TermsError(
                    "installment_amount", "a flat loan has its amount from principal and interest"
                )
            if self.amortization is not Amortization.EQUAL_INSTALLMENTS:
                raise TermsError("installment_amount", "needs amortization equal_installments")
        self._check_grace()
        if self.down_payment_percent is not None and not 0 < self.down_payment_percent < 100:
            raise TermsError("down_payment_percent", "must be above 0 and below 100")
        if self.interest_method is InterestMethod.FLAT and self.recalculation.enabled:
            raise TermsError("interest_recalculation.enabled", "a flat loan's interest is fixed")
        if self.overdue_interest is not None:
            _rate("overdue_interest.annual_rate_percent", self.overdue_interest.annual_rate_percent)
            _within("overdue_interest.grace_days", self.overdue_interest.grace_days, 0, 366)
        if self.due_dates is DueDates.MONTH_END and self.repay_every.unit is not PeriodUnit.MONTHS:
            raise TermsError("due_dates", "month_end needs a period in months")
        expected, first = self.expected_disbursement_date, self.first_due_date
        if expected is not None and first is not None and first <= expected:
            raise TermsError("first_due_date", "must be after expected_disbursement_date")
        _check_ranges(self.ranges)
        self._check_lateness()
        self._check_adjustment()

    def payable_on(self, day: date) -> date:
        """When the installment of a date of the contract is due: that date, or the working day it moves to."""
        if self.calendar is None or self.adjustment.convention is Convention.NONE:
            return day
        return self.calendar.moved(day, self.adjustment.convention)

    def ends_on(self, day: date) -> date:
        """The last interest day of the period that ends on a date of the contract."""
        if self.calendar is None or self.adjustment.interest is InterestDates.CONTRACTUAL:
            return day
        return self.payable_on(day)

    def is_provisional(self, due_date: date) -> bool:
        """Whether a due date was found by days off that were not announced yet when the loan was made."""
        if self.calendar is None or self.adjustment.convention is Convention.NONE:
            return False
        return self.calendar.provisional(due_date)

    @property
    def floor_minor(self) -> int:
        """The past-due amount from which on the borrower is delinquent, in minor units; 0 for any amount."""
        share = self.floor.percent
        part = self.principal_minor * share / 100 if share is not None else Decimal(0)
        return max(self.floor.amount_minor, round_minor(part, self.rounding.mode))

    def in_time_through(self, due_date: date) -> date:
        """The last day on which paying what is due on `due_date` is in time."""
        if self.calendar is None or self.non_working_days is NonWorkingDays.COUNT:
            return due_date
        return self.calendar.on_or_after(due_date)

    def _check_lateness(self) -> None:
        _within("delinquency_floor.amount", self.floor.amount_minor, 0, MAX_MINOR)
        if self.floor.percent is not None and not 0 < self.floor.percent < 100:
            raise TermsError("delinquency_floor.percent", "must be above 0 and below 100")
        if self.non_working_days is NonWorkingDays.SKIP and self.calendar is None:
            raise TermsError(
                "calendar", "is needed by non_working_days: say whose days off count, such as CN"
            )

    def _check_adjustment(self) -> None:
        if self.adjustment.convention is Convention.NONE:
            return
        if self.calendar is None:
            raise TermsError(
                "calendar", "is needed by due_date_adjustment: say whose days off count, such as CN"
            )
        if self.repay_every.days_at_least < SHORTEST_ADJUSTED_DAYS:
            raise TermsError(
                "due_date_adjustment.convention",
                f"needs a period of at least {SHORTEST_ADJUSTED_DAYS} days: in a long holiday shorter ones would meet",
            )
        if self.recalculation.enabled and self.adjustment.interest is InterestDates.CONTRACTUAL:
            raise TermsError(
                "due_date_adjustment.interest",
                "must be adjusted where interest_recalculation.enabled is true: there interest runs to the payment",
            )

    def _check_grace(self) -> None:
        grace, count = self.grace, self.installments
        # The last installment has to take the principal and the interest that waited.
        _within("grace.principal_installments", grace.principal, 0, count - 1)
        _within("grace.interest_payment_installments", grace.interest_payment, 0, count - 1)
        _within("grace.interest_free_installments", grace.interest_free, 0, count)


def _within(path: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise TermsError(path, f"must be from {low} to {high}")


def _rate(path: str, value: Decimal) -> None:
    if not value.is_finite() or not 0 <= value <= MAX_RATE_PERCENT:
        raise TermsError(path, f"must be from 0 to {MAX_RATE_PERCENT} percent")


def _check_ranges(ranges: tuple[DelinquencyRange, ...]) -> None:
    before = 0
    for nr, row in enumerate(ranges):
        path = f"delinquency_ranges[{nr}]"
        if row.from_day <= before:
            raise TermsError(path, "ranges must follow each other without overlap")
        if row.to_day is None:
            if nr != len(ranges) - 1:
                raise TermsError(path, "only the last range may be open")
            return
        if row.to_day < row.from_day:
            raise TermsError(path, "to_day must not be before from_day")
        before = row.to_day
