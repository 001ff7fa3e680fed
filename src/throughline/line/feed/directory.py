"""Which sources this installation can ask: carriers and vendors of the settings, each as feeds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from throughline.line.adapters.aliyun import aliyun_feed
from throughline.line.adapters.baidu import baidu_feed
from throughline.line.adapters.camara.calls import Caller
from throughline.line.adapters.camara.feeds import feeds_of
from throughline.line.ports import CarrierFeed, FeedCapabilities
from throughline.line.settings import CarrierSettings, LineSettings, load_settings
from throughline.parties.purposes import Purpose

# Without another wish, the first of these that can be asked.
BEST_FIRST = ("camara.subscription-status", "vendor.aliyun", "vendor.baidu", "camara.device-reachability")
# What is asked to prevent fraud is no evidence about the line: another purpose, another token, another store.
FRAUD = frozenset({"camara.sim-swap", "camara.device-swap"})


def purpose_of(source: str) -> Purpose:
    """The purpose for which a source is asked."""
    return Purpose.IDENTITY if source in FRAUD else Purpose.CONTINUITY


class Directory:
    """The feeds of a process, with their tokens and paces."""

    def __init__(self, config: LineSettings) -> None:
        self._settings = {one.name: one for one in config.all_carriers}
        self._callers = {
            one.name: Caller(one, timeout_s=config.timeout_s, repeats=config.repeats)
            for one in config.all_carriers
        }
        self._carriers: dict[str, Mapping[str, CarrierFeed]] = {
            name: feeds_of(one, self._callers[name]) for name, one in self._settings.items()
        }
        vendors: list[CarrierFeed] = []
        if config.aliyun is not None:
            vendors.append(aliyun_feed(config.aliyun, repeats=config.repeats, timeout_s=config.timeout_s))
        if config.baidu is not None:
            vendors.append(baidu_feed(config.baidu, repeats=config.repeats, timeout_s=config.timeout_s))
        self._vendors = {one.name: one for one in vendors}

    def feed(self, carrier: str, source: str | None) -> CarrierFeed | None:
        """The feed of that source for a line of that carrier; None: nobody here can be asked."""
        found = {**self._vendors, **self._carriers.get(carrier, {})}
        if source is not None:
            return found.get(source)
        return next((found[name] for name in BEST_FIRST if name in found), None)

    def caller(self, carrier: str) -> Caller | None:
        """The connection to a carrier; None: it is not set up."""
        return self._callers.get(carrier)

    def carrier(self, name: str) -> CarrierSettings | None:
        """The settings of a carrier; None: it is not set up."""
        return self._settings.get(name)

    def capabilities(self, carrier: str | None = None) -> dict[str, FeedCapabilities]:
        """What can be asked, by source: of lines of one carrier, or of any.

        Where several carriers sell one source, the dearest price and the slowest rate stand for it.
        """
        chosen = self._carriers.values() if carrier is None else [self._carriers.get(carrier, {})]
        made: dict[str, FeedCapabilities] = {}
        for feeds in (*chosen, self._vendors):
            for name, feed in feeds.items():
                made[name] = _careful(made[name], feed.capabilities) if name in made else feed.capabilities
        return made


@lru_cache(maxsize=1)
def directory() -> Directory:
    """The directory of this process; settings are read once."""
    return Directory(load_settings())


def _careful(one: FeedCapabilities, other: FeedCapabilities) -> FeedCapabilities:
    return FeedCapabilities(
        status=one.status and other.status,
        push=one.push and other.push,
        recycling=one.recycling and other.recycling,
        ported=one.ported and other.ported,
        splits_stops=one.splits_stops and other.splits_stops,
        price_minor=max(one.price_minor, other.price_minor),
        per_s=min(one.per_s, other.per_s),
    )
