"""Why a step ended as it did, as message ids. What stands in the way of an address is in `standing`."""

from __future__ import annotations

from throughline.kernel.i18n import N_

NO_CONSENT = N_("The borrower has not agreed to be written to for this purpose")
NO_ADDRESS = N_("The borrower has no address that a message could be sent to; it is in the inbox")
GONE = N_("The address does not exist any more")
NO_ROUTE = N_("This way of sending is not set up here")
TOO_PERSONAL = N_("The text says more than this address may be told")
TOO_LATE = N_("The time until which the message made sense is over")
REFUSED = N_("The provider refused the message (%(code)s)")
GAVE_UP = N_("The provider could not take the message after %(tries)s tries (%(code)s)")
ACCEPTED = N_("The mail server has taken the message; e-mail gives no receipt")
DELIVERED = N_("The provider reports that the message arrived")
NOT_DELIVERED = N_("The provider reports that the message did not arrive (%(code)s)")
NO_RECEIPT = N_("The provider took the message, but no receipt has come")
NO_ANSWER = N_("The provider did not answer, so nobody knows whether the message was sent")
READ = N_("The borrower has read the message after signing in")
ELSEWHERE = N_("The message has already arrived another way")
CAUGHT_UP = N_("The line is back; one message stands for all that were waiting")
CAUGHT_UP_BY = N_("One message about everything that was waiting has arrived")
NOT_CAUGHT_UP = N_("The message about everything that was waiting did not arrive")
NOT_TAKEN = N_("No route has taken it in time; the next way begins")
