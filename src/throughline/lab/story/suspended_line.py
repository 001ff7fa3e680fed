"""The story of a suspended line, in nine steps. Each step acts, waits for what follows, and says what it saw."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyotp

from throughline.kernel import clock
from throughline.kernel.i18n import N_
from throughline.lab.story.client import StoryError
from throughline.lab.story.stage import Stage

PRINCIPAL_MINOR = 300_000
INSTALLMENTS = 6
CONSENTS = ["identity_verification", "credit_scoring", "loan_contact", "service_continuity"]
# What a lock screen must never show, in the languages that we write.
DEBT_WORDS = (
    "贷",
    "借",
    "欠",
    "债",
    "还款",
    "逾期",
    "loan",
    "debt",
    "overdue",
    "repay",
    "instal",
    "¥",
    "CNY",
)

Lines = Iterator[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, why the product does this, and how it is played."""

    title: str
    why: str
    play: Callable[[Stage], Lines]


def register(stage: Stage) -> Lines:
    """Register, give consents, enrol a passkey and a code app, save recovery codes."""
    person = stage.person
    stage.borrower_id = stage.first.post(
        "/registrations",
        {
            "name": person.name,
            "id_number": person.id_number,
            "phone": person.phone,
            "email": person.email,
            "locale": stage.language,
            "consents": CONSENTS,
        },
    )["borrower_id"]
    yield stage.say(
        N_("%(name)s registers with ID number, phone and e-mail, and gives four consents."), name=person.name
    )
    begun = stage.first.post("/me/passkeys/begin")
    response = stage.authenticator.create(begun["options"], stage.first.origin)
    stage.first.post("/me/passkeys/finish", {"challenge_id": begun["challenge_id"], "response": response})
    app = stage.first.post("/me/totp/begin")
    code = pyotp.TOTP(app["seed"]).now()
    stage.first.post("/me/totp/confirm", {"authenticator_id": app["authenticator_id"], "code": code})
    stage.recovery_codes = stage.first.post("/me/recovery-codes")["codes"]
    factors = stage.first.get("/me/factors")
    if not (factors["survives_line_loss"] and factors["survives_phone_loss"]):
        raise StoryError(f"the factors do not outlive the line: {factors['kinds']}")
    yield stage.say(
        N_("Ways in: a passkey, a code app, %(count)s recovery codes. None of them needs the phone line."),
        count=len(stage.recovery_codes),
    )
    (line,) = stage.until("the line is watched", lambda: _lines(stage, "active"))
    yield stage.say(
        N_("The carrier was asked about the line: it works (probability %(p)s)."), p=line["probability"]
    )


def apply_and_sign(stage: Stage) -> Lines:
    """Apply for CNY 3,000 over six months, read the costs for as long as the law asks, sign with the passkey."""
    me = stage.first
    account = me.post(
        "/me/payee-accounts",
        {"bank_code": "ICBC", "account_number": stage.person.account, "holder_name": stage.person.name},
    )
    application = me.post(
        "/me/applications",
        {
            "product_code": "cash-cn",
            "principal_minor": PRINCIPAL_MINOR,
            "installments": INSTALLMENTS,
            "payee_account_id": account["id"],
            "monthly_income_minor": 1_200_000,
            "monthly_debt_minor": 100_000,
            "monthly_living_minor": 300_000,
            "employment_months": 40,
        },
    )
    stage.application_id = application["id"]
    path = f"/me/applications/{stage.application_id}"
    decided = me.post(f"{path}/submit")
    if decided["state"] != "offered":
        raise StoryError(f"no offer was made: {decided['state']}, {decided['reasons']}")
    offer = decided["offer"]
    yield stage.say(
        N_("Dated rules and a scorecard decide: approved, %(rate)s%% a year, comprehensive cost %(apr)s%%."),
        rate=offer["annual_rate_percent"],
        apr=f"{float(offer['apr_percent']):.2f}",
    )
    showing = me.post(f"{path}/costs")
    yield stage.say(
        N_("The cost table is shown; it must stay open for %(s)s seconds before it can be confirmed."),
        s=showing["min_read_s"],
    )
    time.sleep(showing["min_read_s"] + 0.5)
    signing = me.post(f"{path}/costs/confirm")
    begun = me.post("/me/step-up/begin", {"action": signing["action"]})
    response = stage.authenticator.get(begun["options"], me.origin)
    proof = me.post("/me/step-up/finish", {"challenge_id": begun["challenge_id"], "response": response})
    signed = me.post(f"{path}/sign", {"proof_id": proof["id"]})
    stage.loan_id = signed["loan_id"]
    yield stage.say(
        N_("Signed with the passkey, bound to the contract's SHA-256 %(hash)s…"),
        hash=signing["action"]["sha256"][:16],
    )


