"""Why a line is believed to be in a state: one sentence in both languages."""

from __future__ import annotations

from throughline.kernel.i18n import N_, Text, bilingual
from throughline.line.state import PublicState

_SENTENCES = {
    PublicState.ACTIVE: N_("The line is in service (%(percent)s %%); last word: %(source)s."),
    PublicState.OUT_SUSPENDED: N_(
        "The line can receive but not call out (%(percent)s %%); last word: %(source)s."
    ),
    PublicState.SUSPENDED: N_("The line is suspended both ways (%(percent)s %%); last word: %(source)s."),
    PublicState.PRE_CANCELLED: N_(
        "The line is about to be cancelled (%(percent)s %%); last word: %(source)s."
    ),
    PublicState.CANCELLED: N_("The line is cancelled (%(percent)s %%); last word: %(source)s."),
    PublicState.REASSIGNED: N_(
        "The number belongs to somebody else now (%(percent)s %%); last word: %(source)s."
    ),
    PublicState.DEVICE_OFF: N_("The phone is off or out of reach (%(percent)s %%); last word: %(source)s."),
    PublicState.UNKNOWN: N_("Nobody can say how the line is; last word: %(source)s."),
}
_SOURCES = {
    "camara.subscription-status": N_("the carrier's answer"),
    "camara.device-reachability": N_("the carrier's reachability notice"),
    "carrier.push": N_("the carrier's notice"),
    "camara.number-recycling": N_("the carrier's recycling check"),
    "camara.kyc-tenure": N_("the carrier's word on the contract's age"),
    "camara.device-data-volume": N_("the carrier's word on data"),
    "sms.receipt": N_("a message receipt"),
    "app.heartbeat": N_("a sign of life of the app"),
    "voice.sip": N_("a call"),
    "identity.number-proof": N_("a proof by the borrower"),
    "vendor.aliyun": N_("a check by Alibaba Cloud"),
    "vendor.baidu": N_("a check by Baidu"),
}
NOTHING_HEARD = N_("time, nothing was heard")


def reason(state: PublicState, probability: float, source: str | None) -> Text:
    """The sentence for a state, its probability and the source that spoke last."""
    percent = f"{probability * 100:.1f}"
    said = bilingual(_SOURCES.get(source or "", NOTHING_HEARD))
    return {
        locale: bilingual(_SENTENCES[state], percent=percent, source=said[locale])[locale] for locale in said
    }
