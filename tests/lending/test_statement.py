"""A loan's statement: its balances are those of the replay, its files say what they must and nothing more."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from lending.samples import History, loan_terms
from throughline.kernel import typeset
from throughline.kernel.money import to_minor
from throughline.lending.accrual import accrued_to
from throughline.lending.checks import HistoryError
from throughline.lending.history import ChargeKind, VariationKind
from throughline.lending.quote import payoff_quote
from throughline.lending.schedule import ScheduleError
from throughline.lending.statement import Heading, Statement, build_statement
from throughline.lending.statement_csv import harmless, statement_csv
from throughline.lending.statement_kinds import LineKind
from throughline.lending.statement_lines import Owed
from throughline.lending.statement_pdf import statement_pdf
from throughline.lending.statement_words import Lender
from throughline.lending.terms import OverdueInterest

START = date(2026, 1, 15)
LATE_18 = OverdueInterest(Decimal(18), grace_days=2)
PRODUCT = {"zh-CN": "现金贷款", "en": "Cash loan"}
REASON = {"zh-CN": "您的线路双向停机。", "en": "Your line was stopped both ways."}
ZH, EN = Lender("示范消费金融有限公司", ""), Lender("Demo Consumer Finance Ltd.", "help@lender.example")


def statement(
    history: History, last: date, first: date = START, *, product: dict[str, str] | None = None
) -> Statement:
    terms, state = history.terms, history.state(last)
    assert state.disbursed_on
    heading = Heading(
        loan_id=UUID("01900000-0000-7000-8000-0000abcd1234"),
        borrower="王**",
        product=product or PRODUCT,
        currency=terms.currency,
        principal_minor=terms.principal_minor,
        annual_rate_percent=terms.annual_rate_percent,
        terms=terms,
        status=state.status,
        disbursed_on=state.disbursed_on,
        closed_on=state.closed_on,
    )
    reasons = {(kind, date(2026, 4, 1)): REASON for kind in VariationKind}
    return build_statement(heading, history.state, history.events, first, last, reasons=reasons)


def lived() -> History:
    """A loan that saw most of what a loan can see: paid, paid late, protected, a payment that came back."""
    history = History(loan_terms(overdue_interest=LATE_18)).disburse(START)
    history.pay(date(2026, 2, 15), 17_254).charge(date(2026, 3, 1), 500, id="fee")
    history.pay(date(2026, 3, 25), 10_000, id="bounced").reverse("bounced", date(2026, 3, 30))
    history.vary(VariationKind.INTEREST_PAUSE, date(2026, 4, 1), date(2026, 4, 20), case="c")
    history.vary(VariationKind.DELINQUENCY_PAUSE, date(2026, 4, 1), date(2026, 4, 21), case="c")
    return history.pay(date(2026, 5, 2), 20_000)


def text_of(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


# --- figures ----------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay_off", "fee", "penalty", "waive", "reverse", "pause", "clock"]),
        st.integers(0, 260),
        st.integers(1, 40_000),
    ),
    max_size=8,
)


def happened(events: Sequence[tuple[str, int, int]]) -> History:
    """A history of what of these events was possible."""
    history = History(loan_terms(overdue_interest=LATE_18)).disburse(START)
    for kind, days, amount in events:
        on = START + timedelta(days=days)
        target = history.events[amount % len(history.events)].id
        try:
            match kind:
                case "pay":
                    history.pay(on, amount)
                case "pay_off":
                    history.pay_off(on, amount + 60_000)
                case "fee":
                    history.charge(on, amount % 900 + 1)
                case "penalty":
                    history.charge(on, amount % 900 + 1, kind=ChargeKind.PENALTY)
                case "waive":
                    history.waive(target, on)
                case "reverse" if target != "e0":
                    history.reverse(target, on)
                case "pause":
                    history.vary(VariationKind.INTEREST_PAUSE, on, on + timedelta(days=amount % 30))
                case "clock":
                    history.vary(VariationKind.DELINQUENCY_PAUSE, on, on + timedelta(days=amount % 30 + 1))
        except (HistoryError, ScheduleError):
            continue
    return history


@given(events=EVENTS, first=st.integers(0, 200), length=st.integers(0, 200))
@settings(max_examples=150)
def test_opening_and_lines_make_the_closing_of_the_replay(
    events: list[tuple[str, int, int]], first: int, length: int
) -> None:
    history = happened(events)
    start, last = START + timedelta(days=first), START + timedelta(days=first + length)
    made = statement(history, last, start)
    total = made.opening
    for line in made.lines:
        assert start <= line.value_date <= last
        total += line.change
        assert line.principal_after_minor == total.principal_minor
    assert total == made.closing
    assert [one.value_date for one in made.lines] == sorted(one.value_date for one in made.lines)

    # The rest of a day is what no event explains: only a pay-off, which ends charges to come, leaves one.
    if "pay_off" not in {kind for kind, _, _ in events}:
        assert LineKind.ADJUSTMENT not in {line.kind for line in made.lines}

    state = history.state(last)
    earned = accrued_to(state, last)
    assert made.closing.principal_minor == state.outstanding[0]
    assert made.closing.credit_minor == -state.overpaid_minor
    settled = [sum(row.paid[part] + row.waived[part] for row in state.installments) for part in (1, 2, 3)]
    owed = (made.closing.interest_minor, made.closing.fee_minor, made.closing.penalty_minor)
    charged = (earned.interest_minor, earned.fee_minor, earned.penalty_minor)
    assert owed == tuple(one - two for one, two in zip(charged, settled, strict=True))
    if state.closed:
        assert made.closing.total_minor == -state.overpaid_minor
    totals = made.totals
    change = totals.charged - totals.paid - totals.waived
    assert change.parts[:4] == (made.closing - made.opening).parts[:4]


@given(events=EVENTS, cut=st.integers(1, 250))
@settings(max_examples=60)
def test_two_periods_are_one(events: list[tuple[str, int, int]], cut: int) -> None:
    history, last = happened(events), START + timedelta(days=260)
    middle = START + timedelta(days=cut)
    whole, one = statement(history, last), statement(history, middle)
    other = statement(history, last, middle + timedelta(days=1))
    assert (whole.opening, whole.closing) == (Owed(), other.closing)
    assert one.closing == other.opening
    assert whole.totals.charged == one.totals.charged + other.totals.charged


def test_what_a_lived_loan_says() -> None:
    history = lived()
    made = statement(history, date(2026, 4, 25))
    by_kind = {kind: [one for one in made.lines if one.kind is kind] for kind in LineKind}
    assert [one.change.total_minor for one in by_kind[LineKind.PAYOUT]] == [100_000]
    assert [one.change.total_minor for one in by_kind[LineKind.REPAYMENT]] == [-17_254]
    assert [one.change.parts for one in by_kind[LineKind.FEE]] == [(0, 0, 500, 0, 0)]
    assert [one.installment for one in by_kind[LineKind.INTEREST]] == [1, 2, 3, None]
    assert not by_kind[LineKind.ADJUSTMENT]
    assert [(one.amount_minor, one.taken_back_on) for one in made.taken_back] == [(10_000, date(2026, 3, 30))]
    assert {(one.kind, one.last_day) for one in made.protections} == {
        (VariationKind.INTEREST_PAUSE, date(2026, 4, 20)),
        (VariationKind.DELINQUENCY_PAUSE, date(2026, 4, 20)),
    }
    assert made.totals.interest_spared_minor > 0
    assert made.totals.penalty_spared_minor > 0
    late = [row for row in made.installments if row.due_date < date(2026, 4, 25)]
    assert made.overdue_minor == sum(row.outstanding_minor for row in late)
    assert made.next
    assert (made.next.nr, made.next.due_date) == (4, date(2026, 5, 15))
    assert made.payoff == payoff_quote(history.state(date(2026, 4, 25)), date(2026, 4, 25))
    assert (made.past_due_days, made.delinquent_days) == (41, 21)


def test_a_loan_paid_off_and_paid_too_much() -> None:
    history = lived().pay_off(date(2026, 5, 20), 90_000)
    history.charge(date(2026, 6, 1), 700)
    made = statement(history, date(2026, 6, 3))
    (used,) = [one for one in made.lines if one.kind is LineKind.CREDIT_USED]
    assert used.change.parts == (0, 0, -700, 0, 700)
    assert made.closing.total_minor == made.closing.credit_minor < 0
    assert made.payoff is None
    assert made.next is None
    text = text_of(statement_pdf(made, "zh-CN", ZH))
    assert "多还金额" in text
    assert "结清日" in text


# --- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("zh-CN", ("期初余额", "收到还款，", "起息日")),
        ("en", ("Opening balance", "Repayment received", "Value date")),
    ],
)
def test_the_csv_reads_back(locale: str, words: tuple[str, ...]) -> None:
    made = statement(lived(), date(2026, 5, 10))
    content = statement_csv(made, locale)
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == content.count(b"\n")
    text = content.decode("utf-8-sig")
    head, *rows = list(csv.reader(StringIO(text, newline="")))
    assert {len(row) for row in rows} == {len(head)}
    amounts = [[to_minor(cell, "CNY") for cell in row[6:12]] for row in rows]
    assert amounts[0] == [made.opening.total_minor, *made.opening.parts]
    assert [sum(column) for column in zip(*amounts[:-1], strict=True)] == amounts[-1]
    assert [row[4] for row in rows] == ["opening", *(one.kind.value for one in made.lines), "closing"]
    for word in words:
        assert word.removesuffix("，") in text


HOSTILE = [
    '=HYPERLINK("http://evil.example")',
    "+1",
    "-1+2",
    "@SUM(A1)",
    "\t=1",
    "  =1",
    "＝1",
    '"; drop, "quoted"\r\nrow',
    '#eval("1") *bold* $x$ #import "/etc/passwd" <b>x</b> \\u{41}',
    "#let d = 1 ]]] }}} // /* `raw`",
    "\u202egnp.exe\u0000\x07",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_stays_a_text(name: str) -> None:
    made = statement(lived(), date(2026, 4, 25), product={"zh-CN": name, "en": name})
    rows = list(csv.reader(StringIO(statement_csv(made, "en").decode("utf-8-sig"), newline="")))
    assert {row[1] for row in rows[1:]} == {harmless(name)}
    assert not rows[1][1].lstrip().startswith(("=", "+", "-", "@", "＝"))
    text = text_of(statement_pdf(made, "en", EN))
    for piece in ('#eval("1")', "*bold*", "<b>x</b>", "/etc/passwd", "#let d = 1"):
        assert (piece in name) == (piece in text), piece
    assert "root:" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("locale", "lender", "words"),
    [
        (
            "zh-CN",
            ZH,
            (
                "贷款对账单",
                "王**",
                "现金贷款",
                "期初余额",
                "逾期部分的罚息",
                "不计利息",
                "您的线路双向停机。",
            ),
        ),
        (
            "en",
            EN,
            ("Loan statement", "Cash loan", "Opening balance", "help@lender.example", "nominal a year"),
        ),
    ],
)
def test_the_pdf_says_it_in_words(locale: str, lender: Lender, words: tuple[str, ...]) -> None:
    made = statement(lived(), date(2026, 4, 25))
    pdf = statement_pdf(made, locale, lender)
    reader = PdfReader(BytesIO(pdf))
    text = text_of(pdf)
    for word in words:
        assert word in text, text
    assert "837.71" in text
    assert reader.trailer["/Root"]["/Lang"].startswith(locale[:2])  # type: ignore[index]
    assert reader.metadata
    assert "ABCD1234" in (reader.metadata.title or "")
    assert reader.metadata.creation_date
    assert reader.metadata.creation_date.date() == date(2026, 4, 25)
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]
    fonts = [str(one) for page in reader.pages for one in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert fonts


def test_the_same_facts_make_the_same_file() -> None:
    made = statement(lived(), date(2026, 4, 25))
    hashes = {sha256(statement_pdf(made, "zh-CN", ZH)).digest() for _ in range(2)}
    hashes |= {sha256(statement_pdf(statement(lived(), date(2026, 4, 25)), "zh-CN", ZH)).digest()}
    assert len(hashes) == 1


def test_a_long_table_goes_on_with_its_head() -> None:
    terms = loan_terms(installments=36, principal_minor=3_600_000)
    history = History(terms).disburse(START)
    for row in history.state(START).installments:
        history.pay(row.due_date, sum(row.due))
    last = history.events[-1].value_date
    pages = PdfReader(BytesIO(statement_pdf(statement(history, last), "en", EN))).pages
    texts = [page.extract_text() for page in pages]
    assert len(texts) >= 3
    for number, text in enumerate(texts, 1):
        assert f"Page {number} of {len(texts)}" in text
    assert sum("Principal after it" in text for text in texts) >= 2


def test_without_chinese_letters_there_is_no_pdf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = statement(lived(), date(2026, 4, 25))
    monkeypatch.setattr(typeset, "FAMILIES", ("A font that nobody has",))
    typeset._fonts.cache_clear()
    with pytest.raises(typeset.FontMissing, match="fonts-noto-cjk"):
        statement_pdf(made, "zh-CN", ZH)
    assert statement_csv(made, "zh-CN")
    monkeypatch.undo()
    assert statement_pdf(made, "zh-CN", ZH)
