"""Where the demo's simulators answer on loopback: the ports of the handbook, unless THROUGHLINE_LAB_PORT moves them.

Two demos on one machine must not hear each other's outside world: each gets a row of ports of its own.
"""

from __future__ import annotations

from pydantic import AnyHttpUrl

from throughline.kernel.settings import LAB_PORT, settings


def lab_port(usual: int) -> int:
    """The port here of the simulator that usually answers on port `usual`."""
    return settings().lab_port + usual - LAB_PORT


def lab_url(usual: int) -> AnyHttpUrl:
    """The address here of the simulator that usually answers on port `usual`."""
    return AnyHttpUrl(f"http://127.0.0.1:{lab_port(usual)}")
