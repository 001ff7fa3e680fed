"""The application form: what is asked for, the means to pay it back, and the account to pay into."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.kernel import clock, money
from throughline.kernel.db import database
from throughline.kernel.errors import Invalid, Problem
from throughline.kernel.http import AnyCaller, Reading, locale_of
from throughline.kernel.i18n import N_, gettext
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.origination import service as origination
from throughline.origination.states import OPEN
from throughline.payments import service as payments
from throughline.risk import policy
from throughline.risk import service as risk
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
PRODUCT = "cash-cn"
NEW_ACCOUNT = "new"
AMOUNTS = ("principal", "monthly_income", "monthly_debt", "monthly_living")
WHOLE_NUMBERS = ("installments", "employment_months")
BANKS = {
    "ICBC": N_("Industrial and Commercial Bank of China"),
    "ABC": N_("Agricultural Bank of China"),
    "BOC": N_("Bank of China"),
    "CCB": N_("China Construction Bank"),
    "BOCOM": N_("Bank of Communications"),
    "PSBC": N_("Postal Savings Bank of China"),
    "CMB": N_("China Merchants Bank"),
    "CITIC": N_("China CITIC Bank"),
    "SPDB": N_("Shanghai Pudong Development Bank"),
    "CIB": N_("Industrial Bank"),
    "CMBC": N_("China Minsheng Bank"),
    "PAB": N_("Ping An Bank"),
}
MAX_DIGITS = 9

# Problems that belong to one field of this form, whoever raised them.
FIELD_OF = {
    "not-own-account": "holder_name",
    "invalid-account": "account_number",
    "outside-product": "principal",
    "monthly_income_minor": "monthly_income",
    "monthly_debt_minor": "monthly_debt",
    "monthly_living_minor": "monthly_living",
    "employment_months": "employment_months",
}


class FormIncomplete(Invalid):
    """Fields of the form can't be read; each is named on the page."""

    code = "form-incomplete"
    title = N_("Please check the marked fields")


@router.get("/apply")
def apply_page(request: Request, borrower_id: Borrower, session: Reading) -> Response:
    """The form; an application that is open already is taken up again instead."""
    newest = origination.applications(session, borrower_id=borrower_id, after=None, limit=1)
    if newest and newest[0].state in OPEN:
        return RedirectResponse(f"/applications/{newest[0].id}", status_code=303)
    return _form(request, session, borrower_id, {})


@router.post("/apply")
def apply(request: Request, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Keep the account, begin the application and hand it in: all of it or nothing."""
    numbers, errors = read_numbers(form, settings().currency, locale_of(request))

    def verb(session: Session) -> str:
        now = clock.now()
        application_id = origination.start(
            session,
            borrower_id,
            origination.NewApplication(
                product_code=PRODUCT,
                principal_minor=numbers["principal"],
                installments=numbers["installments"],
                payee_account_id=_account(session, borrower_id, form),
                facts=risk.ApplicationFacts(
                    monthly_income_minor=numbers["monthly_income"],
                    monthly_debt_minor=numbers["monthly_debt"],
                    monthly_living_minor=numbers["monthly_living"],
                    employment_months=numbers["employment_months"],
                ),
            ),
            now=now,
        )
        origination.submit(session, borrower_id, application_id, now=now)
        return f"/applications/{application_id}"

    try:
        if errors:
            raise FormIncomplete
        return forms.once(request, caller, form, verb)
    except Problem as problem:
        field = FIELD_OF.get(str(problem.params.get("field", problem.code)))
        if field:
            errors[field] = forms.explain(request, problem)
        with database().transaction() as session:
            return _form(request, session, borrower_id, form, problem, errors)


def read_numbers(form: dict[str, str], currency: str, locale: str) -> tuple[dict[str, int], dict[str, str]]:
    """The numbers of the form (amounts in minor units) and, by field, why one could not be read."""
    numbers: dict[str, int] = {}
    errors: dict[str, str] = {}
    for name in AMOUNTS:
        text = form.get(name, "").replace(",", "").replace("，", "")
        try:
            if len(text) > MAX_DIGITS + 3:
                raise ValueError
            numbers[name] = money.to_minor(text, currency)
        except ValueError:
            errors[name] = gettext(N_("Please type an amount in yuan, such as 5000 or 5000.50"), locale)
    for name in WHOLE_NUMBERS:
        text = form.get(name, "")
        if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
            numbers[name] = int(text)
        else:
            errors[name] = gettext(N_("Please type a whole number"), locale)
    return numbers, errors


def highest_limit_minor() -> int:
    """The most that anybody can be offered today, by the grades of the credit policy."""
    return max(grade.limit_minor for grade in policy.shipped(risk.POLICY).grades)


def _account(session: Session, borrower_id: UUID, form: dict[str, str]) -> UUID:
    chosen = form.get("payee_account", NEW_ACCOUNT)
    if chosen != NEW_ACCOUNT:
        for account in payments.payee_accounts(session, borrower_id):
            if str(account.id) == chosen:
                return account.id
        raise payments.UnknownAccount
    return payments.add_payee_account(
        session,
        borrower_id,
        form.get("holder_name", "")[:100],
        form.get("account_number", "")[:64],
        form.get("bank_code", "")[:12],
        now=clock.now(),
    )


def _form(
    request: Request,
    session: Session,
    borrower_id: UUID,
    values: dict[str, str],
    problem: Problem | None = None,
    errors: dict[str, str] | None = None,
) -> HTMLResponse:
    product = lending.product_in_force(session, PRODUCT, lending.business_date(session))
    return show(
        request,
        "apply.html",
        problem=problem,
        errors=errors or {},
        values=values,
        product=product,
        low_minor=product.principal_minor[0],
        high_minor=min(product.principal_minor[1], highest_limit_minor()),
        accounts=payments.payee_accounts(session, borrower_id),
        banks=BANKS,
    )