def pay_out(stage: Stage) -> Lines:
    """The bank pays the money out, once."""
    stage.until("the payout is booked", lambda: _state(stage) == "disbursed")
    transfers = stage.outside.transfers_to(stage.person.account)
    if [row["amount_minor"] for row in transfers] != [PRINCIPAL_MINOR]:
        raise StoryError(f"the bank should have booked one transfer: {transfers}")
    yield stage.say(
        N_("pain.001 went out; pain.002 and camt.054 came back: the bank booked %(amount)s exactly once."),
        amount=_yuan(PRINCIPAL_MINOR),
    )


def reach_the_due_date(stage: Stage) -> Lines:
    """Installments and journal entries exist; days pass until the first one is near."""
    loan = stage.first.get(f"/me/loans/{stage.loan_id}")
    first = loan["installments"][0]
    stage.due_date = first["due_date"]
    entries = stage.staff.items("/ledger/entries", source=f"loan:{stage.loan_id}")
    yield stage.say(
        N_(
            "%(count)s installments; the first, %(amount)s, falls due on %(due)s. %(entries)s journal entries."
        ),
        count=len(loan["installments"]),
        amount=_yuan(first["outstanding_minor"]),
        due=stage.due_date,
        entries=len(entries),
    )
    day = move_to(stage, date.fromisoformat(stage.due_date) - timedelta(days=2))
    yield stage.say(N_("Each evening the close of business ran; the business date is %(day)s now."), day=day)


def suspend(stage: Stage) -> Lines:
    """The carrier suspends the line."""
    stage.texts_before = len(stage.outside.texts_to(stage.person.phone))
    stage.outside.set_line(stage.person.phone, "suspended")
    (line,) = stage.until("the line is seen to be suspended", lambda: _lines(stage, "suspended"))
    yield stage.say(
        N_("The carrier's notice and its answer to our question agree: suspended, probability %(p)s."),
        p=line["probability"],
    )
    (episode,) = stage.until(
        "an episode is open",
        lambda: stage.staff.items("/episodes", borrower_id=stage.borrower_id, state="open"),
    )
    stage.episode_id = episode["id"]
    case = stage.until("the loan is protected", lambda: _case(stage, "granted"))
    yield stage.say(N_("An outage episode is open since %(at)s."), at=episode["dark_since"])
    yield stage.say(
        N_("Protection %(rule)s from %(first)s: %(measures)s."),
        rule=case["rule_id"],
        first=case["first_day"],
        measures=", ".join(case["measures"]),
    )
    yield case["reason"][stage.language]


def tell(stage: Stage) -> Lines:
    """What is told goes by a route that works; nothing on a lock screen speaks of a debt."""
    mails = stage.until("an e-mail arrived", lambda: stage.outside.mails_to(stage.person.email))
    held = stage.until("the SMS is held", lambda: _held(stage))
    texts = stage.outside.texts_to(stage.person.phone)
    if len(texts) != stage.texts_before:
        raise StoryError("an SMS went to a line that is out")
    visible = " ".join(f"{mail['subject']} {mail['body']}" for mail in mails)
    said = [word for word in DEBT_WORDS if word.lower() in visible.lower()]
    if said:
        raise StoryError(f"an e-mail speaks of the debt: {said}")
    yield stage.say(N_("SMS withheld: %(reason)s"), reason=held)
    yield stage.say(
        N_("E-mail delivered over SMTP; its subject: “%(subject)s”."), subject=mails[-1]["subject"]
    )
    (newest, *_) = stage.first.get("/me/messages")["items"]
    yield stage.say(
        N_("In the web inbox, behind the sign-in: “%(subject)s”."), subject=newest["subject"][stage.language]
    )
    day = move_to(stage, date.fromisoformat(stage.due_date) + timedelta(days=3))
    loan = stage.first.get(f"/me/loans/{stage.loan_id}")
    if loan["penalty_minor"] or loan["delinquent_days"] or not loan["delinquency_paused"]:
        raise StoryError(
            f"the protected loan has aged: {loan['penalty_minor']} penalty, {loan['delinquent_days']} days"
        )
    yield stage.say(
        N_(
            "It is %(day)s, three days after the due date: no penalty, no day of delay, no report to the bureau."
        ),
        day=day,
    )


