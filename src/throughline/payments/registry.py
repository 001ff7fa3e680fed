"""The rails that are set up in this installation."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType

from throughline.kernel.errors import Unavailable
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import load, settings
from throughline.payments.ports import Rail
from throughline.payments.rails import bank_iso20022, wechat
from throughline.payments.rails.bank_messages import Debtor
from throughline.payments.rails.bank_signature import BankKeys
from throughline.payments.rails.transport import Transport
from throughline.payments.rails.wechat_signature import MerchantKey, PlatformKeys
from throughline.payments.settings import PaymentSettings

log = get_logger(__name__)

# The name in /hooks/payments/<name> of each rail that pushes messages.
HOOKS = MappingProxyType({"bank": bank_iso20022.NAME, "wechat": wechat.NAME})


class RailNotSetUp(Unavailable):
    """A rail without its settings or keys."""

    code = "rail-not-set-up"
    title = N_("This way of payment is not set up here")


def rail(name: str) -> Rail:
    """The rail of that name. `RailNotSetUp` when it is unknown or lacks its address or keys."""
    try:
        return rails()[name]
    except KeyError:
        raise RailNotSetUp from None


def rails() -> dict[str, Rail]:
    """All rails that are set up, by name."""
    found: dict[str, Rail] = {}
    config = load(PaymentSettings)
    for build in (_bank, _wechat):
        try:
            built = build(config, str(settings().base_url), settings().lender_name, settings().currency)
        except FileNotFoundError as error:
            # Not cached: the simulators make their keys at their first start, perhaps after ours.
            log.warning("rail without its key file", file=error.filename)
            continue
        if built is not None:
            found[built.name] = built
    return found


@lru_cache(maxsize=4)
def _bank(config: PaymentSettings, base_url: str, lender: str, currency: str) -> Rail | None:
    del base_url
    if not (config.bank_url and config.bank_private_key and config.bank_trusted_keys):
        return None
    return bank_iso20022.BankRail(
        Transport(str(config.bank_url), call_timeout_s=config.call_timeout_s),
        BankKeys.read(config.bank_client_id, config.bank_private_key, config.bank_trusted_keys),
        Debtor(config.bank_client_id, lender, config.bank_account, config.bank_code),
        currency=currency,
        max_amount_minor=config.bank_max_amount_minor,
    )


@lru_cache(maxsize=4)
def _wechat(config: PaymentSettings, base_url: str, lender: str, currency: str) -> Rail | None:
    del lender, currency
    if not (config.wechat_url and config.wechat_merchant_key and config.wechat_merchant_certificate):
        return None
    if config.wechat_platform_keys is None:
        return None
    return wechat.WechatRail(
        Transport(str(config.wechat_url), call_timeout_s=config.call_timeout_s),
        MerchantKey.read(config.wechat_mchid, config.wechat_merchant_key, config.wechat_merchant_certificate),
        PlatformKeys.read(config.wechat_platform_keys),
        mchid=config.wechat_mchid,
        appid=config.wechat_appid,
        api_v3_key=_api_v3_key(config),
        notify_url=f"{base_url.rstrip('/')}/hooks/payments/wechat",
    )


def _api_v3_key(config: PaymentSettings) -> bytes:
    if config.wechat_api_v3_key is not None:
        return config.wechat_api_v3_key.get_secret_value().encode("ascii")
    if config.wechat_api_v3_key_file is None:
        raise ValueError("no API v3 key")
    return config.wechat_api_v3_key_file.read_bytes().strip()
