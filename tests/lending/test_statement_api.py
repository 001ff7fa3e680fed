"""Statements over HTTP: whose they are, as what, for which days, and what is refused in which words."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO, StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from support.callers import Browse, browsing
from support.loans import usual_loan
from throughline.kernel import clock, http, typeset
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.kernel.money import to_minor
from throughline.lending import api
from throughline.lending import service as lending

ZONE = "Asia/Shanghai"
STAFF = http.Caller("staff", uuid4(), uuid4(), frozenset({"lending:read", "parties:read"}))
ZH, EN = {"accept-language": "zh-CN"}, {"accept-language": "en"}


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


def _today() -> date:
    return clock.local_date(clock.now(), ZONE)


def _loan(database: Database, *, paid_out: bool = True) -> tuple[UUID, UUID]:
    borrower_id, start = new_id(), _today() - timedelta(days=40)

    def verb(session: Session) -> UUID:
        loan_id = lending.open_loan(
            session,
            usual_loan(borrower_id, start),
            now=clock.now(),
        )
        if paid_out:
            for kind, days, amount in (
                (lending.EventType.DISBURSEMENT, 0, 300_000),
                (lending.EventType.REPAYMENT, 35, 20_000),
            ):
                event = lending.NewEvent(
                    type=kind,
                    value_date=start + timedelta(days=days),
                    amount_minor=amount,
                    idempotency_key=kind.value,
                )
                lending.record_event(session, loan_id, event, now=clock.now())
        return loan_id

    return borrower_id, database.run(verb)


@pytest.fixture
def loan(database: Database) -> tuple[UUID, UUID]:
    """A borrower and their loan, paid out 40 days ago, with a part of the first installment paid late."""
    return _loan(database)


def test_my_statement_as_json_is_the_loan(browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    answer = me.get(f"/api/v1/me/loans/{loan_id}/statement", headers=ZH)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found, view = answer.json(), me.get(f"/api/v1/me/loans/{loan_id}").json()
    assert (found["from_date"], found["to_date"]) == (view["disbursed_on"], str(_today()))
    parts = [f"{part}_minor" for part in ("principal", "interest", "fee", "penalty", "credit", "total")]
    for part in parts:
        lines = sum(line["change"][part] for line in found["lines"])
        assert found["opening"][part] + lines == found["closing"][part]
    assert found["installments"] == view["installments"]
    assert found["closing"]["penalty_minor"] == view["penalty_minor"]
    assert (
        found["payoff"]["total_minor"] == me.get(f"/api/v1/me/loans/{loan_id}/payoff").json()["total_minor"]
    )
    assert found["past_due_days"] == view["past_due_days"]
    assert "收到还款" in {line["what"] for line in found["lines"]}
    assert "名义年利率 14.4%" in found["rate"]


def test_as_a_file_in_both_languages(browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    first = _today() - timedelta(days=40)
    for locale, title, row in (
        ("zh-CN", "贷款对账单", "收到还款"),
        ("en", "Loan statement", "Repayment received"),
    ):
        for kind in ("pdf", "csv"):
            answer = me.get(
                f"/api/v1/me/loans/{loan_id}/statement",
                params={"format": kind, "locale": locale, "from": str(first), "to": str(_today())},
            )
            name = f"statement-{loan_id.hex[-8:].upper()}-{first}-{_today()}.{kind}"
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-language"] == locale
            if kind == "pdf":
                assert answer.headers["content-type"] == "application/pdf"
                text = "".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
                assert title in text
                assert row in text
            else:
                assert answer.headers["content-type"] == "text/csv; charset=utf-8"
                rows = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"), newline="")))
                assert row in {cells[5] for cells in rows}
                assert sum(to_minor(cells[6], "CNY") for cells in rows[1:-1]) == to_minor(rows[-1][6], "CNY")


def test_nobody_elses_statement(browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    own, staffs = f"/api/v1/me/loans/{loan_id}/statement", f"/api/v1/loans/{loan_id}/statement"
    for params in ({}, {"format": "pdf"}, {"format": "csv"}):
        assert browse(http.Caller("borrower", new_id())).get(own, params=params).status_code == 404
        assert browse(STAFF).get(own, params=params).status_code == 403
        assert browse(http.PUBLIC).get(own, params=params).status_code == 401
        assert browse(STAFF).get(staffs, params=params).status_code == 200
        assert browse(http.Caller("borrower", borrower_id)).get(staffs, params=params).status_code == 403
        assert browse(http.PUBLIC).get(staffs, params=params).status_code == 401
    for scopes in (set(), {"lending:read"}, {"parties:read"}):
        some = http.Caller("staff", uuid4(), uuid4(), frozenset(scopes))
        assert browse(some).get(staffs).status_code == 403
    assert browse(STAFF).get(f"/api/v1/loans/{uuid4()}/statement").status_code == 404


REFUSED: list[tuple[dict[str, str], str, str, str]] = [
    ({"format": "xlsx"}, "not-a-format", "格式", "json, pdf, csv"),
    ({"locale": "fr"}, "not-a-language", "语言", "zh-CN, en"),
    ({"from": "+1", "to": "0"}, "period-backwards", "早于开始日", "ends before it begins"),
    ({"from": "-4000", "to": "0"}, "period-too-long", "最多涵盖 10 年", "at most 10 years"),
    ({"from": "-5", "to": "+2"}, "period-in-future", "不能超过今天", "beyond today"),
    ({"to": "-41"}, "loan-not-paid-out", "尚未放款", "not paid out by"),
    ({"from": "0001-01-01", "to": "0001-01-01"}, "loan-not-paid-out", "尚未放款", "not paid out by"),
    ({"from": "0001-01-01"}, "period-too-long", "最多涵盖 10 年", "at most 10 years"),
    ({"to": "9999-12-31"}, "period-in-future", "不能超过今天", "beyond today"),
]


@pytest.mark.parametrize(("params", "code", "chinese", "english"), REFUSED)
def test_what_is_refused(
    browse: Browse,
    loan: tuple[UUID, UUID],
    params: dict[str, str],
    code: str,
    chinese: str,
    english: str,
) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    asked = {
        name: str(_today() + timedelta(days=int(value)))
        if name in {"from", "to"} and len(value) < len("0001-01-01")
        else value
        for name, value in params.items()
    }
    for headers, words in ((ZH, chinese), (EN, english)):
        answer = me.get(f"/api/v1/me/loans/{loan_id}/statement", params=asked, headers=headers)
        body = answer.json()
        assert answer.status_code == (409 if code == "loan-not-paid-out" else 422)
        assert answer.headers["content-type"] == http.PROBLEM_TYPE
        assert body["code"] == code
        assert words in body.get("detail", "") + body["title"]


def test_a_loan_that_is_not_paid_out_has_none(database: Database, browse: Browse) -> None:
    borrower_id, loan_id = _loan(database, paid_out=False)
    me = browse(http.Caller("borrower", borrower_id))
    for params in ({}, {"format": "pdf"}):
        answer = me.get(f"/api/v1/me/loans/{loan_id}/statement", params=params, headers=EN)
        assert (answer.status_code, answer.json()["code"]) == (409, "loan-not-paid-out")


def test_without_a_font_the_csv_stays(
    browse: Browse, loan: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    path = f"/api/v1/me/loans/{loan_id}/statement"
    monkeypatch.setattr(typeset, "FAMILIES", ())
    typeset._fonts.cache_clear()
    for headers, words in ((ZH, "需要含中文字符的字体"), (EN, "needs a font with Chinese characters")):
        refused: Any = me.get(path, params={"format": "pdf"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "font-missing")
        assert words in refused.json()["title"]
        assert "fonts-noto-cjk" in refused.json()["title"]
    assert me.get(path, params={"format": "csv"}).status_code == 200
    assert me.get(path).status_code == 200
