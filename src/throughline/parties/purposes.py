"""Purposes for which personal data may be used, each with the text that the person agrees to."""

from __future__ import annotations

from enum import StrEnum

from throughline.kernel.i18n import N_

# Evidence of a consent names the version of the text that was shown; a changed text is a new version.
CONSENT_TEXT_VERSION = "2026-02"


class Purpose(StrEnum):
    """What a consent is for. One consent covers one purpose."""

    IDENTITY = "identity_verification"
    CREDIT = "credit_scoring"
    CONTINUITY = "service_continuity"
    CONTACT = "loan_contact"
    MARKETING = "marketing"
    JOINT_PLAN = "joint_plan"


CONSENT_TEXTS: dict[Purpose, str] = {
    Purpose.IDENTITY: N_(
        "We use your name and ID number, and ask your carrier whether your SIM card or phone was changed, to check who "
        "you are and to write your contract."
    ),
    Purpose.CREDIT: N_("We use your application and your history with us to decide about credit."),
    Purpose.CONTINUITY: N_(
        "We ask your carrier whether your phone line works, so that we can protect you when it does not."
    ),
    Purpose.CONTACT: N_("We write to your phone and e-mail about your loan."),
    Purpose.MARKETING: N_("We tell you about other products."),
    Purpose.JOINT_PLAN: N_(
        "When you accept an offer that your carrier made with us for your line, we give the carrier your phone number "
        "and what was agreed. It learns that we asked for you, and nothing about your loan."
    ),
}
