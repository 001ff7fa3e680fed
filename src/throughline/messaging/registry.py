"""The kinds of adapters, and the routes that are set up with them in this installation."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from throughline.kernel.settings import settings
from throughline.messaging.channels import aliyun_sms, smpp_route, smtp, tencent_sms
from throughline.messaging.channels.smpp import SmppRoute
from throughline.messaging.plan import Channel
from throughline.messaging.ports import Adapter, Capabilities, Heard, News, SubmitResult
from throughline.messaging.routes.config import RouteSettings, RoutesWrong, routes
from throughline.messaging.settings import (
    NoSmsAccount,
    TencentAccount,
    load_settings,
    read_account,
    read_account_of,
)
from throughline.messaging.templates import outside_names

NOTHING = Capabilities(receipts=False, query=False)


class NotSetUp(Exception):
    """The adapter of a route can't be made now; the message says what is missing."""


class Nobody:
    """News for nobody: where a route is only looked at, or tried."""

    async def heard(self, receipt: Heard) -> None:
        """Not wanted; the provider keeps it."""
        raise NotSetUp("nobody listens")

    async def late(self, client_ref: str, result: SubmitResult) -> None:
        """Not wanted."""

    async def said(self, route: str, number: str, text: str) -> None:
        """Not wanted; the provider keeps it."""
        raise NotSetUp("nobody listens")


