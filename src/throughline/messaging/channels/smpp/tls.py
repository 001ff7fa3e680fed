"""The TLS of a route: the SMSC's certificate and name are checked, always."""

from __future__ import annotations

import ssl

from throughline.messaging.channels.smpp.settings import SmppRoute


def context(route: SmppRoute) -> ssl.SSLContext | None:
    """What asyncio needs; None for a route without TLS. Raises `OSError` when the authorities can't be read."""
    if not route.tls:
        return None
    made = ssl.create_default_context(cafile=str(route.tls_ca_file) if route.tls_ca_file else None)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def server_name(route: SmppRoute) -> str | None:
    """The name that the certificate must have."""
    return (route.tls_server_name or route.host) if route.tls else None
