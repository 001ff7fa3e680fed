"""The routes that are set up in this installation: one for each channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.messaging.channels import aliyun_sms, smtp
from throughline.messaging.plan import Channel
from throughline.messaging.ports import MessageChannel
from throughline.messaging.settings import MessagingSettings, NoSmsAccount, load_settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """What the plan needs to know of a route. Without receipts, "accepted" is all that we ever learn."""

    name: str
    has_receipts: bool
    can_query: bool


SMS = Route(aliyun_sms.NAME, has_receipts=True, can_query=True)
MAIL = Route(smtp.NAME, has_receipts=False, can_query=False)
BY_NAME = {route.name: route for route in (SMS, MAIL)}


def route(channel: Channel) -> Route | None:
    """The route of a channel; None when the channel is not set up."""
    config = load_settings()
    if channel is Channel.SMS:
        return SMS if config.sms_url else None
    return MAIL if config.smtp_host else None


def channel(route_name: str) -> MessageChannel | None:
    """The adapter of a route; None while it lacks its address or its account."""
    config = load_settings()
    try:
        return _sms(config) if route_name == SMS.name else _mail(config, str(settings().base_url))
    except NoSmsAccount as error:
        # Not cached: the simulator makes its account at its first start, perhaps after ours.
        log.warning("route without its account", route=route_name, why=str(error))
        return None


@lru_cache(maxsize=4)
def _sms_of(config_key: tuple[str, str, str, str, float]) -> MessageChannel:
    url, key_id, secret, sign_name, timeout_s = config_key
    return aliyun_sms.AliyunSms(
        url, key_id=key_id, key_secret=secret, sign_name=sign_name, call_timeout_s=timeout_s
    )


def _sms(config: MessagingSettings) -> MessageChannel | None:
    if config.sms_url is None:
        return None
    account = config.sms_account()
    return _sms_of(
        (
            str(config.sms_url),
            account.access_key_id,
            account.access_key_secret.get_secret_value(),
            account.sign_name,
            config.call_timeout_s,
        )
    )


def _mail(config: MessagingSettings, base_url: str) -> MessageChannel | None:
    if config.smtp_host is None:
        return None
    return smtp.SmtpMail(
        config.smtp_host,
        config.smtp_port,
        sender=config.mail_from,
        id_host=urlsplit(base_url).hostname or "localhost",
        starttls=config.smtp_starttls,
        user=config.smtp_user,
        password=config.smtp_password.get_secret_value() if config.smtp_password else None,
        timeout_s=config.call_timeout_s,
    )