def sign_in_and_repay(stage: Stage) -> Lines:
    """From another browser, without the line: see the protection, pay by a QR code that anybody may pay."""
    me = stage.other
    begun = me.post("/sign-in/passkey/begin")
    response = stage.authenticator.get(begun["options"], me.origin)
    session = me.post(
        "/sign-in/passkey/finish", {"challenge_id": begun["challenge_id"], "response": response}
    )
    yield stage.say(
        N_("Signed in on another computer with the passkey, level %(level)s, without the line."),
        level=session["level"],
    )
    (protection, *_) = me.get("/me/protections")["items"]
    yield stage.say(N_("The page says: protected, case %(case)s."), case=protection["case_id"])
    due = me.get(f"/me/loans/{stage.loan_id}")["installments"][0]["outstanding_minor"]
    order = me.post(f"/me/loans/{stage.loan_id}/repayments", {"amount_minor": due})

    def ready() -> Any:
        found = me.get(f"/me/payment-orders/{order['id']}")
        return found if found["code_url"] else None

    shown = stage.until("WeChat gives a QR code", ready)
    stage.order_ref = shown["out_ref"]
    yield stage.say(
        N_("A WeChat Pay QR order over %(amount)s; a neighbour scans and pays it."), amount=_yuan(due)
    )
    stage.outside.scan_and_pay(shown["code_url"])
    stage.until(
        "the repayment is allocated",
        lambda: me.get(f"/me/loans/{stage.loan_id}")["installments"][0]["outstanding_minor"] == 0,
    )
    yield stage.say(N_("Received, allocated to installment 1 and posted."))
    record = stage.until("the repayment has its receipt", lambda: receipt_of(stage, "repayment"))
    yield from _verify(stage, record)


def line_returns(stage: Stage) -> Lines:
    """The line is back: the episode closes, what was held is sent once, the protection ends by its rule."""
    stage.outside.set_line(stage.person.phone, "active")
    episode = stage.until("the episode is closed", lambda: _episode(stage, "closed"))
    case = stage.until("the protection has its end", lambda: _case(stage, "ended"))
    yield stage.say(N_("The line is back since %(at)s; the episode is closed."), at=episode["back_at"])
    stage.until(
        "the held message is sent",
        lambda: len(stage.outside.texts_to(stage.person.phone)) > stage.texts_before,
    )
    fresh = stage.outside.texts_to(stage.person.phone)[stage.texts_before :]
    yield stage.say(
        N_("SMS that waited: sent now, %(count)s in all: “%(text)s”"),
        count=len(fresh),
        text=fresh[-1]["text"],
    )
    yield case["end_reason"][stage.language]


def look_back(stage: Stage) -> Lines:
    """Staff read the whole episode; the books and the outside companies agree."""
    entries = stage.staff.items(f"/episodes/{stage.episode_id}/timeline", limit="200")
    for entry in entries:
        yield f"{entry['at'][:16].replace('T', ' ')}  {entry['text'][stage.language]}"
    balance = stage.staff.get("/ledger/trial-balance")
    debit, credit = (sum(row[side] for row in balance) for side in ("debit_minor", "credit_minor"))
    if debit != credit:
        raise StoryError(f"the books do not balance: {debit} and {credit}")
    paid = stage.outside.wechat_payments(stage.order_ref)
    transfers = stage.outside.transfers_to(stage.person.account)
    if len(paid) != 1 or len(transfers) != 1:
        raise StoryError(f"paid more than once: {len(paid)} payments, {len(transfers)} transfers")
    for mail in (mails := stage.outside.mails_to(stage.person.email)):
        if sum(one["message_id"] == mail["message_id"] for one in mails) != 1:
            raise StoryError(f"an e-mail came twice: {mail['message_id']}")
    yield stage.say(
        N_("The books balance: %(sum)s on either side. One transfer out, one payment in, no message twice."),
        sum=_yuan(debit),
    )


