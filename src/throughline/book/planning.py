"""What is to be written for each borrower of a chunk, or why nothing may be. Reads, and writes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID, uuid5

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from throughline.book.models import BookReference
from throughline.book.rows import Group, LoanLine, PaymentLine, RowProblem, minor
from throughline.kernel.errors import Problem
from throughline.kernel.money import from_minor
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.service import ImportPlan, PastLoan, PastPayment, Product
from throughline.parties import service as parties
from throughline.parties.service import CheckedPerson

_CONTRACTS = UUID("0b8a6c1e-6d0b-5f5e-9a58-0a5b8f0c7a11")  # namespace: contracts signed in another system
BORROWER, LOAN = "borrower", "loan"


@dataclass(slots=True)
class Outcome:
    """What became of one borrower of the file."""

    group: Group
    problems: list[RowProblem] = field(default_factory=list)
    borrower_id: UUID | None = None
    referenced: bool = False
    person: CheckedPerson | None = None
    plans: list[tuple[LoanLine, ImportPlan]] = field(default_factory=list)
    more: list[tuple[UUID, PaymentLine, PastPayment]] = field(default_factory=list)
    payments: int = 0

    @property
    def refused(self) -> bool:
        return bool(self.problems)

    def refuse(self, row: int, column: str, expected: str) -> None:
        self.problems.append(RowProblem(row, column, expected))


class Look:
    """What a chunk needs to know before it writes: references, people, products, the open business day."""

    def __init__(self, session: Session, chunk: Sequence[Group], now: datetime) -> None:
        self.session, self.now = session, now
        self.posting_date = lending.start_business_day(session, now=now)
        ids = {(BORROWER, group.borrower_id) for group in chunk}
        ids |= {(LOAN, line.loan_id) for group in chunk for line in group.loans}
        ids |= {(LOAN, line.loan_id) for group in chunk for line in group.payments}
        found = session.scalars(
            select(BookReference).where(tuple_(BookReference.kind, BookReference.external_id).in_(ids))
        )
        self.references = {(row.kind, row.external_id): row for row in found}
        self.people: dict[str, CheckedPerson] = {}
        for group in chunk:
            if group.borrower is not None and not group.problems:
                try:
                    self.people[group.borrower_id] = parties.check_past_person(group.borrower.person, now=now)
                except Problem as problem:
                    column = str(problem.params.get("field", ""))
                    group.problems.append(RowProblem(group.borrower.row, column, str(problem)))
        self.by_number = parties.known_by_id_number(
            session, [person.index for person in self.people.values()]
        )
        self.imported = set(
            session.scalars(
                select(BookReference.id).where(
                    BookReference.kind == BORROWER, BookReference.id.in_(self.by_number.values())
                )
            )
        )
        known = [row.id for row in self.references.values() if row.kind == LOAN]
        self.histories = lending.imported_histories(session, known)
        named = {line.loan_id: _as_id(line.loan_id) for group in chunk for line in group.loans}
        here = lending.imported_histories(session, [one for one in named.values() if one is not None])
        self.lent_here = {name for name, one in named.items() if one in here}
        self._products: dict[tuple[str, int | None, date], Product] = {}

    def product(self, line: LoanLine) -> Product:
        """The product of a loan. Raises ProductUnknown."""
        key = (line.product, line.product_version, line.disbursed_on)
        if key not in self._products:
            self._products[key] = (
                lending.product_in_force(self.session, line.product, line.disbursed_on)
                if line.product_version is None
                else lending.product_version(self.session, line.product, line.product_version)
            )
        return self._products[key]


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def plan_borrower(look: Look, group: Group) -> Outcome:
    """The outcome that a borrower's rows will have, as far as it can be known before writing."""
    outcome = Outcome(group, list(group.problems))
    if outcome.refused:
        return outcome
    _plan_person(look, outcome)
    if not outcome.refused:
        _plan_loans(look, outcome)
    if not outcome.refused and outcome.person is not None:
        look.by_number[outcome.person.index] = outcome.person.borrower_id
        look.imported.add(outcome.person.borrower_id)
    return outcome


def _plan_loans(look: Look, outcome: Outcome) -> None:
    group = outcome.group
    own = {line.loan_id for line in group.loans}
    for payment in group.payments:
        if payment.loan_id in own:
            continue
        reference = look.references.get((LOAN, payment.loan_id))
        if reference is None:
            outcome.refuse(payment.row, "loan_id", "a loan row with this id, in this file or imported before")
        else:
            _plan_more(look, outcome, payment, reference)
    for line in group.loans:
        reference = look.references.get((LOAN, line.loan_id))
        if line.loan_id in look.lent_here:
            outcome.refuse(
                line.row, "loan_id", "a loan of another system: this is the id of one that is here"
            )
        elif reference is None:
            _plan_loan(look, outcome, line)
        elif reference.content != content_of(line):
            outcome.refuse(line.row, "loan_id", "the same terms as when this loan was imported")
        elif not _of_another(outcome, line.row, reference):
            for payment in group.payments:
                if payment.loan_id == line.loan_id:
                    _plan_more(look, outcome, payment, reference)


