"""The routes of an installation, as the lender set them up: one row each, with the settings of its adapter.

Without a file there is one route for each channel whose address is set (`sms_url`, `smtp_host`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from throughline.messaging.classes import MessageClass
from throughline.messaging.plan import Channel
from throughline.messaging.settings import MessagingSettings, load_settings

MAX_ROUTES = 50
MAX_BYTES = 256 * 1024


class RoutesWrong(ValueError):
    """The file of routes can't be used; the message names the file, the row and the member."""


class RouteSettings(BaseModel):
    """One route. `priority`: lower is taken first. `window`: how many submits may wait for their answers at once;
    it bounds the copies that a lost link can leave. `rate_per_s`: None means as fast as the window lets.
    `classes`: of messages that it may carry; None means all. `options`: of its adapter, secrets as paths of files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    channel: Channel
    adapter: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    priority: Annotated[int, Field(ge=1, le=99)] = 1
    window: Annotated[int, Field(ge=1, le=500)] = 10
    rate_per_s: Annotated[float, Field(gt=0, le=10_000)] | None = None
    classes: frozenset[MessageClass] | None = None
    options: Mapping[str, Any] = Field(default_factory=dict, repr=False)

    def carries(self, klass: str) -> bool:
        """Whether messages of a class may go over it."""
        return self.classes is None or MessageClass(klass) in self.classes


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    routes: Annotated[list[RouteSettings], Field(min_length=1, max_length=MAX_ROUTES)]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [one.name for one in self.routes]
        if len(set(names)) < len(names):
            raise ValueError("two routes have the same name")
        return self


def routes() -> tuple[RouteSettings, ...]:
    """All routes that are set up. Raises `RoutesWrong`."""
    config = load_settings()
    return _of_file(config.routes_file) if config.routes_file else _single(config)


@lru_cache(maxsize=4)
def _of_file(file: Path) -> tuple[RouteSettings, ...]:
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise RoutesWrong(f"{file}: more than {MAX_BYTES} bytes")
        return tuple(_File.model_validate(json.loads(text)).routes)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise RoutesWrong(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (OSError, ValueError) as error:
        raise RoutesWrong(f"{file}: {error}") from None


def _single(config: MessagingSettings) -> tuple[RouteSettings, ...]:
    found = []
    if config.sms_url is not None:
        options: dict[str, Any] = {"url": str(config.sms_url), "account_file": str(config.sms_account_file)}
        found.append(
            RouteSettings(name="aliyun-sms", channel=Channel.SMS, adapter="aliyun-sms", options=options)
        )
    if config.smtp_host is not None:
        options = {
            "host": config.smtp_host,
            "port": config.smtp_port,
            "starttls": config.smtp_starttls,
            "user": config.smtp_user,
            "password": config.smtp_password,
        }
        found.append(RouteSettings(name="smtp", channel=Channel.EMAIL, adapter="smtp", options=options))
    return tuple(found)
