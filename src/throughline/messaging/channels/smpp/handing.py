"""Handing something to the sink: whatever goes wrong there is told, never raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from throughline.kernel.logging import get_logger
from throughline.messaging.channels.smpp.settings import SmppRoute

log = get_logger(__name__)


async def handed(route: SmppRoute, handing: Awaitable[None]) -> bool:
    """Whether the sink took it, within the route's `sink_timeout_s`."""
    try:
        async with asyncio.timeout(route.sink_timeout_s):
            await handing
    except Exception as error:
        # By its type alone: the text of an error may repeat what somebody wrote.
        log.error("the sink failed", route=route.name, error=type(error).__name__)  # noqa: TRY400
        return False
    return True