class HttpSmsOptions(BaseModel):
    """Options of `aliyun-sms` and `tencent-sms`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    url: Annotated[str, Field(max_length=300, pattern=r"^https?://[^/?#@\s]+/?$")]
    account_file: Path


class SmtpOptions(BaseModel):
    """Options of `smtp`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    host: Annotated[str, Field(max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    starttls: bool = True
    user: str | None = None
    password: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of adapter: its channel, what it promises, and how one is made.

    `codes`: whose words the codes of its receipts are, by `line`'s tables. `hook_token`: the secret in the address of a
    route's hooks; None where nothing is pushed over HTTP. Both functions raise ValidationError, NoSmsAccount.
    """

    channel: Channel
    capabilities: Capabilities
    make: Callable[[RouteSettings, News], Adapter]
    codes: str = ""
    hook_token: Callable[[RouteSettings], SecretStr] | None = None


def _http_sms(route: RouteSettings) -> HttpSmsOptions:
    options = HttpSmsOptions.model_validate(route.options)
    if not settings().demo and not options.url.startswith("https://"):
        raise NotSetUp("options.url must begin with https://: numbers travel encrypted")
    return options


def _aliyun(route: RouteSettings, news: News) -> Adapter:
    del news  # its receipts come over HTTP
    options = _http_sms(route)
    account = read_account(options.account_file)
    return aliyun_sms.AliyunSms(
        options.url,
        key_id=account.access_key_id,
        key_secret=account.access_key_secret.get_secret_value(),
        sign_name=account.sign_name,
        call_timeout_s=load_settings().call_timeout_s,
        connections=route.window,
    )


def _aliyun_token(route: RouteSettings) -> SecretStr:
    return read_account(HttpSmsOptions.model_validate(route.options).account_file).callback_token


def _tencent(route: RouteSettings, news: News) -> Adapter:
    del news
    options = _http_sms(route)
    account = read_account_of(TencentAccount, options.account_file)
    lacking = sorted(outside_names() - account.template_ids.keys())
    if lacking:
        raise NotSetUp(f"{options.account_file}: template_ids lacks {', '.join(lacking)}")
    return tencent_sms.TencentSms(
        options.url,
        secret_id=account.secret_id,
        secret_key=account.secret_key.get_secret_value(),
        app_id=account.app_id,
        sign_name=account.sign_name,
        region=account.region,
        template_ids=account.template_ids,
        call_timeout_s=load_settings().call_timeout_s,
        connections=route.window,
    )


def _tencent_token(route: RouteSettings) -> SecretStr:
    file = HttpSmsOptions.model_validate(route.options).account_file
    return read_account_of(TencentAccount, file).callback_token


def _smtp(route: RouteSettings, news: News) -> Adapter:
    del news
    options = SmtpOptions.model_validate(route.options)
    if not settings().demo and options.user and not options.starttls:
        raise NotSetUp("options.user without options.starttls would send the password in the clear")
    if not settings().demo and load_settings().mail_from.endswith(".invalid"):
        raise NotSetUp("mail_from is not set")
    return smtp.SmtpMail(
        options.host,
        options.port,
        sender=load_settings().mail_from,
        id_host=urlsplit(str(settings().base_url)).hostname or "localhost",
        starttls=options.starttls,
        user=options.user,
        password=options.password.get_secret_value() if options.password else None,
        timeout_s=load_settings().call_timeout_s,
    )


def _smpp(route: RouteSettings, news: News) -> Adapter:
    own = {"name": route.name, "window": route.window, "rate_per_s": route.rate_per_s, "max_parts": 1}
    settings_ = SmppRoute.model_validate({"password": _secret(route), **_without_secret(route), **own})
    return smpp_route.SmppSms(settings_, news)


def _secret(route: RouteSettings) -> str:
    """The password out of the file that the options name, or in the options themselves."""
    file = route.options.get("password_file")
    if file is None:
        return str(route.options.get("password", ""))
    try:
        return Path(str(file)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # Without the cause: its text may repeat what it read.
        raise NotSetUp(f"{file}: {type(error).__name__}") from None


def _without_secret(route: RouteSettings) -> dict[str, object]:
    return {name: value for name, value in route.options.items() if name not in {"password", "password_file"}}


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # Alibaba Cloud passes the codes of the carriers' gateways on as they are.
        aliyun_sms.NAME: Kind(
            Channel.SMS, Capabilities(receipts=True, query=True), _aliyun, "cn.gateway", _aliyun_token
        ),
        tencent_sms.NAME: Kind(
            Channel.SMS, Capabilities(receipts=True, query=True), _tencent, "tencent.sms", _tencent_token
        ),
        smpp_route.NAME: Kind(Channel.SMS, Capabilities(receipts=True, query=False), _smpp, "smpp"),
        smtp.NAME: Kind(Channel.EMAIL, Capabilities(receipts=False, query=False), _smtp),
    }
)


def check() -> None:
    """Look at all routes before anything depends on them. Raises `RoutesWrong` with what to change."""
    for route in routes():
        kind = KINDS.get(route.adapter)
        if kind is None:
            raise RoutesWrong(
                f"route {route.name}: there is no adapter {route.adapter!r}; expected {sorted(KINDS)}"
            )
        if kind.channel is not route.channel:
            raise RoutesWrong(
                f"route {route.name}: adapter {route.adapter} carries {kind.channel}, not {route.channel}"
            )


def routes_of(channel: Channel, klass: str) -> tuple[RouteSettings, ...]:
    """The routes that may carry messages of a class over a channel, those that are taken first in front."""
    found = [one for one in routes() if one.channel is channel and one.carries(klass)]
    return tuple(sorted(found, key=lambda one: (one.priority, one.name)))


def route_named(name: str) -> RouteSettings | None:
    """The route of that name; None where it is not set up (any more)."""
    return next((one for one in routes() if one.name == name), None)


def capabilities(route_name: str) -> Capabilities:
    """What a route promises; of one that is gone nothing is to be expected."""
    route = route_named(route_name)
    kind = KINDS.get(route.adapter) if route is not None else None
    return kind.capabilities if kind is not None else NOTHING


def codes_of(route_name: str) -> str:
    """Whose words the codes of a route's receipts are; empty for a route that is gone: then only "delivered" counts."""
    route = route_named(route_name)
    kind = KINDS.get(route.adapter) if route is not None else None
    return kind.codes if kind is not None else ""


def adapter(route: RouteSettings, news: News) -> Adapter:
    """A new adapter of a route, which takes what it hears to `news`. Raises `NotSetUp`."""
    kind = KINDS.get(route.adapter)
    if kind is None:
        raise NotSetUp(f"there is no adapter {route.adapter!r}")
    try:
        return kind.make(route, news)
    except NoSmsAccount as error:
        raise NotSetUp(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise NotSetUp(f"options.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def missing(route: RouteSettings) -> str:
    """What a route lacks to be used, in a few words; empty when nothing."""
    try:
        adapter(route, Nobody())
    except NotSetUp as error:
        return str(error)
    return ""


def route_of_token(adapter_name: str, token: str) -> str | None:
    """The route of an adapter at whose provider this token is part of the address for what it pushes; None where it is
    nobody's.

    Raises `NotSetUp` where that can't be known, because an account is missing.
    """
    hook_token = KINDS[adapter_name].hook_token
    lost = None
    for route in routes():
        if route.adapter != adapter_name or hook_token is None:
            continue
        try:
            known = hook_token(route).get_secret_value()
        except (NoSmsAccount, ValidationError) as error:
            lost = f"{route.name}: {type(error).__name__}"
            continue
        if hmac.compare_digest(token.encode(), known.encode()):
            return route.name
    if lost is not None:
        raise NotSetUp(lost)
    return None