STEPS = (
    Step(
        N_("A borrower registers"),
        N_(
            "A phone number is an address, not a person: who you are is proved by factors that live off the line."
        ),
        register,
    ),
    Step(
        N_("Application, costs, signature"),
        N_("Whoever signs has read the costs, and has signed this document and no other."),
        apply_and_sign,
    ),
    Step(
        N_("The payout"),
        N_(
            "An answer of the bank that got lost is unknown, not failed: it is asked about, never sent twice."
        ),
        pay_out,
    ),
    Step(
        N_("Installments, books, and days that pass"),
        N_(
            "What is owed follows from the contract and dated events; the books are closed each business day."
        ),
        reach_the_due_date,
    ),
    Step(
        N_("The line is suspended"),
        N_(
            "Two independent signs make a belief of more than 90 %: then the loan is protected before harm is done."
        ),
        suspend,
    ),
    Step(
        N_("Reaching the person"),
        N_(
            "A number that stopped may be a stranger's tomorrow: nothing goes there, and nothing elsewhere names the debt."
        ),
        tell,
    ),
    Step(
        N_("Signing in and paying without the line"),
        N_(
            "No code by SMS is needed; the QR code can be paid by anybody; the receipt is proof against the lender."
        ),
        sign_in_and_repay,
    ),
    Step(
        N_("The line returns"),
        N_("What waited is said once; the protection leaves days to catch up and ends."),
        line_returns,
    ),
    Step(
        N_("Looking back"),
        N_("Each decision stands with its evidence and probability, and the books agree with the bank's."),
        look_back,
    ),
)


# --- looking ---------------------------------------------------------------------------------------


def _lines(stage: Stage, state: str) -> list[dict[str, Any]]:
    rows = stage.staff.get("/lines", borrower_id=stage.borrower_id)
    return [row for row in rows if row["state"] == state]


def _state(stage: Stage) -> str:
    return str(stage.first.get(f"/me/applications/{stage.application_id}")["state"])


def _episode(stage: Stage, state: str) -> dict[str, Any] | None:
    found: dict[str, Any] = stage.staff.get(f"/episodes/{stage.episode_id}")
    return found if found["state"] == state else None


def _case(stage: Stage, state: str) -> dict[str, Any] | None:
    cases = stage.staff.get(f"/episodes/{stage.episode_id}")["cases"]
    return next((case for case in cases if case["loan_id"] == stage.loan_id and case["state"] == state), None)


def _held(stage: Stage) -> str | None:
    for intent in stage.staff.items("/messages", borrower_id=stage.borrower_id):
        for step in stage.staff.get(f"/messages/{intent['id']}")["steps"]:
            if step["channel"] == "sms" and step["state"] == "held":
                return str(step["reason"][stage.language])
    return None


def receipt_of(stage: Stage, kind: str) -> dict[str, Any] | None:
    """The borrower's newest record of a kind that is in the log already; None until then."""
    records = stage.other.get("/notary/records")["items"]
    return next((row for row in records if row["kind"] == kind and row["leaf_index"] is not None), None)


def _verify(stage: Stage, record: dict[str, Any]) -> Lines:
    """Check the receipt with the one file that travels with it, in an empty folder and an isolated Python."""
    data = stage.other.bytes_of(f"/notary/records/{record['id']}/receipt.zip")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
        (program,) = Path(folder).rglob("verify.py")
        done = subprocess.run(  # noqa: S603 - the verifier out of our own receipt
            [
                sys.executable, "-I", program.name, "receipt.tlog-proof", "--record", "record.json",
                "--policy", "policy.txt", "--lang", "zh" if stage.language == "zh-CN" else "en",
            ],
            cwd=program.parent, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    if done.returncode:
        raise StoryError(f"the receipt does not hold: {done.stdout}{done.stderr}")
    yield stage.say(N_("Receipt checked offline: %(said)s"), said=done.stdout.strip().splitlines()[0])


def move_to(stage: Stage, day: date) -> str:
    """Move the demo's business time to that day and wait until every day before it is closed."""

    def now() -> date:
        return date.fromisoformat(stage.staff.get("/business-day")["business_date"])

    today = clock.local_date(clock.now(), "Asia/Shanghai")
    if day > today:
        clock.move_demo_forward(day - today)
    stage.until(f"business day {day}", lambda: now() >= day)
    return now().isoformat()


def _yuan(amount_minor: int) -> str:
    return f"¥{amount_minor / 100:,.2f}"
