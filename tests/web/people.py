"""People in a browser: registered, with factors, through the pages themselves."""

from __future__ import annotations

import json
import re

import pyotp

from parties.newcomers import new_person
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.parties.records import NewPerson
from web.browsing import ORIGIN, PlainBrowser

ALL_CONSENTS = {
    f"consent_{name}": "yes"
    for name in ("identity_verification", "credit_scoring", "loan_contact", "service_continuity")
}


def register(browser: PlainBrowser, person: NewPerson | None = None, **changes: str) -> NewPerson:
    """Fill in the registration form; the browser is on the next page."""
    person = person or new_person()
    browser.open("/register")
    typed = {
        "name": person.name,
        "id_number": person.id_number,
        "phone": person.phone,
        "email": person.email,
    }
    browser.submit("/register", **(typed | ALL_CONSENTS | changes))
    return person


def add_passkey(browser: PlainBrowser) -> SoftwareAuthenticator:
    """What passkey.js does on the enrolment page."""
    form = next(one for one in browser.forms() if one.attributes.get("data-passkey") == "register")
    authenticator = SoftwareAuthenticator()
    begun = browser.api("/me/passkeys/begin", json.loads(form.attributes["data-body"]))
    response = authenticator.create(begun["options"], ORIGIN)
    browser.api("/me/passkeys/finish", {"challenge_id": begun["challenge_id"], "response": response})
    browser.open(form.attributes["data-next"])
    return authenticator


def add_code_app(browser: PlainBrowser) -> str:
    """Set up a code app by typing its key; returns the key."""
    seed = seed_on(browser.submit("/enrol/totp"))
    browser.submit("/enrol/totp/confirm", code=pyotp.TOTP(seed).now())
    return seed


def seed_on(page: str) -> str:
    """The key that the page shows."""
    found = re.search(r'<p class="mono">([A-Z2-7 ]+)</p>', page)
    assert found, page
    return found[1].replace(" ", "")


def save_codes(browser: PlainBrowser) -> list[str]:
    """Ask for recovery codes and write them down."""
    page = browser.submit("/enrol/recovery-codes")
    codes = re.findall(r"<li>([0-9A-Za-z-]{8,})</li>", page)
    assert len(codes) == 10, page
    browser.open("/enrol")
    return codes


def approve(browser: PlainBrowser, action: str, authenticator: SoftwareAuthenticator) -> str:
    """What passkey.js does with a form that needs an approval: sign, put the proof in, send the form."""
    form = browser.form(action)
    begun = browser.api("/me/step-up/begin", json.loads(form.attributes["data-body"]))
    response = authenticator.get(begun["options"], ORIGIN)
    proof = browser.api("/me/step-up/finish", {"challenge_id": begun["challenge_id"], "response": response})
    return browser.submit(action, proof_id=proof["id"])


def sign_in(browser: PlainBrowser, authenticator: SoftwareAuthenticator) -> None:
    """What passkey.js does on the sign-in page."""
    form = next(one for one in browser.forms() if one.attributes.get("data-passkey") == "use")
    begun = browser.api("/sign-in/passkey/begin", json.loads(form.attributes["data-body"]))
    response = authenticator.get(begun["options"], ORIGIN)
    browser.api("/sign-in/passkey/finish", {"challenge_id": begun["challenge_id"], "response": response})
    browser.open(form.attributes["data-next"])