def _plan_more(look: Look, outcome: Outcome, line: PaymentLine, reference: BookReference) -> None:
    """A payment of a loan that is here already: to be recorded, unless it is."""
    if _of_another(outcome, line.row, reference):
        return
    history = look.histories[reference.id]
    amount = minor(line.amount, history.currency, line.row, "amount")
    if isinstance(amount, RowProblem):
        outcome.problems.append(amount)
        return
    past = PastPayment(line.payment_id, line.paid_on, amount, line.reversed_on)
    if not history.holds(past):
        outcome.more.append((reference.id, line, past))


def _of_another(outcome: Outcome, row: int, reference: BookReference) -> bool:
    if reference.borrower_id == outcome.borrower_id:
        return False
    outcome.refuse(row, "loan_id", "a loan of this borrower; it was imported for another one")
    return True


def _plan_person(look: Look, outcome: Outcome) -> None:
    group = outcome.group
    reference = look.references.get((BORROWER, group.borrower_id))
    person = look.people.get(group.borrower_id)
    registered = look.by_number.get(person.index) if person is not None else None
    if reference is not None:
        outcome.borrower_id, outcome.referenced = reference.id, True
        if person is not None and registered != reference.id:
            row = group.borrower.row if group.borrower else group.first_row
            outcome.refuse(row, "id_number", "the person that was imported under this borrower_id")
    elif person is None:
        outcome.refuse(group.first_row, "record", "a borrower row: this borrower was not imported before")
    elif registered in look.imported:
        outcome.borrower_id = registered  # one person under two ids of the other system
    elif registered is not None:
        # Whoever registered with this number was not seen by anybody: debts and data are not handed to them.
        expected = "an ID number with which nobody has registered here; settle whose account that is first"
        outcome.refuse(group.borrower.row if group.borrower else group.first_row, "id_number", expected)
    else:
        outcome.borrower_id, outcome.person = person.borrower_id, person


def _plan_loan(look: Look, outcome: Outcome, line: LoanLine) -> None:
    try:
        product = look.product(line)
    except Problem:
        outcome.refuse(
            line.row,
            "product",
            f"a product in force on {line.disbursed_on}, or a product_version that there is",
        )
        return
    if line.currency not in (None, product.currency):
        outcome.refuse(line.row, "currency", f"{product.currency}, the currency of the product")
        return
    principal = minor(line.principal, product.currency, line.row, "principal")
    balance = minor(line.balance or "0", product.currency, line.row, "balance")
    payments = _past_payments(outcome, line.loan_id, product.currency)
    wrong = [one for one in (principal, balance) if isinstance(one, RowProblem)]
    if wrong or isinstance(principal, RowProblem) or outcome.borrower_id is None or payments is None:
        outcome.problems += wrong
        return
    past = PastLoan(
        borrower_id=outcome.borrower_id,
        contract_id=uuid5(_CONTRACTS, line.loan_id),
        product=product,
        principal_minor=principal,
        installments=line.installments,
        annual_rate_percent=line.annual_rate_percent,
        disbursed_on=line.disbursed_on,
        first_due_date=line.first_due_date,
        zone=outcome.group.borrower.person.zone if outcome.group.borrower else settings().zone,
        agreed_charges=line.agreed_charges,
        payments=tuple(payments),
    )
    try:
        plan = lending.plan_import(past, posting_date=look.posting_date, now=look.now)
    except Problem as problem:
        outcome.refuse(_row_of(outcome.group, line, problem), "", str(problem))
        return
    if line.balance is not None and plan.outstanding_principal_minor != balance:
        owed = from_minor(plan.outstanding_principal_minor, product.currency)
        outcome.refuse(line.row, "balance", f"{owed}, which is owed by the loan's terms and payments")
    outcome.plans.append((line, plan))
    outcome.payments += len(payments)


def _row_of(group: Group, line: LoanLine, problem: Problem) -> int:
    """The row of the payment that a refusal names, else the loan's."""
    named = str(problem.params.get("field", ""))
    for payment in group.payments:
        keys = (lending.payment_key(payment.payment_id), lending.reversal_key(payment.payment_id))
        if payment.loan_id == line.loan_id and named in keys:
            return payment.row
    return line.row


def _past_payments(outcome: Outcome, loan_id: str, currency: str) -> list[PastPayment] | None:
    payments = []
    for line in outcome.group.payments:
        if line.loan_id == loan_id:
            amount = minor(line.amount, currency, line.row, "amount")
            if isinstance(amount, RowProblem):
                outcome.problems.append(amount)
                return None
            payments.append(PastPayment(line.payment_id, line.paid_on, amount, line.reversed_on))
    return payments


def content_of(line: LoanLine) -> bytes:
    """What an imported loan said, for telling a changed one."""
    return hashlib.sha256(line.content().encode()).digest()
