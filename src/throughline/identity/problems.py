"""Problems of identity that more than one verb raises."""

from __future__ import annotations

from throughline.kernel.errors import Conflict, Forbidden, Invalid, Unauthenticated
from throughline.kernel.i18n import N_


class SignInRefused(Unauthenticated):
    """One answer for every failed sign-in: unknown account, wrong code, wrong key. It must not tell which."""

    code = "sign-in-refused"
    title = N_(
        "This did not match. On a browser that is new here, a recovery code is needed beside the app's code"
    )


class PasskeyRefused(Invalid):
    """The browser's answer was not acceptable; why stands in the log."""

    code = "passkey-refused"
    title = N_("The passkey was not accepted; try again on this site's own page")


class StepUpNeeded(Forbidden):
    """The session alone is not enough: approve this very action with a factor first."""

    code = "step-up-needed"
    title = N_("Confirm this with your passkey first")


class NoPasskey(Forbidden):
    """The action needs a phishing-resistant factor and the person has none that counts."""

    code = "no-passkey"
    title = N_("This needs a passkey; add one first")


class LevelTooLow(Forbidden):
    """The session's level is below what is asked for."""

    code = "level-too-low"
    title = N_("Sign in with a second factor for this")


class EnrolmentClosed(Conflict):
    """The time for the first factor is over, or there is one already."""

    code = "enrolment-closed"
    title = N_("The first factor can't be added here any more; sign in instead")
