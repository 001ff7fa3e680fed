"""The bureau that is set up in this installation."""

from __future__ import annotations

from functools import lru_cache

from throughline.kernel.logging import get_logger
from throughline.lending.bureau.https import HttpsBureau
from throughline.lending.bureau.ports import Bureau
from throughline.lending.bureau.settings import BureauSettings, bureau_settings
from throughline.payments.rails.bank_signature import BankKeys
from throughline.payments.rails.transport import Transport

log = get_logger(__name__)


def bureau() -> Bureau | None:
    """The bureau; None while its address or its keys are missing."""
    try:
        return _made(bureau_settings())
    except FileNotFoundError as error:
        # Not cached: the simulator makes its keys at its first start, perhaps after ours.
        log.warning("bureau without its key file", file=error.filename)
        return None


@lru_cache(maxsize=4)
def _made(config: BureauSettings) -> Bureau | None:
    if not (config.url and config.private_key and config.trusted_keys):
        return None
    return HttpsBureau(
        Transport(str(config.url), call_timeout_s=config.call_timeout_s),
        BankKeys.read(config.member, config.private_key, config.trusted_keys),
        config.member,
    )
