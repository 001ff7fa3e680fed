"""The ways of ordering that are set up in this process."""

from __future__ import annotations

from functools import lru_cache

from throughline.line.joint.contract import ContractPlan
from throughline.line.joint.offers import Offer
from throughline.line.joint.ports import JointPlan
from throughline.line.joint.settings import JointSettings, load_settings
from throughline.line.joint.sponsored import SponsoredPlan


def plans() -> dict[str, JointPlan]:
    """All ways by name."""
    return _plans(load_settings())


@lru_cache(maxsize=1)
def _plans(config: JointSettings) -> dict[str, JointPlan]:
    found: list[JointPlan] = []
    if config.sponsored_data:
        found.append(SponsoredPlan(config))
    if config.contract_url:
        found.append(ContractPlan(config))
    return {one.name: one for one in found}


def plan(name: str) -> JointPlan | None:
    """A way by its name, if it is set up."""
    return plans().get(name)


def plan_for(offer: Offer) -> JointPlan | None:
    """The way that carries an offer, if one is set up."""
    return next((one for one in plans().values() if one.offer(offer)), None)
